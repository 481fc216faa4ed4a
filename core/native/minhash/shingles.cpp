#include "minhash/shingles.h"

#include <algorithm>
#include <string>

#include "support/error.h"

namespace elanus {
namespace {

std::size_t shingles_in(std::size_t num_tokens, std::size_t size) {
  if (num_tokens == 0) return 0;
  return num_tokens < size ? 1 : num_tokens - size + 1;
}

std::uint32_t member_of(std::span<const std::uint64_t> tokens) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15U;
  constexpr std::uint64_t kMix = 0xff51afd7ed558ccdU;
  std::uint64_t mixed = 0;
  for (const std::uint64_t token : tokens) {
    const std::uint64_t added = (mixed ^ token) * kMix;
    mixed = (added ^ (added >> 32U)) + kOdd;
  }
  return static_cast<std::uint32_t>((mixed * kOdd) >> 32U);
}

[[noreturn]] void throw_lengths(std::size_t num_tokens) {
  throw_invalid_argument("lengths: expected those of texts with " + std::to_string(num_tokens) +
                         " tokens in all");
}

}  // namespace

void shingle_offsets(std::span<const std::int64_t> lengths, std::size_t num_tokens,
                     std::size_t size, std::span<std::int64_t> out) {
  if (size == 0) throw_invalid_argument("size: expected at least 1 token, got 0");
  std::size_t left = num_tokens;
  std::int64_t total = 0;
  out[0] = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto length = static_cast<std::size_t>(lengths[i]);  // a negative one is too large
    if (length > left) throw_lengths(num_tokens);
    left -= length;
    total += static_cast<std::int64_t>(shingles_in(length, size));
    out[i + 1] = total;
  }
  if (left != 0) throw_lengths(num_tokens);
}

void shingles(std::span<const std::uint64_t> numbers, std::span<const std::int64_t> lengths,
              std::size_t size, std::span<std::uint32_t> out) {
  std::size_t first = 0;
  std::size_t made = 0;
  for (const std::int64_t length : lengths) {
    const auto tokens = numbers.subspan(first, static_cast<std::size_t>(length));
    const std::size_t count = shingles_in(tokens.size(), size);
    for (std::size_t i = 0; i < count; ++i) {
      out[made++] = member_of(tokens.subspan(i, std::min(size, tokens.size())));
    }
    first += tokens.size();
  }
}

}  // namespace elanus
