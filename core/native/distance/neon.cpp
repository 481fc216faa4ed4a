// NEON of 64-bit ARM: vectors of four floats, thirty-two registers, fused multiply-add.
#include <arm_neon.h>

#include "distance/distance_kernels.h"

namespace elanus::neon {
namespace {

struct Simd {
  using Vec = float32x4_t;
  static constexpr std::size_t kWidth = 4;
  static constexpr std::size_t kTileQueries = 4;

  static Vec zero() { return vdupq_n_f32(0.0F); }
  static Vec load(const float* values) { return vld1q_f32(values); }
  static Vec load_partial(const float* values, std::size_t count) {
    float padded[kWidth] = {};
    for (std::size_t i = 0; i < count; ++i) padded[i] = values[i];
    return vld1q_f32(padded);
  }
  static Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return vfmaq_f32(sum, a, b); }
  static float sum(Vec vec) { return vaddvq_f32(vec); }
};

}  // namespace

#include "distance/kernels.inl"

}  // namespace elanus::neon
