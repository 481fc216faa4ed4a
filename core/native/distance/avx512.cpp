// AVX-512 F, BW, DQ and VL: vectors of sixteen floats, thirty-two registers.
#include <immintrin.h>

#include "distance/distance_kernels.h"

namespace elanus::avx512 {
namespace {

struct Simd {
  using Vec = __m512;
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kTileQueries = 4;

  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec load(const float* values) { return _mm512_loadu_ps(values); }
  static Vec load_partial(const float* values, std::size_t count) {
    const auto mask = static_cast<__mmask16>((1U << count) - 1U);
    return _mm512_maskz_loadu_ps(mask, values);
  }
  static Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return _mm512_fmadd_ps(a, b, sum); }
  static float sum(Vec vec) {
    const __m256 low = _mm512_castps512_ps256(vec);
    const __m256 high = _mm512_extractf32x8_ps(vec, 1);
    const __m256 eight = _mm256_add_ps(low, high);
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
};

}  // namespace

#include "distance/kernels.inl"

}  // namespace elanus::avx512
