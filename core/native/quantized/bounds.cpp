// Bounds of float32 distances.
//
// With u = 2^-24, a float32 kernel that adds `dim` products in any order is off by at most about
// (dim + 8) u times the sum of their absolute values: (dim + 8) u |q| |r| for inner products,
// (dim + 8) u D for a squared distance D <= 2 (|q'|^2 + |r'|^2). Computing the bounds in float32
// from about eight terms, each at most 8 |q'| |r'| or 4 (|q'|^2 + |r'|^2), adds less than
// 100 u of the same quantities. kRoundings covers both twice over; it is a thousandth of what the
// codes lose. What underflow may lose is added as a constant.
#include "quantized/bounds.h"

#include <algorithm>
#include <cmath>

namespace elanus {
namespace {

constexpr double kUnitRoundoff = 0x1p-24;
constexpr double kUpwards = 1.0 + 0x1p-20;  // float32 roundings of a factor, and of sums of doubles
constexpr double kMaxCode = 127.0;
constexpr std::int32_t kByteOffset = 128;

double roundings(std::size_t dim) noexcept {
  return (2.5 * static_cast<double>(dim) + 200.0) * kUnitRoundoff;
}

// Products below 2^-126 may vanish, up to `dim` of them; the cosine metric then multiplies by at
// most 1 / kMinCosineLength. Far below any distance between vectors of common length.
double underflow(Metric metric, double length, std::size_t dim) noexcept {
  if (metric == Metric::cosine) return 1e-19 * static_cast<double>(dim);
  return 1e-28 * (1.0 + length);
}

struct Sums {
  double query = 0;    // |q|^2
  double centred = 0;  // |q'|^2
  double centre = 0;   // |centre|^2
  double product = 0;  // q . centre
  double largest = 0;  // of |q'|
};

Sums sums_of(Metric metric, std::span<const float> query, std::span<const float> centre) noexcept {
  Sums sums;
  for (std::size_t d = 0; d < query.size(); ++d) {
    const double q = query[d];
    const double c = centre[d];
    const double centred = metric == Metric::l2 ? q - c : q;
    sums.query += q * q;
    sums.centre += c * c;
    sums.product += q * c;
    sums.centred += centred * centred;
    sums.largest = std::max(sums.largest, std::abs(centred));
  }
  return sums;
}

}  // namespace

QueryBounds encode_query(Metric metric, std::span<const float> query, std::span<const float> centre,
                         std::span<std::int8_t> codes, std::span<std::int16_t> widened) {
  std::fill(codes.begin(), codes.end(), std::int8_t{0});
  std::fill(widened.begin(), widened.end(), std::int16_t{0});
  const Sums sums = sums_of(metric, query, centre);
  QueryBounds bounds;
  const double length = std::sqrt(sums.centred);
  const double centre_length = std::sqrt(sums.centre);
  bounds.is_bounded = std::sqrt(sums.query) <= kMaxLength && length <= 2 * kMaxLength &&
                      centre_length <= kMaxLength;
  if (!bounds.is_bounded) return bounds;

  const auto step = static_cast<float>(sums.largest / kMaxCode);
  const double inverse = step > 0 ? 1.0 / static_cast<double>(step) : 0.0;
  double residual = 0;
  for (std::size_t d = 0; d < query.size(); ++d) {
    const double exact =
        metric == Metric::l2 ? static_cast<double>(query[d]) - centre[d] : query[d];
    const double code = std::clamp(exact * inverse, -kMaxCode, kMaxCode);
    const auto rounded = static_cast<std::int32_t>(code + (code < 0 ? -0.5 : 0.5));
    const double lost = exact - rounded * static_cast<double>(step);
    residual += lost * lost;
    codes[d] = static_cast<std::int8_t>(rounded);
    widened[d] = codes[d];
    bounds.offset += kByteOffset * codes[d];
  }
  residual = std::sqrt(residual);

  const double gamma = roundings(query.size());
  const double factor = metric == Metric::l2 ? 2.0 : 1.0;
  const bool is_l2 = metric == Metric::l2;
  const double middle = is_l2 ? sums.centred : -sums.product;
  const double slack = gamma * (is_l2 ? sums.centred : length * centre_length) +
                       underflow(metric, length, query.size());
  bounds.weight = static_cast<float>(factor * step);
  bounds.per_norm =
      static_cast<float>((factor * residual + (is_l2 ? 0 : gamma * length)) * kUpwards);
  bounds.per_error = static_cast<float>(factor * (residual + length) * kUpwards);
  bounds.square_low = is_l2 ? static_cast<float>(1.0 - gamma) : 0.0F;
  bounds.square_high = is_l2 ? static_cast<float>(1.0 + gamma) : 0.0F;
  bounds.base_low = static_cast<float>(middle - slack * kUpwards);
  bounds.base_high = static_cast<float>(middle + slack * kUpwards);
  return bounds;
}

}  // namespace elanus
