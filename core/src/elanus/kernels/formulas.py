"""In which rows does a comparison of calculated numbers hold?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from elanus import _native
from elanus.types import AnyArray, BoolArray, ByteArray

OPERATORS: Final = ("+", "-", "*", "/", "%", "&", "|", "^")
COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
WHOLE_TYPES: Final = frozenset(["|u1", "|i1", "<i2", "<i4", "<i8"])
REAL_TYPES: Final = frozenset(["<f4", "<f8"])
"""Types of columns, as ``dtype.str`` writes them."""

_Flags: TypeAlias = ByteArray | None
_Column: TypeAlias = tuple[AnyArray | None, AnyArray | None, _Flags, _Flags, _Flags]
_COLUMN, _CONSTANT, _OPERATOR = range(3)


@dataclass(frozen=True, slots=True)
class FormulaColumn:
    """A number per row, where there is one. All arrays have shape ``(n,)`` and lie in one piece.

    Attributes:
        whole: Integers of one of ``WHOLE_TYPES``; None: all rows have doubles.
        real: Of one of ``REAL_TYPES``; None: all rows have integers.
        is_whole: Which rows have integers, where both arrays are given, else None.
        is_number: Which rows have a number; None: all.
        is_known: Which rows are not null; None: all.
    """

    whole: AnyArray | None = None
    real: AnyArray | None = None
    is_whole: BoolArray | None = None
    is_number: BoolArray | None = None
    is_known: BoolArray | None = None


class Formula:
    """What is calculated in each row, step by step: an operator takes the two operands before it.

    Args:
        num_rows: Rows of every column.
    """

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self._columns: list[_Column] = []
        self._steps: list[tuple[int, int | float]] = []

    def add_column(self, column: FormulaColumn) -> None:
        """Take a column as an operand."""
        is_whole, is_number = _bytes_of(column.is_whole), _bytes_of(column.is_number)
        is_known = _bytes_of(column.is_known)
        self._steps.append((_COLUMN, len(self._columns)))
        self._columns.append((column.whole, column.real, is_whole, is_number, is_known))

    def add_constant(self, value: int | float) -> None:
        """Take a number as an operand: an int inside int64, or a float."""
        self._steps.append((_CONSTANT, value))

    def add_operator(self, operator: str) -> None:
        """Calculate with one of ``OPERATORS``."""
        self._steps.append((_OPERATOR, OPERATORS.index(operator)))

    def compare(self, comparison: str) -> tuple[BoolArray, BoolArray | None]:
        """Compare the two operands that are left.

        Args:
            comparison: One of ``COMPARISONS``.

        Returns:
            bool of shape ``(n,)``: where it holds, and where it is known whether (None: in every
            row). Where an operand has no number it does not hold; where one is null or a result is
            not defined it is not known.

        Raises:
            InvalidArgumentError: A column does not fit the rows, or the steps leave other than two
                operands.

        Releases the GIL. The token over this thread ends it.
        """
        holds, known = _native.compare_formula(
            self._columns, self._steps, COMPARISONS.index(comparison), self._num_rows
        )
        return holds.view(np.bool_), None if known is None else known.view(np.bool_)


def _bytes_of(flags: BoolArray | None) -> _Flags:
    return None if flags is None else flags.view(np.uint8)
