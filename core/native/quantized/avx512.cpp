// AVX-512 BW: thirty-two codes a step, multiplied as 16-bit integers.
#include <immintrin.h>

#include "quantized/code_kernels.h"

namespace elanus::avx512 {
namespace {

struct Simd {
  using Query = std::int16_t;
  using Sum = __m512i;
  using Row = __m512i;
  using QueryVec = __m512i;
  static constexpr const char* kName = "avx512";
  static constexpr std::size_t kStep = 32;
  static constexpr std::size_t kTileQueries = 4;

  static const Query* queries(const CodeBlock& block) { return block.widened; }
  static Sum zero() { return _mm512_setzero_si512(); }
  static Row load_row(const std::uint8_t* codes) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  }
  static QueryVec load_query(const Query* codes) { return _mm512_loadu_si512(codes); }
  static Sum add(Sum sum, Row row, QueryVec query) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(row, query));
  }
#include "quantized/sum4_avx512.inl"
};

}  // namespace

#include "quantized/code_kernels.inl"

}  // namespace elanus::avx512
