// Graph kernels with AVX-512 F, BW, DQ and VL.
#include <immintrin.h>

#include "graph/graph_kernels.h"

namespace elanus::avx512 {
namespace {

#include "graph/portable.inl"

// A pair of products of 15 and 127, or of 127 and 127, fits into 16 bits.
inline __m512i dot(__m512i sum, __m512i codes, __m512i values) {
  const __m512i pairs = _mm512_maddubs_epi16(codes, values);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

inline __m512i high_part(__m512i code, __m512i low_half) {
  return _mm512_and_si512(_mm512_srli_epi16(code, 4), low_half);
}

inline __m512i add_high(__m512i lows, __m512i highs) { return _mm512_add_epi32(lows, highs); }

#include "graph/avx512.inl"

}  // namespace

#include "graph/kernels.inl"

}  // namespace elanus::avx512
