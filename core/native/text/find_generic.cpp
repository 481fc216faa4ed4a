// Parts of texts on any processor.
#include "text/find_kernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace elanus::generic {
namespace {

#if defined(__SSE2__)
inline std::uint64_t equal_bytes(const std::uint8_t* bytes, std::uint8_t fold,
                                 std::uint8_t wanted) {
  const __m128i folds = _mm_set1_epi8(static_cast<char>(fold));
  const __m128i all = _mm_set1_epi8(static_cast<char>(wanted));
  std::uint64_t equal = 0;
  for (std::size_t i = 0; i < 64; i += 16) {
    const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    const __m128i same = _mm_cmpeq_epi8(_mm_or_si128(loaded, folds), all);
    equal |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(same))} << i;
  }
  return equal;
}
#else
inline std::uint64_t equal_bytes(const std::uint8_t* bytes, std::uint8_t fold,
                                 std::uint8_t wanted) {
  std::uint64_t equal = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    equal |= std::uint64_t{(bytes[i] | fold) == wanted} << i;
  }
  return equal;
}
#endif

}  // namespace

#include "text/find.inl"

}  // namespace elanus::generic
