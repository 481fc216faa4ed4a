"""What is the value at a JSON path in each row?

Types are known row by row. A key that is missing, or a value of another type than the one asked
for, is nothing: no comparison holds, and none is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elanus.filter.columns import FilterColumns
from elanus.filter.constants import Constant
from elanus.filter.json.json_columns import JsonColumn, JsonElements, JsonKind
from elanus.filter.json.json_paths import freeze
from elanus.filter.language.text import constant_to_text
from elanus.filter.operators import CompareOp
from elanus.filter.values.numbers import Numbers
from elanus.filter.values.operands import Constants, Values, ValueType, any_part
from elanus.kernels.elements import rows_holding_at
from elanus.types import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value inside a JSON field; without keys the whole value.

    Attributes:
        name: Name of the field.
        keys: The path.
        is_cast: Texts that are numbers count as numbers, and remain texts.
    """

    name: str
    keys: tuple[str | int, ...]
    is_cast: bool = False

    @property
    def type(self) -> ValueType:
        return ValueType.JSON

    def describe(self) -> str:
        return self.name + "".join(f"[{constant_to_text(key)}]" for key in self.keys)

    def load(self, columns: FilterColumns) -> Values:
        return self._values(self._column(columns))

    def validity(self, columns: FilterColumns) -> BoolArray | None:
        return None

    def is_null(self, columns: FilterColumns) -> BoolArray:
        return np.asarray(self._column(columns).kinds <= JsonKind.NULL)

    def exists(self, columns: FilterColumns) -> BoolArray:
        return np.asarray(self._column(columns).kinds != JsonKind.MISSING)

    def is_empty(self, columns: FilterColumns) -> BoolArray:
        column = self._column(columns)
        empty = self.is_null(columns)
        if column.strings is not None:
            empty |= column.strings.compare(CompareOp.EQ, "")
        lengths, is_array = self.lengths(columns)
        empty_array = np.asarray(lengths == 0)
        return empty | (empty_array if is_array is None else empty_array & is_array)

    def holds(self, columns: FilterColumns, wanted: Constants) -> BoolArray:
        elements = self.elements(columns)
        strings = elements.values.strings
        if wanted.numbers or wanted.lists or wanted.has_null or strings is None:
            found = json_is_in(elements.values, wanted)
            return rows_holding_at(found, (1,), elements.rows, columns.num_rows)
        values, codes = strings.compared(wanted.texts)
        return rows_holding_at(values, codes, elements.rows, columns.num_rows)

    def holds_text(self, columns: FilterColumns, parts: Sequence[str]) -> BoolArray:
        strings = self._column(columns).strings
        if strings is None:
            return np.zeros(columns.num_rows, dtype=np.bool_)
        return strings.matches(any_part(parts))

    def is_container(self, columns: FilterColumns, *, or_text: bool) -> BoolArray:
        column = self._column(columns)
        is_array = column.is_array()
        if is_array is None:
            return np.ones(columns.num_rows, dtype=np.bool_)
        return is_array | (column.kinds == JsonKind.STRING) if or_text else is_array

    def equals(self, columns: FilterColumns, wanted: tuple[Constant, ...]) -> BoolArray:
        return _lists_in(self._column(columns), frozenset([freeze(wanted)]))

    def is_in(self, columns: FilterColumns, wanted: Constants) -> BoolArray:
        """Return where the value equals one of the constants."""
        column = self._column(columns)
        return json_is_in(column, wanted, self._values(column))

    def lengths(self, columns: FilterColumns) -> tuple[IntArray, BoolArray | None]:
        lengths = self.elements(columns).lengths(columns.num_rows)
        return lengths, self._column(columns).is_array()

    def elements(self, columns: FilterColumns) -> JsonElements:
        """Return the elements of the arrays."""
        return columns.json_elements(self.name, self.keys)

    def _values(self, column: JsonColumn) -> Values:
        return cast_values(column) if self.is_cast else json_values(column)

    def _column(self, columns: FilterColumns) -> JsonColumn:
        return columns.json_column(self.name, self.keys)


def json_values(column: JsonColumn) -> Values:
    """Return the numbers and texts of a column."""
    ints, floats = column.ints, column.floats
    if ints is None and floats is None:
        return Values(strings=column.strings)
    is_int = None
    if ints is not None and floats is not None:
        is_int = column.kinds != JsonKind.FLOAT
    return Values(Numbers(ints, floats, is_int), column.is_number(), column.strings)


def cast_values(column: JsonColumn) -> Values:
    """Return the numbers and texts of a column; a text that is a number is both."""
    values = json_values(column)
    if column.strings is None:
        return values
    read = column.strings.numbers()
    is_read = ~np.isnan(read)
    if not is_read.any():
        return values
    floats = read if column.floats is None else np.where(is_read, read, column.floats)
    is_number = column.is_number()
    is_int = None
    if column.ints is not None:
        is_int = (column.kinds == JsonKind.INT) | (column.kinds == JsonKind.BOOL)
    numbers = Numbers(column.ints, floats, is_int)
    return Values(numbers, is_read if is_number is None else is_number | is_read, column.strings)


def json_is_in(column: JsonColumn, wanted: Constants, values: Values | None = None) -> BoolArray:
    """Return where a value equals one of the constants, of any kind.

    Args:
        column: What stands in the rows.
        wanted: The constants.
        values: Its numbers and texts, where they are not those of ``json_values``.
    """
    found = np.zeros(len(column), dtype=np.bool_)
    values = json_values(column) if values is None else values
    if wanted.numbers and values.numbers is not None:
        holds = values.numbers.is_in(wanted.numbers)
        found |= holds if values.is_number is None else holds & values.is_number
    if wanted.texts and values.strings is not None:
        found |= values.strings.is_in(wanted.texts)
    if wanted.lists:
        found |= _lists_in(column, wanted.lists)
    if wanted.has_null:
        found |= column.kinds == JsonKind.NULL
    return found


def _lists_in(column: JsonColumn, wanted: frozenset[object]) -> BoolArray:
    # Whole lists have no columnar form; only rows that hold one are looked at.
    values, rows = column.containers()
    equal = [type(c) is list and freeze(c) in wanted for c in values]
    found = np.zeros(len(column), dtype=np.bool_)
    found[rows[np.array(equal, dtype=np.bool_)]] = True
    return found
