// The k nearest candidates seen so far; equal distances go to the smaller row id.
//
// A candidate is one 64-bit key, its distance in the high half in an order-preserving form and its
// row id in the low half, so that one integer comparison decides distance and tie at once.
// Candidates collect in a buffer of about 2k keys. When it is full, the k smallest are selected and
// the rest dropped: constant time per candidate, where a heap takes log k.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "support/types.h"

namespace elanus {

// Where one query's result goes. Places without a candidate hold -1 and +inf.
struct TopKRow {
  std::span<std::int64_t> row_ids;
  std::span<Distance> distances;
};

class TopK {
 public:
  explicit TopK(std::size_t k) : k_(k), capacity_(k + std::max<std::size_t>(k, kMinSlack)) {}

  // A distance that is not a number counts as +inf, so that it sorts last.
  void push(Distance distance, RowId row) {
    const std::uint64_t key = key_of(distance, row);
    if (key >= bound_) return;
    keys_.push_back(key);
    if (keys_.size() == capacity_) compact();
  }

  // Makes `bound` as small as the candidates seen so far allow.
  void tighten() {
    if (keys_.size() >= k_) compact();
  }

  // Candidates farther than this cannot enter; +inf until k are known.
  [[nodiscard]] Distance bound() const noexcept {
    return bound_ == kOpen ? std::numeric_limits<Distance>::infinity() : distance_of(bound_);
  }

  // Writes the candidates, nearest first, fills up the rest and returns their number.
  std::size_t finish(TopKRow out) {
    if (keys_.size() > k_) compact();
    std::sort(keys_.begin(), keys_.end());
    const std::size_t found = std::min(keys_.size(), out.row_ids.size());
    for (std::size_t i = 0; i < found; ++i) {
      out.row_ids[i] = static_cast<std::int64_t>(keys_[i] & 0xffffffffU);
      out.distances[i] = distance_of(keys_[i]);
    }
    std::fill(out.row_ids.begin() + static_cast<std::ptrdiff_t>(found), out.row_ids.end(), -1);
    std::fill(out.distances.begin() + static_cast<std::ptrdiff_t>(found), out.distances.end(),
              std::numeric_limits<Distance>::infinity());
    return found;
  }

  [[nodiscard]] std::size_t size() const noexcept { return std::min(keys_.size(), k_); }

 private:
  static constexpr std::uint64_t kOpen = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::size_t kMinSlack = 64;  // keeps selections rare when k is small
  static constexpr std::uint32_t kSign = 0x80000000U;

  static std::uint64_t key_of(Distance distance, RowId row) noexcept {
    const Distance ordered =
        std::isnan(distance) ? std::numeric_limits<Distance>::infinity() : distance;
    const auto bits = std::bit_cast<std::uint32_t>(ordered);
    const std::uint32_t high = (bits & kSign) != 0 ? ~bits : bits | kSign;
    return (std::uint64_t{high} << 32) | row;
  }

  static Distance distance_of(std::uint64_t key) noexcept {
    const auto high = static_cast<std::uint32_t>(key >> 32);
    return std::bit_cast<Distance>((high & kSign) != 0 ? high & ~kSign : ~high);
  }

  void compact() {
    const auto kth = keys_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(keys_.begin(), kth, keys_.end());
    bound_ = *kth;
    keys_.resize(k_);
  }

  std::size_t k_;
  std::size_t capacity_;
  std::uint64_t bound_ = kOpen;
  std::vector<std::uint64_t> keys_;
};

}  // namespace elanus
