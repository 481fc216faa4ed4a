// AVX2 and FMA: vectors of eight floats, sixteen registers.
#include <immintrin.h>

#include "distance/distance_kernels.h"

namespace elanus::avx2 {
namespace {

struct Simd {
  using Vec = __m256;
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kTileQueries = 3;

  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec load(const float* values) { return _mm256_loadu_ps(values); }
  static Vec load_partial(const float* values, std::size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
    return _mm256_maskload_ps(values, mask);
  }
  static Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return _mm256_fmadd_ps(a, b, sum); }
  static float sum(Vec vec) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(vec), _mm256_extractf128_ps(vec, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
};

}  // namespace

#include "distance/kernels.inl"

}  // namespace elanus::avx2
