// Quantized residuals: what is left of a row after its centroid, one byte a dimension (SQ8), or
// one codeword for each part of the dimensions (PQ).
//
// Source of PQ: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ivf/centroids.h"
#include "support/types.h"

namespace elanus {

// A place of a list that holds no row; lists of product codes are filled up with such.
inline constexpr RowId kNoRow = 0xffffffffU;

// The places of some lists, in order: which row lies there, and in which list.
struct Slots {
  std::span<const RowId> row_ids;
  std::span<const std::uint32_t> lists;
};

struct ResidualRows {
  CentredRows rows;
  std::span<const float> centroids;  // less the mean, num_lists * dim
};

// Writes the largest absolute value of each slot's residual; 0 for a slot without a row.
void residual_peaks(const ResidualRows& source, const Slots& slots, std::span<float> peaks);

// Writes residuals as `round(value / step) + 128`, `stride` bytes each, padded with 128.
// `terms` takes |r|^2 + 2 c.r of what the code stands for.
void encode_scalar(const ResidualRows& source, const Slots& slots, std::span<const float> steps,
                   std::span<std::uint8_t> codes, std::span<float> terms);

struct Codebooks {
  std::span<const float> panels;      // for each part: its codewords in panels of 16
  std::span<const float> half_norms;  // num_subs * codewords
  std::size_t num_subs = 0;
  std::size_t sub_dim = 0;  // the last part is filled up with zeros
  std::size_t bits = 8;     // 4 or 8: 16 or 256 codewords
};

// Parts as they lie in the codes: those of 4 bits come in groups.
[[nodiscard]] std::size_t padded_subs(const Codebooks& books) noexcept;

// Throws Error unless the arrays have the sizes that the numbers say, and cover `dim`.
void check_codebooks(const Codebooks& books, std::size_t dim);

// Writes blocks of 32 slots (ivf_kernels.h); the number of slots is a multiple of 32.
void encode_product(const ResidualRows& source, const Slots& slots, const Codebooks& books,
                    std::span<std::uint8_t> codes, std::span<float> terms);

}  // namespace elanus
