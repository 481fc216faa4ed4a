// One float32 score per row, kept between searches so that a search pays only for what it touches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sparse/scoring.h"
#include "support/aligned_buffer.h"
#include "support/types.h"

namespace elanus {

// Between searches every score is `kUnmatched` and no block is marked.
class Accumulator {
 public:
  // Rows that are marked, scanned and cleared together.
  static constexpr std::size_t kBlockRows = 256;

  void reserve(std::size_t num_rows) {
    const std::size_t num_blocks = (num_rows + kBlockRows - 1) / kBlockRows;
    scores_.grow(num_blocks * kBlockRows, kUnmatched);
    if (touched_.size() < num_blocks) touched_.resize(num_blocks, 0);
  }

  // One score per row; whoever changes one marks its block.
  [[nodiscard]] std::span<float> scores() noexcept { return scores_.span(); }
  [[nodiscard]] std::span<std::uint8_t> marks() noexcept { return touched_; }

  // Calls visit(first row, scores of the block) for each block with a matched row and clears it.
  template <typename Visit>
  void drain(Visit visit) {
    for (std::size_t block = 0; block < touched_.size(); ++block) {
      if (touched_[block] == 0) continue;
      const std::span<float> scores = scores_.span().subspan(block * kBlockRows, kBlockRows);
      visit(block * kBlockRows, std::span<const float>(scores));
      std::fill(scores.begin(), scores.end(), kUnmatched);
      touched_[block] = 0;
    }
  }

  // Clears what an abandoned search left.
  void clear() noexcept {
    scores_.fill(kUnmatched);
    std::fill(touched_.begin(), touched_.end(), std::uint8_t{0});
  }

 private:
  AlignedBuffer<float> scores_;
  std::vector<std::uint8_t> touched_;
};

}  // namespace elanus
