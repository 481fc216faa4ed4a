// AVX-512 with VBMI2, which spreads 64 codes over the set bits of a word in one operation.
#include <immintrin.h>

#include "sparse/window_kernels.h"

namespace elanus::avx512_vbmi2 {
namespace {

#include "sparse/window_avx512.inl"

template <bool kIsLight>
void add_bitmap_weighing(const BitmapAddition& a) {
  const __m512i factor = _mm512_set1_epi16(static_cast<short>(a.weight));
  const std::uint8_t* codes = a.codes;
  for (std::size_t w = 0; w < a.num_words; ++w) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, a.words + w * 8, 8);
    const __m512i spread = _mm512_maskz_expand_epi8(word, load(codes));
    std::uint16_t* counters = a.counters + w * 64;
    add_codes<kIsLight>(counters, _mm512_castsi512_si256(spread), factor);
    add_codes<kIsLight>(counters + 32, _mm512_extracti64x4_epi64(spread, 1), factor);
    codes += __builtin_popcountll(word);
    // Only damaged bytes have more bits than codes.
    codes = codes < a.codes_end ? codes : a.codes_end;
  }
}

void add_bitmap(const BitmapAddition& a) {
  if (a.weight < 256) {
    add_bitmap_weighing<true>(a);
  } else {
    add_bitmap_weighing<false>(a);
  }
}

}  // namespace

const WindowKernels kWindowKernels = {add_array, add_bitmap, add_dense, drain, block_maxima};

}  // namespace elanus::avx512_vbmi2
