// Arithmetic over rows on processors with AVX-512.
#include "filter/formula_kernels.h"

namespace elanus::avx512 {

#include "filter/formula_kernels.inl"

}  // namespace elanus::avx512
