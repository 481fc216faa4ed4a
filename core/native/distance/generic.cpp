// The variant for any processor: vectors of four floats, which every 64-bit target has.
#include <bit>

#include "distance/distance_kernels.h"
#include "distance/widen.h"

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
  template <typename Element>
  static Vec load(const Element* values) {
    return Vec{widened(values[0]), widened(values[1]), widened(values[2]), widened(values[3])};
  }
  template <typename Element>
  static Vec load_partial(const Element* values, std::size_t count) {
    Vec vec = zero();
    for (std::size_t i = 0; i < count; ++i) vec[i] = widened(values[i]);
    return vec;
  }
  static Vec sub(Vec a, Vec b) { return a - b; }
  static Vec fma(Vec a, Vec b, Vec sum) { return a * b + sum; }
  static float sum(Vec vec) { return (vec[0] + vec[2]) + (vec[1] + vec[3]); }
};

struct Int8Simd {
  using Wide = std::int32_t __attribute__((vector_size(16)));
  using Sums = Wide;
  static constexpr std::size_t kWidth = 4;

  static Sums zero() { return Sums{0, 0, 0, 0}; }
  static Wide load(const std::int8_t* values) {
    return Wide{values[0], values[1], values[2], values[3]};
  }
  static Wide load_partial(const std::int8_t* values, std::size_t count) {
    Wide wide = zero();
    for (std::size_t i = 0; i < count; ++i) wide[i] = values[i];
    return wide;
  }
  static Wide sub(Wide a, Wide b) { return a - b; }
  static Sums multiply_add(Wide a, Wide b, Sums sums) { return a * b + sums; }
  static std::int32_t sum(Sums sums) { return (sums[0] + sums[2]) + (sums[1] + sums[3]); }
};

struct BitSimd {
  using Vec = std::uint64_t;
  using Counts = std::uint64_t;
  static constexpr std::size_t kWidth = 8;

  static Counts zero() { return 0; }
  static Vec load(const BitByte* values) { return load_partial(values, kWidth); }
  static Vec load_partial(const BitByte* values, std::size_t count) {
    Vec bits = 0;
    __builtin_memcpy(&bits, values, count);
    return bits;
  }
  static Vec bit_or(Vec a, Vec b) { return a | b; }
  static Vec bit_xor(Vec a, Vec b) { return a ^ b; }
  static Counts add_popcount(Counts counts, Vec bits) {
    return counts + static_cast<Counts>(std::popcount(bits));
  }
  static std::uint64_t sum(Counts counts) { return counts; }
  template <std::size_t kBytes>
  static std::size_t equal(Vec a, Vec b) {
    constexpr Vec kMask = kBytes == 8 ? ~Vec{0} : (Vec{1} << (8 * (kBytes % 8))) - 1;
    const Vec differing = a ^ b;
    std::size_t count = 0;
    for (std::size_t byte = 0; byte < kWidth; byte += kBytes) {
      count += static_cast<std::size_t>(((differing >> (8 * byte)) & kMask) == 0);
    }
    return count;
  }
};

}  // namespace

#include "distance/bit_kernels.inl"
#include "distance/kernels.inl"

}  // namespace elanus::generic
