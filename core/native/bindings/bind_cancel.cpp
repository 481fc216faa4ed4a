#include <nanobind/stl/optional.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "bindings/module.h"
#include "support/cancel.h"

namespace nb = nanobind;

namespace elanus::bindings {
namespace {

// Runs Python's signal handlers; one that raises, as that of Ctrl-C does, ends the search.
void check_signals() {
  const nb::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

CancelToken::Clock::time_point deadline_in(std::optional<double> timeout_s) {
  // Longer than a process lives, and short enough for the clock's numbers.
  constexpr double kLongest = 1e9;
  if (!timeout_s.has_value() || *timeout_s >= kLongest) {
    return CancelToken::Clock::time_point::max();
  }
  const std::chrono::duration<double> timeout(*timeout_s);
  return CancelToken::Clock::now() +
         std::chrono::duration_cast<CancelToken::Clock::duration>(timeout);
}

// The scopes of `with` blocks that this thread is in, innermost last.
thread_local std::vector<std::unique_ptr<CancelScope>> entered;

}  // namespace

void bind_cancel(nb::module_& module) {
  nb::class_<CancelToken>(module, "CancelToken",
                          "Ends the kernels that a thread runs inside `with token:`.")
      .def(
          "__init__",
          [](CancelToken* token, std::optional<double> timeout_s, bool interruptible) {
            new (token)
                CancelToken(deadline_in(timeout_s), interruptible ? check_signals : nullptr);
          },
          nb::arg("timeout_s").none(), nb::arg("interruptible"))
      .def_static(
          "current", [] { return CancelToken::current(); }, nb::rv_policy::reference,
          nb::sig("def current() -> CancelToken | None"), "The token over this thread.")
      .def("cancel", &CancelToken::cancel, "End them, from any thread.")
      .def("check", &CancelToken::check, "Raise when they shall end.")
      .def(
          "__enter__",
          [](nb::handle_t<CancelToken> self) {
            const auto* token = nb::inst_ptr<CancelToken>(self);
            entered.push_back(std::make_unique<CancelScope>(token));
            return nb::borrow(self);
          },
          nb::sig("def __enter__(self) -> CancelToken"))
      .def(
          "__exit__",
          [](const CancelToken&, nb::handle, nb::handle, nb::handle) { entered.pop_back(); },
          nb::arg("kind").none(), nb::arg("value").none(), nb::arg("traceback").none());
}

}  // namespace elanus::bindings
