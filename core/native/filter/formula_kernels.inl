// Included once per CPU variant inside that variant's namespace; compilers make vectors of the
// loops over rows.

namespace {

using Whole = std::int64_t;
using Bits = std::uint64_t;
using Flag = std::uint8_t;

// Numbers of so many bits are divided as doubles: they are exact there, and so is the product of
// their nearest quotient and the divisor.
constexpr int kExactBits = 51;
constexpr Whole kLeast = -9223372036854775807LL - 1;

template <typename T, typename Make>
inline void each(const T* __restrict left, const T* __restrict right, std::size_t size,
                 T* __restrict results, Make make) {
  for (std::size_t i = 0; i < size; ++i) results[i] = make(left[i], right[i]);
}

template <typename T, typename Test>
inline void test_each(const T* __restrict left, const T* __restrict right, std::size_t size,
                      Flag* __restrict flags, Test test) {
  for (std::size_t i = 0; i < size; ++i) flags[i] = test(left[i], right[i]);
}

// Whether a test holds for all rows; `flags` say for which only if it does not.
template <typename T, typename Test>
inline bool all_pass(const T* __restrict left, const T* __restrict right, std::size_t size,
                     Flag* __restrict flags, Test test) {
  unsigned fails = 0;
  for (std::size_t i = 0; i < size; ++i) fails |= static_cast<unsigned>(!test(left[i], right[i]));
  if (fails == 0) return true;
  test_each(left, right, size, flags, test);
  return false;
}

inline Whole sum(Whole a, Whole b) {
  return static_cast<Whole>(static_cast<Bits>(a) + static_cast<Bits>(b));
}
inline Whole difference(Whole a, Whole b) {
  return static_cast<Whole>(static_cast<Bits>(a) - static_cast<Bits>(b));
}

// Whether all numbers lie from -2^bits to below 2^bits.
inline bool fit(const Whole* __restrict values, std::size_t size, int bits) {
  const Bits half = Bits{1} << bits;
  Bits above = 0;
  for (std::size_t i = 0; i < size; ++i) above |= static_cast<Bits>(values[i]) + half;
  return above < 2 * half;
}

// A whole number of up to `kExactBits` bits as a double, and back, by the bits of 1.5 * 2^52 and
// the number added to it: without the instructions that only AVX-512 has for many at once.
constexpr double kShift = 6755399441055744.0;
inline double to_exact(Whole value) {
  const Bits shifted = __builtin_bit_cast(Bits, kShift) + static_cast<Bits>(value);
  return __builtin_bit_cast(double, shifted) - kShift;
}
inline Whole from_exact(double value) {
  const Bits shifted = __builtin_bit_cast(Bits, value + kShift);
  return static_cast<Whole>(shifted - __builtin_bit_cast(Bits, kShift));
}
// 1 where the sign is set. Signs are asked as bits: branches would keep the loops from vectors.
inline Bits is_negative(Whole value) { return static_cast<Bits>(value) >> 63U; }
inline Bits is_negative(double value) { return __builtin_bit_cast(Bits, value) >> 63U; }
inline Whole negated(Bits size, Bits is_turned) {
  return static_cast<Whole>((size ^ (0 - is_turned)) + is_turned);
}

// The quotient or remainder of numbers that fit `kExactBits`: the nearest quotient of their sizes
// is the one that is cut, or one more, and then what is left is negative.
template <bool wants_rest>
inline Whole divided(Whole a, Whole b) {
  const double x = __builtin_fabs(to_exact(a)), y = __builtin_fabs(to_exact(b));
  const double nearest = (x / y + kShift) - kShift;
  const double rest = x - nearest * y;
  const Bits beyond = is_negative(rest);
  if constexpr (wants_rest) {
    const Bits added = static_cast<Bits>(from_exact(y)) & (0 - beyond);
    return negated(static_cast<Bits>(from_exact(rest)) + added, is_negative(a));
  }
  return negated(static_cast<Bits>(from_exact(nearest)) - beyond, is_negative(a ^ b));
}

bool multiply(const Whole* left, const Whole* right, std::size_t size, Whole* results,
              Flag* defined) {
  if (fit(left, size, 31) && fit(right, size, 31)) {
    each(left, right, size, results, [](Whole a, Whole b) {
      return Whole{static_cast<std::int32_t>(a)} * Whole{static_cast<std::int32_t>(b)};
    });
    return true;
  }
  for (std::size_t i = 0; i < size; ++i) {
    defined[i] = !__builtin_mul_overflow(left[i], right[i], &results[i]);
  }
  return false;
}

bool divide(bool rest, const Whole* left, const Whole* right, std::size_t size, Whole* results,
            Flag* defined) {
  const bool all_defined =
      all_pass(left, right, size, defined, [](Whole, Whole b) { return b != 0; });
  if (fit(left, size, kExactBits) && fit(right, size, kExactBits)) {
    if (rest) {
      each(left, right, size, results, [](Whole a, Whole b) { return divided<true>(a, b); });
    } else {
      each(left, right, size, results, [](Whole a, Whole b) { return divided<false>(a, b); });
    }
    return all_defined;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const Whole a = left[i], b = right[i];
    // The processor's own division of the least number by -1 is a trap.
    const bool is_turned = b == -1;
    const Whole divisor = b == 0 || is_turned ? 1 : b;
    if (rest) {
      results[i] = a % divisor;
      if (is_turned) results[i] = 0;
    } else {
      results[i] = is_turned ? difference(0, a) : a / divisor;
    }
    defined[i] = b != 0 && (rest || !is_turned || a != kLeast);
  }
  return false;
}

bool calculate_whole(FormulaOp op, const Whole* left, const Whole* right, std::size_t size,
                     Whole* results, Flag* defined) {
  switch (op) {
    case FormulaOp::add:
      each(left, right, size, results, sum);
      return all_pass(left, right, size, defined, [](Whole a, Whole b) {
        const Whole c = sum(a, b);
        return ((a ^ c) & (b ^ c)) >= 0;
      });
    case FormulaOp::subtract:
      each(left, right, size, results, difference);
      return all_pass(left, right, size, defined,
                      [](Whole a, Whole b) { return ((a ^ b) & (a ^ difference(a, b))) >= 0; });
    case FormulaOp::multiply:
      return multiply(left, right, size, results, defined);
    case FormulaOp::divide:
    case FormulaOp::remainder:
      return divide(op == FormulaOp::remainder, left, right, size, results, defined);
    case FormulaOp::bit_and:
      each(left, right, size, results, [](Whole a, Whole b) { return a & b; });
      break;
    case FormulaOp::bit_or:
      each(left, right, size, results, [](Whole a, Whole b) { return a | b; });
      break;
    case FormulaOp::bit_xor:
      each(left, right, size, results, [](Whole a, Whole b) { return a ^ b; });
      break;
  }
  return true;
}

bool calculate_real(FormulaOp op, const double* left, const double* right, std::size_t size,
                    double* results, Flag* defined) {
  switch (op) {
    case FormulaOp::add:
      each(left, right, size, results, [](double a, double b) { return a + b; });
      return true;
    case FormulaOp::subtract:
      each(left, right, size, results, [](double a, double b) { return a - b; });
      return true;
    case FormulaOp::multiply:
      each(left, right, size, results, [](double a, double b) { return a * b; });
      return true;
    case FormulaOp::divide:
      each(left, right, size, results, [](double a, double b) { return a / b; });
      break;
    default:
      for (std::size_t i = 0; i < size; ++i) results[i] = __builtin_fmod(left[i], right[i]);
  }
  return all_pass(left, right, size, defined, [](double, double b) { return b != 0; });
}

template <typename T>
void compare(FormulaComparison op, const T* left, const T* right, std::size_t size, Flag* holds) {
  switch (op) {
    case FormulaComparison::eq:
      return test_each(left, right, size, holds, [](T a, T b) { return a == b; });
    case FormulaComparison::ne:
      return test_each(left, right, size, holds, [](T a, T b) { return a != b; });
    case FormulaComparison::lt:
      return test_each(left, right, size, holds, [](T a, T b) { return a < b; });
    case FormulaComparison::le:
      return test_each(left, right, size, holds, [](T a, T b) { return a <= b; });
    case FormulaComparison::gt:
      return test_each(left, right, size, holds, [](T a, T b) { return a > b; });
    case FormulaComparison::ge:
      return test_each(left, right, size, holds, [](T a, T b) { return a >= b; });
  }
}

void to_real(const Whole* __restrict whole, std::size_t size, double* __restrict real) {
  for (std::size_t i = 0; i < size; ++i) real[i] = static_cast<double>(whole[i]);
}

}  // namespace

const FormulaKernels kFormula{calculate_whole, calculate_real, compare<Whole>, compare<double>,
                              to_real};
