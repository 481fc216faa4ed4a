#include "graph/quantizer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

namespace elanus {
namespace {

constexpr float kQueryLevels = 127.0F;

std::uint8_t level_of(float steps, std::size_t levels) noexcept {
  const float half = static_cast<float>(levels / 2);
  const float level = std::floor(steps) + half;
  // In this order what is no number, of rows near the largest float, is the lowest level.
  return static_cast<std::uint8_t>(std::min(std::max(0.0F, level), static_cast<float>(levels - 1)));
}

// The nearest whole number of one within +-2^21, ties to even: behind 2^23 floats have no fraction.
// Unlike the library's function, many are rounded at once.
std::int32_t nearest_level(float value) noexcept {
  constexpr float kShift = 12582912.0F;
  return static_cast<std::int32_t>((value + kShift) - kShift);
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

void encode_numbers(const Quantizer& quantizer, const AnyRows& rows, std::size_t row,
                    std::span<std::uint8_t> code, std::span<float> terms,
                    std::vector<float>& scratch, std::vector<float>& steps) {
  const std::size_t dim = quantizer.mean.size();
  const std::span<const float> values = rows.floats(row, scratch);
  steps.resize(dim);
  float squares = 0.0F;
  float length = 0.0F;
  for (std::size_t d = 0; d < dim; ++d) {
    const float centred = values[d] - quantizer.mean[d];
    steps[d] = centred / quantizer.steps[d];
    squares += steps[d] * steps[d];
    length += centred * centred;
  }
  if (!terms.empty()) {
    const float own = std::sqrt(squares / static_cast<float>(dim)) / quantizer.spread;
    const float inverse = own > 0.0F ? 1.0F / own : 0.0F;
    for (float& value : steps) value *= inverse;
    terms[0] = own;
    terms[1] = quantizer.metric == Metric::l2 ? length : 0.0F;
  }
  std::fill(code.begin(), code.end(), std::uint8_t{0});
  const std::size_t levels = code_levels(quantizer.kind);
  for (std::size_t d = 0; d < dim; ++d) {
    store_level(quantizer.kind, code.data(), d, level_of(steps[d], levels));
  }
}

// Copies bits and fills up with zeros; returns how many are set.
template <typename Byte>
std::size_t copy_bits(std::span<const BitByte> bits, std::span<Byte> code) {
  std::size_t set = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    code[i] = static_cast<Byte>(bits[i].bits);
    set += static_cast<std::size_t>(std::popcount(bits[i].bits));
  }
  std::fill(code.begin() + static_cast<std::ptrdiff_t>(bits.size()), code.end(), Byte{0});
  return set;
}

}  // namespace

bool Quantizer::fits(const AnyRows& rows) const noexcept {
  if (rows.are_bits() != (kind == CodeKind::bits)) return false;
  const std::size_t wanted = rows.are_bits() ? 0 : rows.dim();
  return mean.size() == wanted && steps.size() == wanted;
}

std::size_t code_levels(CodeKind kind) noexcept { return kind == CodeKind::nibbles ? 16 : 128; }

std::size_t dims_per_line(CodeKind kind) noexcept {
  return kind == CodeKind::nibbles ? 2 * kLineBytes : kLineBytes;
}

std::size_t code_lines(CodeKind kind, std::size_t dim) noexcept {
  return (dim + dims_per_line(kind) - 1) / dims_per_line(kind);
}

void encode_rows(const Quantizer& quantizer, const AnyRows& rows, std::size_t first,
                 std::size_t count, std::span<std::uint8_t> codes, std::span<float> terms) {
  const std::size_t num_rows = rows.num_rows();
  const std::size_t row_bytes = code_lines(quantizer.kind, rows.dim()) * kLineBytes;
  const std::size_t row_terms = quantizer.has_terms() ? 2 : 0;
  if (!quantizer.fits(rows) || codes.size() != num_rows * row_bytes ||
      terms.size() != row_terms * num_rows || first + count > num_rows) {
    throw_invalid_argument("codes: expected room for " + std::to_string(num_rows) + " rows of " +
                           std::to_string(rows.dim()) + " dimensions, got " +
                           std::to_string(codes.size()) + " bytes");
  }
  std::vector<float> scratch;
  std::vector<float> steps;
  for (std::size_t row = first; row < first + count; ++row) {
    const std::span<std::uint8_t> code = codes.subspan(row * row_bytes, row_bytes);
    const std::span<float> term = terms.subspan(row * row_terms, row_terms);
    if (quantizer.kind != CodeKind::bits) {
      encode_numbers(quantizer, rows, row, code, term, scratch, steps);
      continue;
    }
    const std::size_t set = copy_bits(rows.bits(row), code);
    if (term.empty()) continue;
    term[0] = static_cast<float>(set);
    term[1] = 0.0F;
  }
}

// On a cache line: every load of a kernel would touch two otherwise.
std::int8_t* PreparedQuery::clear_values(std::size_t count) {
  bytes_.assign(count + kLineBytes, 0);
  return reinterpret_cast<std::int8_t*>(
      (reinterpret_cast<std::uintptr_t>(bytes_.data()) + kLineBytes - 1) / kLineBytes * kLineBytes);
}

float PreparedQuery::quantize(const Quantizer& quantizer, std::span<const float> query,
                              bool centred) {
  const std::size_t dim = query.size();
  scaled_.resize(dim);
  const float* const mean = quantizer.mean.data();
  const float* const steps = quantizer.steps.data();
  float* const scaled = scaled_.data();
  if (centred) {
    for (std::size_t d = 0; d < dim; ++d) scaled[d] = (query[d] - mean[d]) * steps[d];
  } else {
    for (std::size_t d = 0; d < dim; ++d) scaled[d] = query[d] * steps[d];
  }
  // Bits of floats without a sign are in the order of the floats, and no compiler minds their
  // order.
  std::int32_t largest_bits = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    largest_bits = std::max(largest_bits, std::bit_cast<std::int32_t>(scaled[d]) & 0x7fffffff);
  }
  float largest = std::bit_cast<float>(largest_bits);
  float inverse = largest > 0.0F ? kQueryLevels / largest : 0.0F;
  if (!std::isfinite(largest) || !std::isfinite(inverse)) {
    // Near the largest float or the smallest: no code tells rows apart, and every level is 0.
    std::fill(scaled_.begin(), scaled_.end(), 0.0F);
    largest = inverse = 0.0F;
  }
  std::int8_t* values =
      clear_values(code_lines(quantizer.kind, dim) * dims_per_line(quantizer.kind));
  std::int32_t sum = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    const std::int32_t level = nearest_level(scaled_[d] * inverse);
    values[d] = static_cast<std::int8_t>(level);
    sum += level;
  }
  const float middle = static_cast<float>(code_levels(quantizer.kind) - 1) / 2.0F;
  coded_ = {values, 1.0F, middle * static_cast<float>(sum), 0.0F};
  return largest / kQueryLevels;
}

