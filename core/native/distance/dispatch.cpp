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

const BitKernels& bit_kernels() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return has_avx512_popcount() ? avx512_popcount::kBitKernels : avx512::kBitKernels;
    case CpuVariant::avx2:
      return avx2::kBitKernels;
#endif
    default:
      return generic::kBitKernels;
  }
}

}  // namespace elanus
