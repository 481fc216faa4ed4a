"""What is the value of a typed field in each row?

Fields have one type in all rows; null is a row without a value, about which every question is
open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np

from elanus.errors import InternalError
from elanus.filter.columns import FilterColumns
from elanus.filter.constants import Constant
from elanus.filter.operators import CompareOp
from elanus.filter.strings import CodedStrings
from elanus.filter.values.numbers import Numbers
from elanus.filter.values.operands import Constants, Values, ValueType
from elanus.kernels.elements import rows_holding
from elanus.schema.batches import ArrayColumn, Column, FixedColumn
from elanus.types import BoolArray, DataType, Int64Array, IntArray

ColumnT = TypeVar("ColumnT", bound=Column)


@dataclass(frozen=True, slots=True)
class NumberField:
    """A field of numbers, bools or moments."""

    name: str
    dtype: DataType

    @property
    def type(self) -> ValueType:
        if self.dtype is DataType.TIMESTAMPTZ:
            return ValueType.TIME
        return ValueType.BOOL if self.dtype is DataType.BOOL else ValueType.NUMBER

    def describe(self) -> str:
        return f"field {self.name!r} ({self.dtype.name})"

    def load(self, columns: FilterColumns) -> Values:
        column = self.stored(columns)
        return Values(numbers=_numbers(column), known=column.validity)

    def stored(self, columns: FilterColumns) -> FixedColumn:
        """Return the column of the field."""
        return _column(columns, self.name, FixedColumn)

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return ~self.exists(columns)

    def exists(self, columns: FilterColumns) -> BoolArray:
        return _present(_column(columns, self.name, FixedColumn))

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        return self.is_null(columns)


@dataclass(frozen=True, slots=True)
class TextField:
    """A VARCHAR field. As a container it holds parts of its text, and no elements."""

    name: str

    @property
    def type(self) -> ValueType:
        return ValueType.TEXT

    def describe(self) -> str:
        return f"field {self.name!r} (VARCHAR)"

    def load(self, columns: FilterColumns) -> Values:
        strings = self._strings(columns)
        known = columns.column(self.name).validity
        return Values(strings=strings, known=known)

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return ~self.exists(columns)

    def exists(self, columns: FilterColumns) -> BoolArray:
        return _present(columns.column(self.name))

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        return self.is_null(columns) | self._strings(columns).compare(CompareOp.EQ, "")

    def _strings(self, columns: FilterColumns) -> CodedStrings:
        return columns.strings(self.name)


@dataclass(frozen=True, slots=True)
class ArrayField:
    """An ARRAY field."""

    name: str
    element_type: DataType

    @property
    def type(self) -> ValueType:
        return ValueType.ARRAY

    def describe(self) -> str:
        return f"field {self.name!r} (ARRAY of {self.element_type.name})"

    def load(self, columns: FilterColumns) -> Values:
        raise InternalError(f"{self.describe()} has no single value per row")

    def validity(self, columns: FilterColumns) -> BoolArray | None:
        return columns.column(self.name).validity

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return ~self.exists(columns)

    def exists(self, columns: FilterColumns) -> BoolArray:
        return _present(columns.column(self.name))

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        return np.asarray(self.lengths(columns)[0] == 0)

    def holds(self, columns: FilterColumns, wanted: Constants) -> BoolArray:
        offsets, items = self._items(columns)
        if items.numbers is not None and wanted.numbers:
            found = items.numbers.is_in(wanted.numbers)
            return rows_holding(found, (1,), offsets, columns.num_rows)
        if items.strings is not None and wanted.texts:
            values, codes = items.strings.compared(wanted.texts)
            return rows_holding(values, codes, offsets, columns.num_rows)
        return np.zeros(columns.num_rows, dtype=np.bool_)

    def holds_text(self, columns: FilterColumns, parts: Sequence[str]) -> BoolArray:
        return np.zeros(columns.num_rows, dtype=np.bool_)

    def is_container(self, columns: FilterColumns, *, or_text: bool) -> BoolArray:
        return np.ones(columns.num_rows, dtype=np.bool_)

    def equals(self, columns: FilterColumns, wanted: tuple[Constant, ...]) -> BoolArray:
        offsets, items = self._items(columns)
        equal: BoolArray = np.diff(offsets) == len(wanted)
        for place, value in enumerate(wanted):
            rows = np.flatnonzero(equal)
            here = _take(items, offsets[rows] + place)
            equal[rows] = _equals_constant(here, value, len(rows))
        return equal

    def lengths(self, columns: FilterColumns) -> tuple[IntArray, BoolArray | None]:
        column = _column(columns, self.name, ArrayColumn)
        return np.diff(column.offsets), None

    def element(self, columns: FilterColumns, place: int) -> tuple[Values, BoolArray]:
        """Return the element at a place of each array, and where there is one."""
        offsets, items = self._items(columns)
        is_there = np.diff(offsets) > place
        if not is_there.any():
            return Values(known=self.validity(columns)), is_there
        # Where there is no element any other one stands in; is_there says so.
        taken = _take(items, np.where(is_there, offsets[:-1] + place, 0))
        strings = taken.strings
        if strings is not None:
            strings = CodedStrings(np.where(is_there, strings.codes, -1), strings.dictionary)
        known = self.validity(columns)
        return Values(taken.numbers, is_there, strings, known), is_there

    def elements(self, columns: FilterColumns) -> tuple[Int64Array, Values]:
        """Return the row of each element, ascending, and the elements."""
        offsets, items = self._items(columns)
        return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets)), items

    def _items(self, columns: FilterColumns) -> tuple[Int64Array, Values]:
        """Return offsets from 0, and the items of all rows one after the other."""
        column = _column(columns, self.name, ArrayColumn)
        first, last = int(column.offsets[0]), int(column.offsets[-1])
        offsets = column.offsets - first if first else column.offsets
        if isinstance(column.items, FixedColumn):
            items = FixedColumn(column.items.values[first:last])
            return offsets, Values(numbers=_numbers(items))
        return offsets, Values(strings=columns.strings(self.name))


@dataclass(frozen=True, slots=True)
class ElementOf:
    """One element of an ARRAY field; nothing where the array is shorter."""

    array: ArrayField
    place: int

    @property
    def type(self) -> ValueType:
        if self.array.element_type is DataType.VARCHAR:
            return ValueType.TEXT
        is_bool = self.array.element_type is DataType.BOOL
        return ValueType.BOOL if is_bool else ValueType.NUMBER

    def describe(self) -> str:
        return f"element {self.place} of {self.array.describe()}"

    def load(self, columns: FilterColumns) -> Values:
        return self.array.element(columns, self.place)[0]

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return ~self.exists(columns)

    def exists(self, columns: FilterColumns) -> BoolArray:
        return self.array.element(columns, self.place)[1]

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        strings = self.load(columns).strings
        missing = self.is_null(columns)
        return missing if strings is None else missing | strings.compare(CompareOp.EQ, "")


# --- helpers ----------------------------------------------------------------------------------


def _column(columns: FilterColumns, name: str, kind: type[ColumnT]) -> ColumnT:
    column = columns.column(name)
    if not isinstance(column, kind):
        raise InternalError(
            f"column {name!r}: expected {kind.__name__}, got {type(column).__name__}"
        )
    return column


def _present(column: Column) -> BoolArray:
    if column.validity is None:
        return np.ones(len(column), dtype=np.bool_)
    return column.validity.copy()


def _numbers(column: FixedColumn) -> Numbers:
    values = column.values
    if values.dtype.kind == "f":
        return Numbers(floats=values)
    return Numbers(ints=values.view(np.uint8) if values.dtype.kind == "b" else values)


def _take(values: Values, places: Int64Array) -> Values:
    numbers, strings = values.numbers, values.strings
    if numbers is not None:
        ints = None if numbers.ints is None else numbers.ints[places]
        floats = None if numbers.floats is None else numbers.floats[places]
        return Values(numbers=Numbers(ints, floats))
    return Values(strings=cast(CodedStrings, strings).take(places))


def _equals_constant(values: Values, constant: Constant, num_rows: int) -> BoolArray:
    if isinstance(constant, str) and values.strings is not None:
        return values.strings.compare(CompareOp.EQ, constant)
    if isinstance(constant, int | float) and values.numbers is not None:
        return values.numbers.compare(CompareOp.EQ, constant)
    return np.zeros(num_rows, dtype=np.bool_)
