// Bits of rows on processors with AVX2.
#include <immintrin.h>

#include "filter/mask_kernels.h"

namespace elanus::avx2 {

#include "filter/mask_kernels.inl"

}  // namespace elanus::avx2
