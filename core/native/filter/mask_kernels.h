// The functions that each CPU variant compiles with its own flags.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "filter/formula_kernels.h"

namespace elanus {

// Each writes one word for each 64 rows, the last for what is left, and returns how many rows pass.
struct MaskKernels {
  template <typename T>
  using Compare = std::size_t (*)(FormulaComparison comparison, const T* values, std::size_t size,
                                  T constant, std::uint64_t* words);

  std::size_t (*pack)(const std::uint8_t* mask, std::size_t size, std::uint64_t* words);
  Compare<std::uint8_t> compare_uint8;
  Compare<std::int8_t> compare_int8;
  Compare<std::int16_t> compare_int16;
  Compare<std::int32_t> compare_int32;
  Compare<std::int64_t> compare_int64;
  Compare<float> compare_float;
  Compare<double> compare_double;
};

namespace generic {
extern const MaskKernels kMasks;
}  // namespace generic
namespace avx2 {
extern const MaskKernels kMasks;
}  // namespace avx2
namespace avx512 {
extern const MaskKernels kMasks;
}  // namespace avx512

}  // namespace elanus
