// Float32 rows to byte codes. Doubles throughout, so that what is stored as lost is what was lost.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "quantized/bounds.h"
#include "quantized/code_kernels.h"
#include "quantized/scan_codes.h"
#include "support/error.h"

namespace elanus {
namespace {

constexpr double kMaxCode = 127.0;
constexpr std::int32_t kZeroCode = 128;
constexpr double kUpwards = 1.0 + 0x1p-20;

struct RowCodes {
  std::span<std::uint8_t> codes;
  float scale = 0;
  float error = std::numeric_limits<float>::infinity();
  float norm = 0;
};

// `centred` is scratch of the row's length.
void encode_row(std::span<const float> row, const float* row_scale, std::span<const float> centre,
                std::span<double> centred, RowCodes& out) {
  std::fill(out.codes.begin(), out.codes.end(), static_cast<std::uint8_t>(kZeroCode));
  const double scale = row_scale == nullptr ? 1.0 : static_cast<double>(*row_scale);
  double raw = 0;
  double scaled = 0;
  double norm = 0;
  double largest = 0;
  for (std::size_t d = 0; d < row.size(); ++d) {
    const double value = row[d];
    const double unit = value * scale;
    centred[d] = unit - centre[d];
    raw += value * value;
    scaled += unit * unit;
    norm += centred[d] * centred[d];
    largest = std::max(largest, std::abs(centred[d]));
  }
  // Written so that a sum that is not a number fails as well.
  const bool is_long = !(std::sqrt(raw) <= kMaxLength && std::sqrt(scaled) <= kMaxLength &&
                         std::sqrt(norm) <= 2 * kMaxLength && std::abs(scale) <= kMaxLength);
  const bool vanishes = row_scale != nullptr && raw > 0 && std::sqrt(raw) < kMinCosineLength;
  if (is_long || vanishes) return;

  const auto step = static_cast<float>(largest / kMaxCode);
  const double inverse = step > 0 ? 1.0 / static_cast<double>(step) : 0.0;
  double error = 0;
  for (std::size_t d = 0; d < row.size(); ++d) {
    const double code = std::clamp(centred[d] * inverse, -kMaxCode, kMaxCode);
    const auto rounded = static_cast<std::int32_t>(code + (code < 0 ? -0.5 : 0.5));
    const double lost = centred[d] - rounded * static_cast<double>(step);
    error += lost * lost;
    out.codes[d] = static_cast<std::uint8_t>(rounded + kZeroCode);
  }
  out.scale = step;
  out.error = static_cast<float>(std::sqrt(error) * kUpwards);
  out.norm = static_cast<float>(std::sqrt(norm));
}

void check_lengths(const ScaledRows& rows, std::span<const float> centre, const CodeRows& out) {
  const Matrix& matrix = rows.matrix;
  if (matrix.dim == 0 || matrix.dim > kMaxCodeDim) {
    throw_invalid_argument("rows: expected 1 to " + std::to_string(kMaxCodeDim) +
                           " dimensions, got " + std::to_string(matrix.dim));
  }
  if (centre.size() != matrix.dim) {
    throw_invalid_argument("centre: expected " + std::to_string(matrix.dim) + " values, got " +
                           std::to_string(centre.size()));
  }
  const std::size_t n = matrix.num_rows;
  if (out.codes.size() != n * code_stride(matrix.dim) || out.scales.size() != n ||
      out.errors.size() != n || out.norms.size() != n) {
    throw_invalid_argument("encode_rows: expected room for " + std::to_string(n) + " rows of " +
                           std::to_string(code_stride(matrix.dim)) + " codes");
  }
}

}  // namespace

std::size_t code_stride(std::size_t dim) noexcept {
  return (dim + kCodeLineBytes - 1) / kCodeLineBytes * kCodeLineBytes;
}

void encode_rows(const ScaledRows& rows, std::span<const float> centre, CodeRows out) {
  check_lengths(rows, centre, out);
  const std::size_t dim = rows.matrix.dim;
  const std::size_t stride = code_stride(dim);
  std::vector<double> centred(dim);
  for (std::size_t i = 0; i < rows.matrix.num_rows; ++i) {
    RowCodes row{out.codes.subspan(i * stride, stride)};
    const float* scale = rows.scale.empty() ? nullptr : &rows.scale[i];
    encode_row(rows.matrix.values.subspan(i * dim, dim), scale, centre, centred, row);
    out.scales[i] = row.scale;
    out.errors[i] = row.error;
    out.norms[i] = row.norm;
  }
}

}  // namespace elanus
