#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <utility>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "distance/distance.h"

namespace elanus::bindings {
namespace {

using OptionalFloats = std::optional<Array1<float>>;
using OptionalWords = std::optional<Array1<std::uint64_t>>;

// An array of length 0 cannot say "no scale": it belongs to 0 rows.
template <typename Row>
ScaledRowsOf<Row> to_scaled_rows(const Array2<Row>& rows, const OptionalFloats& scale) {
  const ScaledRowsOf<Row> scaled{to_matrix(rows), to_span(scale)};
  if (scale.has_value() && scale->size() != rows.shape(0)) {
    throw_invalid_argument("row_scale: expected one value for each of " +
                           std::to_string(rows.shape(0)) + " rows, got " +
                           std::to_string(scale->size()));
  }
  return scaled;
}

template <typename Query, typename Row>
std::pair<NewArray2<std::int64_t>, NewArray2<float>> scan_topk_of(
    Metric metric, const Array2<Query>& queries, const Array2<Row>& rows,
    const OptionalFloats& row_scale, const OptionalWords& allowed, std::int64_t limit,
    std::size_t threads) {
  const std::size_t k = to_k(limit);
  const ScanRequestOf<Query, Row> request{metric, to_matrix(queries),
                                          to_scaled_rows(rows, row_scale),
                                          to_bitset(allowed, rows.shape(0)), k};
  const std::size_t num_queries = queries.shape(0);
  OwnedArray<std::int64_t> row_ids(num_queries * k);
  OwnedArray<float> distances(num_queries * k);
  {
    const std::size_t operations = num_queries * rows.size();
    const Unlocked unlocked(operations);
    scan_topk(request, {row_ids.span(), distances.span()}, threads_for(operations, threads));
  }
  return {row_ids.release(num_queries, k), distances.release(num_queries, k)};
}

template <typename Query, typename Row>
NewArray1<float> distances_to_rows_of(Metric metric, const Array1<Query>& query,
                                      const Array2<Row>& rows, const OptionalFloats& row_scale,
                                      const Array1<std::int64_t>& row_ids) {
  const DistanceRequestOf<Query, Row> request{metric, to_span(query),
                                              to_scaled_rows(rows, row_scale), to_span(row_ids)};
  OwnedArray<float> distances(row_ids.size());
  {
    const Unlocked unlocked(row_ids.size() * query.size());
    distances_to_rows(request, distances.span());
  }
  return distances.release();
}

template <typename Element>
NewArray1<float> inverse_norms_of(const Array2<Element>& rows) {
  OwnedArray<float> norms(rows.shape(0));
  {
    const Unlocked unlocked(rows.size());
    inverse_norms(to_matrix(rows), norms.span());
  }
  return norms.release();
}

// One overload per pair of element types; float32 first, as it is asked for most.
template <typename Query, typename Row>
void bind_pair(nb::module_& module) {
  module.def("scan_topk", scan_topk_of<Query, Row>, nb::arg("metric"),
             nb::arg("queries").noconvert(), nb::arg("rows").noconvert(),
             nb::arg("row_scale").noconvert().none(), nb::arg("allowed").noconvert().none(),
             nb::arg("k"), nb::arg("threads") = 1,
             "Row ids and distances of the k nearest allowed rows of each query.");
  module.def("distances_to_rows", distances_to_rows_of<Query, Row>, nb::arg("metric"),
             nb::arg("query").noconvert(), nb::arg("rows").noconvert(),
             nb::arg("row_scale").noconvert().none(), nb::arg("row_ids").noconvert(),
             "Distance of one query to each named row.");
}

template <typename Element>
void bind_norms(nb::module_& module) {
  module.def("inverse_norms", inverse_norms_of<Element>, nb::arg("rows").noconvert(),
             "1/|row| of each row; 0 for a zero row.");
}

std::optional<NewArray2<float>> unit_rows_of(const Array2<float>& rows) {
  OwnedArray<float> scaled(rows.size());
  bool is_finite = false;
  {
    const Unlocked unlocked(rows.size());
    is_finite = unit_rows(to_matrix(rows), scaled.span());
  }
  if (!is_finite) return std::nullopt;
  return scaled.release(rows.shape(0), rows.shape(1));
}

bool are_finite_in(const Array2<float>& rows) {
  const Unlocked unlocked(rows.size());
  return are_finite({rows.data(), rows.size()});
}

}  // namespace

void bind_distance(nb::module_& module) {
  nb::enum_<Metric>(module, "Metric", "How a distance is computed.")
      .value("L2", Metric::l2, "Squared Euclidean distance.")
      .value("IP", Metric::ip, "Negated inner product.")
      .value("COSINE", Metric::cosine, "Negated inner product times the row's scale.")
      .value("HAMMING", Metric::hamming, "Number of bits that differ.")
      .value("JACCARD", Metric::jaccard, "Bits that differ per bit set in either vector.")
      .value("MINHASH8", Metric::minhash8, "Negated share of equal bytes.")
      .value("MINHASH16", Metric::minhash16, "Negated share of equal elements of 16 bits.")
      .value("MINHASH32", Metric::minhash32, "Negated share of equal elements of 32 bits.")
      .value("MINHASH64", Metric::minhash64, "Negated share of equal elements of 64 bits.");
  bind_pair<float, float>(module);
  bind_pair<float, Half>(module);
  bind_pair<float, BFloat16>(module);
  bind_pair<float, std::int8_t>(module);
  bind_pair<std::int8_t, std::int8_t>(module);
  bind_pair<BitByte, BitByte>(module);
  bind_norms<float>(module);
  bind_norms<Half>(module);
  bind_norms<BFloat16>(module);
  bind_norms<std::int8_t>(module);
  module.def("unit_rows", unit_rows_of, nb::arg("rows").noconvert(),
             "Rows of unit length; None when a value is NaN or infinite.");
  module.def("are_finite", are_finite_in, nb::arg("rows").noconvert(),
             "Whether no value is NaN or infinite.");
}

}  // namespace elanus::bindings
