#include "filter/formula.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "support/cancel.h"
#include "support/error.h"

namespace elanus {
namespace {

// Rows of a block: the numbers of a few operands fit the nearest cache together.
constexpr std::size_t kBlockRows = 512;
// Integers up to this one are exact as doubles.
constexpr double kExactReal = 9007199254740992.0;

using WholeBlock = std::array<std::int64_t, kBlockRows>;
using RealBlock = std::array<double, kBlockRows>;
using FlagBlock = std::array<std::uint8_t, kBlockRows>;

// Numbers of a block of rows: integers, doubles, or some of each.
struct Operand {
  const std::int64_t* whole = nullptr;
  const double* real = nullptr;
  const std::uint8_t* is_whole = nullptr;  // where both may stand
  const std::uint8_t* is_number = nullptr;
  const std::uint8_t* is_known = nullptr;
  const double* twin = nullptr;  // the same as doubles, of a constant that is exact as one

  [[nodiscard]] bool is_mixed() const noexcept { return is_whole != nullptr; }
  [[nodiscard]] bool is_all_whole() const noexcept { return !is_mixed() && whole != nullptr; }
  [[nodiscard]] bool is_all_real() const noexcept { return !is_mixed() && whole == nullptr; }
  [[nodiscard]] bool is_whole_at(std::size_t row) const noexcept {
    return is_mixed() ? is_whole[row] != 0 : whole != nullptr;
  }
};

// Where the numbers of an operand lie, if not in a column.
struct Place {
  WholeBlock whole;
  RealBlock real;
  FlagBlock is_whole;
  FlagBlock is_number;
  FlagBlock is_known;
};

// What an operator reads of its operands besides, and what it finds.
struct Scratch {
  RealBlock left;
  RealBlock right;
  FlagBlock defined;
  FlagBlock whole_defined;
  FlagBlock known;
};

template <typename T>
bool holds_as(FormulaComparison op, T left, T right) {
  switch (op) {
    case FormulaComparison::eq:
      return left == right;
    case FormulaComparison::ne:
      return left != right;
    case FormulaComparison::lt:
      return left < right;
    case FormulaComparison::le:
      return left <= right;
    case FormulaComparison::gt:
      return left > right;
    case FormulaComparison::ge:
      return left >= right;
  }
  return false;
}

// The sign of `whole - real`, neither of which is rounded; `real` is a number.
int order(std::int64_t whole, double real) {
  constexpr double kBeyond = 9223372036854775808.0;
  if (real >= kBeyond) return -1;
  if (real < -kBeyond) return 1;
  const double cut = std::trunc(real);
  const auto other = static_cast<std::int64_t>(cut);
  if (whole != other) return whole < other ? -1 : 1;
  return real > cut ? -1 : (real < cut ? 1 : 0);
}

bool holds_at(FormulaComparison op, const Operand& left, const Operand& right, std::size_t row) {
  const bool left_whole = left.is_whole_at(row);
  const bool right_whole = right.is_whole_at(row);
  if (left_whole && right_whole) return holds_as(op, left.whole[row], right.whole[row]);
  if (!left_whole && !right_whole) return holds_as(op, left.real[row], right.real[row]);
  const double real = left_whole ? right.real[row] : left.real[row];
  if (std::isnan(real)) return op == FormulaComparison::ne;
  const int sign = left_whole ? order(left.whole[row], real) : -order(right.whole[row], real);
  return holds_as(op, sign, 0);
}

bool all_set(const std::uint8_t* flags, std::size_t size) {
  return std::memchr(flags, 0, size) == nullptr;
}

// Leaves of `flags` what `further` has as well; null ones are set everywhere.
void restrict_to(std::uint8_t* flags, const std::uint8_t* further, std::size_t size) {
  if (further == nullptr) return;
  for (std::size_t i = 0; i < size; ++i) flags[i] &= further[i];
}

// The flags of both, in `place`; null where both are.
const std::uint8_t* both(const std::uint8_t* left, const std::uint8_t* right, std::size_t size,
                         FlagBlock& place) {
  if (left == nullptr && right == nullptr) return nullptr;
  place.fill(1);
  restrict_to(place.data(), left, size);
  restrict_to(place.data(), right, size);
  return place.data();
}

class Evaluation {
 public:
  Evaluation(const Formula& formula, std::size_t num_rows);

  // Returns in which rows of the block it is known whether the comparison holds; null: in all.
  const std::uint8_t* evaluate(std::size_t first, std::size_t size, std::uint8_t* holds);

