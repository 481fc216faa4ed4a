// AVX-512 without byte expansion, as processors before Ice Lake have it.
#include <immintrin.h>

#include "sparse/window_kernels.h"

namespace elanus::avx512 {
namespace {

#include "sparse/window_avx512.inl"

#include "sparse/byte_expansion.inl"

}  // namespace

const WindowKernels kWindowKernels = {add_array, add_bitmap, add_dense, drain, block_maxima};

}  // namespace elanus::avx512
