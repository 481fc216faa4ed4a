#include <nanobind/stl/optional.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

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

}  // namespace

void bind_lists(nb::module_& module) {
  module.def("matrix_of", matrix_of, nb::arg("rows"), nb::arg("dim"),
             "float32 of a list of lists of numbers; None when it is anything else.");
}

}  // namespace elanus::bindings
