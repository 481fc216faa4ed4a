// Bits of rows on processors with AVX-512.
#include <immintrin.h>

#include "filter/mask_kernels.h"

namespace elanus::avx512 {

#include "filter/mask_kernels.inl"

}  // namespace elanus::avx512
