// Which 32-bit numbers stand for a set, so that two sets with much in common share many of them?
//
// MinHash: for each of some permutations of the 32-bit numbers the smallest of the set. Two
// signatures agree at a place with the probability that is the Jaccard similarity of the sets.
//
// A permutation takes x to fmix32((x ^ mask) * multiplier), every step of which can be undone.
// Signatures are stored on disk, so none of this ever changes.
//
// Source: Broder, "On the resemblance and containment of documents", 1997; fmix32 is the finalizer
// of MurmurHash3, github.com/aappleby/smhasher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace elanus {

struct Permutations {
  std::span<const std::uint32_t> masks;
  std::span<const std::uint32_t> multipliers;  // as many, odd
};

// Set i is members[offsets[i], offsets[i + 1]); its signature goes to out[i * k, (i + 1) * k) for k
// permutations. The empty set has the largest number in every place.
// Throws Error when offsets descend or leave `members`, sizes differ, or a multiplier is even.
void minhash_signatures(std::span<const std::uint32_t> members,
                        std::span<const std::int64_t> offsets, const Permutations& permutations,
                        std::span<std::uint32_t> out);

}  // namespace elanus
