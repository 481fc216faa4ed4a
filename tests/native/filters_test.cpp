#include "filters_test.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "checks.h"
#include "filter/elements.h"
#include "filter/formula.h"
#include "filter/masks.h"
#include "minhash/bands.h"
#include "support/cpu.h"

namespace {

using elanus::Formula;
using elanus::FormulaColumn;
using elanus::FormulaColumnStep;
using elanus::FormulaComparison;
using elanus::FormulaConstant;
using elanus::FormulaOp;
using elanus::test::check;
using elanus::test::check_throws;

using Whole = std::int64_t;

constexpr Whole kMost = std::numeric_limits<Whole>::max();
constexpr Whole kLeast = std::numeric_limits<Whole>::min();

// What an operator gives in one row; false where it has no value.
bool calculate_slowly(FormulaOp op, Whole a, Whole b, Whole& result) {
  switch (op) {
    case FormulaOp::add:
      return !__builtin_add_overflow(a, b, &result);
    case FormulaOp::subtract:
      return !__builtin_sub_overflow(a, b, &result);
    case FormulaOp::multiply:
      return !__builtin_mul_overflow(a, b, &result);
    case FormulaOp::divide:
      if (b == 0 || (a == kLeast && b == -1)) return false;
      result = a / b;
      return true;
    case FormulaOp::remainder:
      if (b == 0) return false;
      result = b == -1 ? 0 : a % b;
      return true;
    default:
      result = op == FormulaOp::bit_and ? a & b : (op == FormulaOp::bit_or ? a | b : a ^ b);
      return true;
  }
}

// Every operator on numbers of any size, in blocks that are full and not.
void test_whole_formulas() {
  std::mt19937_64 random(11);
  const std::vector<Whole> edges{0, 1, -1, 7, -7, kMost, kLeast, Whole{1} << 51, -(Whole{1} << 51)};
  for (const std::size_t size : {0U, 1U, 511U, 512U, 1300U}) {
    for (int round = 0; round < 32; ++round) {
      const auto op = static_cast<FormulaOp>(round % 8);
      const int shift = round < 16 ? 20 : 0;
      std::vector<Whole> left(size), right(size);
      for (std::size_t i = 0; i < size; ++i) {
        const bool is_edge = shift == 0 && random() % 2 == 0;
        left[i] = is_edge ? edges[random() % edges.size()] : static_cast<Whole>(random()) >> shift;
        right[i] = is_edge ? edges[random() % edges.size()] : static_cast<Whole>(random() % 99) - 9;
      }
      Formula formula;
      formula.columns = {FormulaColumn{.whole = std::span<const Whole>(left)},
                         FormulaColumn{.whole = std::span<const Whole>(right)}};
      formula.steps = {FormulaColumnStep{0}, FormulaColumnStep{1}, op, FormulaConstant{Whole{3}}};
      formula.comparison = FormulaComparison::le;
      std::vector<std::uint8_t> holds(size);
      const std::vector<std::uint8_t> known = elanus::evaluate_formula(formula, holds);
      bool same = true;
      for (std::size_t i = 0; i < size; ++i) {
        Whole result = 0;
        const bool is_known = calculate_slowly(op, left[i], right[i], result);
        same &= (known.empty() || known[i] != 0) == is_known;
        same &= (holds[i] != 0) == (is_known && result <= 3);
      }
      check(same, "formula " + std::to_string(round) + " of " + std::to_string(size) + " rows");
    }
  }
}

void test_refused_formulas() {
  const std::vector<Whole> two{1, 2};
  std::vector<std::uint8_t> holds(3);
  Formula formula;
  formula.columns = {FormulaColumn{.whole = std::span<const Whole>(two)}};
  formula.steps = {FormulaColumnStep{0}, FormulaColumnStep{0}};
  formula.comparison = FormulaComparison::eq;
  check_throws([&] { elanus::evaluate_formula(formula, holds); }, "a column that is too short");
  holds.resize(2);
  formula.steps = {FormulaColumnStep{1}, FormulaColumnStep{0}};
  check_throws([&] { elanus::evaluate_formula(formula, holds); }, "a column that is not there");
}

// Offsets that do not ascend mark wrong rows at worst.
void test_elements() {
  std::mt19937 random(13);
  for (const std::size_t num_rows : {1U, 30U, 5000U}) {
    for (const bool ascends : {true, false}) {
      std::vector<Whole> offsets(num_rows + 1, 0);
      for (std::size_t i = 1; i <= num_rows; ++i) {
        offsets[i] = offsets[i - 1] + (random() % 50 == 0 ? random() % 3000 : random() % 2);
      }
      const auto size = static_cast<std::size_t>(offsets.back());
      std::vector<std::int16_t> values(size);
      for (std::int16_t& value : values) value = static_cast<std::int16_t>(random() % 30);
      if (!ascends) std::shuffle(offsets.begin() + 1, offsets.end() - 1, random);
      const std::vector<Whole> wanted{3, 1 << 20};
      std::vector<std::uint8_t> held(num_rows), expected(num_rows);
      elanus::mark_holding(std::span<const std::int16_t>(values), wanted, offsets, held);
      for (std::size_t row = 0; ascends && row < num_rows; ++row) {
        for (Whole i = offsets[row]; i < offsets[row + 1]; ++i) {
          if (values[static_cast<std::size_t>(i)] == 3) expected[row] = 1;
        }
      }
      check(!ascends || held == expected, "rows that hold an element");
    }
  }
}

template <typename T>
void test_packed_comparison(std::size_t size) {
  std::mt19937 random(17);
  std::vector<T> values(size);
  for (T& value : values) value = static_cast<T>(random() % 5);
  std::vector<std::uint64_t> words((size + 63) / 64);
  const std::size_t count = elanus::pack_comparison<T>(values, FormulaComparison::lt, T{2}, words);
  std::vector<std::uint64_t> expected(words.size());
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (!(values[i] < T{2})) continue;
    expected[i / 64] |= std::uint64_t{1} << (i % 64);
    ++wanted;
  }
  check(words == expected && count == wanted, "values packed as bits");
}

