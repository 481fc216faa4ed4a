// Exact distances between dense vectors, and top-k scans over them.
//
// Inside, every metric is a distance: smaller is nearer. Distances that are not numbers count as
// +inf. Results do not depend on how many queries share a call.
//
// Element types of query and row: (float, float), (float, Half), (float, BFloat16),
// (float, int8), (int8, int8) with the metrics l2, ip and cosine; (BitByte, BitByte) with hamming,
// jaccard and those of MinHash signatures. With float queries a distance has the bits that the row
// widened to floats gives; between int8 vectors sums are exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "distance/elements.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

enum class Metric {
  l2,       // squared Euclidean distance
  ip,       // negated inner product
  cosine,   // negated inner product times the row's scale; float queries have unit length, int8
            // queries are scaled here
  hamming,  // number of bits that differ
  jaccard,  // bits that differ per bit that is set in either; 0 between two empty sets
  // Negated share of the elements of two MinHash signatures that are equal, which estimates the
  // Jaccard similarity of the sets that they were made of.
  minhash8,
  minhash16,
  minhash32,
  minhash64,
};

// Bytes of an element of a signature; 0 for metrics of other vectors.
[[nodiscard]] constexpr std::size_t element_bytes(Metric metric) noexcept {
  if (metric == Metric::minhash8) return 1;
  if (metric == Metric::minhash16) return 2;
  if (metric == Metric::minhash32) return 4;
  return metric == Metric::minhash64 ? 8 : 0;
}

// Rows of `dim` elements, one after the other.
template <typename Element>
struct MatrixOf {
  std::span<const Element> values;
  std::size_t num_rows = 0;
  std::size_t dim = 0;
};

using Matrix = MatrixOf<float>;

// `scale` holds 1/|row| for each row, for the cosine metric only; empty means 1 for every row.
template <typename Element>
struct ScaledRowsOf {
  MatrixOf<Element> matrix;
  std::span<const float> scale;
};

using ScaledRows = ScaledRowsOf<float>;

template <typename Query, typename Row>
struct ScanRequestOf {
  Metric metric = Metric::l2;
  MatrixOf<Query> queries;
  ScaledRowsOf<Row> rows;
  std::optional<BitsetView> allowed;  // rows that may be returned; only these are visited
  std::size_t k = 1;
};

using ScanRequest = ScanRequestOf<float, float>;

// Both of size queries.num_rows * k; a query's places lie together, nearest first.
// Missing places hold -1 and +inf.
struct ScanResult {
  std::span<std::int64_t> row_ids;
  std::span<Distance> distances;
};

// Finds the k nearest allowed rows of each query; ties go to the smaller row id.
// Each of `threads` threads reads the rows for its share of the queries.
// Throws Error when shapes do not fit together or the metric is not one of the element types.
template <typename Query, typename Row>
void scan_topk(const ScanRequestOf<Query, Row>& request, ScanResult result,
               std::size_t threads = 1);

inline void scan_topk(const ScanRequest& request, ScanResult result) {
  scan_topk<float, float>(request, result);
}

template <typename Query, typename Row>
struct DistanceRequestOf {
  Metric metric = Metric::l2;
  std::span<const Query> query;
  ScaledRowsOf<Row> rows;
  std::span<const std::int64_t> row_ids;
};

using DistanceRequest = DistanceRequestOf<float, float>;

// Writes the distance of each named row, in the order given.
// Throws Error when shapes do not fit together, a row id is not one of a row, or the metric is not
// one of the element types.
template <typename Query, typename Row>
void distances_to_rows(const DistanceRequestOf<Query, Row>& request, std::span<Distance> out);

inline void distances_to_rows(const DistanceRequest& request, std::span<Distance> out) {
  distances_to_rows<float, float>(request, out);
}

// Writes 1/|row|, the same on every CPU; 0 where that is not a finite number (zero rows).
template <typename Element>
void inverse_norms(const MatrixOf<Element>& rows, std::span<float> out);

// Scales each row to unit length; a zero row stays one. False when a row holds NaN or infinity.
[[nodiscard]] bool unit_rows(const Matrix& rows, std::span<float> out);

// Whether no value is NaN or infinity.
[[nodiscard]] bool are_finite(std::span<const float> values) noexcept;

}  // namespace elanus
