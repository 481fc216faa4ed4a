#include "ranking/fusion.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include "support/error.h"

namespace elanus {
namespace {

// Rows by what identifies them, with open addressing.
class PlaceTable {
 public:
  explicit PlaceTable(std::size_t most)
      : slots_(std::bit_ceil(2 * most + 1), kFree), mask_(slots_.size() - 1) {}

  // Returns the number of the row in order of first appearance; a new one is appended to `list`.
  std::size_t find(std::int64_t source, std::int64_t row_id, FusedList& list) {
    const std::uint64_t key =
        static_cast<std::uint64_t>(row_id) ^ (static_cast<std::uint64_t>(source) << 40U);
    // Fibonacci hashing: the upper bits of the product are the well mixed ones.
    std::size_t slot = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> 20U) & mask_;
    while (slots_[slot] != kFree) {
      const std::size_t number = slots_[slot];
      if (list.row_ids[number] == row_id && list.sources[number] == source) return number;
      slot = (slot + 1) & mask_;
    }
    slots_[slot] = list.row_ids.size();
    list.sources.push_back(source);
    list.row_ids.push_back(row_id);
    list.scores.push_back(0.0);
    return slots_[slot];
  }

 private:
  static constexpr std::size_t kFree = static_cast<std::size_t>(-1);
  std::vector<std::size_t> slots_;
  std::size_t mask_;
};

// Larger sums first. One of infinite parts may be no number, and comes last.
bool is_better(double a, double b) noexcept { return a > b || (std::isnan(b) && !std::isnan(a)); }

FusedList reordered(const FusedList& list, std::span<const std::size_t> order) {
  FusedList sorted;
  for (const std::size_t number : order) {
    sorted.sources.push_back(list.sources[number]);
    sorted.row_ids.push_back(list.row_ids[number]);
    sorted.scores.push_back(list.scores[number]);
  }
  return sorted;
}

}  // namespace

FusedList fuse_lists(std::span<const RankedList> lists) {
  std::size_t most = 0;
  for (const RankedList& list : lists) {
    if (list.row_ids.size() != list.sources.size() || list.parts.size() != list.sources.size()) {
      throw_invalid_argument("fuse_lists: expected arrays of one length for each list");
    }
    most += list.sources.size();
  }
  PlaceTable places(most);
  FusedList fused;
  for (const RankedList& list : lists) {
    for (std::size_t i = 0; i < list.sources.size(); ++i) {
      fused.scores[places.find(list.sources[i], list.row_ids[i], fused)] += list.parts[i];
    }
  }
  std::vector<std::size_t> order(fused.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return is_better(fused.scores[a], fused.scores[b]);
  });
  return reordered(fused, order);
}

FusedRows fuse_rows(std::span<const RankedRows> lists, std::span<const std::int64_t> keys,
                    std::size_t limit) {
  std::size_t most = 0;
  for (const RankedRows& list : lists) {
    if (list.row_ids.size() != list.parts.size()) {
      throw_invalid_argument("fuse_rows: expected arrays of one length for each list");
    }
    most += list.row_ids.size();
  }
  PlaceTable places(most);
  FusedList fused;
  for (const RankedRows& list : lists) {
    for (std::size_t i = 0; i < list.row_ids.size(); ++i) {
      fused.scores[places.find(0, list.row_ids[i], fused)] += list.parts[i];
    }
  }
  std::vector<std::size_t> order(fused.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto key = [&](std::size_t number) {
    return keys[static_cast<std::size_t>(fused.row_ids[number])];
  };
  const std::size_t count = std::min(limit, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      const double left = fused.scores[a];
                      const double right = fused.scores[b];
                      if (is_better(left, right)) return true;
                      return !is_better(right, left) && key(a) < key(b);
                    });
  FusedRows best;
  for (const std::size_t number : std::span(order).first(count)) {
    best.row_ids.push_back(fused.row_ids[number]);
    best.scores.push_back(fused.scores[number]);
  }
  return best;
}

void unit_scores(UnitScale scale, std::span<const Distance> distances, std::span<double> out) {
  constexpr double pi = std::numbers::pi;
  if (distances.size() != out.size()) {
    throw_invalid_argument("unit_scores: expected as many places as distances");
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double distance = distances[i];
    switch (scale) {
      case UnitScale::cosine:
        out[i] = (1.0 - distance) / 2.0;
        break;
      case UnitScale::ip:
        out[i] = 0.5 + std::atan(-distance) / pi;
        break;
      case UnitScale::l2:
        out[i] = 1.0 - 2.0 * std::atan(distance) / pi;
        break;
      case UnitScale::sparse:
        out[i] = 2.0 * std::atan(-distance) / pi;
        break;
      case UnitScale::share:
        out[i] = 0.0 - distance;
        break;
    }
  }
}

}  // namespace elanus
