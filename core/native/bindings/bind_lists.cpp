#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"

namespace elanus::bindings {
namespace {

// Converts one Python number; false for anything but a plain float or int.
bool to_float(PyObject* number, float& out) {
  double value = 0;
  if (PyFloat_CheckExact(number)) {
    value = PyFloat_AS_DOUBLE(number);
  } else if (PyLong_CheckExact(number)) {
    value = PyLong_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred() != nullptr) {
      PyErr_Clear();  // does not fit into a double: the caller says which
      return false;
    }
  } else {
    return false;
  }
  out = static_cast<float>(value);
  return true;
}

// Converts a list or tuple of `out.size()` numbers; false for anything else.
bool to_floats(PyObject* row, std::span<float> out) {
  if (!PyList_CheckExact(row) && !PyTuple_CheckExact(row)) return false;
  const std::span items(PySequence_Fast_ITEMS(row),
                        static_cast<std::size_t>(PySequence_Fast_GET_SIZE(row)));
  if (items.size() != out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!to_float(items[i], out[i])) return false;
  }
  return true;
}

// The loop over rows is here because Python objects are not known below the bindings.
std::optional<NewArray2<float>> matrix_of(const nb::list& rows, std::size_t dim) {
  const std::size_t count = rows.size();
  OwnedArray<float> matrix(count * dim);
  for (std::size_t i = 0; i < count; ++i) {
    if (!to_floats(PyList_GET_ITEM(rows.ptr(), static_cast<Py_ssize_t>(i)),
                   matrix.span().subspan(i * dim, dim))) {
      return std::nullopt;
    }
  }
  return matrix.release(count, dim);
}

// Appends a Python string as UTF-8; false for anything but a plain str that has such a form.
bool append_utf8(PyObject* text, std::vector<std::uint8_t>& out) {
  if (!PyUnicode_CheckExact(text)) return false;
  if (PyUnicode_IS_COMPACT_ASCII(text)) {
    const std::span ascii(PyUnicode_1BYTE_DATA(text),
                          static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)));
    out.insert(out.end(), ascii.begin(), ascii.end());
    return true;
  }
  // Not PyUnicode_AsUTF8: that would keep a second copy of the text inside the caller's string.
  const nb::object encoded = nb::steal(PyUnicode_AsUTF8String(text));
  if (!encoded.is_valid()) {
    PyErr_Clear();  // a lone surrogate: the caller says in which row
    return false;
  }
  const std::span bytes(PyBytes_AS_STRING(encoded.ptr()),
                        static_cast<std::size_t>(PyBytes_GET_SIZE(encoded.ptr())));
  out.insert(out.end(), bytes.begin(), bytes.end());
  return true;
}

std::optional<std::pair<NewArray1<std::int64_t>, NewArray1<std::uint8_t>>> strings_of(
    const nb::list& texts) {
  const std::size_t count = texts.size();
  OwnedArray<std::int64_t> offsets(count + 1);
  std::vector<std::uint8_t> data;
  for (std::size_t i = 0; i < count; ++i) {
    if (!append_utf8(PyList_GET_ITEM(texts.ptr(), static_cast<Py_ssize_t>(i)), data)) {
      return std::nullopt;
    }
    offsets.span()[i + 1] = static_cast<std::int64_t>(data.size());
  }
  return std::pair(offsets.release(), OwnedArray<std::uint8_t>(std::move(data)).release());
}

nb::object decoded(std::span<const std::uint8_t> text) {
  // Python's own function takes char; both are bytes.
  const auto* first = reinterpret_cast<const char*>(text.data());
  PyObject* made = PyUnicode_DecodeUTF8(first, static_cast<Py_ssize_t>(text.size()), nullptr);
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

// Texts of some rows of a column. Here because the texts become Python objects one by one.
nb::list strings_at(const Array1<std::int64_t>& offsets, const Array1<std::uint8_t>& data,
                    const Array1<std::int64_t>& rows) {
  const std::span<const std::int64_t> ends = to_span(offsets);
  const std::span<const std::uint8_t> bytes = to_span(data);
  nb::list texts;
  for (const std::int64_t row : to_span(rows)) {
    if (row < 0 || static_cast<std::uint64_t>(row) + 1 >= ends.size()) {
      throw_invalid_argument("row " + std::to_string(row) + " is outside of the column");
    }
    const std::int64_t start = ends[static_cast<std::size_t>(row)];
    const std::int64_t stop = ends[static_cast<std::size_t>(row) + 1];
    if (start < 0 || stop < start || static_cast<std::uint64_t>(stop) > bytes.size()) {
      throw_corruption("text of row " + std::to_string(row) + " leaves its column");
    }
    const std::span text =
        bytes.subspan(static_cast<std::size_t>(start), static_cast<std::size_t>(stop - start));
    texts.append(decoded(text));
  }
  return texts;
}

}  // namespace

void bind_lists(nb::module_& module) {
  module.def("strings_of", strings_of, nb::arg("texts"),
             nb::sig("def strings_of(texts: object) -> "
                     "tuple[NDArray[numpy.int64], NDArray[numpy.uint8]] | None"),
             "Offsets and UTF-8 of a list of str; None when it is anything else.");
  module.def("strings_at", strings_at, nb::arg("offsets").noconvert(), nb::arg("data").noconvert(),
             nb::arg("rows").noconvert(),
             nb::sig("def strings_at(offsets: NDArray[numpy.int64], data: NDArray[numpy.uint8], "
                     "rows: NDArray[numpy.int64]) -> list[str]"),
             "Texts of some rows of a column.");
  module.def("matrix_of", matrix_of, nb::arg("rows"), nb::arg("dim"),
             nb::sig("def matrix_of(rows: object, dim: int) -> NDArray[numpy.float32] | None"),
             "float32 of a list of lists of numbers; None when it is anything else.");
}

}  // namespace elanus::bindings
