// Rows against centroids: which one is nearest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "distance/distance.h"

namespace elanus {

// Rows as an index of inverted lists sees them: scaled to unit length for cosine, less `mean`.
struct CentredRows {
  ScaledRows rows;
  std::span<const float> mean;  // dim values
};

// Centroids in panels of 16 (ivf_kernels.h), with half of each squared length; +inf for padding.
struct Panels {
  std::span<const float> values;
  std::span<const float> half_norms;
};

// Writes the nearest centroid of each row `first, first + 1 ...`, by Euclidean distance; the
// smaller one of equally near ones. Throws Error when shapes do not fit together.
void nearest_centroids(const CentredRows& rows, std::size_t first, const Panels& panels,
                       std::span<std::uint32_t> labels);

// Throws Error unless scale and mean fit the rows.
void check_centred(const CentredRows& rows);

// Writes one row less the mean; `out` has dim values.
void centre_row(const CentredRows& rows, std::size_t row, std::span<float> out) noexcept;

}  // namespace elanus
