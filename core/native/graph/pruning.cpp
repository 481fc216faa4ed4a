#include "graph/pruning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace elanus {
namespace {

constexpr std::int32_t kMiddle = 64;
constexpr float kLargest = 63.0F;
// Squares of 1.0 and 1.1: a first round keeps the links that point everywhere, a second fills up.
constexpr float kRounds[] = {1.0F, 1.21F};
constexpr std::size_t kCheckedAtOnce = 8;
constexpr std::size_t kLeastLinks = 8;
constexpr std::size_t kMeasuredAtOnce = 64;
constexpr float kFarthest = std::numeric_limits<float>::infinity();

// Sums of squares overflow near the largest float, and their difference is no number then. Lists
// are sorted by distances, which have to be numbers.
float distance_of(float squared) noexcept {
  return std::isnan(squared) ? kFarthest : std::max(squared, 0.0F);
}

}  // namespace

PairDistances::PairDistances(const Quantizer& quantizer, const AnyRows& rows,
                             const CodedRows& coded)
    : quantizer_(quantizer),
      rows_(rows),
      coded_(coded),
      kernels_(graph_kernels(rows.are_bits() ? CodeKind::bits : CodeKind::bytes)),
      width_(code_lines(CodeKind::bytes, rows.dim()) * kLineBytes) {
  if (rows.are_bits()) return;
  codes_.grow(rows.num_rows() * width_, 0);
  terms_.resize(rows.num_rows());
}

void PairDistances::encode(std::size_t first, std::size_t count) {
  if (rows_.are_bits()) return;
  const std::size_t dim = rows_.dim();
  std::vector<float> scratch;
  std::vector<float> centred(dim);
  for (std::size_t row = first; row < first + count; ++row) {
    const std::span<const float> values = rows_.floats(row, scratch);
    float largest = 0.0F;
    for (std::size_t d = 0; d < dim; ++d) {
      centred[d] = values[d] - quantizer_.mean[d];
      largest = std::max(largest, std::fabs(centred[d]));
    }
    float inverse = largest > 0.0F ? kLargest / largest : 0.0F;
    if (!std::isfinite(largest) || !std::isfinite(inverse)) {
      // Near the largest float or the smallest: no code tells such rows apart.
      std::fill(centred.begin(), centred.end(), 0.0F);
      largest = inverse = 0.0F;
    }
    std::uint8_t* code = codes_.span().data() + row * width_;
    float squares = 0.0F;
    for (std::size_t d = 0; d < dim; ++d) {
      const float level = std::nearbyintf(centred[d] * inverse);
      code[d] = static_cast<std::uint8_t>(static_cast<std::int32_t>(level) + kMiddle);
      squares += level * level;
    }
    std::fill(code + dim, code + width_, static_cast<std::uint8_t>(kMiddle));
    const float step = largest / kLargest;
    terms_[row] = {step, step * step * squares, std::accumulate(code, code + width_, 0)};
  }
}

void PairDistances::measure_bits(RowId from, std::span<const RowId> to, float* out) const {
  const auto* own =
      reinterpret_cast<const std::int8_t*>(coded_.codes + static_cast<std::size_t>(from) * width_);
  for (std::size_t first = 0; first < to.size(); first += kMeasuredAtOnce) {
    const std::span<const RowId> some =
        to.subspan(first).first(std::min(kMeasuredAtOnce, to.size() - first));
    std::int32_t differing[kMeasuredAtOnce];
    kernels_.products(coded_.codes, width_ / kLineBytes, own, some.data(), some.size(), differing);
    for (std::size_t i = 0; i < some.size(); ++i) {
      const auto distance = static_cast<float>(differing[i]);
      out[first + i] = distance;
      if (coded_.terms == nullptr) continue;
      const float set =
          coded_.terms[2 * std::size_t{from}] + coded_.terms[2 * std::size_t{some[i]}];
      const float either = 0.5F * (set + distance);
      out[first + i] = either > 0.0F ? distance / either : 0.0F;
    }
  }
}

void PairDistances::measure(RowId from, std::span<const RowId> to, float* out) const {
  if (rows_.are_bits()) return measure_bits(from, to, out);
  const std::uint8_t* own_code = codes_.data() + static_cast<std::size_t>(from) * width_;
  const Terms own = terms_[from];
  // Codes are taken as they are, 64 above the numbers that they stand for.
  const std::int32_t shared =
      kMiddle * kMiddle * static_cast<std::int32_t>(width_) - kMiddle * own.sum;
  const float factor = 2.0F * own.step;
  for (std::size_t first = 0; first < to.size(); first += kMeasuredAtOnce) {
    const std::size_t count = std::min(kMeasuredAtOnce, to.size() - first);
    std::int32_t products[kMeasuredAtOnce];
    kernels_.products(codes_.data(), width_ / kLineBytes,
                      reinterpret_cast<const std::int8_t*>(own_code), to.data() + first, count,
                      products);
    for (std::size_t i = 0; i < count; ++i) {
      const Terms& other = terms_[to[first + i]];
      const auto product = static_cast<float>(products[i] + shared - kMiddle * other.sum);
      out[first + i] = distance_of(own.squares + other.squares - factor * other.step * product);
    }
    if (lifts_.empty()) continue;
    for (std::size_t i = 0; i < count; ++i) {
      const float apart = lifts_[from] - lifts_[to[first + i]];
      out[first + i] = distance_of(out[first + i] + apart * apart);
    }
  }
}

std::size_t Pruner::prune(std::span<const Neighbor> candidates, std::size_t degree,
                          std::vector<Neighbor>& kept) {
  seen_.assign(candidates.size(), Seen{});
  kept_rows_.clear();
  for (const float alpha : kRounds) {
    for (std::size_t i = 0; i < candidates.size() && kept_rows_.size() < degree; ++i) {
      Seen& seen = seen_[i];
      if (seen.is_kept || seen.ratio >= alpha) continue;
      check(candidates[i], seen, alpha);
      if (seen.ratio >= alpha) continue;
      seen.is_kept = true;
      kept_rows_.push_back(candidates[i].row);
    }
  }
  // Rows with many copies would hang together by one link each.
  const std::size_t least = std::min(degree, kLeastLinks);
  for (std::size_t i = 0; i < candidates.size() && kept_rows_.size() < least; ++i) {
    if (seen_[i].is_kept) continue;
    seen_[i].is_kept = true;
    kept_rows_.push_back(candidates[i].row);
  }
  kept.clear();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (seen_[i].is_kept) kept.push_back(candidates[i]);
  }
  return kept.size();
}

void Pruner::check(const Neighbor& candidate, Seen& seen, float limit) {
  const std::size_t num_kept = kept_rows_.size();
  while (seen.checked < num_kept && seen.ratio < limit) {
    float between[kCheckedAtOnce];
    const std::size_t some = std::min(kCheckedAtOnce, num_kept - seen.checked);
    pairs_.measure(candidate.row, {kept_rows_.data() + seen.checked, some}, between);
    for (std::size_t i = 0; i < some; ++i) {
      // Copies of one row are as near to each other as can be: only the first is kept.
      const float ratio = between[i] > 0.0F ? candidate.distance / between[i] : kFarthest;
      // In this order a ratio of two infinite distances, which is no number, changes nothing.
      seen.ratio = std::max(seen.ratio, ratio);
    }
    seen.checked += static_cast<std::uint32_t>(some);
  }
}

}  // namespace elanus
