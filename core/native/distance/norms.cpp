#include <array>
#include <cmath>
#include <cstddef>
#include <string>

#include "distance/distance.h"
#include "distance/widen.h"
#include "support/error.h"

namespace elanus {
namespace {

// Doubles, in one fixed order: the result is stored on disk and must not depend on the CPU, and
// squares of large or tiny floats neither overflow nor vanish.
template <typename Element>
double squared_norm(std::span<const Element> row) noexcept {
  std::array<double, 4> sums{};
  std::size_t d = 0;
  for (; d + 4 <= row.size(); d += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const double value = widened(row[d + lane]);
      sums[lane] += value * value;
    }
  }
  for (; d < row.size(); ++d) {
    const double value = widened(row[d]);
    sums[0] += value * value;
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

template <typename Element>
void inverse_norms(const MatrixOf<Element>& rows, std::span<float> out) {
  if (out.size() != rows.num_rows) {
    throw_invalid_argument("inverse_norms: expected room for " + std::to_string(rows.num_rows) +
                           " values, got " + std::to_string(out.size()));
  }
  for (std::size_t i = 0; i < rows.num_rows; ++i) {
    const double norm = std::sqrt(squared_norm(rows.values.subspan(i * rows.dim, rows.dim)));
    const auto inverse = static_cast<float>(1.0 / norm);
    out[i] = std::isfinite(inverse) ? inverse : 0.0F;
  }
}

template void inverse_norms(const MatrixOf<float>& rows, std::span<float> out);
template void inverse_norms(const MatrixOf<Half>& rows, std::span<float> out);
template void inverse_norms(const MatrixOf<BFloat16>& rows, std::span<float> out);
template void inverse_norms(const MatrixOf<std::int8_t>& rows, std::span<float> out);

bool unit_rows(const Matrix& rows, std::span<float> out) {
  if (out.size() != rows.values.size()) {
    throw_invalid_argument("unit_rows: expected room for " + std::to_string(rows.values.size()) +
                           " values, got " + std::to_string(out.size()));
  }
  for (std::size_t i = 0; i < rows.num_rows; ++i) {
    const std::span<const float> row = rows.values.subspan(i * rows.dim, rows.dim);
    // Squares of floats do not overflow a double, so only NaN and infinity make it not finite.
    const double squared = squared_norm(row);
    if (!std::isfinite(squared)) return false;
    const double scale = squared > 0.0 ? 1.0 / std::sqrt(squared) : 0.0;
    for (std::size_t d = 0; d < rows.dim; ++d) {
      out[i * rows.dim + d] = static_cast<float>(row[d] * scale);
    }
  }
  return true;
}

bool are_finite(std::span<const float> values) noexcept {
  // A product with 0 is 0 for finite numbers and NaN for others, and a sum keeps a NaN.
  float sum = 0.0F;
  for (const float value : values) sum += value * 0.0F;
  return sum == 0.0F;
}

}  // namespace elanus
