// Arithmetic over rows on processors with AVX2.
#include "filter/formula_kernels.h"

namespace elanus::avx2 {

#include "filter/formula_kernels.inl"

}  // namespace elanus::avx2
