#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "ranking/fusion.h"
#include "ranking/merge.h"

namespace elanus::bindings {
namespace {

using Rows = Array2<std::int64_t>;
using Distances = Array2<float>;
using Merged = std::tuple<NewArray2<std::int64_t>, NewArray2<std::int64_t>, NewArray2<float>,
                          std::vector<std::size_t>>;

Merged merge_candidates_of(const std::vector<std::pair<Rows, Distances>>& tables,
                           std::int64_t num_queries, std::int64_t limit) {
  std::vector<SourceCandidates> sources;
  sources.reserve(tables.size());
  for (const auto& [row_ids, distances] : tables) {
    sources.push_back(
        {{row_ids.data(), row_ids.size()}, {distances.data(), distances.size()}, row_ids.shape(1)});
  }
  const auto count = static_cast<std::size_t>(num_queries);
  MergedCandidates merged = merge_candidates(sources, count, to_k(limit));
  return {OwnedArray(std::move(merged.sources)).release(count, merged.width),
          OwnedArray(std::move(merged.row_ids)).release(count, merged.width),
          OwnedArray(std::move(merged.distances)).release(count, merged.width),
          std::move(merged.tied)};
}

using Ranked = std::tuple<Array1<std::int64_t>, Array1<std::int64_t>, Array1<double>>;
using Fused = std::tuple<NewArray1<std::int64_t>, NewArray1<std::int64_t>, NewArray1<double>>;

Fused fuse_lists_of(const std::vector<Ranked>& lists) {
  std::vector<RankedList> ranked;
  ranked.reserve(lists.size());
  for (const auto& [sources, row_ids, parts] : lists) {
    ranked.push_back({to_span(sources), to_span(row_ids), to_span(parts)});
  }
  FusedList fused = fuse_lists(ranked);
  return {OwnedArray(std::move(fused.sources)).release(),
          OwnedArray(std::move(fused.row_ids)).release(),
          OwnedArray(std::move(fused.scores)).release()};
}

NewArray1<double> unit_scores_of(UnitScale scale, const Array1<float>& distances) {
  OwnedArray<double> scores(distances.size());
  unit_scores(scale, to_span(distances), scores.span());
  return scores.release();
}

}  // namespace

void bind_ranking(nb::module_& module) {
  nb::enum_<UnitScale>(module, "UnitScale", "How a distance becomes a score in [0, 1].")
      .value("COSINE", UnitScale::cosine, "(1 + s) / 2.")
      .value("IP", UnitScale::ip, "1/2 + atan(s) / pi.")
      .value("L2", UnitScale::l2, "1 - 2 atan(d) / pi.")
      .value("SPARSE", UnitScale::sparse, "2 atan(s) / pi.")
      .value("SHARE", UnitScale::share, "s, which lies in [0, 1].");
  module.def("merge_candidates", merge_candidates_of, nb::arg("tables"), nb::arg("num_queries"),
             nb::arg("limit"),
             "Sources, row ids, distances and ties of the nearest candidates of all sources.");
  module.def("fuse_lists", fuse_lists_of, nb::arg("lists"),
             "Sources, row ids and summed parts of all rows of several lists, best first.");
  module.def("unit_scores", unit_scores_of, nb::arg("scale"), nb::arg("distances").noconvert(),
             "Each distance as a score in [0, 1].");
}

}  // namespace elanus::bindings
