// Exact distances between dense float32 vectors, and top-k scans over them.
//
// Inside, every metric is a distance: smaller is nearer. Distances that are not numbers count as
// +inf. Results do not depend on how many queries share a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

enum class Metric {
  l2,      // squared Euclidean distance
  ip,      // negated inner product
  cosine,  // negated inner product times the row's scale; queries have unit length
};

// Rows of `dim` floats, one after the other.
struct Matrix {
  std::span<const float> values;
  std::size_t num_rows = 0;
  std::size_t dim = 0;
};

// `scale` holds 1/|row| for each row, for the cosine metric only; empty means 1 for every row.
struct ScaledRows {
  Matrix matrix;
  std::span<const float> scale;
};

struct ScanRequest {
  Metric metric = Metric::l2;
  Matrix queries;
  ScaledRows rows;
  std::optional<BitsetView> allowed;  // rows that may be returned; only these are visited
  std::size_t k = 1;
};

// Both of size queries.num_rows * k; a query's places lie together, nearest first.
// Missing places hold -1 and +inf.
struct ScanResult {
  std::span<std::int64_t> row_ids;
  std::span<Distance> distances;
};

// Finds the k nearest allowed rows of each query; ties go to the smaller row id.
// Throws Error when shapes do not fit together.
void scan_topk(const ScanRequest& request, ScanResult result);

struct DistanceRequest {
  Metric metric = Metric::l2;
  std::span<const float> query;
  ScaledRows rows;
  std::span<const std::int64_t> row_ids;
};

// Writes the distance of each named row, in the order given.
// Throws Error when shapes do not fit together or a row id is not one of a row.
void distances_to_rows(const DistanceRequest& request, std::span<Distance> out);

// Writes 1/|row|, the same on every CPU; 0 where that is not a finite number (zero rows).
void inverse_norms(const Matrix& rows, std::span<float> out);

// Scales each row to unit length; a zero row stays one. False when a row holds NaN or infinity.
[[nodiscard]] bool unit_rows(const Matrix& rows, std::span<float> out);

// Whether no value is NaN or infinity.
[[nodiscard]] bool are_finite(std::span<const float> values) noexcept;

}  // namespace elanus
