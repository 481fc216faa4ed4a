// The variant for any processor: vectors of four floats, which every 64-bit target has.
#include "ivf/ivf_kernels.h"

namespace elanus::generic {
namespace {

struct Simd {
  using Vec = float __attribute__((vector_size(16)));
  static constexpr std::size_t kWidth = 4;
  static constexpr std::size_t kTileRows = 2;

  static Vec zero() { return Vec{0.0F, 0.0F, 0.0F, 0.0F}; }
  static Vec broadcast(const float* value) { return Vec{*value, *value, *value, *value}; }
  static Vec load(const float* values) {
    Vec vec;
    __builtin_memcpy(&vec, values, sizeof vec);
    return vec;
  }
  static void store(float* to, Vec vec) { __builtin_memcpy(to, &vec, sizeof vec); }
  static Vec sub(Vec a, Vec b) { return a - b; }
  static Vec fma(Vec a, Vec b, Vec sum) { return a * b + sum; }
};

}  // namespace

#include "ivf/panels.inl"

namespace {

void scan_scalar(const ScalarCodes& codes, const CodeKey& key, float* out) {
  for (std::size_t row = 0; row < codes.num_rows; ++row) {
    const std::uint8_t* code = codes.codes + row * codes.stride;
    std::int32_t sum = 0;
    for (std::size_t d = 0; d < codes.stride; ++d) {
      sum += static_cast<std::int32_t>(code[d]) * codes.query_words[d];
    }
    out[row] = key_of(key, sum, row);
  }
}

void scan_product4(const ProductCodes& codes, const std::uint8_t* tables, const CodeKey& key,
                   float* out) {
  constexpr std::size_t kHalf = kCodeBlockRows / 2;
  const std::uint8_t* code = codes.codes;
  for (std::size_t block = 0; block < codes.num_blocks; ++block) {
    std::int32_t sums[kCodeBlockRows] = {};
    for (std::size_t sub = 0; sub < codes.num_subs; ++sub, code += kHalf) {
      for (std::size_t i = 0; i < kHalf; ++i) {
        sums[i] += tables[sub * 16 + (code[i] & 0x0fU)];
        sums[i + kHalf] += tables[sub * 16 + (code[i] >> 4)];
      }
    }
    for (std::size_t i = 0; i < kCodeBlockRows; ++i) {
      const std::size_t row = block * kCodeBlockRows + i;
      out[row] = key_of(key, sums[i], row);
    }
  }
}

void scan_product8(const ProductCodes& codes, const float* tables, const CodeKey& key, float* out) {
  const std::uint8_t* code = codes.codes;
  for (std::size_t block = 0; block < codes.num_blocks; ++block) {
    float* sums = out + block * kCodeBlockRows;
    for (std::size_t i = 0; i < kCodeBlockRows; ++i) sums[i] = key.bias;
    for (std::size_t sub = 0; sub < codes.num_subs; ++sub, code += kCodeBlockRows) {
      for (std::size_t i = 0; i < kCodeBlockRows; ++i) sums[i] += tables[sub * 256 + code[i]];
    }
    if (key.terms == nullptr) continue;
    for (std::size_t i = 0; i < kCodeBlockRows; ++i) {
      sums[i] += key.terms[block * kCodeBlockRows + i];
    }
  }
}

std::size_t select_near(const float* values, std::size_t count, float bound,
                        std::uint32_t* positions) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    positions[found] = static_cast<std::uint32_t>(i);
    found += values[i] > bound ? 0 : 1;
  }
  return found;
}

}  // namespace

const IvfKernels kIvfKernels = {nearest,       inner_products, scan_scalar,
                                scan_product4, scan_product8,  select_near};

}  // namespace elanus::generic
