#include "minhash/signatures.h"

#include <algorithm>
#include <limits>
#include <string>

#include "minhash/signature_kernels.h"
#include "support/cpu.h"
#include "support/error.h"

namespace elanus {
namespace {

SmallestKernel smallest_kernel() {
  switch (active_variant()) {
#if defined(__x86_64__)
    case CpuVariant::avx512:
      return avx512::kSmallest;
    case CpuVariant::avx2:
      return avx2::kSmallest;
#endif
    default:
      return generic::kSmallest;
  }
}

void check_permutations(const Permutations& permutations) {
  if (permutations.masks.size() != permutations.multipliers.size()) {
    throw_invalid_argument("multipliers: expected one for each of " +
                           std::to_string(permutations.masks.size()) + " masks, got " +
                           std::to_string(permutations.multipliers.size()));
  }
  for (const std::uint32_t multiplier : permutations.multipliers) {
    if (multiplier % 2 == 0) {
      throw_invalid_argument("multipliers: expected odd numbers, got " +
                             std::to_string(multiplier));
    }
  }
}

}  // namespace

void minhash_signatures(std::span<const std::uint32_t> members,
                        std::span<const std::int64_t> offsets, const Permutations& permutations,
                        std::span<std::uint32_t> out) {
  check_permutations(permutations);
  const std::size_t width = permutations.masks.size();
  const SmallestKernel kernel = smallest_kernel();
  std::ranges::fill(out, std::numeric_limits<std::uint32_t>::max());
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const std::int64_t start = offsets[i];
    const std::int64_t end = offsets[i + 1];
    if (start < 0 || end < start || static_cast<std::size_t>(end) > members.size()) {
      throw_invalid_argument("offsets: expected ascending values up to " +
                             std::to_string(members.size()) + ", got " + std::to_string(end) +
                             " after " + std::to_string(start));
    }
    kernel(members.data() + start, static_cast<std::size_t>(end - start), permutations.masks.data(),
           permutations.multipliers.data(), width, out.data() + i * width);
  }
}

}  // namespace elanus
