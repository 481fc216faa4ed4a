// Rows of columns as dicts: what a search returns of each hit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/file_verifier.h"
#include "bindings/json_value.h"

namespace elanus::bindings {

using AnyColumn = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OptionalBools = std::optional<Array1<bool>>;

template <typename T>
inline PyObject* number_of(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return PyFloat_FromDouble(value);
  } else {
    return PyLong_FromLongLong(value);
  }
}

class RowReader {
 public:
  explicit RowReader(std::size_t num_rows) : num_rows_(num_rows) {}

  // Arrays are kept alive with the reader (keep_alive of the methods).
  bool add_numbers(const std::string& name, const AnyColumn& values,
                   const OptionalBools& validity) {
    return add_typed<bool>(name, values, validity) ||
           add_typed<std::int8_t>(name, values, validity) ||
           add_typed<std::int16_t>(name, values, validity) ||
           add_typed<std::int32_t>(name, values, validity) ||
           add_typed<std::int64_t>(name, values, validity) ||
           add_typed<float>(name, values, validity) || add_typed<double>(name, values, validity);
  }

  void add_texts(const std::string& name, const Array1<std::int64_t>& offsets,
                 const Array1<std::uint8_t>& data, const OptionalBools& validity,
                 FileVerifier* verifier, std::size_t base, bool is_json) {
    if (offsets.size() != num_rows_ + 1) throw_invalid_argument("offsets: one more than rows");
    Column column{make_name(name), {}, nullptr, 0, checked(validity), {}};
    column.text = TextPart{to_span(offsets), to_span(data),
                           verifier == nullptr ? nullptr : &verifier->get(), base, is_json};
    columns_.push_back(std::move(column));
  }

  // None where a row is damaged, is not there, or has to be read by Python.
  [[nodiscard]] nb::object read(std::span<const std::int64_t> rows) const {
    for (const std::int64_t row : rows) {
      if (row < 0 || static_cast<std::size_t>(row) >= num_rows_) return nb::none();
    }
    // A search has left the caches full of other rows: all that is read is asked for first.
    for (const Column& column : columns_) prefetch(column, rows);
    for (const Column& column : columns_) {
      if (!is_sound(column, rows)) return nb::none();
    }
    nb::object made = nb::steal(PyList_New(static_cast<Py_ssize_t>(rows.size())));
    if (!made.is_valid()) throw nb::python_error();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      PyObject* const entity = PyDict_New();
      if (entity == nullptr) throw nb::python_error();
      PyList_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(i), entity);
    }
    for (const Column& column : columns_) {
      JsonValues json;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto row = static_cast<std::size_t>(rows[i]);
        const nb::object value = value_of(column, row, json);
        if (!value.is_valid()) return nb::none();
        PyObject* const entity = PyList_GET_ITEM(made.ptr(), static_cast<Py_ssize_t>(i));
        if (PyDict_SetItem(entity, column.name.ptr(), value.ptr()) != 0) throw nb::python_error();
      }
    }
    return made;
  }

 private:
  struct TextPart {
    std::span<const std::int64_t> offsets;
    std::span<const std::uint8_t> data;
    BlockVerifier* verifier = nullptr;
    std::size_t base = 0;
    bool is_json = false;
  };

  struct Column {
    nb::object name;
    std::function<PyObject*(std::size_t)> number;
    const std::byte* numbers = nullptr;  // of `width` bytes each
    std::size_t width = 0;
    std::span<const std::uint8_t> validity;  // 0 or another number
    std::optional<TextPart> text;
  };

  static nb::object make_name(const std::string& name) {
    PyObject* made = PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
    if (made == nullptr) throw nb::python_error();
    PyUnicode_InternInPlace(&made);
    return nb::steal(made);
  }

  std::span<const std::uint8_t> checked(const OptionalBools& validity) const {
    if (validity.has_value() && validity->size() != num_rows_) {
      throw_invalid_argument("validity: expected one for each row");
    }
    const std::span<const bool> flags = to_span(validity);
    return {reinterpret_cast<const std::uint8_t*>(flags.data()), flags.size()};
  }

  template <typename T>
  bool add_typed(const std::string& name, const AnyColumn& values, const OptionalBools& validity) {
    // Of a file, a byte of a bool may be any number.
    using Stored = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    if (values.dtype() != nb::dtype<T>()) return false;
    if (values.size() != num_rows_) throw_invalid_argument("values: expected one for each row");
    const auto* const first = static_cast<const Stored*>(values.data());
    const auto number = [first](std::size_t row) {
      if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(first[row]);
      return number_of(first[row]);
    };
    const auto* const bytes = static_cast<const std::byte*>(values.data());
    columns_.push_back({make_name(name), number, bytes, sizeof(T), checked(validity), {}});
    return true;
  }

  static void prefetch(const Column& column, std::span<const std::int64_t> rows) {
    for (const std::int64_t row : rows) {
      const auto place = static_cast<std::size_t>(row);
      if (column.text.has_value()) {
        __builtin_prefetch(&column.text->offsets[place]);
      } else {
        __builtin_prefetch(column.numbers + place * column.width);
      }
    }
  }

  static void prefetch(std::span<const std::uint8_t> text) {
    constexpr std::size_t kLine = 64;
    constexpr std::size_t kMost = 8 * kLine;
    for (std::size_t at = 0; at < std::min(text.size(), kMost); at += kLine) {
      __builtin_prefetch(&text[at]);
    }
  }

  static bool is_sound(const Column& column, std::span<const std::int64_t> rows) {
    if (!column.text.has_value()) return true;
    const TextPart& text = *column.text;
    for (const std::int64_t row : rows) {
      const auto place = static_cast<std::size_t>(row);
      const std::int64_t start = text.offsets[place];
      const std::int64_t stop = text.offsets[place + 1];
      if (start < 0 || stop < start || static_cast<std::size_t>(stop) > text.data.size()) {
        return false;
      }
      prefetch(text.data.subspan(static_cast<std::size_t>(start),
                                 static_cast<std::size_t>(stop - start)));
    }
    return text.verifier == nullptr ||
           !text.verifier->verify_spans(text.base, text.offsets, rows).has_value();
  }

  static nb::object value_of(const Column& column, std::size_t row, JsonValues& json) {
    if (!column.validity.empty() && column.validity[row] == 0) return nb::none();
    if (!column.text.has_value()) return nb::steal(column.number(row));
    const TextPart& text = *column.text;
    const auto start = static_cast<std::size_t>(text.offsets[row]);
    const std::span bytes =
        text.data.subspan(start, static_cast<std::size_t>(text.offsets[row + 1]) - start);
    if (text.is_json) return json.read(bytes);
    PyObject* const made = PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(bytes.data()),
                                                static_cast<Py_ssize_t>(bytes.size()), nullptr);
    if (made == nullptr) PyErr_Clear();
    return nb::steal(made);
  }

  std::size_t num_rows_;
  std::vector<Column> columns_;
};

}  // namespace elanus::bindings
