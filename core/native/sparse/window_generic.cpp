// The slow and obvious form, which every processor runs.
#include <bit>
#include <cstring>

#include "sparse/window_kernels.h"

namespace elanus::generic {
namespace {

std::uint16_t contribution(std::uint8_t code, std::uint16_t weight) {
  const std::uint32_t product = (std::uint32_t{code} * weight) >> 8;
  return static_cast<std::uint16_t>(product == 0 ? 1U : product);
}

void add(std::uint16_t& counter, std::uint16_t amount) {
  counter = static_cast<std::uint16_t>(counter + amount);
}

void add_array(const ArrayAddition& a) {
  for (std::size_t i = 0; i < a.count; ++i) {
    std::uint16_t row = 0;
    std::memcpy(&row, a.ids + i * 2, 2);
    add(a.counters[row], contribution(a.codes[i], a.weight));
  }
}

void add_bitmap(const BitmapAddition& a) {
  const std::uint8_t* code = a.codes;
  for (std::size_t w = 0; w < a.num_words; ++w) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, a.words + w * 8, 8);
    for (; bits != 0; bits &= bits - 1) {
      if (code >= a.codes_end) return;
      const auto row = w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      add(a.counters[row], contribution(*code++, a.weight));
    }
  }
}

void add_dense(const DenseAddition& a) {
  for (std::size_t row = 0; row < a.num_rows; ++row) {
    if (a.codes[row] != 0) add(a.counters[row], contribution(a.codes[row], a.weight));
  }
}

void block_maxima(const BlockMaxima& b) {
  for (std::size_t i = 0; i < b.num_blocks; ++i) {
    std::uint16_t largest = 0;
    for (std::size_t r = 0; r < 64; ++r) {
      const bool is_allowed = b.allowed == nullptr || ((b.allowed[i] >> r) & 1U) != 0;
      const std::uint16_t counter = b.counters[i * 64 + r];
      if (is_allowed && counter > largest) largest = counter;
    }
    b.maxima[i] = largest;
  }
}

void drain(Drain& d) {
  for (; d.position < d.end && d.room - d.found >= 64; d.position += 64) {
    std::uint16_t* block = d.counters + d.position;
    const std::uint64_t allowed =
        d.allowed == nullptr ? ~std::uint64_t{0} : d.allowed[d.position / 64];
    unsigned hits = 0;
    for (std::size_t i = 0; i < 64; ++i) hits += block[i] >= d.least ? 1U : 0U;
    for (std::size_t i = 0; hits != 0 && i < 64; ++i) {
      if (block[i] < d.least || ((allowed >> i) & 1U) == 0) continue;
      d.rows[d.found] = static_cast<std::uint16_t>(d.position + i);
      d.values[d.found++] = block[i];
    }
    std::memset(block, 0, 64 * sizeof(*block));
  }
}

}  // namespace

const WindowKernels kWindowKernels = {add_array, add_bitmap, add_dense, drain, block_maxima};

}  // namespace elanus::generic
