#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "filter/formula.h"

namespace elanus::bindings {
namespace {

using Numbers = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OptionalNumbers = std::optional<Numbers>;
using OptionalFlags = std::optional<Array1<std::uint8_t>>;
// Integers, doubles, which are integers, which are numbers, which are known.
using Column =
    std::tuple<OptionalNumbers, OptionalNumbers, OptionalFlags, OptionalFlags, OptionalFlags>;
// The place of a column or of an operator, or a constant.
using Step = std::tuple<int, std::variant<std::int64_t, double>>;

enum StepKind { kColumn, kConstant, kOperator };

// Takes the array as the one of `Types` that it holds.
template <typename Variant, typename... Types>
Variant typed(const OptionalNumbers& numbers) {
  Variant found;
  if (!numbers.has_value()) return found;
  const auto as = [&]<typename T>(const T* /*of_type*/) {
    if (numbers->dtype() == nb::dtype<T>()) {
      found = std::span<const T>(static_cast<const T*>(numbers->data()), numbers->shape(0));
    }
  };
  (as(static_cast<const Types*>(nullptr)), ...);
  if (found.index() == 0) throw_invalid_argument("columns: numbers of another type");
  return found;
}

FormulaColumn to_column(const Column& column) {
  const auto& [whole, real, is_whole, is_number, is_known] = column;
  return {
      .whole =
          typed<WholeValues, std::uint8_t, std::int8_t, std::int16_t, std::int32_t, std::int64_t>(
              whole),
      .real = typed<RealValues, float, double>(real),
      .is_whole = to_span(is_whole),
      .is_number = to_span(is_number),
      .is_known = to_span(is_known)};
}

FormulaStep to_step(const Step& step) {
  const auto& [kind, value] = step;
  if (kind == kConstant) return FormulaConstant{value};
  const auto* number = std::get_if<std::int64_t>(&value);
  const std::int64_t most = static_cast<std::int64_t>(FormulaOp::bit_xor);
  if (number == nullptr || *number < 0 || (kind == kOperator && *number > most)) {
    throw_invalid_argument("steps: no such column or operator");
  }
  if (kind == kColumn) return FormulaColumnStep{static_cast<std::size_t>(*number)};
  return static_cast<FormulaOp>(*number);
}

// 1 where it holds, and 1 where that is known; None: everywhere.
std::pair<NewArray1<std::uint8_t>, std::optional<NewArray1<std::uint8_t>>> compare_formula(
    const std::vector<Column>& columns, const std::vector<Step>& steps, int comparison,
    std::size_t num_rows) {
  Formula formula;
  for (const Column& column : columns) formula.columns.push_back(to_column(column));
  for (const Step& step : steps) formula.steps.push_back(to_step(step));
  if (comparison < 0 || comparison > static_cast<int>(FormulaComparison::ge)) {
    throw_invalid_argument("comparison: there is none of this number");
  }
  formula.comparison = static_cast<FormulaComparison>(comparison);
  OwnedArray<std::uint8_t> holds(num_rows);
  std::vector<std::uint8_t> known;
  {
    const Unlocked unlocked(num_rows * steps.size());
    known = evaluate_formula(formula, holds.span());
  }
  if (known.empty()) return {holds.release(), std::nullopt};
  return {holds.release(), OwnedArray<std::uint8_t>(std::move(known)).release()};
}

}  // namespace

void bind_formula(nb::module_& module) {
  module.def("compare_formula", compare_formula, nb::arg("columns"), nb::arg("steps"),
             nb::arg("comparison"), nb::arg("num_rows"),
             "Where a comparison of calculated numbers holds, and where that is known; None: "
             "everywhere. The GIL is released.");
}

}  // namespace elanus::bindings
