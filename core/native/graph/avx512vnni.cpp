// Graph kernels with AVX-512 and VNNI.
#include <immintrin.h>

#include "graph/graph_kernels.h"

namespace elanus::avx512vnni {
namespace {

#include "graph/portable.inl"

inline __m512i dot(__m512i sum, __m512i codes, __m512i values) {
  return _mm512_dpbusd_epi32(sum, codes, values);
}

// The high halves stay where they are; their sum, sixteen times too large, is shifted at the end.
inline __m512i high_part(__m512i code, __m512i low_half) {
  return _mm512_andnot_si512(low_half, code);
}

inline __m512i add_high(__m512i lows, __m512i highs) {
  return _mm512_add_epi32(lows, _mm512_srai_epi32(highs, 4));
}

#include "graph/avx512.inl"

}  // namespace

#include "graph/kernels.inl"

}  // namespace elanus::avx512vnni
