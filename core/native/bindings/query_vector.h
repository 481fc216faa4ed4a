// One vector as users pass it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include "bindings/module.h"

namespace elanus::bindings {

// A buffer of Python, held as long as this is.
class HeldBuffer {
 public:
  explicit HeldBuffer(PyObject* object) {
    constexpr int kFlags = PyBUF_FORMAT | PyBUF_ND | PyBUF_C_CONTIGUOUS;
    is_held_ = PyObject_GetBuffer(object, &view_, kFlags) == 0;
    if (!is_held_) PyErr_Clear();
  }
  HeldBuffer(const HeldBuffer&) = delete;
  HeldBuffer& operator=(const HeldBuffer&) = delete;
  HeldBuffer(HeldBuffer&&) = delete;
  HeldBuffer& operator=(HeldBuffer&&) = delete;
  ~HeldBuffer() {
    if (is_held_) PyBuffer_Release(&view_);
  }

  // The floats of one vector; none when it is anything else.
  [[nodiscard]] std::optional<std::span<const float>> floats() const {
    const bool is_vector = is_held_ && view_.ndim == 1 && view_.format != nullptr &&
                           view_.format[0] == 'f' && view_.format[1] == '\0';
    if (!is_vector) return std::nullopt;
    return std::span(static_cast<const float*>(view_.buf),
                     static_cast<std::size_t>(view_.shape[0]));
  }

 private:
  Py_buffer view_{};
  bool is_held_ = false;
};

// Copies a list of floats or a float32 vector of `out.size()` dimensions; false when it is neither.
inline bool read_vector(PyObject* data, std::span<float> out) {
  if (PyList_CheckExact(data) != 0) {
    if (static_cast<std::size_t>(PyList_GET_SIZE(data)) != out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
      PyObject* const item = PyList_GET_ITEM(data, static_cast<Py_ssize_t>(i));
      if (PyFloat_CheckExact(item) == 0) return false;
      out[i] = static_cast<float>(PyFloat_AS_DOUBLE(item));
    }
    return true;
  }
  const HeldBuffer buffer(data);
  const auto values = buffer.floats();
  if (!values.has_value() || values->size() != out.size()) return false;
  std::ranges::copy(*values, out.begin());
  return true;
}

}  // namespace elanus::bindings