void PreparedQuery::take_bits(std::span<const BitByte> query) {
  const std::size_t width = code_lines(CodeKind::bits, query.size()) * kLineBytes;
  std::int8_t* values = clear_values(width);
  const std::size_t set = copy_bits(query, std::span(values, width));
  coded_ = {values, 1.0F, static_cast<float>(set), 0.0F};
}

std::span<const float> PreparedQuery::floats_of(const AnyQuery& query) {
  if (const auto* floats = std::get_if<std::span<const float>>(&query)) return *floats;
  // For COSINE not of unit length, which changes no order.
  const auto& integers = std::get<std::span<const std::int8_t>>(query);
  widened_.assign(integers.begin(), integers.end());
  return widened_;
}

void PreparedQuery::prepare(const Quantizer& quantizer, const AnyQuery& query) {
  if (const auto* bits = std::get_if<std::span<const BitByte>>(&query)) return take_bits(*bits);
  const bool is_l2 = quantizer.metric == Metric::l2 && quantizer.has_terms();
  const float unit = quantize(quantizer, floats_of(query), is_l2);
  coded_.factor = is_l2 ? -2.0F * unit : -unit;
  coded_.term_factor = is_l2 ? 1.0F : 0.0F;
}

void PreparedQuery::prepare_for_build(const Quantizer& quantizer, const AnyQuery& row, float lift) {
  prepare(quantizer, row);
  if (quantizer.metric != Metric::ip || !quantizer.has_terms()) return;
  // |x|^2 + lift^2 is the same for all rows; the builder keeps the lift where L2 has its term.
  coded_.factor *= 2.0F;
  coded_.term_factor = -2.0F * lift;
}

}  // namespace elanus
