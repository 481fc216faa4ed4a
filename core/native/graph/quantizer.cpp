#include "graph/quantizer.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace elanus {
namespace {

constexpr float kQueryLevels = 127.0F;

std::uint8_t level_of(float steps, std::size_t levels) noexcept {
  const float half = static_cast<float>(levels / 2);
  const float level = std::floor(steps) + half;
  return static_cast<std::uint8_t>(std::clamp(level, 0.0F, static_cast<float>(levels - 1)));
}

void store_level(CodeKind kind, std::uint8_t* code, std::size_t dim, std::uint8_t level) noexcept {
  if (kind == CodeKind::bytes) {
    code[dim] = level;
    return;
  }
  const std::size_t line = dim / 128;
  const std::size_t place = dim % 128;
  std::uint8_t* byte = code + line * kLineBytes + place % kLineBytes;
  *byte = static_cast<std::uint8_t>(*byte | (place < kLineBytes ? level : level << 4));
}

}  // namespace

std::size_t code_levels(CodeKind kind) noexcept { return kind == CodeKind::nibbles ? 16 : 128; }

std::size_t dims_per_line(CodeKind kind) noexcept {
  return kind == CodeKind::nibbles ? 2 * kLineBytes : kLineBytes;
}

std::size_t code_lines(CodeKind kind, std::size_t dim) noexcept {
  return (dim + dims_per_line(kind) - 1) / dims_per_line(kind);
}

void encode_rows(const Quantizer& quantizer, const ScaledRows& rows, std::size_t first,
                 std::size_t count, std::span<std::uint8_t> codes, std::span<float> terms) {
  const std::size_t dim = quantizer.dim();
  const std::size_t row_bytes = code_lines(quantizer.kind, dim) * kLineBytes;
  if (rows.matrix.dim != dim || codes.size() != rows.matrix.num_rows * row_bytes ||
      terms.size() != (quantizer.has_terms() ? 2 * rows.matrix.num_rows : 0) ||
      first + count > rows.matrix.num_rows) {
    throw_invalid_argument("codes: expected room for " + std::to_string(rows.matrix.num_rows) +
                           " rows of " + std::to_string(dim) + " dimensions, got " +
                           std::to_string(codes.size()) + " bytes");
  }
  const std::size_t levels = code_levels(quantizer.kind);
  std::vector<float> steps(dim);
  for (std::size_t row = first; row < first + count; ++row) {
    const float* values = rows.matrix.values.data() + row * dim;
    const float scale = rows.scale.empty() ? 1.0F : rows.scale[row];
    float squares = 0.0F;
    float length = 0.0F;
    for (std::size_t d = 0; d < dim; ++d) {
      const float centred = values[d] * scale - quantizer.mean[d];
      steps[d] = centred / quantizer.steps[d];
      squares += steps[d] * steps[d];
      length += centred * centred;
    }
    if (quantizer.has_terms()) {
      const float own = std::sqrt(squares / static_cast<float>(dim)) / quantizer.spread;
      const float inverse = own > 0.0F ? 1.0F / own : 0.0F;
      for (float& value : steps) value *= inverse;
      terms[2 * row] = own;
      terms[2 * row + 1] = quantizer.metric == Metric::l2 ? length : 0.0F;
    }
    std::uint8_t* code = codes.data() + row * row_bytes;
    std::fill_n(code, row_bytes, std::uint8_t{0});
    for (std::size_t d = 0; d < dim; ++d) {
      store_level(quantizer.kind, code, d, level_of(steps[d], levels));
    }
  }
}

float PreparedQuery::quantize(const Quantizer& quantizer, std::span<const float> query,
                              bool centred) {
  const std::size_t dim = quantizer.dim();
  const std::size_t width = code_lines(quantizer.kind, dim) * dims_per_line(quantizer.kind);
  scaled_.resize(dim);
  bytes_.assign(width + kLineBytes, 0);
  float largest = 0.0F;
  for (std::size_t d = 0; d < dim; ++d) {
    const float value = centred ? query[d] - quantizer.mean[d] : query[d];
    scaled_[d] = value * quantizer.steps[d];
    largest = std::max(largest, std::fabs(scaled_[d]));
  }
  // On a cache line: every load of a kernel would touch two otherwise.
  auto* values = reinterpret_cast<std::int8_t*>(
      (reinterpret_cast<std::uintptr_t>(bytes_.data()) + kLineBytes - 1) / kLineBytes * kLineBytes);
  const float inverse = largest > 0.0F ? kQueryLevels / largest : 0.0F;
  std::int32_t sum = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    const auto level = static_cast<std::int32_t>(std::nearbyintf(scaled_[d] * inverse));
    values[d] = static_cast<std::int8_t>(level);
    sum += level;
  }
  const float middle = static_cast<float>(code_levels(quantizer.kind) - 1) / 2.0F;
  coded_ = {values, 1.0F, middle * static_cast<float>(sum), 0.0F};
  return largest / kQueryLevels;
}

void PreparedQuery::prepare(const Quantizer& quantizer, std::span<const float> query) {
  const bool is_l2 = quantizer.metric == Metric::l2 && quantizer.has_terms();
  const float unit = quantize(quantizer, query, is_l2);
  coded_.factor = is_l2 ? -2.0F * unit : -unit;
  coded_.term_factor = is_l2 ? 1.0F : 0.0F;
}

void PreparedQuery::prepare_for_build(const Quantizer& quantizer, std::span<const float> row,
                                      float lift) {
  prepare(quantizer, row);
  if (quantizer.metric == Metric::l2 || !quantizer.has_terms()) return;
  // |x|^2 + lift^2 is the same for all rows; the builder keeps the lift where L2 has its term.
  coded_.factor *= 2.0F;
  coded_.term_factor = -2.0F * lift;
}

}  // namespace elanus