// Nothing is read or written behind the last row.
void test_masks() {
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 1023U, 1024U, 1025U, 3000U}) {
    test_packed_comparison<std::int8_t>(size);
    test_packed_comparison<std::int16_t>(size);
    test_packed_comparison<std::int64_t>(size);
    test_packed_comparison<double>(size);
    std::vector<std::uint8_t> mask(size, 1);
    std::vector<std::uint64_t> words((size + 63) / 64);
    check(elanus::pack_mask(mask, words) == size, "a mask packed as bits");
  }
}

// Tables that are not in order, as of a damaged file, give wrong rows at worst.
void test_bands() {
  std::mt19937 random(19);
  for (const std::size_t num_rows : {1U, 17U, 3000U}) {
    for (const std::uint32_t most : {3U, 0xffffffffU}) {
      std::vector<std::uint32_t> hashes(2 * num_rows), row_ids(2 * num_rows);
      for (std::uint32_t& hash : hashes) hash = static_cast<std::uint32_t>(random()) % most;
      for (std::uint32_t& row : row_ids) row = static_cast<std::uint32_t>(random() % num_rows);
      const elanus::BandTables tables{hashes, row_ids, 2, num_rows};
      for (const std::uint32_t hash : {0U, 1U, 2U, hashes[0], most - 1, 0xffffffffU}) {
        const std::vector<std::uint32_t> query{hash, hash};
        std::vector<std::int64_t> out(num_rows + 5);
        const elanus::BandRequest request{query, std::nullopt, 2 * num_rows, num_rows};
        const auto found = elanus::rows_in_bands(tables, request, out);
        check(found == num_rows, "rows filled up to all there are");
      }
    }
  }
}

}  // namespace

void test_filters() {
  for (const elanus::CpuVariant variant : elanus::available_variants()) {
    elanus::set_active_variant(elanus::variant_name(variant));
    test_whole_formulas();
    test_masks();
  }
  test_bands();
  test_refused_formulas();
  test_elements();
}