 private:
  void take(const FormulaStep& step, std::size_t first, std::size_t size);
  void push(const Operand& operand, const Place& place);
  [[nodiscard]] Operand column(const FormulaColumn& column, std::size_t first, std::size_t size,
                               Place& place) const;
  [[nodiscard]] Operand calculated(FormulaOp op, const Operand& left, const Operand& right,
                                   std::size_t size, Place& place);
  [[nodiscard]] Operand bits(FormulaOp op, const Operand& left, const Operand& right,
                             std::size_t size, Place& place);
  [[nodiscard]] bool calculate_any(FormulaOp op, const Operand& left, const Operand& right,
                                   std::size_t size, Place& place, Operand& result);
  void compare(const Operand& left, const Operand& right, std::size_t size, std::uint8_t* holds);
  void compare_each(const Operand& left, const Operand& right, std::size_t size,
                    std::uint8_t* holds) const;
  [[nodiscard]] const double* reals(const Operand& operand, std::size_t size,
                                    RealBlock& place) const;
  [[nodiscard]] Place& free_place(std::size_t depth);

  const Formula& formula_;
  const FormulaKernels& kernels_ = formula_kernels();
  // Two for each operand that may wait for its operator: one is written while the other is read.
  std::vector<Place> places_;
  std::vector<Place> constants_;
  std::vector<const Place*> waiting_;
  std::vector<Operand> operands_;
  std::size_t next_constant_ = 0;
  Scratch scratch_;
};

template <typename T>
std::size_t length(const T& values) {
  return std::visit(
      [](const auto& span) -> std::size_t {
        if constexpr (std::is_same_v<std::decay_t<decltype(span)>, std::monostate>) {
          return 0;
        } else {
          return span.size();
        }
      },
      values);
}

void check(const FormulaColumn& column, std::size_t num_rows) {
  const bool has_whole = column.whole.index() != 0;
  const bool has_real = column.real.index() != 0;
  const auto fits = [num_rows](Flags flags) { return flags.empty() || flags.size() == num_rows; };
  const bool is_sound = (has_whole || has_real) &&
                        (!has_whole || length(column.whole) == num_rows) &&
                        (!has_real || length(column.real) == num_rows) &&
                        (num_rows == 0 || (has_whole && has_real) == !column.is_whole.empty()) &&
                        fits(column.is_whole) && fits(column.is_number) && fits(column.is_known);
  if (!is_sound) throw_invalid_argument("columns: expected numbers and flags for each row");
}

Evaluation::Evaluation(const Formula& formula, std::size_t num_rows) : formula_(formula) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (const FormulaStep& step : formula.steps) {
    if (const auto* taken = std::get_if<FormulaColumnStep>(&step)) {
      if (taken->column >= formula.columns.size()) {
        throw_invalid_argument("steps: a column is not there");
      }
      ++depth;
    } else if (const auto* constant = std::get_if<FormulaConstant>(&step)) {
      Place& place = constants_.emplace_back();
      const auto* whole = std::get_if<std::int64_t>(&constant->value);
      place.whole.fill(whole == nullptr ? 0 : *whole);
      place.real.fill(whole == nullptr ? std::get<double>(constant->value)
                                       : static_cast<double>(*whole));
      ++depth;
    } else {
      if (depth < 2) throw_invalid_argument("steps: an operator lacks an operand");
      --depth;
    }
    deepest = std::max(deepest, depth);
  }
  if (depth != 2) throw_invalid_argument("steps: expected two operands to compare");
  for (const FormulaColumn& column : formula.columns) check(column, num_rows);
  places_.resize(2 * deepest);
}

Place& Evaluation::free_place(std::size_t depth) {
  Place& first = places_[2 * depth];
  return depth < waiting_.size() && waiting_[depth] == &first ? places_[2 * depth + 1] : first;
}

const double* Evaluation::reals(const Operand& operand, std::size_t size, RealBlock& place) const {
  if (operand.is_all_real()) return operand.real;
  if (operand.twin != nullptr) return operand.twin;
  kernels_.to_real(operand.whole, size, place.data());
  if (operand.is_mixed()) {
    for (std::size_t i = 0; i < size; ++i) {
      if (operand.is_whole[i] == 0) place[i] = operand.real[i];
    }
  }
  return place.data();
}

// The rows of a block, widened where they are stored narrower.
template <typename Wide, typename Values>
const Wide* widened(const Values& values, std::size_t first, std::size_t size, Wide* place) {
  return std::visit(
      [=](const auto& span) -> const Wide* {
        using Span = std::decay_t<decltype(span)>;
        if constexpr (std::is_same_v<Span, std::monostate>) {
          return nullptr;
        } else if constexpr (std::is_same_v<Span, std::span<const Wide>>) {
          return span.data() + first;
        } else {
          std::copy_n(span.begin() + static_cast<std::ptrdiff_t>(first), size, place);
          return place;
        }
      },
      values);
}

Operand Evaluation::column(const FormulaColumn& column, std::size_t first, std::size_t size,
                           Place& place) const {
  const auto flags = [first](Flags all) { return all.empty() ? nullptr : all.data() + first; };
  return {.whole = widened<std::int64_t>(column.whole, first, size, place.whole.data()),
          .real = widened<double>(column.real, first, size, place.real.data()),
          .is_whole = flags(column.is_whole),
          .is_number = flags(column.is_number),
          .is_known = flags(column.is_known)};
}

bool Evaluation::calculate_any(FormulaOp op, const Operand& left, const Operand& right,
                               std::size_t size, Place& place, Operand& result) {
  FlagBlock& defined = scratch_.defined;
  const bool reals_defined = kernels_.calculate_real(op, reals(left, size, scratch_.left),
                                                     reals(right, size, scratch_.right), size,
                                                     place.real.data(), defined.data());
  result.real = place.real.data();
  if (left.is_all_real() || right.is_all_real()) return reals_defined;
  for (std::size_t i = 0; i < size; ++i) {
    place.is_whole[i] = static_cast<std::uint8_t>(left.is_whole_at(i) && right.is_whole_at(i));
  }
  FlagBlock& whole_defined = scratch_.whole_defined;
  const bool wholes_defined = kernels_.calculate_whole(op, left.whole, right.whole, size,
                                                       place.whole.data(), whole_defined.data());
  result.whole = place.whole.data();
  result.is_whole = place.is_whole.data();
  if (reals_defined && wholes_defined) return true;
  if (reals_defined) defined.fill(1);
  if (wholes_defined) whole_defined.fill(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (place.is_whole[i] != 0) defined[i] = whole_defined[i];
  }
  return false;
}

// Bits are those of an integer: where a double stands there is no number.
Operand Evaluation::bits(FormulaOp op, const Operand& left, const Operand& right, std::size_t size,
                         Place& place) {
  Operand result{.whole = place.whole.data()};
  result.is_known = both(left.is_known, right.is_known, size, place.is_known);
  result.is_number = both(left.is_number, right.is_number, size, place.is_number);
  if (left.is_all_real() || right.is_all_real()) {
    place.whole.fill(0);
    place.is_number.fill(0);
    result.is_number = place.is_number.data();
    return result;
  }
  // Bits always have a value.
  static_cast<void>(kernels_.calculate_whole(op, left.whole, right.whole, size, place.whole.data(),
                                             scratch_.defined.data()));
  if (left.is_mixed() || right.is_mixed()) {
    if (result.is_number == nullptr) place.is_number.fill(1);
    restrict_to(place.is_number.data(), left.is_whole, size);
    restrict_to(place.is_number.data(), right.is_whole, size);
    result.is_number = place.is_number.data();
  }
  return result;
}

Operand Evaluation::calculated(FormulaOp op, const Operand& left, const Operand& right,
                               std::size_t size, Place& place) {
  if (op >= FormulaOp::bit_and) return bits(op, left, right, size, place);
  Operand result;
  result.is_number = both(left.is_number, right.is_number, size, place.is_number);
  result.is_known = both(left.is_known, right.is_known, size, place.is_known);
  bool all_defined = true;
  if (left.is_all_whole() && right.is_all_whole()) {
    all_defined = kernels_.calculate_whole(op, left.whole, right.whole, size, place.whole.data(),
                                           scratch_.defined.data());
    result.whole = place.whole.data();
  } else {
    all_defined = calculate_any(op, left, right, size, place, result);
  }
  if (all_defined) return result;
  if (result.is_known == nullptr) place.is_known.fill(1);
  for (std::size_t i = 0; i < size; ++i) {
    // Where there is nothing to calculate with, there is no missing result either.
    const bool is_missing =
        scratch_.defined[i] == 0 && (result.is_number == nullptr || result.is_number[i] != 0);
    if (is_missing) place.is_known[i] = 0;
  }
  result.is_known = place.is_known.data();
  return result;
}

void Evaluation::compare_each(const Operand& left, const Operand& right, std::size_t size,
                              std::uint8_t* holds) const {
  for (std::size_t i = 0; i < size; ++i) {
    holds[i] = static_cast<std::uint8_t>(holds_at(formula_.comparison, left, right, i));
  }
}

void Evaluation::compare(const Operand& left, const Operand& right, std::size_t size,
                         std::uint8_t* holds) {
  const FormulaComparison op = formula_.comparison;
  if (left.is_all_whole() && right.is_all_whole()) {
    kernels_.compare_whole(op, left.whole, right.whole, size, holds);
  } else if ((left.is_all_real() || left.twin != nullptr) &&
             (right.is_all_real() || right.twin != nullptr)) {
    const double* left_reals = reals(left, size, scratch_.left);
    kernels_.compare_real(op, left_reals, reals(right, size, scratch_.right), size, holds);
  } else if (left.is_mixed() || right.is_mixed()) {
    compare_each(left, right, size, holds);
  } else {
    const double* left_reals = reals(left, size, scratch_.left);
    const double* right_reals = reals(right, size, scratch_.right);
    kernels_.compare_real(op, left_reals, right_reals, size, holds);
    // Integers are rounded in order, so that only those that become the other double may mislead.
    unsigned is_unsure = 0;
    for (std::size_t i = 0; i < size; ++i) {
      is_unsure |= static_cast<unsigned>(left_reals[i] == right_reals[i]) &
                   static_cast<unsigned>(std::abs(left_reals[i]) >= kExactReal);
    }
    if (is_unsure != 0) compare_each(left, right, size, holds);
  }
}

void Evaluation::push(const Operand& operand, const Place& place) {
  operands_.push_back(operand);
  waiting_.push_back(&place);
}

void Evaluation::take(const FormulaStep& step, std::size_t first, std::size_t size) {
  if (const auto* taken = std::get_if<FormulaColumnStep>(&step)) {
    Place& place = free_place(operands_.size());
    push(column(formula_.columns[taken->column], first, size, place), place);
  } else if (const auto* constant = std::get_if<FormulaConstant>(&step)) {
    const Place& place = constants_[next_constant_++];
    const bool is_exact = std::abs(place.real[0]) < kExactReal;
    const bool is_whole = std::holds_alternative<std::int64_t>(constant->value);
    push(is_whole
             ? Operand{.whole = place.whole.data(), .twin = is_exact ? place.real.data() : nullptr}
             : Operand{.real = place.real.data()},
         place);
  } else {
    const std::size_t depth = operands_.size() - 2;
    Place& place = free_place(depth);
    const Operand result =
        calculated(std::get<FormulaOp>(step), operands_[depth], operands_[depth + 1], size, place);
    operands_.resize(depth);
    waiting_.resize(depth);
    push(result, place);
  }
}

const std::uint8_t* Evaluation::evaluate(std::size_t first, std::size_t size, std::uint8_t* holds) {
  operands_.clear();
  waiting_.clear();
  next_constant_ = 0;
  for (const FormulaStep& step : formula_.steps) take(step, first, size);
  const Operand& left = operands_[0];
  const Operand& right = operands_[1];
  compare(left, right, size, holds);
  restrict_to(holds, left.is_number, size);
  restrict_to(holds, right.is_number, size);
  const std::uint8_t* known = both(left.is_known, right.is_known, size, scratch_.known);
  if (known == nullptr || all_set(known, size)) return nullptr;
  restrict_to(holds, known, size);
  return known;
}

}  // namespace

std::vector<std::uint8_t> evaluate_formula(const Formula& formula, std::span<std::uint8_t> holds) {
  Evaluation evaluation(formula, holds.size());
  CancelPoint point;
  std::vector<std::uint8_t> known;
  for (std::size_t first = 0; first < holds.size(); first += kBlockRows) {
    const std::size_t size = std::min(kBlockRows, holds.size() - first);
    const std::uint8_t* here = evaluation.evaluate(first, size, holds.data() + first);
    if (here != nullptr) {
      if (known.empty()) known.assign(holds.size(), 1);
      std::copy_n(here, size, known.begin() + static_cast<std::ptrdiff_t>(first));
    }
    point.passed(size * formula.steps.size());
  }
  return known;
}

}  // namespace elanus
