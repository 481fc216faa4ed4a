#include "support/pack_mask.h"

#include "support/bitset.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace elanus {
namespace {

struct PackedWord {
  std::uint64_t bits = 0;
  std::size_t count = 0;
};

PackedWord pack_bytes(const std::uint8_t* bytes, std::size_t count) noexcept {
  PackedWord packed;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bit = bytes[i] != 0 ? 1 : 0;
    packed.bits |= bit << i;
    packed.count += bit;
  }
  return packed;
}

#if defined(__SSE2__)
// Without the instruction that counts bits, which not every processor has: bytes are added up.
PackedWord pack_word(const std::uint8_t* bytes) noexcept {
  PackedWord packed;
  const __m128i zero = _mm_setzero_si128();
  __m128i total = zero;
  for (std::size_t part = 0; part < 4; ++part) {
    const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16 * part));
    const __m128i is_zero = _mm_cmpeq_epi8(loaded, zero);
    const auto set = ~static_cast<std::uint32_t>(_mm_movemask_epi8(is_zero)) & 0xffffU;
    packed.bits |= std::uint64_t{set} << (16 * part);
    total = _mm_add_epi64(total, _mm_sad_epu8(_mm_add_epi8(is_zero, _mm_set1_epi8(1)), zero));
  }
  const __m128i halves = _mm_add_epi64(total, _mm_unpackhi_epi64(total, total));
  packed.count = static_cast<std::size_t>(_mm_cvtsi128_si64(halves));
  return packed;
}
#else
PackedWord pack_word(const std::uint8_t* bytes) noexcept { return pack_bytes(bytes, kBitsPerWord); }
#endif

}  // namespace

std::size_t pack_mask(std::span<const std::uint8_t> mask, std::span<std::uint64_t> words) noexcept {
  std::size_t total = 0;
  for (std::size_t w = 0; w < words.size(); ++w) {
    const std::size_t first = w * kBitsPerWord;
    const std::size_t left = mask.size() - first;
    const PackedWord packed = left >= kBitsPerWord ? pack_word(mask.data() + first)
                                                   : pack_bytes(mask.data() + first, left);
    words[w] = packed.bits;
    total += packed.count;
  }
  return total;
}

}  // namespace elanus
