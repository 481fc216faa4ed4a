// Which 32-bit numbers stand for the shingles of a text, its runs of so many neighbouring tokens?
//
// A token comes as a number of 64 bits. Signatures of these members are stored on disk, so none of
// this ever changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace elanus {

// Writes where the members of each text begin, and where those of the last one end. A text with
// fewer tokens than a shingle has is one shingle, a text without any has none.
// Throws Error when the lengths are not those of `num_tokens` tokens, or `size` is 0.
void shingle_offsets(std::span<const std::int64_t> lengths, std::size_t num_tokens,
                     std::size_t size, std::span<std::int64_t> out);

// Writes the members of all texts, whose tokens lie end to end in `numbers`, to as many places as
// `shingle_offsets`, which has checked the lengths, says.
void shingles(std::span<const std::uint64_t> numbers, std::span<const std::int64_t> lengths,
              std::size_t size, std::span<std::uint32_t> out);

}  // namespace elanus
