"""Entities, from JSON objects to ``FieldData`` messages.

64-bit integers may come as strings, vectors of 16 bits as numbers or as base64 of their bytes,
binary ones as base64 or as a list of bytes, sparse ones as ``{"3": 0.5}`` or as
``{"indices": [3], "values": [0.5]}``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from elanus import DataType, Field, Schema
from elanus_server.codec import documents
from elanus_server.codec.columns import DYNAMIC_FIELD
from elanus_server.codec.entities import encode_column
from elanus_server.failures import MilvusError
from elanus_server.rest.bodies import Written
from elanus_server.rest.parameters import bad_rows
from elanus_server.rest.row_columns import plain_column
from elanus_server.wire import schema as messages

_INTEGERS = {
    DataType.INT8: 2**7,
    DataType.INT16: 2**15,
    DataType.INT32: 2**31,
    DataType.INT64: 2**63,
}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXACT = 2.0**53
"""From here on floats leave whole numbers out."""
_DIMENSION = re.compile("[0-9]{1,10}")
_MAX_FLOAT = float(np.finfo(np.float32).max)
_DENSE: Mapping[DataType, Any] = {
    DataType.FLOAT_VECTOR: np.float32,
    DataType.FLOAT16_VECTOR: np.float16,
    DataType.BFLOAT16_VECTOR: np.float32,
    DataType.INT8_VECTOR: np.int8,
}
_NUMBERS = frozenset({int, float})
"""What numbers of JSON are; truth values are none."""


def field_columns(
    rows: Sequence[Mapping[str, Any]],
    schema: Schema,
    *,
    partial: bool = False,
    written: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
) -> list[Any]:
    """Return entities as ``FieldData``, one for each field that has values.

    Args:
        rows: JSON objects.
        schema: Of the collection.
        partial: Fields may be missing: they keep what they have.
        written: Reads the rows anew, so that numbers know how they were written.

    Raises:
        MilvusError: A value does not fit its field, or a field is missing.
    """
    found = []
    for field in schema.fields:
        given = sum(field.name in row for row in rows)
        if not given and (partial or _may_be_missing(field)):
            continue
        if given and (field.source is not None or field.embedding is not None):
            raise bad_rows(
                f"not allowed to provide input data for function output field: {field.name}"
            )
        if given < len(rows) and partial:
            raise bad_rows(f"field {field.name} is given in some rows and missing in others")
        given_values = [row.get(field.name) for row in rows]
        values = plain_column(given_values, field)
        if values is None:
            if written is not None and _asks_for_words(given_values, field):
                rows, written = written(), None
            values = [_value(row, field, place) for place, row in enumerate(rows)]
        found.append(_column(field, values))
    dynamic = _dynamic(rows, schema)
    return found if dynamic is None else [*found, dynamic]


def _asks_for_words(values: Sequence[Any], field: Field) -> bool:
    """Whether a field takes numbers as they were written, and some are more than their value."""
    if field.dtype is DataType.VARCHAR:
        return any(type(value) is float for value in values)
    is_whole = field.dtype is DataType.INT64
    return is_whole and any(type(value) is float and abs(value) >= _EXACT for value in values)


def _may_be_missing(field: Field) -> bool:
    is_made = field.auto_id or field.source is not None or field.embedding is not None
    return is_made or field.nullable or field.default is not None


def _value(row: Mapping[str, Any], field: Field, place: int) -> Any:
    value = row.get(field.name)
    if value is None:
        if field.nullable or field.default is not None:
            return None
        what = "is not nullable" if field.name in row else "is required"
        raise bad_rows(f"row {place}: field {field.name} {what}")
    try:
        return read_value(value, field)
    except MilvusError as error:
        raise bad_rows(f"row {place}: {error}") from None


def _column(field: Field, values: Sequence[Any]) -> Any:
    message = encode_column(field, values)
    is_plain = isinstance(values, np.ndarray)
    if not is_plain and not field.nullable and any(value is None for value in values):
        # The default stands in for what is missing.
        message.valid_data.extend([value is not None for value in values])
    return message


def _dynamic(rows: Sequence[Mapping[str, Any]], schema: Schema) -> Any:
    """Return the column of undeclared fields, None where the collection takes none."""
    declared = {field.name for field in schema.fields}
    extras = [{n: v for n, v in row.items() if n not in declared} for row in rows]
    if not schema.dynamic:
        for place, extra in enumerate(extras):
            if extra:
                raise bad_rows(
                    f"row {place}: has pass more field without dynamic schema, please check it: "
                    f"{sorted(extra)}"
                )
        return None
    if any(DYNAMIC_FIELD in extra for extra in extras):
        raise bad_rows(f"use the invalid field name({DYNAMIC_FIELD}) when enable dynamicField")
    made = messages.FieldData(
        type=messages.DataType.Value("JSON"), field_name=DYNAMIC_FIELD, is_dynamic=True
    )
    made.scalars.json_data.data.extend([documents.dump(extra) for extra in extras])
    return made


def read_value(value: Any, field: Field) -> Any:
    """Return a value of JSON as the codec takes it.

    Raises:
        MilvusError: It does not fit the field.
    """
    if field.struct is not None:
        return _structs(value, field)
    if field.is_vector_list:
        inner = Field("element", field.vector_type, dim=field.dim)
        return [read_vector(one, inner) for one in _list(value, field)]
    if field.dtype.is_vector:
        return read_vector(value, field)
    if field.dtype is DataType.ARRAY:
        element = field.element_type or DataType.INT64
        return [_scalar(one, element, field.name) for one in _list(value, field)]
    return _scalar(value, field.dtype, field.name)


def _list(value: Any, field: Field) -> list[Any]:
    if not isinstance(value, list):
        raise bad_rows(f"field {field.name}: expected an array, got {_shown(value)}")
    return value


def _structs(value: Any, field: Field) -> list[dict[str, Any]]:
    parts = {part.name: part for part in field.struct or ()}
    found = []
    for one in _list(value, field):
        if not isinstance(one, dict) or one.keys() != parts.keys():
            raise bad_rows(
                f"field {field.name}: expected objects with {sorted(parts)}, got {_shown(one)}"
            )
        found.append({name: read_value(one[name], part) for name, part in parts.items()})
    return found


def _scalar(value: Any, dtype: DataType, name: str) -> Any:
    if dtype in _INTEGERS:
        return _integer(value, dtype, name)
    if dtype is DataType.JSON:
        return _document(value)
    found = _READERS[dtype](value)
    if found is None:
        raise bad_rows(f"field {name}: expected {dtype.name}, got {_shown(value)}")
    return found


def _integer(value: Any, dtype: DataType, name: str) -> int:
    bound = _INTEGERS[dtype]
    number = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            number = None
    elif isinstance(value, float) and value.is_integer():
        number = int(Decimal(value.text)) if isinstance(value, Written) else int(value)
    if not isinstance(number, int) or isinstance(value, bool) or not -bound <= number < bound:
        raise bad_rows(
            f"field {name} value must be an integer in range [{-bound}, {bound - 1}], got "
            f"{_shown(value)}"
        )
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        try:
            return float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _single(value: Any) -> float | None:
    number = _number(value)
    if number is None or (math.isfinite(number) and abs(number) > _MAX_FLOAT):
        return None
    return number


def _boolean(value: Any) -> bool | None:
    words = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
    return words.get(str(value).lower()) if isinstance(value, str | bool | int) else None


def _text(value: Any) -> str | None:
    """Return a text; numbers are what they were written as, as with Milvus."""
    if isinstance(value, str):
        return value
    if isinstance(value, Written):
        return value.text
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _document(value: Any) -> Any:
    """Return what a JSON field holds: as with Milvus a text that is JSON is what it says."""
    if isinstance(value, str):
        try:
            return json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return value
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _only(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else None


_READERS: dict[DataType, Callable[[Any], Any]] = {
    DataType.BOOL: _boolean,
    DataType.FLOAT: _single,
    DataType.DOUBLE: _number,
    DataType.VARCHAR: _text,
    DataType.GEOMETRY: _only(str),
    DataType.TIMESTAMPTZ: _only(str),
}


def read_vector(value: Any, field: Field) -> Any:
    """Return a vector of JSON: an array, bytes, or a dict for a sparse one.

    Raises:
        MilvusError: It is of another type, or of another dimension than the field.
    """
    if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        return _sparse(value, field)
    dim = field.dim or 0
    if field.dtype is DataType.BINARY_VECTOR:
        return _packed(value, field, dim // 8)
    if isinstance(value, str) and field.dtype is not DataType.FLOAT_VECTOR:
        return _packed(value, field, dim * (1 if field.dtype is DataType.INT8_VECTOR else 2))
    if not isinstance(value, list) or not _NUMBERS.issuperset(map(type, value)):
        raise bad_rows(f"field {field.name}: expected an array of numbers, got {_shown(value)}")
    if len(value) != dim:
        raise bad_rows(f"field {field.name}: dimension: {dim}, but length of []float: {len(value)}")
    if field.dtype is DataType.INT8_VECTOR:
        return _small(value, field)
    wide = np.asarray(value, dtype=np.float64)
    with np.errstate(over="ignore"):
        vector = wide.astype(_DENSE[field.dtype])
    if not np.isfinite(vector).all():
        raise bad_rows(f"field {field.name}: a number is out of the range of {field.dtype.name}")
    return vector


def _small(value: Sequence[Any], field: Field) -> Any:
    if not all(isinstance(one, int) and -128 <= one <= 127 for one in value):
        raise bad_rows(f"field {field.name}: expected whole numbers in [-128, 127]")
    return np.array(value, dtype=np.int8)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _packed(value: Any, field: Field, size: int) -> bytes:
    """Return bytes that come as base64 or as a list."""
    raw: bytes | None = None
    if isinstance(value, str):
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raw = None
    elif isinstance(value, list) and all(type(one) is int and 0 <= one <= 255 for one in value):
        raw = bytes(value)
    if raw is None:
        raise bad_rows(f"field {field.name}: expected base64 or a list of bytes")
    if len(raw) != size:
        raise bad_rows(
            f"field {field.name}: dimension: {field.dim}, bytesLen: {size}, but length of []byte: "
            f"{len(raw)}"
        )
    return raw


def _sparse(value: Any, field: Field) -> dict[int, float]:
    expected = 'expected {"dimension": weight} or {"indices": [], "values": []}'
    if not isinstance(value, dict):
        raise bad_rows(f"field {field.name}: {expected}, got {_shown(value)}")
    pairs: Sequence[tuple[Any, Any]] = list(value.items())
    if value.keys() == {"indices", "values"}:
        indices, weights = value["indices"], value["values"]
        if not isinstance(indices, list) or not isinstance(weights, list):
            raise bad_rows(f"field {field.name}: {expected}, got {_shown(value)}")
        if len(indices) != len(weights):
            raise bad_rows(f"field {field.name}: {len(indices)} indices, but {len(weights)} values")
        pairs = list(zip(indices, weights, strict=True))
    found = {}
    for index, weight in pairs:
        dimension = int(index) if _DIMENSION.fullmatch(str(index)) else -1
        if not 0 <= dimension < 2**32 - 1:
            raise bad_rows(f"field {field.name}: sparse index {_shown(index)} is not in range")
        if not _is_number(weight) or not abs(weight) <= _MAX_FLOAT:
            raise bad_rows(f"field {field.name}: sparse weight {_shown(weight)} is no number")
        found[dimension] = float(weight)
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
