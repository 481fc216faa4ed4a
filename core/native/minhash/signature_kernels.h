// The function that each CPU variant compiles with its own flags.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace elanus {

// smallest[i] becomes the smallest of itself and what permutation i makes of any member.
using SmallestKernel = void (*)(const std::uint32_t* members, std::size_t num_members,
                                const std::uint32_t* masks, const std::uint32_t* multipliers,
                                std::size_t num_permutations, std::uint32_t* smallest);

namespace generic {
extern const SmallestKernel kSmallest;
}  // namespace generic
namespace avx2 {
extern const SmallestKernel kSmallest;
}  // namespace avx2
namespace avx512 {
extern const SmallestKernel kSmallest;
}  // namespace avx512

}  // namespace elanus
