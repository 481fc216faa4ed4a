"""Entities, from ``FieldData`` messages to JSON objects as Milvus sends them.

Bytes are base64, JSON fields are texts, numbers that JSON has no word for are ``"NaN"``,
``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from elanus_server.codec import documents
from elanus_server.codec.columns import DYNAMIC_FIELD, packed_floats, sparse_vector
from elanus_server.wire import schema as messages

_STRUCTS = messages.DataType.Value("ArrayOfStruct")
_BYTES = {
    "binary_vector": lambda dim: dim // 8,
    "float16_vector": lambda dim: dim * 2,
    "bfloat16_vector": lambda dim: dim * 2,
    "int8_vector": lambda dim: dim,
}


_FEW = 64
"""Numbers of which each is worked out by itself sooner than all together."""


def rows_of(
    fields: Sequence[Any], shown: Sequence[str], count: int, *, allow_int64: bool
) -> list[dict[str, Any]]:
    """Return columns as rows.

    Args:
        fields: ``FieldData`` messages.
        shown: Output fields, as the response names them.
        count: Rows.
        allow_int64: Whether 64-bit integers are sent as numbers, else as strings.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    declared = {field.field_name for field in fields if not field.is_dynamic}
    undeclared = [name for name in shown if name not in declared]
    for field in fields:
        values = _column(field, allow_int64)
        if field.is_dynamic:
            for row, document in zip(rows, values, strict=True):
                row.update(_chosen(documents.load(document), undeclared))
            continue
        # Rows are dicts in JSON, so they are filled one by one.
        for row, value in zip(rows, values, strict=True):
            row[field.field_name] = value
    return rows


def _chosen(document: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the undeclared fields that were asked for; all where ``$meta`` was."""
    if DYNAMIC_FIELD in names:
        return document
    found = {}
    for name in names:
        prefix = f"{DYNAMIC_FIELD}["
        key = name[len(prefix) : -1].strip("\"'") if name.startswith(prefix) else name
        if key in document:
            found[key] = document[key]
    return found


def ids_of(message: Any, *, allow_int64: bool) -> list[Any]:
    """Return the keys of an ``IDs`` message."""
    kind = message.WhichOneof("id_field")
    if kind is None:
        return []
    keys = list(getattr(message, kind).data)
    return keys if allow_int64 or kind == "str_id" else [str(key) for key in keys]


def _column(field: Any, allow_int64: bool) -> list[Any]:
    """Return the values of a field, None for nulls."""
    if field.type == _STRUCTS:
        values = _structs(field, allow_int64)
    elif field.WhichOneof("field") == "vectors":
        values = _vectors(field.vectors, allow_int64)
    else:
        values = _scalars(field.scalars, allow_int64)
    valid = list(field.valid_data)
    if not valid or all(valid):
        return values
    if len(values) == len(valid):
        return [value if is_valid else None for value, is_valid in zip(values, valid, strict=True)]
    # Vectors come without those that are null.
    left = iter(values)
    return [next(left) if is_valid else None for is_valid in valid]


def _structs(field: Any, allow_int64: bool) -> list[Any]:
    columns = {
        _part_name(part.field_name): _column(part, allow_int64)
        for part in field.struct_arrays.fields
    }
    return [
        None
        if any(one is None for one in lists)
        else [dict(zip(columns, one, strict=True)) for one in zip(*lists, strict=True)]
        for lists in zip(*columns.values(), strict=True)
    ]


def _part_name(name: str) -> str:
    return name.partition("[")[2][:-1] if name.endswith("]") else name


def _vectors(vectors: Any, allow_int64: bool) -> list[Any]:
    kind = vectors.WhichOneof("data")
    if kind is None:
        return []
    if kind == "vector_array":
        return [_vectors(one, allow_int64) for one in vectors.vector_array.data]
    if kind == "sparse_float_vector":
        return [_sparse(sparse_vector(raw)) for raw in vectors.sparse_float_vector.contents]
    if kind == "float_vector":
        return shown_floats(packed_floats(vectors.float_vector).reshape(-1, vectors.dim or 1))
    raw, size = getattr(vectors, kind), _BYTES[kind](vectors.dim)
    return [
        base64.b64encode(raw[start : start + size]).decode()
        for start in range(0, len(raw), size or 1)
    ]


def _sparse(vector: Mapping[int, float]) -> dict[str, Any]:
    return dict(zip(map(str, vector), shown_floats(list(vector.values())), strict=True))


def shown_floats(values: Any) -> list[Any]:
    """Return float32 numbers with as many digits as they have, not as many as a double has.

    Args:
        values: Of any shape, which is that of the lists returned.
    """
    array = np.asarray(values, dtype=np.float32)
    if array.ndim == 1 and len(array) <= _FEW:
        # Their own words are the shortest ones.
        return [finite(float(str(value))) for value in array]
    shown: list[Any] = _shortest(array.ravel()).reshape(array.shape).tolist()
    return shown if np.isfinite(array).all() else _worded(shown)


def _shortest(values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, Any]:
    """Return the doubles with the fewest decimal digits that are these numbers as float32."""
    wide = values.astype(np.float64)
    found, left = wide.copy(), np.ones(len(wide), dtype=bool)
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(wide)))
        exponent[~np.isfinite(exponent)] = 0
        # Six digits always survive a float32, nine always tell it from its neighbours.
        for digits in range(6, 10):
            power = digits - 1 - exponent
            scale = 10.0 ** np.abs(power)
            rounded = np.where(
                power < 0, np.rint(wide / scale) * scale, np.rint(wide * scale) / scale
            )
            fits = left & (rounded.astype(np.float32) == values)
            found[fits] = rounded[fits]
            left &= ~fits
    return found


def _worded(values: list[Any]) -> list[Any]:
    return [_worded(v) if isinstance(v, list) else finite(v) for v in values]


def finite(value: float) -> Any:
    """Return a number, or the word for one that JSON has none for."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _scalars(scalars: Any, allow_int64: bool) -> list[Any]:
    kind = scalars.WhichOneof("data")
    if kind is None:
        return []
    values = getattr(scalars, kind).data
    if kind == "array_data":
        return [_scalars(one, allow_int64) for one in values]
    if kind == "long_data" and not allow_int64:
        return [str(value) for value in values]
    read = _READERS.get(kind)
    return list(values) if read is None else read(values)


_READERS: dict[str, Callable[[Any], list[Any]]] = {
    "float_data": shown_floats,
    "double_data": lambda values: [finite(value) for value in values],
    "json_data": lambda values: [raw.decode() for raw in values],
}
