#include "sparse/window_kernels.h"
#include "support/cpu.h"

namespace elanus {

const WindowKernels& window_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512: {
      static const bool can_expand = has_avx512_vbmi2();
      return can_expand ? avx512_vbmi2::kWindowKernels : avx512::kWindowKernels;
    }
    case CpuVariant::avx2:
      return avx2::kWindowKernels;
#endif
    default:
      return generic::kWindowKernels;
  }
}

}  // namespace elanus
