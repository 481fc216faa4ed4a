// The only exception that kernels throw; the bindings map its kind to a Python class.
#pragma once

#include <stdexcept>
#include <string>

namespace elanus {

enum class ErrorKind {
  invalid_argument,  // the caller's arrays or numbers do not fit together
  corruption,        // arrays read from disk contradict themselves
  cancelled,         // somebody ended the search
  timed_out,         // its time was over
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

[[noreturn]] inline void throw_invalid_argument(const std::string& message) {
  throw Error(ErrorKind::invalid_argument, message);
}

[[noreturn]] inline void throw_corruption(const std::string& message) {
  throw Error(ErrorKind::corruption, message);
}

}  // namespace elanus
