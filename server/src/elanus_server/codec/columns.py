"""Columns of entities, from ``FieldData`` messages to what ``Collection.insert`` takes.

Numbers and vectors come out as NumPy arrays over the bytes of the message wherever the message has
them in one piece; texts, JSON and lists are Python values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from elanus import DataType, Field, Schema
from elanus_server.codec import documents
from elanus_server.failures import invalid, mismatch

DYNAMIC_FIELD = "$meta"
"""The JSON column of undeclared fields, as in Milvus."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTE_VECTORS: dict[DataType, tuple[str, Any]] = {
    DataType.FLOAT16_VECTOR: ("float16_vector", np.dtype(np.float16)),
    DataType.BFLOAT16_VECTOR: ("bfloat16_vector", np.dtype(np.uint16)),
    DataType.INT8_VECTOR: ("int8_vector", np.dtype(np.int8)),
    DataType.BINARY_VECTOR: ("binary_vector", np.dtype(np.uint8)),
}


def decode_columns(messages: Iterable[Any], schema: Schema, num_rows: int) -> dict[str, Any]:
    """Return the columns of entities by name.

    Args:
        messages: ``FieldData``, one for each field.
        schema: Of the collection.
        num_rows: Rows that the request announces.

    Raises:
        MilvusError: A field that is not there, or columns of other lengths.
    """
    columns: dict[str, Any] = {}
    for message in messages:
        if message.is_dynamic or message.field_name == DYNAMIC_FIELD:
            columns[DYNAMIC_FIELD] = [
                documents.load(raw) if raw else {} for raw in message.scalars.json_data.data
            ]
            continue
        if message.field_name not in schema:
            raise invalid(f"field {message.field_name} does not exist in the collection's schema")
        field = schema.field(message.field_name)
        if field.source is not None:
            raise invalid(f"field {field.name} is filled by a function and cannot be given")
        columns[field.name] = _decode(message, field, num_rows)
    for name, values in columns.items():
        if len(values) != num_rows:
            told = (
                f"the num_rows ({len(values)}) of field ({name}) is not equal to passed num_rows "
                f"({num_rows})"
            )
            raise mismatch(told, num_rows, len(values))
    return columns


def _decode(message: Any, field: Field, num_rows: int) -> Any:
    if field.struct is not None:
        return _structs(message, field, num_rows)
    return _with_nulls(column_values(message, field), message.valid_data)


def _with_nulls(values: Any, valid: Sequence[bool]) -> Any:
    """Return values with None where rows are null; all as they are where none is."""
    if not valid or all(valid):
        return values
    # Vectors hold valid rows only, scalars usually something in place of nulls as well.
    given = list(values)
    if len(given) == len(valid):
        return [value if is_valid else None for value, is_valid in zip(given, valid, strict=True)]
    left = iter(given)
    return [next(left, None) if is_valid else None for is_valid in valid]


def column_values(message: Any, field: Field) -> Any:
    """Return what a message holds for a field, nulls left aside.

    Raises:
        MilvusError: The message holds another type.
    """
    if message.WhichOneof("field") == "vectors":
        return _vectors(message.vectors, field)
    return _scalars(message.scalars, field)


def _vectors(vectors: Any, field: Field) -> Any:
    held = vectors.WhichOneof("data")
    if field.is_vector_list:
        return [_dense(one, field) for one in vectors.vector_array.data]
    if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        return [sparse_vector(raw) for raw in vectors.sparse_float_vector.contents]
    if held is None:
        return []
    return _dense(vectors, field)


def _dense(vectors: Any, field: Field) -> Any:
    """Return dense vectors as a matrix of the dtype that they are stored with."""
    dtype, dim = field.vector_type, field.dim or 0
    if dtype is DataType.FLOAT_VECTOR:
        flat = packed_floats(vectors.float_vector)
    elif dtype in _BYTE_VECTORS:
        name, kind = _BYTE_VECTORS[dtype]
        flat = np.frombuffer(getattr(vectors, name), dtype=kind)
    else:
        raise invalid(f"{dtype.name} is not a type of dense vectors")
    width = dim // 8 if dtype is DataType.BINARY_VECTOR else dim
    if vectors.dim and vectors.dim != dim:
        told = f"the dim ({vectors.dim}) of field data({field.name}) is not equal to schema dim "
        raise mismatch(f"{told}({dim})", dim, vectors.dim)
    if width and len(flat) % width:
        raise invalid(f"the length ({len(flat)}) of float data should divide the dim ({dim})")
    return flat.reshape(-1, width)


