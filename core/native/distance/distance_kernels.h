// The table of functions that each CPU variant fills.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions,
// or the linker may merge a copy that needs AVX-512 into the generic path.
#pragma once

#include <cstddef>
#include <cstdint>

#include "distance/elements.h"
#include "support/types.h"

namespace elanus {

// Every query of the block against every row of the block.
template <typename Query, typename Row>
struct DistanceBlockOf {
  const Query* queries;  // num_queries rows of dim elements
  std::size_t num_queries;
  const Row* rows;       // the whole matrix of dim elements a row
  const RowId* row_ids;  // the rows of this block
  std::size_t num_rows;
  std::size_t dim;
  float* out;  // out[query * num_rows + row]
};

using DistanceBlock = DistanceBlockOf<float, float>;

template <typename Query, typename Row>
using DistanceKernelOf = void (*)(const DistanceBlockOf<Query, Row>& block);

using DistanceKernel = DistanceKernelOf<float, float>;

template <typename Query, typename Row>
struct DistanceKernelsOf {
  DistanceKernelOf<Query, Row> squared_l2;
  DistanceKernelOf<Query, Row> inner_product;
};

// With float queries a row is widened to floats while it is read, so that a distance has the bits
// that the widened row gives. With int8 on both sides sums are exact.
struct DistanceKernels : DistanceKernelsOf<float, float> {
  DistanceKernelsOf<float, Half> float16;
  DistanceKernelsOf<float, BFloat16> bfloat16;
  DistanceKernelsOf<float, std::int8_t> int8;
  DistanceKernelsOf<std::int8_t, std::int8_t> int8_pair;
};

// Distances between sets of bits.
struct BitKernels {
  DistanceKernelOf<BitByte, BitByte> hamming;  // bits that differ
  DistanceKernelOf<BitByte, BitByte> jaccard;  // share of the bits set in either that differ
  // Share of the elements that are equal, of elements of 8, 16, 32 and 64 bits.
  DistanceKernelOf<BitByte, BitByte> equal8;
  DistanceKernelOf<BitByte, BitByte> equal16;
  DistanceKernelOf<BitByte, BitByte> equal32;
  DistanceKernelOf<BitByte, BitByte> equal64;
};

namespace generic {
extern const DistanceKernels kDistanceKernels;
extern const BitKernels kBitKernels;
}  // namespace generic
namespace avx2 {
extern const DistanceKernels kDistanceKernels;
extern const BitKernels kBitKernels;
}  // namespace avx2
namespace avx512 {
extern const DistanceKernels kDistanceKernels;
extern const BitKernels kBitKernels;
}  // namespace avx512
namespace avx512_popcount {
extern const BitKernels kBitKernels;
}  // namespace avx512_popcount
namespace neon {
extern const DistanceKernels kDistanceKernels;
}  // namespace neon

// The kernels of the active CPU variant.
[[nodiscard]] const DistanceKernels& distance_kernels();
[[nodiscard]] const BitKernels& bit_kernels();

}  // namespace elanus
