#include "ivf/centroids.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ivf/ivf_kernels.h"
#include "support/error.h"

namespace elanus {
namespace {

// Rows that are centred at a time: they stay in the second-level cache.
constexpr std::size_t kBlockRows = 192;

}  // namespace

void check_centred(const CentredRows& rows) {
  const Matrix& matrix = rows.rows.matrix;
  if (matrix.dim == 0) throw_invalid_argument("rows: expected at least 1 dimension, got 0");
  if (rows.mean.size() != matrix.dim) {
    throw_invalid_argument("mean: expected " + std::to_string(matrix.dim) +
                           " values as rows have dimensions, got " +
                           std::to_string(rows.mean.size()));
  }
  if (!rows.rows.scale.empty() && rows.rows.scale.size() != matrix.num_rows) {
    throw_invalid_argument("row_scale: expected one value for each of " +
                           std::to_string(matrix.num_rows) + " rows, got " +
                           std::to_string(rows.rows.scale.size()));
  }
}

void centre_row(const CentredRows& rows, std::size_t row, std::span<float> out) noexcept {
  const std::size_t dim = rows.rows.matrix.dim;
  const std::span<const float> values = rows.rows.matrix.values.subspan(row * dim, dim);
  const float scale = rows.rows.scale.empty() ? 1.0F : rows.rows.scale[row];
  for (std::size_t d = 0; d < dim; ++d) out[d] = values[d] * scale - rows.mean[d];
}

void nearest_centroids(const CentredRows& rows, std::size_t first, const Panels& panels,
                       std::span<std::uint32_t> labels) {
  check_centred(rows);
  const std::size_t dim = rows.rows.matrix.dim;
  const std::size_t num_panels = panels.half_norms.size() / kPanelWidth;
  if (num_panels == 0 || panels.half_norms.size() != num_panels * kPanelWidth ||
      panels.values.size() != num_panels * kPanelWidth * dim) {
    throw_invalid_argument("panels: expected groups of 16 centroids of " + std::to_string(dim) +
                           " dimensions, got " + std::to_string(panels.values.size()) +
                           " values for " + std::to_string(panels.half_norms.size()) +
                           " half norms");
  }
  if (first > rows.rows.matrix.num_rows || labels.size() > rows.rows.matrix.num_rows - first) {
    throw_invalid_argument("labels: expected at most " + std::to_string(rows.rows.matrix.num_rows) +
                           " rows");
  }
  std::vector<float> centred(std::min(kBlockRows, labels.size()) * dim);
  std::vector<float> keys(kBlockRows);
  for (std::size_t start = 0; start < labels.size(); start += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, labels.size() - start);
    for (std::size_t r = 0; r < count; ++r) {
      centre_row(rows, first + start + r, std::span(centred).subspan(r * dim, dim));
    }
    ivf_kernels().nearest({centred.data(), dim, count, dim, panels.values.data(), num_panels},
                          panels.half_norms.data(), labels.data() + start, keys.data());
  }
}

}  // namespace elanus
