// AVX2, FMA and F16C: vectors of eight floats, sixteen registers.
#include <immintrin.h>

#include "distance/distance_kernels.h"

namespace elanus::avx2 {
namespace {

__m128i load_bytes(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}

struct Simd {
  using Vec = __m256;
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kTileQueries = 3;

  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec load(const float* values) { return _mm256_loadu_ps(values); }
  static Vec load(const Half* values) { return _mm256_cvtph_ps(load_bytes(values)); }
  static Vec load(const BFloat16* values) {
    const __m256i bits = _mm256_cvtepu16_epi32(load_bytes(values));
    return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  }
  static Vec load(const std::int8_t* values) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(values));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
  }
  static Vec load_partial(const float* values, std::size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
    return _mm256_maskload_ps(values, mask);
  }
  template <typename Element>
  static Vec load_partial(const Element* values, std::size_t count) {
    Element padded[kWidth] = {};
    __builtin_memcpy(padded, values, count * sizeof(Element));
    return load(padded);
  }
  static Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return _mm256_fmadd_ps(a, b, sum); }
  static float sum(Vec vec) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(vec), _mm256_extractf128_ps(vec, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
};

struct Int8Simd {
  using Wide = __m256i;  // sixteen 16-bit values
  using Sums = __m256i;
  static constexpr std::size_t kWidth = 16;

  static Sums zero() { return _mm256_setzero_si256(); }
  static Wide load(const std::int8_t* values) { return _mm256_cvtepi8_epi16(load_bytes(values)); }
  static Wide load_partial(const std::int8_t* values, std::size_t count) {
    std::int8_t padded[kWidth] = {};
    __builtin_memcpy(padded, values, count);
    return load(padded);
  }
  static Wide sub(Wide a, Wide b) { return _mm256_sub_epi16(a, b); }
  static Sums multiply_add(Wide a, Wide b, Sums sums) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
  }
  static std::int32_t sum(Sums sums) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(half);
  }
};

struct BitSimd {
  using Vec = __m256i;
  using Counts = __m256i;  // four 64-bit counts
  static constexpr std::size_t kWidth = 32;

  static Counts zero() { return _mm256_setzero_si256(); }
  static Vec load(const BitByte* values) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
  }
  static Vec load_partial(const BitByte* values, std::size_t count) {
    BitByte padded[kWidth] = {};
    __builtin_memcpy(padded, values, count);
    return load(padded);
  }
  static Vec bit_or(Vec a, Vec b) { return _mm256_or_si256(a, b); }
  static Vec bit_xor(Vec a, Vec b) { return _mm256_xor_si256(a, b); }
  // Bits of each half byte from a table, then bytes added up. Source: Mula, Kurz and Lemire,
  // "Faster Population Counts Using AVX2 Instructions", arXiv:1611.07612.
  static Counts add_popcount(Counts counts, Vec bits) {
    const __m256i table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
    const __m256i bytes = _mm256_add_epi8(low, high);
    return _mm256_add_epi64(counts, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  static std::uint64_t sum(Counts counts) {
    __m128i half =
        _mm_add_epi64(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
    half = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(half));
  }
  template <std::size_t kBytes>
  static std::size_t equal(Vec a, Vec b) {
    Vec same;
    if constexpr (kBytes == 1) {
      same = _mm256_cmpeq_epi8(a, b);
    } else if constexpr (kBytes == 2) {
      same = _mm256_cmpeq_epi16(a, b);
    } else if constexpr (kBytes == 4) {
      same = _mm256_cmpeq_epi32(a, b);
    } else {
      same = _mm256_cmpeq_epi64(a, b);
    }
    const auto bytes = static_cast<unsigned>(_mm256_movemask_epi8(same));
    return static_cast<std::size_t>(__builtin_popcount(bytes)) / kBytes;
  }
};

}  // namespace

#include "distance/bit_kernels.inl"
#include "distance/kernels.inl"

}  // namespace elanus::avx2
