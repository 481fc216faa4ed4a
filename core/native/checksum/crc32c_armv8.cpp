#include <arm_acle.h>

#include "checksum/crc32c_kernels.h"

namespace elanus::armv8 {

static inline std::uint32_t step8(std::uint32_t state, const std::uint8_t* bytes) {
  std::uint64_t word = 0;
  __builtin_memcpy(&word, bytes, sizeof word);
  return __crc32cd(state, word);
}

static inline std::uint32_t step1(std::uint32_t state, std::uint8_t byte) {
  return __crc32cb(state, byte);
}

#include "checksum/crc32c_hardware.inl"

}  // namespace elanus::armv8
