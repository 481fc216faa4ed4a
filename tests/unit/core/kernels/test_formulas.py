"""Comparisons of calculated numbers, by each CPU variant, against arrays step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.filter.columns import FilterColumns
from elanus.filter.operators import ArithmeticOp, CompareOp
from elanus.filter.values.formulas import compare_calculated
from elanus.filter.values.numbers import Numbers, compare_numbers
from elanus.filter.values.operands import Computed, ConstantOperand, Operand, Values, both
from elanus.kernels.formulas import Formula, FormulaColumn
from elanus.types import BoolArray

MOST, LEAST = 2**63 - 1, -(2**63)
EXACT = 2**51
"""Numbers up to this one, of either sign, are divided as doubles."""
WHOLE = [0, 1, -1, 2, -2, 3, -7, 10, 100, -100, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]
LARGE = [EXACT - 1, EXACT, -EXACT, -EXACT - 1, 2**53 + 1, -(2**53) - 1, 2**62, MOST, LEAST]
REAL = [0.0, -0.0, 0.5, -2.5, 3.0, 7.0, 1e300, -1e300, np.nan, np.inf, -np.inf]
EDGES = [2.0**53, -(2.0**53), 2.0**63, -(2.0**63), 9.3e18, 2.0**62]
OPS = [op for op in ArithmeticOp if op is not ArithmeticOp.POW]
SIZES = [0, 1, 2, 511, 512, 513, 1_500]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table."""

    num_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Values that are there."""

    values: Values

    def load(self, columns: FilterColumns) -> Values:
        return self.values


def _flags(drawn: np.random.Generator, size: int) -> BoolArray | None:
    return drawn.random(size) < 0.8 if drawn.random() < 0.4 else None


def _given(drawn: np.random.Generator, size: int) -> Given:
    """Return integers of some width, doubles or single ones, or some of each, with gaps."""
    known, is_number = _flags(drawn, size), _flags(drawn, size)
    whole = drawn.choice(WHOLE + (LARGE if drawn.random() < 0.5 else []), size)
    real = drawn.choice(REAL + (EDGES if drawn.random() < 0.5 else []), size)
    kind = drawn.integers(5)
    if kind == 0:
        numbers = Numbers(ints=whole.astype(np.int64))
    elif kind == 1:
        low, dtype = ((0, np.uint8), (-100, np.int8), (-100, np.int16), (-100, np.int32))[
            drawn.integers(4)
        ]
        numbers = Numbers(ints=np.clip(whole, low, 100).astype(dtype))
    elif kind == 2:
        numbers = Numbers(floats=real)
    elif kind == 3:
        numbers = Numbers(floats=np.clip(real, -1e30, 1e30).astype(np.float32))
    else:
        is_whole = drawn.random(size) < 0.5
        ints = np.where(is_whole, whole, 0).astype(np.int64)
        numbers = Numbers(ints, np.where(is_whole, 0.0, real), is_whole)
    return Given(Values(numbers, is_number, None, known))


def _operand(drawn: np.random.Generator, size: int, depth: int) -> Operand:
    if depth and drawn.random() < 0.7:
        op = OPS[drawn.integers(len(OPS))]
        parts = _operand(drawn, size, depth - 1), _operand(drawn, size, depth - 1)
        return Computed(op, *parts)
    if drawn.random() < 0.4:
        some = drawn.choice(WHOLE + LARGE) if drawn.random() < 0.6 else drawn.choice(REAL + EDGES)
        return ConstantOperand(some.item())
    return cast(Operand, _given(drawn, size))


def _step_by_step(
    left: Operand, op: CompareOp, right: Operand, rows: FilterColumns
) -> tuple[list[bool], list[bool]]:
    """Return where it holds and where it is known, by arrays."""
    sides = left.load(rows), right.load(rows)
    numbers = [side.numbers for side in sides]
    assert numbers[0] is not None
    assert numbers[1] is not None
    size = rows.num_rows
    holds = np.broadcast_to(compare_numbers(numbers[0], op, numbers[1]), size)
    is_number = both(sides[0].is_number, sides[1].is_number)
    known = np.broadcast_to(
        np.True_ if (k := both(sides[0].known, sides[1].known)) is None else k, size
    )
    if is_number is not None:
        holds = holds & is_number
    return (holds & known).tolist(), known.tolist()


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("seed", range(6))
def test_formulas_are_those_of_arrays(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    ops = list(CompareOp)
    for turn in range(250):
        size = SIZES[turn % len(SIZES)]
        rows = cast(FilterColumns, Rows(size))
        left, right = _operand(drawn, size, 3), _operand(drawn, size, 1)
        op = ops[drawn.integers(len(ops))]
        found = compare_calculated(left, op, right, rows)
        assert found is not None
        holds, known = found
        expected = _step_by_step(left, op, right, rows)
        assert (holds.tolist(), [True] * size if known is None else known.tolist()) == expected


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("op", ["/", "%"])
def test_divisions_are_cut_towards_zero(op: str) -> None:
    drawn = np.random.default_rng(1)
    near = drawn.integers(-EXACT, EXACT, 20_000)
    by = drawn.integers(1, 2 ** drawn.integers(1, 52, 20_000)) * drawn.choice([-1, 1], 20_000)
    # Quotients close below and above whole ones, where a rounded one is one off.
    left = np.concatenate([near, near // by * by + drawn.integers(-1, 2, 20_000), near // 2])
    left = np.clip(left, -EXACT, EXACT - 1)
    right = np.concatenate([by, by, np.full(20_000, -3)])
    expected = []
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        quotient = abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)
        expected.append(quotient if op == "/" else a - quotient * b)
    formula = Formula(len(left))
    formula.add_column(FormulaColumn(whole=left))
    formula.add_column(FormulaColumn(whole=right))
    formula.add_operator(op)
    formula.add_column(FormulaColumn(whole=np.array(expected)))
    holds, known = formula.compare("==")
    assert known is None
    assert holds.all()


@pytest.mark.usefixtures("variant")
def test_a_result_outside_int64_is_not_known() -> None:
    formula = Formula(4)
    formula.add_column(FormulaColumn(whole=np.array([MOST, LEAST, 1, LEAST])))
    formula.add_column(FormulaColumn(whole=np.array([1, -1, 2, 1])))
    formula.add_operator("+")
    formula.add_constant(3)
    holds, known = formula.compare("<=")
    assert known is not None
    assert (holds.tolist(), known.tolist()) == (
        [False, False, True, True],
        [False, False, True, True],
    )


def test_formulas_that_fit_no_rows_are_refused() -> None:
    def formula(column: FormulaColumn, *operators: str) -> Formula:
        made = Formula(3)
        made.add_column(column)
        made.add_constant(1)
        for operator in operators:
            made.add_operator(operator)
        return made

    three, two = np.arange(3), np.arange(2)
    for refused in (
        formula(FormulaColumn(whole=two)),
        formula(FormulaColumn(real=two.astype(np.float64))),
        formula(FormulaColumn()),
        formula(FormulaColumn(whole=three, real=three.astype(np.float64))),
        formula(FormulaColumn(whole=three, is_known=np.ones(2, np.bool_))),
        formula(FormulaColumn(whole=three, is_number=np.ones(4, np.bool_))),
        formula(FormulaColumn(whole=three.astype(np.uint32))),
        formula(FormulaColumn(whole=three), "+"),
        formula(FormulaColumn(whole=three), "+", "+"),
    ):
        with pytest.raises(InvalidArgumentError):
            refused.compare("==")
    sound = formula(FormulaColumn(whole=three))
    assert sound.compare("==")[0].tolist() == [False, True, False]
