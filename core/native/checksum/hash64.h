// XXH64 with seed 0, a hash of strings that is stored on disk and therefore never changes.
//
// Source: xxHash fast digest algorithm, XXH64, github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
#pragma once

#include <cstdint>
#include <span>

namespace elanus {

[[nodiscard]] std::uint64_t hash64(std::span<const std::uint8_t> bytes) noexcept;

// String i is data[offsets[i], offsets[i + 1]); its hash goes to out[i].
// Throws Error when offsets descend or leave `data`.
void hash64_strings(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> data,
                    std::span<std::uint64_t> out);

}  // namespace elanus
