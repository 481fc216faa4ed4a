// Arithmetic over rows on any processor.
#include "filter/formula_kernels.h"

namespace elanus::generic {

#include "filter/formula_kernels.inl"

}  // namespace elanus::generic
