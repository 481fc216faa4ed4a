#include <nmmintrin.h>

#include "checksum/crc32c_kernels.h"

namespace elanus::sse42 {

static inline std::uint32_t step8(std::uint32_t state, const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  __builtin_memcpy(&word, bytes, sizeof word);
  return static_cast<std::uint32_t>(_mm_crc32_u64(state, word));
}

static inline std::uint32_t step1(std::uint32_t state, std::uint8_t byte) {
  return _mm_crc32_u8(state, byte);
}

#include "checksum/crc32c_hardware.inl"

}  // namespace elanus::sse42
