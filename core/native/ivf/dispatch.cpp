#include "ivf/ivf_kernels.h"
#include "support/cpu.h"

namespace elanus {
namespace {

#if defined(__x86_64__)
IvfKernels best_avx512() {
  IvfKernels kernels = avx512::kIvfKernels;
  if (has_avx512_vnni()) kernels.scan_scalar = avx512vnni::scan_scalar;
  return kernels;
}
#endif

}  // namespace

const IvfKernels& ivf_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512: {
      static const IvfKernels kernels = best_avx512();
      return kernels;
    }
    case CpuVariant::avx2:
      return avx2::kIvfKernels;
#endif
    default:
      return generic::kIvfKernels;
  }
}

}  // namespace elanus
