#include "quantized/code_kernels.h"
#include "support/cpu.h"

namespace elanus {

const CodeKernels& code_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return has_avx512_vnni() ? avx512_vnni::kCodeKernels : avx512::kCodeKernels;
    case CpuVariant::avx2:
      return avx2::kCodeKernels;
#endif
    default:
      return generic::kCodeKernels;
  }
}

}  // namespace elanus
