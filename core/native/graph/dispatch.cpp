#include "graph/graph_kernels.h"
#include "support/cpu.h"

namespace elanus {

const GraphKernels& graph_kernels(CodeKind kind) {
  const bool nibbles = kind == CodeKind::nibbles;
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      if (has_avx512_vnni()) {
        return nibbles ? avx512vnni::kNibbleGraph : avx512vnni::kByteGraph;
      }
      return nibbles ? avx512::kNibbleGraph : avx512::kByteGraph;
    case CpuVariant::avx2:
      return nibbles ? avx2::kNibbleGraph : avx2::kByteGraph;
#endif
    default:
      return nibbles ? generic::kNibbleGraph : generic::kByteGraph;
  }
}

}  // namespace elanus
