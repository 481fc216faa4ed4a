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

}  // namespace elanus
