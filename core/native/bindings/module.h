// One function per binding file, called once by the module.
#pragma once

#include <nanobind/nanobind.h>

namespace elanus::bindings {

void bind_automaton(nanobind::module_& module);
void bind_cancel(nanobind::module_& module);
void bind_checksum(nanobind::module_& module);
void bind_distance(nanobind::module_& module);
void bind_elements(nanobind::module_& module);
void bind_files(nanobind::module_& module);
void bind_formula(nanobind::module_& module);
void bind_fusion(nanobind::module_& module);
void bind_graph(nanobind::module_& module);
void bind_ivf(nanobind::module_& module);
void bind_keys(nanobind::module_& module);
void bind_lists(nanobind::module_& module);
void bind_minhash(nanobind::module_& module);
void bind_patterns(nanobind::module_& module);
void bind_prepared(nanobind::module_& module);
void bind_quantized(nanobind::module_& module);
void bind_ranking(nanobind::module_& module);
void bind_rows(nanobind::module_& module);
void bind_sparse(nanobind::module_& module);
void bind_text(nanobind::module_& module);

}  // namespace elanus::bindings
