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
  static Vec load(const Half* values) {
    return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(values)));
  }
  static Vec load(const BFloat16* values) {
    return vreinterpretq_f32_u32(vshll_n_u16(load_halves(values), 16));
  }
  static Vec load(const std::int8_t* values) {
    const int32x4_t wide = {values[0], values[1], values[2], values[3]};
    return vcvtq_f32_s32(wide);
  }
  template <typename Element>
  static Vec load_partial(const Element* values, std::size_t count) {
    Element padded[kWidth] = {};
    for (std::size_t i = 0; i < count; ++i) padded[i] = values[i];
    return load(padded);
  }
  static Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
  static Vec fma(Vec a, Vec b, Vec sum) { return vfmaq_f32(sum, a, b); }
  static float sum(Vec vec) { return vaddvq_f32(vec); }

 private:
  static uint16x4_t load_halves(const void* values) {
    uint16x4_t bits;
    __builtin_memcpy(&bits, values, sizeof bits);
    return bits;
  }
};

struct Int8Simd {
  using Wide = int16x8_t;
  using Sums = int32x4_t;
  static constexpr std::size_t kWidth = 8;

  static Sums zero() { return vdupq_n_s32(0); }
  static Wide load(const std::int8_t* values) { return vmovl_s8(vld1_s8(values)); }
  static Wide load_partial(const std::int8_t* values, std::size_t count) {
    std::int8_t padded[kWidth] = {};
    for (std::size_t i = 0; i < count; ++i) padded[i] = values[i];
    return load(padded);
  }
  static Wide sub(Wide a, Wide b) { return vsubq_s16(a, b); }
  static Sums multiply_add(Wide a, Wide b, Sums sums) {
    return vmlal_high_s16(vmlal_s16(sums, vget_low_s16(a), vget_low_s16(b)), a, b);
  }
  static std::int32_t sum(Sums sums) { return vaddvq_s32(sums); }
};

}  // namespace

#include "distance/kernels.inl"

}  // namespace elanus::neon
