// The table of functions that each CPU variant fills.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions,
// or the linker may merge a copy that needs AVX-512 into the generic path.
#pragma once

#include <cstddef>

#include "support/types.h"

namespace elanus {

// Every query of the block against every row of the block.
struct DistanceBlock {
  const float* queries;  // num_queries rows of dim floats
  std::size_t num_queries;
  const float* rows;     // the whole matrix of dim floats a row
  const RowId* row_ids;  // the rows of this block
  std::size_t num_rows;
  std::size_t dim;
  float* out;  // out[query * num_rows + row]
};

using DistanceKernel = void (*)(const DistanceBlock& block);

struct DistanceKernels {
  DistanceKernel squared_l2;
  DistanceKernel inner_product;
};

namespace generic {
extern const DistanceKernels kDistanceKernels;
}
namespace avx2 {
extern const DistanceKernels kDistanceKernels;
}
namespace avx512 {
extern const DistanceKernels kDistanceKernels;
}
namespace neon {
extern const DistanceKernels kDistanceKernels;
}

// The kernels of the active CPU variant.
[[nodiscard]] const DistanceKernels& distance_kernels();

}  // namespace elanus
