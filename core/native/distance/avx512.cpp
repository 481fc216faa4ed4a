// AVX-512 F, BW, DQ and VL: vectors of sixteen floats, thirty-two registers.
#include <immintrin.h>

#include "distance/distance_kernels.h"

namespace elanus::avx512 {
namespace {

__mmask16 first_lanes(std::size_t count) { return static_cast<__mmask16>((1U << count) - 1U); }

struct Simd {
  using Vec = __m512;
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kTileQueries = 4;

  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec load(const float* values) { return _mm512_loadu_ps(values); }
  static Vec load(const Half* values) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)));
  }
  static Vec load(const BFloat16* values) {
    return upper_halves(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)));
  }
  static Vec load(const std::int8_t* values) {
    return from_bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
  }
  static Vec load_partial(const float* values, std::size_t count) {
    return _mm512_maskz_loadu_ps(first_lanes(count), values);
  }
  static Vec load_partial(const Half* values, std::size_t count) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(count), values));
  }
  static Vec load_partial(const BFloat16* values, std::size_t count) {
    return upper_halves(_mm256_maskz_loadu_epi16(first_lanes(count), values));
  }
  static Vec load_partial(const std::int8_t* values, std::size_t count) {
    return from_bytes(_mm_maskz_loadu_epi8(first_lanes(count), values));
  }
  static Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return _mm512_fmadd_ps(a, b, sum); }
  static float sum(Vec vec) {
    const __m256 low = _mm512_castps512_ps256(vec);
    const __m256 high = _mm512_extractf32x8_ps(vec, 1);
    const __m256 eight = _mm256_add_ps(low, high);
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }

 private:
  static Vec upper_halves(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static Vec from_bytes(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
};

struct Int8Simd {
  using Wide = __m512i;  // thirty-two 16-bit values
  using Sums = __m512i;
  static constexpr std::size_t kWidth = 32;

  static Sums zero() { return _mm512_setzero_si512(); }
  static Wide load(const std::int8_t* values) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)));
  }
  static Wide load_partial(const std::int8_t* values, std::size_t count) {
    const auto mask = static_cast<__mmask32>((1ULL << count) - 1ULL);
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, values));
  }
  static Wide sub(Wide a, Wide b) { return _mm512_sub_epi16(a, b); }
  static Sums multiply_add(Wide a, Wide b, Sums sums) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b));
  }
  static std::int32_t sum(Sums sums) { return _mm512_reduce_add_epi32(sums); }
};

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
  // As in avx2.cpp.
  static Counts add_popcount(Counts counts, Vec bits) {
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(bits, nibble));
    const __m512i high =
        _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(bits, 4), nibble));
    const __m512i bytes = _mm512_add_epi8(low, high);
    return _mm512_add_epi64(counts, _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
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
#include "distance/kernels.inl"

}  // namespace elanus::avx512
