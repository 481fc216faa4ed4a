#include "graph/graph_kernels.h"
#include "support/cpu.h"

namespace elanus {
namespace {

const GraphKernels& of_kind(CodeKind kind, const GraphKernels& nibbles, const GraphKernels& bytes,
                            const GraphKernels& bits) {
  if (kind == CodeKind::bits) return bits;
  return kind == CodeKind::nibbles ? nibbles : bytes;
}

}  // namespace

const GraphKernels& graph_kernels(CodeKind kind) {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      if (has_avx512_vnni()) {
        return of_kind(kind, avx512vnni::kNibbleGraph, avx512vnni::kByteGraph,
                       avx512vnni::kBitGraph);
      }
      return of_kind(kind, avx512::kNibbleGraph, avx512::kByteGraph, avx512::kBitGraph);
    case CpuVariant::avx2:
      return of_kind(kind, avx2::kNibbleGraph, avx2::kByteGraph, avx2::kBitGraph);
#endif
    default:
      return of_kind(kind, generic::kNibbleGraph, generic::kByteGraph, generic::kBitGraph);
  }
}

}  // namespace elanus
