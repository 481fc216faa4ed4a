"""How do numbers compare and add up, exactly?

An int64 and a double are compared by their true values, never by rounding one to the other's type.
Arithmetic on two integers stays in int64 (division cuts towards zero and ``%`` takes the sign of
the dividend, as in C and Milvus); with a double it is a double's; ``**`` always is. A division or
remainder by zero and an integer result outside int64 have no value. Bits are those of an int64, and
a double has none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.filter.operators import ArithmeticOp, CompareOp
from elanus.kernels.bitset import Bitset
from elanus.types import AnyArray, BoolArray, Float64Array, Int64Array

_Array: TypeAlias = np.ndarray[Any, Any]
_Signs: TypeAlias = NDArray[np.int8]
_MIN, _MAX = -(2**63), 2**63 - 1
PYTHON_OPERATORS: Final[dict[CompareOp, Callable[[Any, Any], Any]]] = {
    CompareOp.EQ: operator.eq,
    CompareOp.NE: operator.ne,
    CompareOp.LT: operator.lt,
    CompareOp.LE: operator.le,
    CompareOp.GT: operator.gt,
    CompareOp.GE: operator.ge,
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number per row, or one number for all rows (shape ``(1,)``).

    Constants are ints inside int64, or floats.

    Attributes:
        ints: Integers of any width, or uint8 for bools; None when all rows are doubles.
        floats: float32 or float64; None when all rows are integers.
        is_int: Which rows are integers, when both arrays are given.
    """

    ints: AnyArray | None = None
    floats: AnyArray | None = None
    is_int: BoolArray | None = None

    def where_int(self, of_ints: BoolArray | None, of_floats: BoolArray | None) -> BoolArray:
        """Choose per row what was found for integers or for doubles."""
        if of_floats is None or of_ints is None:
            chosen = of_ints if of_floats is None else of_floats
            assert chosen is not None
            return chosen
        assert self.is_int is not None
        return np.where(self.is_int, of_ints, of_floats)

    def compare(self, op: CompareOp, constant: int | float) -> BoolArray:
        """Return where ``row op constant`` holds."""
        ints = None if self.ints is None else compare_array(self.ints, op, constant)
        floats = None if self.floats is None else compare_array(self.floats, op, constant)
        return self.where_int(ints, floats)

    def is_in(self, constants: Sequence[int | float]) -> BoolArray:
        """Return where a row equals one of ``constants``."""
        if len(constants) == 1:
            return self.compare(CompareOp.EQ, constants[0])
        ints = None if self.ints is None else _ints_in(self.ints, constants)
        floats = None if self.floats is None else _floats_in(self.floats, constants)
        return self.where_int(ints, floats)

    def as_ints(self) -> Int64Array:
        """Return the integers as int64, 0 where a double stands."""
        if self.ints is None:
            return np.zeros(1, dtype=np.int64)
        return self.ints.astype(np.int64, copy=False)

    def as_floats(self) -> Float64Array:
        """Return every row as a double, rounded where it must be."""
        if self.floats is None:
            return self.as_ints().astype(np.float64)
        floats = self.floats.astype(np.float64, copy=False)
        if self.is_int is None:
            return floats
        return np.where(self.is_int, self.as_ints().astype(np.float64), floats)

    def int_rows(self) -> BoolArray:
        """Return which rows are integers; shape ``(n,)`` or ``(1,)``."""
        if self.is_int is not None:
            return self.is_int
        return np.array([self.floats is None])


def constant_numbers(value: int | float) -> Numbers:
    """Return one number for all rows."""
    if isinstance(value, int) and _MIN <= value <= _MAX:
        return Numbers(ints=np.array([value], dtype=np.int64))
    return Numbers(floats=np.array([value], dtype=np.float64))


def calculated(op: ArithmeticOp, left: int | float, right: int | float) -> int | float | None:
    """Calculate with two numbers by the rules for rows; None: the result has no value."""
    numbers, defined = calculate(op, constant_numbers(left), constant_numbers(right))
    array = numbers.floats if numbers.ints is None else numbers.ints
    if array is None or (defined is not None and not defined.all()):
        return None
    value: int | float = array.tolist()[0]
    return value


MAX_COMPARED = 8
"""Numbers of a list that are compared one by one: ``isin`` takes as long for a few more."""

# --- rows against a constant ------------------------------------------------------------------


