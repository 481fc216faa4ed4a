"""Where does a comparison of calculated numbers hold, asked of the kernel?

One pass over the rows by the rules of ``values/numbers.py``, which does the same step by step with
arrays, and what the kernel has no numbers or operators for.
"""

from __future__ import annotations

import numpy as np

from elanus.filter.columns import FilterColumns
from elanus.filter.operators import ArithmeticOp, CompareOp
from elanus.filter.values.numbers import constant_numbers
from elanus.filter.values.operands import Computed, ConstantOperand, Operand, Values
from elanus.kernels.formulas import REAL_TYPES, WHOLE_TYPES, Formula, FormulaColumn
from elanus.types import AnyArray, BoolArray


def compare_calculated(
    left: Operand, op: CompareOp, right: Operand, columns: FilterColumns
) -> tuple[BoolArray, BoolArray | None] | None:
    """Return where ``left op right`` holds, and where it is known (None: everywhere).

    None when the kernel cannot tell: there are powers in it, texts on both sides, or no numbers.
    """
    steps = _Steps(columns)
    sides = steps.add(left), steps.add(right)
    if not all(sides) or len(steps.sides_with_texts) > 1:
        return None
    return steps.formula.compare(op)


class _Steps:
    """Makes the steps of a formula."""

    def __init__(self, columns: FilterColumns) -> None:
        self._columns = columns
        self.formula = Formula(columns.num_rows)
        self.sides_with_texts: list[Operand] = []

    def add(self, operand: Operand, *, is_side: bool = True) -> bool:
        """Add an operand, and return whether the kernel knows all of it."""
        if isinstance(operand, Computed):
            if operand.op is ArithmeticOp.POW:
                return False
            parts = (self.add(part, is_side=False) for part in (operand.left, operand.right))
            if not all(parts):
                return False
            self.formula.add_operator(operand.op)
            return True
        if isinstance(operand, ConstantOperand):
            return self._add_constant(operand)
        values = operand.load(self._columns)
        if is_side and values.strings is not None:
            self.sides_with_texts.append(operand)
        column = _column_of(values, self._columns.num_rows)
        if column is None:
            return False
        self.formula.add_column(column)
        return True

    def _add_constant(self, operand: ConstantOperand) -> bool:
        if not isinstance(operand.value, int | float):
            return False
        numbers = constant_numbers(operand.value)
        array = numbers.floats if numbers.ints is None else numbers.ints
        assert array is not None
        self.formula.add_constant(array.tolist()[0])
        return True


def _column_of(values: Values, num_rows: int) -> FormulaColumn | None:
    """Return the numbers of all rows; None: there are none, or of a type the kernel has not."""
    numbers = values.numbers
    if numbers is None:
        return None
    ints, floats = numbers.ints, numbers.floats
    if ints is not None and ints.dtype.str not in WHOLE_TYPES:
        return None
    if floats is not None and floats.dtype.str not in REAL_TYPES:
        return None
    is_mixed = ints is not None and floats is not None
    return FormulaColumn(
        None if ints is None else _in_one_piece(ints, num_rows),
        None if floats is None else _in_one_piece(floats, num_rows),
        _flags(numbers.is_int if is_mixed else None, num_rows),
        _flags(values.is_number, num_rows),
        _flags(values.known, num_rows),
    )


def _in_one_piece(values: AnyArray, num_rows: int) -> AnyArray:
    return np.ascontiguousarray(np.broadcast_to(values, (num_rows,)))


def _flags(flags: BoolArray | None, num_rows: int) -> BoolArray | None:
    return None if flags is None else np.ascontiguousarray(np.broadcast_to(flags, (num_rows,)))
