// Parts of texts on processors with AVX-512.
#include <immintrin.h>

#include "text/find_kernels.h"

namespace elanus::avx512 {
namespace {

inline std::uint64_t equal_bytes(const std::uint8_t* bytes, std::uint8_t fold,
                                 std::uint8_t wanted) {
  const __m512i loaded = _mm512_loadu_si512(bytes);
  const __m512i folded = _mm512_or_si512(loaded, _mm512_set1_epi8(static_cast<char>(fold)));
  return _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8(static_cast<char>(wanted)));
}

}  // namespace

#include "text/find.inl"

}  // namespace elanus::avx512
