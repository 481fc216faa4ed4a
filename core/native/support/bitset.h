// A view of one bit per row, 64 rows to a word, row 0 in the lowest bit of the first word.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "support/error.h"
#include "support/types.h"

namespace elanus {

inline constexpr std::size_t kBitsPerWord = 64;

[[nodiscard]] constexpr std::size_t words_for_bits(std::size_t num_bits) noexcept {
  return (num_bits + kBitsPerWord - 1) / kBitsPerWord;
}

class BitsetView {
 public:
  BitsetView(std::span<const std::uint64_t> words, std::size_t num_bits)
      : words_(words), num_bits_(num_bits) {
    if (words.size() != words_for_bits(num_bits)) {
      throw_invalid_argument("bitset: expected " + std::to_string(words_for_bits(num_bits)) +
                             " words for " + std::to_string(num_bits) + " rows, got " +
                             std::to_string(words.size()));
    }
  }

  [[nodiscard]] std::size_t num_words() const noexcept { return words_.size(); }
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return words_; }

  // The words as they are; the last one may have padding bits set.
  [[nodiscard]] const std::uint64_t* data() const noexcept { return words_.data(); }

  // Padding bits of the last word never show, whatever the array holds.
  [[nodiscard]] std::uint64_t word(std::size_t index) const noexcept {
    const std::size_t used = num_bits_ - index * kBitsPerWord;
    return used >= kBitsPerWord ? words_[index] : words_[index] & ((1ULL << used) - 1);
  }

  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t total = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      total += static_cast<std::size_t>(std::popcount(word(i)));
    }
    return total;
  }

  // Looks no further than it must: rows may be many, and allowed ones few or most of them.
  [[nodiscard]] bool has_more_than(std::size_t count) const noexcept {
    std::size_t total = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::uint64_t bits = word(i);
      if (bits == 0) continue;
      total += static_cast<std::size_t>(std::popcount(bits));
      if (total > count) return true;
    }
    return false;
  }

  [[nodiscard]] bool test(RowId row) const noexcept {
    return row < num_bits_ && ((words_[row / kBitsPerWord] >> (row % kBitsPerWord)) & 1U) != 0;
  }

 private:
  std::span<const std::uint64_t> words_;
  std::size_t num_bits_;
};

}  // namespace elanus
