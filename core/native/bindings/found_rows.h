// Rows that a search found, as Python gets them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bindings/module.h"
#include "bindings/row_reader.h"

namespace elanus::bindings {

template <typename Make>
nb::list made_list(std::size_t count, const Make& make) {
  nb::list list = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list.is_valid()) throw nb::python_error();
  for (std::size_t i = 0; i < count; ++i) {
    PyObject* const item = make(i);
    if (item == nullptr) throw nb::python_error();
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), item);
  }
  return list;
}

inline nb::list integers(std::span<const std::int64_t> values) {
  return made_list(values.size(), [&](std::size_t i) { return PyLong_FromLongLong(values[i]); });
}

inline nb::object keys_of(std::span<const std::int64_t> keys, std::span<const std::int64_t> rows) {
  if (keys.empty()) return nb::none();
  return made_list(rows.size(), [&](std::size_t i) {
    return PyLong_FromLongLong(keys[static_cast<std::size_t>(rows[i])]);
  });
}

inline nb::object entities_of(const RowReader* reader, std::span<const std::int64_t> rows) {
  return reader == nullptr ? nb::none() : reader->read(rows);
}

}  // namespace elanus::bindings
