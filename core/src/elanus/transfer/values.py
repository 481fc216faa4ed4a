"""How do loose values become a column of a field?

``PlainValues`` are Python objects or NumPy arrays, ``TextCells`` the cells of a CSV file. Typed
arrays are checked as arrays; text that stands for a vector, an array or a JSON value is parsed
first. Arrow has its own file, because it needs pyarrow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.schema.batches import Column, FixedColumn
from elanus.schema.converters import MISSING, convert_column
from elanus.schema.faults import fail, shown
from elanus.schema.fields import Field
from elanus.schema.struct_values import struct_columns
from elanus.schema.times import to_iso
from elanus.types import VECTOR_DTYPES, DataType, vector_width

NULL_CELL = r"\N"
"""A cell of a CSV file that stands for no value, as in PostgreSQL and MySQL."""

NESTED = (*VECTOR_DTYPES, DataType.SPARSE_FLOAT_VECTOR, DataType.ARRAY)
"""Types whose values text holds as JSON."""


@dataclass(frozen=True, slots=True)
class PlainValues:
    """Python objects, or a NumPy array whose first axis is the rows.

    Attributes:
        values: List or array; a list may hold ``MISSING``.
        json_is_text: Whether text in a JSON field is JSON, as in tables that have no other way to
            hold it, rather than a string value.
    """

    values: Sequence[Any] | np.ndarray[Any, Any]
    json_is_text: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> PlainValues:
        return PlainValues(self.values[start:stop], self.json_is_text)

    def column(self, field: Field) -> Column:
        values: Any = self.values
        if isinstance(values, np.ndarray):
            if values.dtype.kind == "S" and field.dtype is DataType.VARCHAR:
                values = [text.decode("utf-8") for text in values.tolist()]
            elif values.dtype.kind not in "OUS":
                return convert_column(field, values, len(values))
            elif values.ndim == 1:
                values = values.tolist()
        if field.dtype in NESTED or (field.dtype is DataType.JSON and self.json_is_text):
            values = parse_nested(field, values)
        return convert_column(field, values, len(values))

    def parts(self, field: Field) -> dict[str, Column]:
        return plain_parts(field, self.pylist())

    def pylist(self) -> list[Any]:
        if isinstance(self.values, np.ndarray):
            values: list[Any] = self.values.tolist()
            return values
        return [None if value is MISSING else value for value in self.values]


@dataclass(frozen=True, slots=True)
class TextCells:
    """Cells of a text table, typed by the schema.

    An empty cell is an empty text in a VARCHAR field and no value elsewhere; ``\\N`` is no value
    everywhere.

    Attributes:
        cells: One per row.
        null: What stands for no value everywhere too; an empty one does not in a VARCHAR field
            that always has a value.
    """

    cells: Sequence[str]
    null: str = NULL_CELL

    def __len__(self) -> int:
        return len(self.cells)

    def slice(self, start: int, stop: int) -> TextCells:
        return TextCells(self.cells[start:stop], self.null)

    def column(self, field: Field) -> Column:
        absent = {NULL_CELL, self.null}
        if field.dtype is DataType.VARCHAR:
            if not field.may_be_absent:
                absent.discard("")  # the only thing that it can be is an empty text
            texts = [MISSING if cell in absent else cell for cell in self.cells]
            return convert_column(field, texts, len(texts))
        parse = _PARSERS.get(field.dtype, _parse_json)
        values: list[Any] = []
        for row, cell in enumerate(self.cells):
            if not cell or cell in absent:
                values.append(MISSING)
                continue
            try:
                values.append(parse(cell))
            except (ValueError, RecursionError):
                fail(field, f"expected {_expected(field)}, got {shown(cell)}", row)
        return convert_column(field, values, len(values))

    def parts(self, field: Field) -> dict[str, Column]:
        return plain_parts(field, [cell or None for cell in self.pylist()])

    def pylist(self) -> list[Any]:
        absent = {NULL_CELL, self.null}
        return [None if cell in absent else cell for cell in self.cells]


def plain_parts(field: Field, values: Sequence[Any]) -> dict[str, Column]:
    """Return Python objects, or text that holds them as JSON, as the columns of a struct field.

    Raises:
        EntityError: A value does not fit, or is no JSON.
    """
    return struct_columns(field, parse_nested(field, values), len(values))


def parse_nested(field: Field, values: Sequence[Any]) -> list[Any]:
    """Return the values with those parsed that are JSON text; sparse keys become numbers.

    Raises:
        EntityError: Text is not JSON.
    """
    parsed = list(values)
    for row, value in enumerate(parsed):
        # Vectors as bytes are their elements, and no text; a FLOAT_VECTOR is never given as bytes.
        is_vector = isinstance(value, bytes) and field.dtype in VECTOR_DTYPES
        is_text = isinstance(value, str | bytes) and (
            not is_vector or field.dtype is DataType.FLOAT_VECTOR
        )
        if is_text:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                fail(field, f"expected {_expected(field)}, got {shown(value)}", row)
            parsed[row] = value
        if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
            parsed[row] = _sparse(value)
    return parsed


def _sparse(value: Any) -> Any:
    """Turn the forms of sparse vectors in JSON and DataFrames into one that the schema takes."""
    if isinstance(value, np.ndarray) and value.dtype == np.object_:
        value = value.tolist()
    if isinstance(value, dict) and value.keys() == {"indices", "values"}:
        if len(value["indices"]) == len(value["values"]):
            return list(zip(value["indices"], value["values"], strict=True))
        return value
    if isinstance(value, dict):
        # Keys of a JSON object are always text.
        return {_as_index(key): weight for key, weight in value.items()}
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        pairs = [(entry.get("index"), entry.get("value")) for entry in value]
        return value if any(None in pair for pair in pairs) else pairs
    return value


def _as_index(key: Any) -> Any:
    if isinstance(key, str) and key.isascii() and key.isdigit():
        return int(key)
    return key


def plain_values(field: Field, column: Column) -> list[Any]:
    """Return the values of a column as Python values; moments as text of ISO 8601 in UTC."""
    if field.dtype is not DataType.TIMESTAMPTZ or not isinstance(column, FixedColumn):
        return column.to_pylist()
    moments = to_iso(column.values)  # type: ignore[arg-type]
    if column.validity is None:
        return [*moments]
    return [m if ok else None for m, ok in zip(moments, column.validity.tolist(), strict=True)]


def _parse_bool(cell: str) -> bool:
    lowered = cell.strip().lower()
    if lowered in ("true", "t", "1", "yes"):
        return True
    if lowered in ("false", "f", "0", "no"):
        return False
    raise ValueError(cell)


def _parse_int(cell: str) -> int:
    return int(_number(cell))


def _parse_float(cell: str) -> float:
    return float(_number(cell))


def _number(cell: str) -> str:
    if "_" in cell:  # Python's spelling of large numbers, not that of tables
        raise ValueError(cell)
    return cell


def _parse_json(cell: str) -> Any:
    value = json.loads(cell)
    return _sparse(value) if isinstance(value, dict | list) else value


_PARSERS: dict[DataType, Callable[[str], Any]] = {
    DataType.BOOL: _parse_bool,
    DataType.INT8: _parse_int,
    DataType.INT16: _parse_int,
    DataType.INT32: _parse_int,
    DataType.INT64: _parse_int,
    DataType.FLOAT: _parse_float,
    DataType.DOUBLE: _parse_float,
    DataType.JSON: json.loads,
    DataType.ARRAY: json.loads,
    DataType.GEOMETRY: str,
    DataType.TIMESTAMPTZ: str,
    **dict.fromkeys(VECTOR_DTYPES, json.loads),
}


def _expected(field: Field) -> str:
    if field.dtype in VECTOR_DTYPES:
        width = vector_width(field.dtype, field.dim or 0)
        return f"a JSON list of {width} numbers"
    if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        return 'JSON such as {"17": 0.5}'
    if field.dtype is DataType.ARRAY:
        return "a JSON list"
    if field.dtype is DataType.JSON:
        return "JSON"
    return field.dtype.name
