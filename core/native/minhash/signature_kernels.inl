// Included once per CPU variant inside that variant's namespace; compilers make vectors of the loop
// over the permutations of a block, whose smallest numbers stay in registers.

namespace {

constexpr std::size_t kBlock = 64;

inline std::uint32_t permuted(std::uint32_t x, std::uint32_t mask, std::uint32_t multiplier) {
  x = (x ^ mask) * multiplier;
  x ^= x >> 16U;
  x *= 0x85ebca6bU;
  x ^= x >> 13U;
  x *= 0xc2b2ae35U;
  return x ^ (x >> 16U);
}

void smallest(const std::uint32_t* members, std::size_t num_members, const std::uint32_t* masks,
              const std::uint32_t* multipliers, std::size_t num_permutations,
              std::uint32_t* found) {
  std::size_t first = 0;
  for (; first + kBlock <= num_permutations; first += kBlock) {
    std::uint32_t least[kBlock];
    for (std::size_t i = 0; i < kBlock; ++i) least[i] = found[first + i];
    for (std::size_t m = 0; m < num_members; ++m) {
      for (std::size_t i = 0; i < kBlock; ++i) {
        const std::uint32_t x = permuted(members[m], masks[first + i], multipliers[first + i]);
        least[i] = x < least[i] ? x : least[i];
      }
    }
    for (std::size_t i = 0; i < kBlock; ++i) found[first + i] = least[i];
  }
  for (std::size_t m = 0; m < num_members; ++m) {
    for (std::size_t i = first; i < num_permutations; ++i) {
      const std::uint32_t x = permuted(members[m], masks[i], multipliers[i]);
      found[i] = x < found[i] ? x : found[i];
    }
  }
}

}  // namespace

const SmallestKernel kSmallest = smallest;
