// The element types of stored vectors that C++ has no type for.
//
// Plain bits: files with flags of their own include this, and must not emit shared functions.
#pragma once

#include <cstdint>

namespace elanus {

// IEEE 754 binary16.
struct Half {
  std::uint16_t bits;
};

// The upper half of an IEEE 754 binary32.
struct BFloat16 {
  std::uint16_t bits;
};

// Eight dimensions of a binary vector.
struct BitByte {
  std::uint8_t bits;
};

static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2 && sizeof(BitByte) == 1);

}  // namespace elanus
