#include "filter/formula_kernels.h"
#include "support/cpu.h"

namespace elanus {

const FormulaKernels& formula_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return avx512::kFormula;
    case CpuVariant::avx2:
      return avx2::kFormula;
#endif
    default:
      return generic::kFormula;
  }
}

}  // namespace elanus
