// The extension module: translates arrays and errors, and does nothing else.
#include "bindings/module.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "support/cpu.h"
#include "support/error.h"

namespace nb = nanobind;

namespace {

const char* python_class(elanus::ErrorKind kind) {
  switch (kind) {
    case elanus::ErrorKind::invalid_argument:
      return "InvalidArgumentError";
    case elanus::ErrorKind::corruption:
      return "CorruptionError";
    case elanus::ErrorKind::cancelled:
      return "SearchCancelledError";
    case elanus::ErrorKind::timed_out:
      return "SearchTimeoutError";
  }
  return "InternalError";
}

// Looked up when needed: at import time `elanus.errors` may still be loading.
void translate_error(const std::exception_ptr& pointer, void* /*payload*/) {
  try {
    std::rethrow_exception(pointer);
  } catch (const elanus::Error& error) {
    const nb::object type = nb::module_::import_("elanus.errors").attr(python_class(error.kind()));
    PyErr_SetString(type.ptr(), error.what());
  }
}

std::vector<std::string> available_variants() {
  std::vector<std::string> names;
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    names.emplace_back(elanus::variant_name(variant));
  }
  return names;
}

std::string active_variant() { return std::string(elanus::variant_name(elanus::active_variant())); }

}  // namespace

NB_MODULE(_native, module) {
  // A database that is still open when the interpreter ends is no leak worth a warning.
  nb::set_leak_warnings(false);
  module.doc() = "Native kernels of elanus. Import `elanus.kernels`, not this module.";
  nb::register_exception_translator(translate_error);
  module.def("available_variants", available_variants,
             "Names of the CPU variants that this machine can run, slowest first.");
  module.def("active_variant", active_variant, "Name of the CPU variant in use.");
  module.def("set_active_variant", elanus::set_active_variant, nb::arg("name"),
             "Take the named CPU variant from now on, in all threads.");
  elanus::bindings::bind_automaton(module);
  elanus::bindings::bind_cancel(module);
  elanus::bindings::bind_checksum(module);
  elanus::bindings::bind_distance(module);
  elanus::bindings::bind_elements(module);
  elanus::bindings::bind_files(module);
  elanus::bindings::bind_formula(module);
  elanus::bindings::bind_graph(module);
  elanus::bindings::bind_ivf(module);
  elanus::bindings::bind_keys(module);
  elanus::bindings::bind_lists(module);
  elanus::bindings::bind_minhash(module);
  elanus::bindings::bind_patterns(module);
  elanus::bindings::bind_prepared(module);
  elanus::bindings::bind_fusion(module);
  elanus::bindings::bind_quantized(module);
  elanus::bindings::bind_ranking(module);
  elanus::bindings::bind_rows(module);
  elanus::bindings::bind_sparse(module);
  elanus::bindings::bind_text(module);
}