def bound_of(
    dtype: np.dtype[np.generic], op: CompareOp, constant: int | float
) -> tuple[CompareOp, int | float] | bool:
    """Return the comparison with a value of ``dtype`` that says the same as ``op constant``.

    Args:
        dtype: An integer dtype, float32 or float64.
        op: The comparison.
        constant: An int inside int64, or a float.

    Returns:
        Operator and value, an int (perhaps outside of ``dtype``) or a float; a bool when the
        answer is the same for all numbers of the dtype.
    """
    if dtype.kind == "f":
        return _bound_of_floats(dtype, op, constant)
    if isinstance(constant, float):
        if not np.isfinite(constant):
            return bool(PYTHON_OPERATORS[op](0.0, constant))
        if not constant.is_integer():
            if op in (CompareOp.EQ, CompareOp.NE):
                return op is CompareOp.NE
            # Between two integers: below 2.5 means 2 at most, above it means more than 2.
            op = CompareOp.LE if op in (CompareOp.LT, CompareOp.LE) else CompareOp.GT
        constant = int(constant // 1)
    return op, constant


def _bound_of_floats(
    dtype: np.dtype[np.generic], op: CompareOp, constant: int | float
) -> tuple[CompareOp, int | float] | bool:
    if dtype == np.float32:
        # The stored values were rounded to single precision, so the constant is, too.
        with np.errstate(over="ignore"):
            return op, float(np.float32(constant))
    nearest = float(constant)
    if nearest != constant:
        # No double lies between the constant and its nearest one, which is therefore a bound.
        if op in (CompareOp.EQ, CompareOp.NE):
            return op is CompareOp.NE
        if op in (CompareOp.LT, CompareOp.LE):
            op = CompareOp.LT if nearest > constant else CompareOp.LE
        else:
            op = CompareOp.GE if nearest > constant else CompareOp.GT
    return op, nearest


def compare_array(values: AnyArray, op: CompareOp, constant: int | float) -> BoolArray:
    """Return where ``value op constant`` holds; bools are 0 and 1."""
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    bound = bound_of(values.dtype, op, constant)
    if isinstance(bound, bool):
        return np.full(len(values), bound, dtype=np.bool_)
    op, value = bound
    result: BoolArray = PYTHON_OPERATORS[op](
        values, values.dtype.type(value) if isinstance(value, float) else value
    )
    return result


def compared_rows(values: AnyArray, op: CompareOp, constant: int | float) -> Bitset:
    """Return the rows where ``compare_array`` says that it holds."""
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    bound = bound_of(values.dtype, op, constant)
    if not isinstance(bound, bool):
        try:
            return Bitset.where(values, *bound)
        except TypeError:
            pass  # a constant outside of the type, or an array of another kind
    return Bitset.from_mask(compare_array(values, op, constant))


def _ints_in(ints: AnyArray, constants: Sequence[int | float]) -> BoolArray:
    limits = np.iinfo(ints.dtype.name)
    wanted = {
        int(c)
        for c in constants
        if limits.min <= c <= limits.max and (isinstance(c, int) or c.is_integer())
    }
    return _in_any(ints, np.array(sorted(wanted), dtype=ints.dtype))


def _floats_in(floats: AnyArray, constants: Sequence[int | float]) -> BoolArray:
    with np.errstate(over="ignore"):
        if floats.dtype == np.float32:
            wanted = {float(np.float32(c)) for c in constants}
        else:
            wanted = {float(c) for c in constants if float(c) == c}
    return _in_any(floats, np.array(sorted(wanted), dtype=floats.dtype))


def _in_any(values: AnyArray, wanted: AnyArray) -> BoolArray:
    if len(wanted) > MAX_COMPARED:
        return np.isin(values, wanted)
    holds = np.zeros(len(values), dtype=np.bool_)
    for value in wanted:
        holds |= values == value
    return holds


# --- rows against rows ------------------------------------------------------------------------


def compare_numbers(left: Numbers, op: CompareOp, right: Numbers) -> BoolArray:
    """Return where ``left op right`` holds, row by row."""
    holds: BoolArray
    if left.floats is None and right.floats is None:
        holds = PYTHON_OPERATORS[op](left.as_ints(), right.as_ints())
    elif left.ints is None and right.ints is None:
        holds = PYTHON_OPERATORS[op](left.as_floats(), right.as_floats())
    else:
        order, ordered = _order_mixed(left, right)
        holds = PYTHON_OPERATORS[op](order, 0)
        holds = holds | ~ordered if op is CompareOp.NE else holds & ordered
    return holds


def _order_mixed(left: Numbers, right: Numbers) -> tuple[_Signs, BoolArray]:
    """Return the sign of ``left - right``, and where there is an order (no NaN)."""
    l_int, r_int = left.int_rows(), right.int_rows()
    l_ints, r_ints = left.as_ints(), right.as_ints()
    l_floats, r_floats = left.as_floats(), right.as_floats()
    order = np.where(
        l_int,
        np.where(r_int, _sign(l_ints, r_ints), _order(l_ints, r_floats)),
        np.where(r_int, -_order(r_ints, l_floats), _sign(l_floats, r_floats)),
    )
    ordered = (l_int | ~np.isnan(l_floats)) & (r_int | ~np.isnan(r_floats))
    return order, ordered


def _sign(left: _Array, right: _Array) -> _Signs:
    signs: _Signs = (left > right).astype(np.int8) - (left < right).astype(np.int8)
    return signs


def _order(ints: Int64Array, floats: Float64Array) -> _Signs:
    """Return the sign of ``ints - floats`` without rounding either."""
    inside = (floats >= -(2.0**63)) & (floats < 2.0**63)
    whole = np.where(inside, np.trunc(floats), 0.0)
    order = _sign(ints, whole.astype(np.int64))
    rest = np.where(inside, floats, 0.0) - whole
    order = np.where(order == 0, -np.sign(rest).astype(np.int8), order)
    outside = np.where(floats > 0, -1, 1).astype(np.int8)
    return np.where(inside, order, outside)


# --- arithmetic -------------------------------------------------------------------------------


def calculate(op: ArithmeticOp, left: Numbers, right: Numbers) -> tuple[Numbers, BoolArray | None]:
    """Return ``left op right`` row by row, and where it has a value (None: everywhere).

    Places without a value hold any number, and so do those where a bitwise operator meets a double.
    """
    if op in _BIT_OPS:
        return Numbers(ints=_BIT_OPS[op](left.as_ints(), right.as_ints())), None
    if op is ArithmeticOp.POW:
        with np.errstate(all="ignore"):
            return Numbers(floats=np.power(left.as_floats(), right.as_floats())), None
    both = left.int_rows() & right.int_rows()
    if both.all():
        ints, defined = _INTEGER_OPS[op](left.as_ints(), right.as_ints())
        return Numbers(ints=ints), defined
    floats, float_defined = _calculate_floats(op, left.as_floats(), right.as_floats())
    if not both.any():
        return Numbers(floats=floats), float_defined
    ints, int_defined = _INTEGER_OPS[op](
        np.where(both, left.as_ints(), 0), np.where(both, right.as_ints(), 1)
    )
    yes = np.ones(1, dtype=np.bool_)
    defined = np.where(
        both,
        yes if int_defined is None else int_defined,
        yes if float_defined is None else float_defined,
    )
    return Numbers(ints, floats, np.broadcast_to(both, floats.shape)), defined


def _calculate_floats(
    op: ArithmeticOp, left: Float64Array, right: Float64Array
) -> tuple[Float64Array, BoolArray | None]:
    with np.errstate(all="ignore"):
        if op is ArithmeticOp.ADD:
            return np.add(left, right), None
        if op is ArithmeticOp.SUB:
            return np.subtract(left, right), None
        if op is ArithmeticOp.MUL:
            return np.multiply(left, right), None
        function = np.divide if op is ArithmeticOp.DIV else np.fmod
        return function(left, right), right != 0


def _add(left: Int64Array, right: Int64Array) -> tuple[Int64Array, BoolArray | None]:
    total = left + right
    return total, ((left ^ total) & (right ^ total)) >= 0


def _subtract(left: Int64Array, right: Int64Array) -> tuple[Int64Array, BoolArray | None]:
    total = left - right
    return total, ((left ^ right) & (left ^ total)) >= 0


def _multiply(left: Int64Array, right: Int64Array) -> tuple[Int64Array, BoolArray | None]:
    product = left * right
    if _largest(left) * _largest(right) <= _MAX:
        return product, None
    # Dividing back finds a wrapped product. That of -1 and _MIN wraps onto _MIN, which nothing
    # divides by -1; 0 in its place is not what was multiplied either.
    divisor = np.where(left == 0, 1, left)
    is_edge = (left == -1) & (right == _MIN)
    quotient = _truncated(np.where(is_edge, 0, product), divisor)
    return product, (left == 0) | (quotient == right)


def _divide(left: Int64Array, right: Int64Array) -> tuple[Int64Array, BoolArray | None]:
    defined = (right != 0) & ~((left == _MIN) & (right == -1))
    return _truncated(np.where(defined, left, 0), np.where(defined, right, 1)), defined


def _remainder(left: Int64Array, right: Int64Array) -> tuple[Int64Array, BoolArray | None]:
    defined = right != 0
    # -1 divides everything; the processor's own remainder of _MIN by -1 is a trap.
    return np.fmod(left, np.where(defined & (right != -1), right, 1)), defined


def _truncated(left: Int64Array, right: Int64Array) -> Int64Array:
    quotient = left // right
    inexact = quotient * right != left
    rounded: Int64Array = quotient + (inexact & ((left < 0) != (right < 0)))
    return rounded


def _largest(values: Int64Array) -> int:
    if not len(values):
        return 0
    return max(abs(int(values.min())), abs(int(values.max())))


_BIT_OPS: Final[dict[ArithmeticOp, Callable[[Int64Array, Int64Array], Int64Array]]] = {
    ArithmeticOp.BIT_AND: np.bitwise_and,
    ArithmeticOp.BIT_OR: np.bitwise_or,
    ArithmeticOp.BIT_XOR: np.bitwise_xor,
}
_IntegerOp = Callable[[Int64Array, Int64Array], tuple[Int64Array, BoolArray | None]]
_INTEGER_OPS: Final[dict[ArithmeticOp, _IntegerOp]] = {
    ArithmeticOp.ADD: _add,
    ArithmeticOp.SUB: _subtract,
    ArithmeticOp.MUL: _multiply,
    ArithmeticOp.DIV: _divide,
    ArithmeticOp.MOD: _remainder,
}
