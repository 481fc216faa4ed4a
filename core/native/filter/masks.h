// Which rows pass, one bit a row?
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "filter/formula_kernels.h"

namespace elanus {

// Writes which bytes are not 0, 64 rows to a word as in `support/bitset.h`, and returns how many.
// `words` has one for each 64 bytes, the last for what is left.
std::size_t pack_mask(std::span<const std::uint8_t> mask, std::span<std::uint64_t> words) noexcept;

// The same for which values compare so with a constant, in one pass without bytes between.
// T is one of the types of `MaskKernels`.
template <typename T>
std::size_t pack_comparison(std::span<const T> values, FormulaComparison comparison, T constant,
                            std::span<std::uint64_t> words) noexcept;

}  // namespace elanus
