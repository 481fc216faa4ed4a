// The table of functions that each CPU variant fills: integer products of byte codes.
//
// Plain pointers and sizes, as in distance/distance_kernels.h: files with flags of their own must
// not emit shared inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/types.h"

namespace elanus {

// Codes of a row fill up to whole cache lines, so that no kernel has a tail.
inline constexpr std::size_t kCodeLineBytes = 64;

// Every query of the block against every row of the block.
struct CodeBlock {
  const std::int8_t* queries;   // num_queries rows of `stride` codes
  const std::int16_t* widened;  // the same numbers, for processors that multiply 16-bit integers
  std::size_t num_queries;
  const std::uint8_t* codes;  // the whole matrix of `stride` bytes a row
  std::size_t stride;         // a multiple of kCodeLineBytes
  const RowId* row_ids;       // the rows of this block
  std::size_t num_rows;
  std::int32_t* out;  // out[query * num_rows + row]: the sum of query code times row byte
};

// Bounds of the distances of one query to the rows of a block: the products of a CodeBlock with
// what rows and query contribute (see bounds.h for the meaning of each number).
struct BoundBlock {
  const std::int32_t* products;
  const float* scales;
  const float* errors;
  const float* norms;
  std::size_t num_rows;
  std::int32_t offset;
  float weight;
  float per_error;
  float per_norm;
  float square;
  float base;
  float threshold;
  float* lower;              // num_rows places
  std::uint32_t* positions;  // num_rows places: positions whose lower bound is no more than
                             // threshold (or not a number), ascending
};

using CodeKernel = void (*)(const CodeBlock& block);
using BoundKernel = std::size_t (*)(const BoundBlock& block);

struct CodeKernels {
  const char* name;
  CodeKernel products;
  BoundKernel select;  // returns the number of positions
};

namespace generic {
extern const CodeKernels kCodeKernels;
}
namespace avx2 {
extern const CodeKernels kCodeKernels;
}
namespace avx512 {
extern const CodeKernels kCodeKernels;
}
namespace avx512_vnni {
extern const CodeKernels kCodeKernels;
}

// The kernels of the active CPU variant.
[[nodiscard]] const CodeKernels& code_kernels();

}  // namespace elanus
