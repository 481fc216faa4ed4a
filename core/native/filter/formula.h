// In which rows does a comparison of calculated numbers hold?
//
// Rows are taken a block at a time through all steps, so that what is calculated between stays in
// the nearest cache. The rules are those of `elanus/filter/values/numbers.py`, its slow twin:
// integers and doubles are compared by their true values, arithmetic of two integers stays in
// int64, and where a result is not defined the comparison is unknown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "filter/formula_kernels.h"

namespace elanus {

using Flags = std::span<const std::uint8_t>;
using WholeValues = std::variant<std::monostate, std::span<const std::uint8_t>,
                                 std::span<const std::int8_t>, std::span<const std::int16_t>,
                                 std::span<const std::int32_t>, std::span<const std::int64_t>>;
using RealValues = std::variant<std::monostate, std::span<const float>, std::span<const double>>;

// A number per row, where there is one. Flags are 0 or 1; empty ones stand for 1 everywhere.
struct FormulaColumn {
  WholeValues whole{};  // at least one of the two is there
  RealValues real{};
  Flags is_whole{};  // which of the two counts, where both are there
  Flags is_number{};
  Flags is_known{};
};

// Steps in the order of evaluation: an operator takes the two operands before it.
struct FormulaColumnStep {
  std::size_t column;
};
struct FormulaConstant {
  std::variant<std::int64_t, double> value;
};
using FormulaStep = std::variant<FormulaColumnStep, FormulaConstant, FormulaOp>;

struct Formula {
  std::vector<FormulaColumn> columns;
  std::vector<FormulaStep> steps;  // two operands are left of them, which are compared
  FormulaComparison comparison;
};

// Writes 1 where the comparison holds and 0 elsewhere, one place for each row, and returns where it
// is known whether; empty: in every row.
//
// Throws Error (invalid_argument) when a column has another length than the rows, or the steps
// leave other than two operands.
std::vector<std::uint8_t> evaluate_formula(const Formula& formula, std::span<std::uint8_t> holds);

}  // namespace elanus
