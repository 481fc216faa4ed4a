// The function that each CPU variant compiles with its own flags.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace elanus {

// Returns the first place i where (text[i + j] | folds[j]) == part[j] for every j, or `size` where
// there is none. `part_size` is at least 1.
using FindKernel = std::size_t (*)(const std::uint8_t* text, std::size_t size,
                                   const std::uint8_t* part, const std::uint8_t* folds,
                                   std::size_t part_size);

namespace generic {
extern const FindKernel kFind;
}  // namespace generic
namespace avx2 {
extern const FindKernel kFind;
}  // namespace avx2
namespace avx512 {
extern const FindKernel kFind;
}  // namespace avx512

// That of the active variant.
[[nodiscard]] FindKernel find_kernel();

}  // namespace elanus
