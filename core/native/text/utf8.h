// Code points of UTF-8 text; a byte that begins none is a code point of no class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "text/char_classes.h"

namespace elanus {

using Utf8 = std::span<const std::uint8_t>;

struct DecodedChar {
  std::uint32_t code_point;
  std::uint32_t size;  // in bytes, at least 1
};

// Decodes the character at `at` < text.size(). Surrogates are let through: Python strings may hold
// lone ones.
[[nodiscard]] inline DecodedChar decode_utf8(Utf8 text, std::size_t at) noexcept {
  constexpr DecodedChar kInvalid = {kInvalidCodePoint, 1};
  const std::uint32_t lead = text[at];
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return kInvalid;
  const std::uint32_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() - at < size) return kInvalid;
  std::uint32_t code_point = lead & (0xFFU >> (size + 1));
  for (std::uint32_t i = 1; i < size; ++i) {
    const std::uint32_t next = text[at + i];
    if ((next & 0xC0U) != 0x80) return kInvalid;
    code_point = (code_point << 6) | (next & 0x3FU);
  }
  const std::uint32_t least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  if (code_point < least || code_point >= kNumCodePoints) return kInvalid;
  return {code_point, size};
}

}  // namespace elanus
