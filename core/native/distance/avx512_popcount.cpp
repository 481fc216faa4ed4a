// Binary vectors on processors that count the bits of a register (AVX512_VPOPCNTDQ).
#include <immintrin.h>

#include "distance/distance_kernels.h"

namespace elanus::avx512_popcount {
namespace {

struct BitSimd {
  using Vec = __m512i;
  using Counts = __m512i;  // eight 64-bit counts
  static constexpr std::size_t kWidth = 64;

  static Counts zero() { return _mm512_setzero_si512(); }
  static Vec load(const BitByte* values) { return _mm512_loadu_si512(values); }
  static Vec load_partial(const BitByte* values, std::size_t count) {
    return _mm512_maskz_loadu_epi8((1ULL << count) - 1ULL, values);
  }
  static Vec bit_or(Vec a, Vec b) { return _mm512_or_si512(a, b); }
  static Vec bit_xor(Vec a, Vec b) { return _mm512_xor_si512(a, b); }
  static Counts add_popcount(Counts counts, Vec bits) {
    return _mm512_add_epi64(counts, _mm512_popcnt_epi64(bits));
  }
  static std::uint64_t sum(Counts counts) {
    return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(counts));
  }
  template <std::size_t kBytes>
  static std::size_t equal(Vec a, Vec b) {
    std::uint64_t same;
    if constexpr (kBytes == 1) {
      same = _mm512_cmpeq_epi8_mask(a, b);
    } else if constexpr (kBytes == 2) {
      same = _mm512_cmpeq_epi16_mask(a, b);
    } else if constexpr (kBytes == 4) {
      same = _mm512_cmpeq_epi32_mask(a, b);
    } else {
      same = _mm512_cmpeq_epi64_mask(a, b);
    }
    return static_cast<std::size_t>(__builtin_popcountll(same));
  }
};

}  // namespace

#include "distance/bit_kernels.inl"

}  // namespace elanus::avx512_popcount
