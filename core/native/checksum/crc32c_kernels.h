// CRC32C by CPU variant. Each takes and returns the inverted checksum register.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace elanus {

struct Crc32cInput {
  const std::uint8_t* bytes;
  std::size_t size;
};

// What appending a fixed number of zero bytes does to the register: four tables, one a byte of it.
struct Crc32cShift {
  std::uint32_t table[4][256];
};

// Lengths of the streams that the hardware loops run side by side, in bytes. The instruction takes
// three cycles but one starts every cycle, so three independent streams keep it busy.
inline constexpr std::size_t kCrcLongStream = 4096;
inline constexpr std::size_t kCrcShortStream = 256;

struct Crc32cShifts {
  Crc32cShift long_stream;
  Crc32cShift short_stream;
};

using Crc32cKernel = std::uint32_t (*)(std::uint32_t state, Crc32cInput input,
                                       const Crc32cShifts& shifts);

namespace sse42 {
std::uint32_t crc32c(std::uint32_t state, Crc32cInput input, const Crc32cShifts& shifts);
}
namespace armv8 {
std::uint32_t crc32c(std::uint32_t state, Crc32cInput input, const Crc32cShifts& shifts);
}

}  // namespace elanus
