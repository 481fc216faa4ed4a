// AVX-512 with VNNI: sixty-four codes a step. Four products of an unsigned and a signed byte are
// added to a 32-bit sum at once (vpdpbusd), which does not saturate.
#include <immintrin.h>

#include "quantized/code_kernels.h"

namespace elanus::avx512_vnni {
namespace {

struct Simd {
  using Query = std::int8_t;
  using Sum = __m512i;
  using Row = __m512i;
  using QueryVec = __m512i;
  static constexpr const char* kName = "avx512_vnni";
  static constexpr std::size_t kStep = 64;
  static constexpr std::size_t kTileQueries = 4;

  static const Query* queries(const CodeBlock& block) { return block.queries; }
  static Sum zero() { return _mm512_setzero_si512(); }
  static Row load_row(const std::uint8_t* codes) { return _mm512_loadu_si512(codes); }
  static QueryVec load_query(const Query* codes) { return _mm512_loadu_si512(codes); }
  static Sum add(Sum sum, Row row, QueryVec query) { return _mm512_dpbusd_epi32(sum, row, query); }
#include "quantized/sum4_avx512.inl"
};

}  // namespace

#include "quantized/code_kernels.inl"

}  // namespace elanus::avx512_vnni
