"""Why is an entity refused? In Milvus' words, where it has some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np

from elanus import DataType, Field, Schema
from elanus.errors import EntityError
from elanus_server.failures import MilvusError, invalid, mismatch

_RANGES = {kind: np.iinfo(kind.name.lower()) for kind in (DataType.INT8, DataType.INT16)}

_TOO_MANY = re.compile(r"(\d+) elements exceed max_capacity=(\d+)")
_TOO_LONG = re.compile(r"(\d+) bytes exceed max_length=(\d+) \(row (\d+), element (\d+)\)")


@contextmanager
def worded_as_milvus(schema: Schema, columns: Mapping[str, Any]) -> Iterator[None]:
    """Let columns be written; what is wrong with one is told as Milvus tells it.

    Raises:
        MilvusError: A value does not fit its field.
    """
    try:
        yield
    except EntityError as error:
        found = _worded(schema, columns, error)
        if found is None:
            raise
        raise found from None


def _worded(schema: Schema, columns: Mapping[str, Any], error: EntityError) -> MilvusError | None:
    name, row = error.field, error.row
    if name is None or name not in schema:
        return None
    field = schema.field(name)
    element = _TOO_LONG.search(str(error))
    if element is not None:
        size, most, number, place = element.groups()
        return invalid(
            f'length of Array array field "{name}" exceeds max length, row number: {number}, '
            f"array index: {place}, length: {size}, max length: {most}"
        )
    if name in columns:
        values = list(columns[name])
        value = values[row] if row is not None and row < len(values) else None
        return _too_many(error, value) or _fault(field, values, row)
    if row is None and field.is_stored and field.source is None:
        return invalid(f"fieldSchema({name}) has no corresponding fieldData pass in")
    return None


def _too_many(error: EntityError, value: Any) -> MilvusError | None:
    found = _TOO_MANY.search(str(error))
    if found is None:
        return None
    count, most = found.groups()
    if not isinstance(value, Sized) or len(value) != int(count):
        # What is given is appended to what is there.
        return invalid(f"array length {count} exceeds max_capacity {most}")
    told = f"the length ({count}) of {error.row}th array exceeds max capacity ({most})"
    return mismatch(told, "valid length array", "array length exceeds max capacity")


def _fault(field: Field, values: list[Any], row: int | None) -> MilvusError | None:
    value = values[row] if row is not None and row < len(values) else None
    if field.dtype is DataType.VARCHAR and isinstance(value, str):
        size = len(value.encode())
        if field.max_length is not None and size > field.max_length:
            return invalid(
                f"length of varchar field {field.name} exceeds max length, row number: {row}, "
                f"length: {size}, max length: {field.max_length}"
            )
    if field.dtype is DataType.TIMESTAMPTZ and isinstance(value, str):
        return invalid(
            f"got invalid timestamptz string '{value}': invalid timezone name; must be a valid "
            "IANA Time Zone ID (e.g., 'Asia/Shanghai' or 'UTC')"
        )
    if field.dtype in _RANGES and value is not None:
        lowest, highest = _RANGES[field.dtype].min, _RANGES[field.dtype].max
        if not lowest <= value <= highest:
            told = f"the {row}th element ({value}) out of range: [{lowest}, {highest}]"
            return mismatch(told, "integer doesn't overflow", "out of range")
    return _not_finite(field, values)


def _not_finite(field: Field, values: list[Any]) -> MilvusError | None:
    is_dense = field.vector_type.is_dense_vector and not field.is_vector_list
    if not is_dense and field.dtype not in (DataType.FLOAT, DataType.DOUBLE):
        return None
    for value in values:
        numbers = np.ravel(np.asarray(() if value is None else value, dtype=np.float64))
        wrong = numbers[~np.isfinite(numbers)]
        if len(wrong):
            shown = "NaN" if np.isnan(wrong[0]) else f"{wrong[0]:+f}".replace("inf", "Inf")
            return invalid(f"value '{shown}' is not a number or infinity")
    return None
