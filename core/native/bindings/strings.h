// Python strings to UTF-8 and back.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace elanus::bindings {

// UTF-8 of a Python string; lone surrogates are let through.
class Encoded {
 public:
  explicit Encoded(nanobind::handle text) {
    if (!PyUnicode_Check(text.ptr())) throw nanobind::type_error("expected str");
    if (PyUnicode_IS_COMPACT_ASCII(text.ptr())) {
      bytes_ = {PyUnicode_1BYTE_DATA(text.ptr()),
                static_cast<std::size_t>(PyUnicode_GET_LENGTH(text.ptr()))};
      return;
    }
    // Not PyUnicode_AsUTF8: that would keep a second copy of the text inside the caller's string.
    owner_ = nanobind::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogatepass"));
    if (!owner_.is_valid()) throw nanobind::python_error();
    bytes_ = {reinterpret_cast<const std::uint8_t*>(PyBytes_AS_STRING(owner_.ptr())),
              static_cast<std::size_t>(PyBytes_GET_SIZE(owner_.ptr()))};
  }

  [[nodiscard]] Utf8 bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string string() const { return {bytes_.begin(), bytes_.end()}; }
  [[nodiscard]] bool is_ascii() const noexcept { return !owner_.is_valid(); }

 private:
  nanobind::object owner_;
  Utf8 bytes_;
};

inline nanobind::str decoded(std::string_view text) {
  PyObject* const made =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass");
  if (made == nullptr) throw nanobind::python_error();
  return nanobind::steal<nanobind::str>(made);
}

}  // namespace elanus::bindings
