// Parts of texts on processors with AVX2.
#include <immintrin.h>

#include "text/find_kernels.h"

namespace elanus::avx2 {
namespace {

inline std::uint64_t equal_bytes(const std::uint8_t* bytes, std::uint8_t fold,
                                 std::uint8_t wanted) {
  const __m256i folds = _mm256_set1_epi8(static_cast<char>(fold));
  const __m256i all = _mm256_set1_epi8(static_cast<char>(wanted));
  std::uint64_t equal = 0;
  for (std::size_t i = 0; i < 64; i += 32) {
    const __m256i loaded = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + i));
    const __m256i same = _mm256_cmpeq_epi8(_mm256_or_si256(loaded, folds), all);
    equal |= std::uint64_t{static_cast<unsigned>(_mm256_movemask_epi8(same))} << i;
  }
  return equal;
}

}  // namespace

#include "text/find.inl"

}  // namespace elanus::avx2
