#include "support/cpu.h"
#include "text/find_kernels.h"

namespace elanus {

FindKernel find_kernel() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return avx512::kFind;
    case CpuVariant::avx2:
      return avx2::kFind;
#endif
    default:
      return generic::kFind;
  }
}

}  // namespace elanus
