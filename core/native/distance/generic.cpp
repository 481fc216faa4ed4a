// The variant for any processor: vectors of four floats, which every 64-bit target has.
#include "distance/distance_kernels.h"

namespace elanus::generic {
namespace {

struct Simd {
  using Vec = float __attribute__((vector_size(16)));
  static constexpr std::size_t kWidth = 4;
  static constexpr std::size_t kTileQueries = 2;

  static Vec zero() { return Vec{0.0F, 0.0F, 0.0F, 0.0F}; }
  static Vec load(const float* values) {
    Vec vec;
    __builtin_memcpy(&vec, values, sizeof vec);
    return vec;
  }
  static Vec load_partial(const float* values, std::size_t count) {
    Vec vec = zero();
    for (std::size_t i = 0; i < count; ++i) vec[i] = values[i];
    return vec;
  }
  static Vec sub(Vec a, Vec b) { return a - b; }
  static Vec fma(Vec a, Vec b, Vec sum) { return a * b + sum; }
  static float sum(Vec vec) { return (vec[0] + vec[2]) + (vec[1] + vec[3]); }
};

}  // namespace

#include "distance/kernels.inl"

}  // namespace elanus::generic
