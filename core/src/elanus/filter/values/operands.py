"""What is the value of an operand in each row?

An operand is bound to a field or a constant and knows its type. Three things may stand in a row: a
value, *null* (typed fields: every question about it is open), or *nothing* (inside JSON and
arrays: no comparison holds).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np

from elanus.errors import InternalError
from elanus.filter.columns import FilterColumns
from elanus.filter.constants import Constant
from elanus.filter.language.text import constant_to_text
from elanus.filter.matching.patterns import PartsMatcher, text_matcher
from elanus.filter.operators import ArithmeticOp
from elanus.filter.strings import CodedStrings
from elanus.filter.values.numbers import Numbers, calculate, constant_numbers
from elanus.schema.batches import Column
from elanus.schema.times import to_iso
from elanus.types import BoolArray, IntArray

ColumnT = TypeVar("ColumnT", bound=Column)


class ValueType(StrEnum):
    """Type of an operand, as far as it is known before rows are seen."""

    NUMBER = "number"
    BOOL = "bool"
    TEXT = "text"
    TIME = "moment"
    GEOMETRY = "geometry"
    JSON = "JSON value"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class Values:
    """One value per row. Rows that are neither number nor text hold nothing.

    Attributes:
        numbers: The numbers; bools are 0 and 1. None when no row holds one.
        is_number: Where they stand; None: in every row.
        strings: The texts, with code -1 elsewhere. None when no row holds one.
        known: False where the value is null; None: no row is null.
    """

    numbers: Numbers | None = None
    is_number: BoolArray | None = None
    strings: CodedStrings | None = None
    known: BoolArray | None = None


@dataclass(frozen=True, slots=True)
class Constants:
    """Constants sorted by kind; bools are numbers.

    Attributes:
        numbers: Ints inside int64, and floats.
        texts: Texts.
        lists: Frozen lists.
        has_null: Whether null is one of them.
    """

    numbers: tuple[int | float, ...]
    texts: tuple[str, ...]
    lists: frozenset[object]
    has_null: bool


class Operand(Protocol):
    """Anything with a value per row."""

    @property
    def type(self) -> ValueType:
        """What comparisons it can take part in."""
        ...

    def describe(self) -> str:
        """Return what it is, for error messages."""
        ...

    def load(self, columns: FilterColumns) -> Values:
        """Return the values."""
        ...


class Path(Operand, Protocol):
    """A field, or a place inside one."""

    def is_null(self, columns: FilterColumns) -> BoolArray:
        """Return where it is null or missing."""
        ...

    def exists(self, columns: FilterColumns) -> BoolArray:
        """Return where it is there."""
        ...

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        """Return where it is missing, null, "" or []."""
        ...


class Measured(Protocol):
    """Something that has a length in each row."""

    def describe(self) -> str:
        """What it is, for error messages."""
        ...

    def validity(self, columns: FilterColumns) -> BoolArray | None:
        """Return where there is a value; None: everywhere."""
        ...

    def lengths(self, columns: FilterColumns) -> tuple[IntArray, BoolArray | None]:
        """Return the length in each row, and where there is an array; None: everywhere."""
        ...


class Container(Path, Protocol):
    """A path at which arrays may stand."""

    def validity(self, columns: FilterColumns) -> BoolArray | None:
        """Return where the array is not null; None: no row is null."""
        ...

    def holds(self, columns: FilterColumns, wanted: Constants) -> BoolArray:
        """Return where an array holds at least one of the constants."""
        ...

    def holds_text(self, columns: FilterColumns, parts: Sequence[str]) -> BoolArray:
        """Return where a text holds at least one of ``parts``."""
        ...

    def is_container(self, columns: FilterColumns, *, or_text: bool) -> BoolArray:
        """Return where an array, or also a text, stands."""
        ...

    def equals(self, columns: FilterColumns, wanted: tuple[Constant, ...]) -> BoolArray:
        """Return where an array equals a list."""
        ...

    def lengths(self, columns: FilterColumns) -> tuple[IntArray, BoolArray | None]:
        """Return the length of each array, and where one stands (None: in every row)."""
        ...


# --- constants and arithmetic -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConstantOperand:
    """The same value in every row; None has no value.

    Attributes:
        value: The value.
        is_time: Whether it is the microseconds of a moment.
    """

    value: Constant
    is_time: bool = False

    @property
    def type(self) -> ValueType:
        if self.is_time:
            return ValueType.TIME
        if isinstance(self.value, bool):
            return ValueType.BOOL
        if isinstance(self.value, str):
            return ValueType.TEXT
        return ValueType.ARRAY if isinstance(self.value, tuple) else ValueType.NUMBER

    def describe(self) -> str:
        if self.is_time and isinstance(self.value, int):
            return f"the moment {to_iso(np.array([self.value], dtype=np.int64))[0]}"
        shown = constant_to_text(self.value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        return f"the {'list' if self.type is ValueType.ARRAY else self.type} {shown}"

    def load(self, columns: FilterColumns) -> Values:
        if isinstance(self.value, int | float):
            return Values(numbers=constant_numbers(self.value))
        if self.value is None:
            return Values(known=np.zeros(columns.num_rows, dtype=np.bool_))
        raise InternalError(f"{self.describe()} is compared, never loaded")


@dataclass(frozen=True, slots=True)
class Computed:
    """Arithmetic on two operands."""

    op: ArithmeticOp
    left: Operand
    right: Operand

    @property
    def type(self) -> ValueType:
        return ValueType.NUMBER

    def describe(self) -> str:
        return f"{self.left.describe()} {self.op} {self.right.describe()}"

    def load(self, columns: FilterColumns) -> Values:
        left, right = self.left.load(columns), self.right.load(columns)
        known = both(left.known, right.known)
        if left.numbers is None or right.numbers is None:
            return Values(known=known)
        is_number = both(left.is_number, right.is_number)
        if self.op.is_bitwise:
            is_number = both(is_number, left.numbers.int_rows() & right.numbers.int_rows())
        numbers, defined = calculate(self.op, left.numbers, right.numbers)
        if defined is not None:
            # Where there is nothing to calculate with, there is no missing result either.
            known = both(known, defined if is_number is None else defined | ~is_number)
        return Values(numbers=numbers, is_number=is_number, known=known)


@dataclass(frozen=True, slots=True)
class LengthOf:
    """The length of arrays."""

    container: Measured

    @property
    def type(self) -> ValueType:
        return ValueType.NUMBER

    def describe(self) -> str:
        return f"the length of {self.container.describe()}"

    def load(self, columns: FilterColumns) -> Values:
        lengths, is_array = self.container.lengths(columns)
        known = self.container.validity(columns)
        return Values(numbers=Numbers(ints=lengths), is_number=is_array, known=known)


def both(left: BoolArray | None, right: BoolArray | None) -> BoolArray | None:
    """Return ``left & right``, where None is True everywhere."""
    if left is None or right is None:
        return right if left is None else left
    return left & right


def any_part(parts: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a text holds one of ``parts``."""
    if len(parts) == 1:
        return text_matcher(parts[0])
    return PartsMatcher.of(parts, every=False)
