"""Why is an entity refused? In Milvus' words, where it has some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from elanus import DataType, Field, Schema
from elanus.errors import EntityError
from elanus_server.failures import MilvusError, invalid, mismatch

_RANGES = {kind: np.iinfo(kind.name.lower()) for kind in (DataType.INT8, DataType.INT16)}


@contextmanager
def worded_as_milvus(schema: Schema, columns: Mapping[str, Any]) -> Iterator[None]:
    """Let columns be written; what is wrong with one is told as Milvus tells it.

    Raises:
        MilvusError: A value does not fit its field.
    """
    try:
        yield
    except EntityError as error:
        found, name = None, error.field
        if name is not None and name in columns and name in schema:
            found = _fault(schema.field(name), list(columns[name]), error.row)
        if found is None:
            raise
        raise found from None


def _fault(field: Field, values: list[Any], row: int | None) -> MilvusError | None:
    value = values[row] if row is not None and row < len(values) else None
    if field.dtype is DataType.VARCHAR and isinstance(value, str):
        size = len(value.encode())
        if field.max_length is not None and size > field.max_length:
            return invalid(
                f"length of varchar field {field.name} exceeds max length, row number: {row}, "
                f"length: {size}, max length: {field.max_length}"
            )
    most = field.max_capacity if field.dtype is DataType.ARRAY and field.struct is None else None
    if most is not None and isinstance(value, list) and len(value) > most:
        told = f"the length ({len(value)}) of {row}th array exceeds max capacity ({most})"
        return mismatch(told, "valid length array", "array length exceeds max capacity")
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
