// Stored elements as floats, one at a time: exact, and the same on every CPU.
#pragma once

#include <bit>
#include <cstdint>

#include "distance/elements.h"

namespace elanus {

inline float widened(float value) noexcept { return value; }

inline float widened(std::int8_t value) noexcept { return value; }

inline float widened(BFloat16 value) noexcept {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16U);
}

inline float widened(Half value) noexcept {
  const std::uint32_t bits = value.bits;
  const std::uint32_t sign = (bits & 0x8000U) << 16U;
  if ((bits & 0x7c00U) == 0x7c00U) {
    return std::bit_cast<float>(sign | 0x7f800000U | ((bits & 0x3ffU) << 13U));
  }
  // Moved to its place, the exponent lacks the difference of the biases, 127 - 15. A product with a
  // power of two adds it and is exact, for subnormal numbers as well.
  const auto magnitude = std::bit_cast<float>((bits & 0x7fffU) << 13U) * 0x1p112F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
}

}  // namespace elanus
