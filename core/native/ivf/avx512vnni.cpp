// AVX-512 VNNI, which some processors with AVX-512 lack: bytes times bytes without widening.
#include <immintrin.h>

#include "ivf/ivf_kernels.h"

namespace elanus::avx512vnni {
namespace {

constexpr std::size_t kTileRows = 4;
constexpr std::size_t kBytes = 64;
// Rows ahead that are asked for: a list lies in one piece, but the next one somewhere else.
constexpr std::size_t kPrefetchRows = 8;

template <std::size_t kRows>
inline void multiply(const ScalarCodes& codes, std::size_t row, __m512i (&sums)[kRows]) {
  const std::uint8_t* code = codes.codes + row * codes.stride;
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  std::size_t d = 0;
  for (; d + kBytes <= codes.stride; d += kBytes) {
    const __m512i query = _mm512_loadu_si512(codes.query + d);
    for (std::size_t r = 0; r < kRows; ++r) {
      const std::uint8_t* from = code + r * codes.stride + d;
      _mm_prefetch(reinterpret_cast<const char*>(from + kPrefetchRows * codes.stride), _MM_HINT_T0);
      sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_loadu_si512(from), query);
    }
  }
  if (d == codes.stride) return;
  // A multiple of 32 bytes: half a register is left.
  const __m512i query =
      _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes.query + d)));
  for (std::size_t r = 0; r < kRows; ++r) {
    const __m512i half = _mm512_zextsi256_si512(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(code + r * codes.stride + d)));
    sums[r] = _mm512_dpbusd_epi32(sums[r], half, query);
  }
}

// Four registers of partial sums to four sums.
inline __m128i fold(const __m512i (&sums)[kTileRows]) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                                      _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                      _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i abcd =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

}  // namespace

void scan_scalar(const ScalarCodes& codes, const CodeKey& key, float* out) {
  const __m128i offset = _mm_set1_epi32(key.offset);
  const __m128 scale = _mm_set1_ps(key.scale);
  const __m128 bias = _mm_set1_ps(key.bias);
  std::size_t row = 0;
  for (; row + kTileRows <= codes.num_rows; row += kTileRows) {
    __m512i sums[kTileRows];
    multiply<kTileRows>(codes, row, sums);
    const __m128 sum = _mm_cvtepi32_ps(_mm_sub_epi32(fold(sums), offset));
    __m128 value = _mm_add_ps(bias, _mm_mul_ps(scale, sum));
    if (key.terms != nullptr) value = _mm_add_ps(value, _mm_loadu_ps(key.terms + row));
    _mm_storeu_ps(out + row, value);
  }
  for (; row < codes.num_rows; ++row) {
    __m512i sums[1];
    multiply<1>(codes, row, sums);
    const std::int32_t sum = _mm512_reduce_add_epi32(sums[0]);
    const float value = key.bias + key.scale * static_cast<float>(sum - key.offset);
    out[row] = key.terms == nullptr ? value : value + key.terms[row];
  }
}

}  // namespace elanus::avx512vnni
