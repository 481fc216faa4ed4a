#include "distance/distance_kernels.h"
#include "support/cpu.h"

namespace elanus {

const DistanceKernels& distance_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return avx512::kDistanceKernels;
    case CpuVariant::avx2:
      return avx2::kDistanceKernels;
#elif defined(__aarch64__)
    case CpuVariant::neon:
      return neon::kDistanceKernels;
#endif
    default:
      return generic::kDistanceKernels;
  }
}

}  // namespace elanus
