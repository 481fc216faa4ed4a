#include <array>
#include <cmath>
#include <cstddef>
#include <string>

#include "distance/distance.h"
#include "support/error.h"

namespace elanus {
namespace {

// Doubles, in one fixed order: the result is stored on disk and must not depend on the CPU, and
// squares of large or tiny floats neither overflow nor vanish.
double squared_norm(std::span<const float> row) noexcept {
  std::array<double, 4> sums{};
  std::size_t d = 0;
  for (; d + 4 <= row.size(); d += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const double value = row[d + lane];
      sums[lane] += value * value;
    }
  }
  for (; d < row.size(); ++d) sums[0] += static_cast<double>(row[d]) * row[d];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

void inverse_norms(const Matrix& rows, std::span<float> out) {
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

}  // namespace elanus
