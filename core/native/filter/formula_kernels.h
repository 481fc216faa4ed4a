// The functions that each CPU variant compiles with its own flags.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace elanus {

enum class FormulaOp : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  remainder,
  bit_and,
  bit_or,
  bit_xor
};
enum class FormulaComparison : std::uint8_t { eq, ne, lt, le, gt, ge };

// What is done to a few rows; what is written overlaps nothing that is read.
struct FormulaKernels {
  // int64: quotients are cut towards zero, a remainder has the sign of the left. Returns whether
  // all results have a value, one in int64; if not, `defined` is 1 where they have and 0 elsewhere.
  bool (*calculate_whole)(FormulaOp op, const std::int64_t* left, const std::int64_t* right,
                          std::size_t size, std::int64_t* results, std::uint8_t* defined);
  // The same of doubles, without the operators of bits.
  bool (*calculate_real)(FormulaOp op, const double* left, const double* right, std::size_t size,
                         double* results, std::uint8_t* defined);
  void (*compare_whole)(FormulaComparison op, const std::int64_t* left, const std::int64_t* right,
                        std::size_t size, std::uint8_t* holds);
  void (*compare_real)(FormulaComparison op, const double* left, const double* right,
                       std::size_t size, std::uint8_t* holds);
  void (*to_real)(const std::int64_t* whole, std::size_t size, double* real);
};

namespace generic {
extern const FormulaKernels kFormula;
}  // namespace generic
namespace avx2 {
extern const FormulaKernels kFormula;
}  // namespace avx2
namespace avx512 {
extern const FormulaKernels kFormula;
}  // namespace avx512

// Those of the active variant.
[[nodiscard]] const FormulaKernels& formula_kernels();

}  // namespace elanus
