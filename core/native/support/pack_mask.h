// From one byte a row to one bit a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace elanus {

// Writes which bytes are not 0, 64 rows to a word as in `support/bitset.h`, and returns how many.
// `words` has one for each 64 bytes, the last for what is left.
std::size_t pack_mask(std::span<const std::uint8_t> mask, std::span<std::uint64_t> words) noexcept;

}  // namespace elanus
