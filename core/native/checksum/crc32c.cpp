#include "checksum/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "checksum/crc32c_kernels.h"
#include "support/cpu.h"

namespace elanus {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Castagnoli, bits reversed

using Table = std::array<std::array<std::uint32_t, 256>, 8>;

// table[0] is the checksum of one byte; table[j] that of one byte followed by j zero bytes.
constexpr Table make_table() {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t state = byte;
    for (int i = 0; i < 8; ++i) state = (state & 1U) != 0 ? (state >> 1) ^ kPolynomial : state >> 1;
    table[0][byte] = state;
  }
  for (std::size_t j = 1; j < 8; ++j) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t previous = table[j - 1][byte];
      table[j][byte] = (previous >> 8) ^ table[0][previous & 0xff];
    }
  }
  return table;
}

constexpr Table kTable = make_table();

// Slicing by 8: Kounavis and Berry, "A Systematic Approach to Building High Performance
// Software-based CRC Generators", 2005.
std::uint32_t table_crc32c(std::uint32_t state, Crc32cInput input, const Crc32cShifts& /*shifts*/) {
  for (; input.size >= 8; input.bytes += 8, input.size -= 8) {
    const std::uint8_t* b = input.bytes;
    state = kTable[7][(state ^ b[0]) & 0xff] ^ kTable[6][((state >> 8) ^ b[1]) & 0xff] ^
            kTable[5][((state >> 16) ^ b[2]) & 0xff] ^ kTable[4][(state >> 24) ^ b[3]] ^
            kTable[3][b[4]] ^ kTable[2][b[5]] ^ kTable[1][b[6]] ^ kTable[0][b[7]];
  }
  for (; input.size > 0; ++input.bytes, --input.size) {
    state = (state >> 8) ^ kTable[0][(state ^ *input.bytes) & 0xff];
  }
  return state;
}

std::uint32_t append_zeros(std::uint32_t state, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) state = (state >> 8) ^ kTable[0][state & 0xff];
  return state;
}

// The register is linear in its bits, so 32 single bits give every entry.
Crc32cShift make_shift(std::size_t num_zeros) noexcept {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t i = 0; i < 32; ++i) of_bit[i] = append_zeros(1U << i, num_zeros);
  Crc32cShift shift{};
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      for (std::size_t i = 0; i < 8; ++i) {
        if (((byte >> i) & 1U) != 0) shift.table[j][byte] ^= of_bit[8 * j + i];
      }
    }
  }
  return shift;
}

const Crc32cShifts& shifts() {
  static const Crc32cShifts tables{make_shift(kCrcLongStream), make_shift(kCrcShortStream)};
  return tables;
}

Crc32cKernel kernel_of(CpuVariant variant) noexcept {
#if defined(__x86_64__)
  if (variant == CpuVariant::avx2 || variant == CpuVariant::avx512) return sse42::crc32c;
#elif defined(__aarch64__)
  if (variant == CpuVariant::neon && has_armv8_crc32()) return armv8::crc32c;
#endif
  static_cast<void>(variant);
  return table_crc32c;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t seed) {
  const Crc32cKernel kernel = kernel_of(active_variant());
  return ~kernel(~seed, {bytes.data(), bytes.size()}, shifts());
}

}  // namespace elanus
