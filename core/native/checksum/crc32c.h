// CRC32C (Castagnoli): the checksum of every frame and block on disk.
#pragma once

#include <cstdint>
#include <span>

namespace elanus {

// `seed` is the checksum of the bytes before these, 0 at the start, so that
// crc32c(b, crc32c(a)) is the checksum of a followed by b. RFC 3720, appendix B.4.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t seed);

}  // namespace elanus