def packed_floats(array: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a ``FloatArray`` as float32, from its bytes on the wire rather than one by one."""
    raw = array.SerializeToString()
    return np.frombuffer(raw, dtype="<f4", offset=len(raw) - 4 * len(array.data))


def _packed_doubles(array: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    raw = array.SerializeToString()
    return np.frombuffer(raw, dtype="<f8", offset=len(raw) - 8 * len(array.data))


def sparse_vector(raw: bytes) -> dict[int, float]:
    """Return a sparse vector: pairs of a uint32 and a float32."""
    if len(raw) % 8:
        raise invalid(f"sparse vector: expected pairs of 8 bytes, got {len(raw)} bytes")
    pairs = np.frombuffer(raw, dtype=[("dim", "<u4"), ("weight", "<f4")])
    return dict(zip(pairs["dim"].tolist(), pairs["weight"].tolist(), strict=True))


def _scalars(scalars: Any, field: Field) -> Any:
    held = scalars.WhichOneof("data")
    if held is None:
        return []
    if held not in _FITTING[field.dtype]:
        raise invalid(f"field {field.name}: expected {field.dtype.name} data, got {held}")
    return _READERS[held](getattr(scalars, held), field)


def _integers(array: Any, field: Field) -> Any:
    if field.dtype is DataType.TIMESTAMPTZ:
        return [_EPOCH + timedelta(microseconds=value) for value in array.data]
    return np.array(array.data, dtype=np.int64)


def _booleans(array: Any, field: Field) -> Any:
    return np.array(array.data, dtype=np.bool_)


def _floats(array: Any, field: Field) -> Any:
    return packed_floats(array)


def _doubles(array: Any, field: Field) -> Any:
    return _packed_doubles(array)


def _strings(array: Any, field: Field) -> Any:
    return list(array.data)


def _documents(array: Any, field: Field) -> Any:
    found = []
    for row, raw in enumerate(array.data):
        try:
            found.append(documents.load(raw) if raw else None)
        except ValueError as error:
            raise invalid(f"field {field.name}: row {row} is not JSON: {error}") from None
    return found


def _lists(array: Any, field: Field) -> Any:
    element = field.element_type or DataType.INT64
    inner = Field("element", element, max_length=field.max_length)
    return [list(_plain(_scalars(one, inner))) for one in array.data]


def _plain(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) else values


_READERS: dict[str, Callable[[Any, Field], Any]] = {
    "bool_data": _booleans,
    "int_data": _integers,
    "long_data": _integers,
    "timestamptz_data": _integers,
    "float_data": _floats,
    "double_data": _doubles,
    "string_data": _strings,
    "geometry_wkt_data": _strings,
    "json_data": _documents,
    "array_data": _lists,
}
_FITTING: Mapping[DataType, Sequence[str]] = {
    DataType.BOOL: ("bool_data",),
    DataType.INT8: ("int_data",),
    DataType.INT16: ("int_data",),
    DataType.INT32: ("int_data",),
    DataType.INT64: ("long_data",),
    DataType.FLOAT: ("float_data",),
    DataType.DOUBLE: ("double_data",),
    DataType.VARCHAR: ("string_data",),
    DataType.JSON: ("json_data",),
    DataType.ARRAY: ("array_data",),
    DataType.GEOMETRY: ("geometry_wkt_data", "string_data"),
    DataType.TIMESTAMPTZ: ("string_data", "timestamptz_data", "long_data"),
}


def _structs(message: Any, field: Field, num_rows: int) -> list[Any]:
    """Return arrays of structs row by row: that is how elanus takes them."""
    parts = {part.name: part for part in field.struct or ()}
    columns: dict[str, list[Any]] = {}
    for one in message.struct_arrays.fields:
        name = _part_name(one.field_name, field.name)
        if name not in parts:
            raise invalid(f"field {one.field_name} does not exist in the struct {field.name}")
        part = parts[name]
        whole = Field(
            name,
            DataType.ARRAY,
            element_type=part.dtype,
            dim=part.dim,
            metric=part.metric,
            max_length=part.max_length,
        )
        # Clients say of each field of the struct which rows are null, others of the whole.
        valid = one.valid_data or message.valid_data
        columns[name] = list(_with_nulls(column_values(one, whole), valid))
    if not any(columns.values()):
        return [None] * num_rows
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise invalid(f"struct {field.name}: fields differ in their number of rows, got {lengths}")
    rows: list[Any] = []
    # Structs are lists of dicts by nature; nothing of them is an array before it is stored.
    for elements in zip(*columns.values(), strict=True):
        if all(one is None for one in elements):
            rows.append(None)
            continue
        if len({-1 if one is None else len(one) for one in elements}) > 1:
            raise invalid(f"struct {field.name}: row {len(rows)} has lists of different lengths")
        rows.append([dict(zip(columns, one, strict=True)) for one in zip(*elements, strict=True)])
    return rows


def _part_name(name: str, struct: str) -> str:
    return name[len(struct) + 1 : -1] if name.startswith(f"{struct}[") else name
