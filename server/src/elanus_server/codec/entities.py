"""Entities, from what ``Collection`` returns to ``FieldData`` messages and ``IDs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from elanus import DataType, Field, Schema
from elanus_server.codec import documents
from elanus_server.codec.columns import DYNAMIC_FIELD
from elanus_server.wire import schema as messages

_SCALAR_ARRAYS = {
    DataType.BOOL: "bool_data",
    DataType.INT8: "int_data",
    DataType.INT16: "int_data",
    DataType.INT32: "int_data",
    DataType.INT64: "long_data",
    DataType.FLOAT: "float_data",
    DataType.DOUBLE: "double_data",
    DataType.VARCHAR: "string_data",
    DataType.TIMESTAMPTZ: "string_data",
    DataType.GEOMETRY: "geometry_wkt_data",
}
_PLACEHOLDERS: Mapping[DataType, Any] = {
    DataType.BOOL: False,
    DataType.VARCHAR: "",
    DataType.GEOMETRY: "",
    DataType.TIMESTAMPTZ: "",
    DataType.JSON: None,
    DataType.ARRAY: (),
}
_BYTE_VECTORS: dict[DataType, tuple[str, np.dtype[Any]]] = {
    DataType.FLOAT16_VECTOR: ("float16_vector", np.dtype(np.float16)),
    DataType.BFLOAT16_VECTOR: ("bfloat16_vector", np.dtype(np.uint16)),
    DataType.INT8_VECTOR: ("int8_vector", np.dtype(np.int8)),
    DataType.BINARY_VECTOR: ("binary_vector", np.dtype(np.uint8)),
}


def fill_ids(message: Any, field: Field, keys: Sequence[Any]) -> None:
    """Put primary keys into ``IDs``, which says of which type they are even if there are none."""
    chosen = message.str_id if field.dtype is DataType.VARCHAR else message.int_id
    chosen.SetInParent()
    chosen.data.extend(keys)


def encode_ids(field: Field, keys: Sequence[Any]) -> Any:
    """Return primary keys as ``IDs``."""
    made = messages.IDs()
    fill_ids(made, field, keys)
    return made


def encode_entities(
    schema: Schema,
    entities: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    *,
    numbers: Mapping[str, int],
    is_text: frozenset[str] = frozenset(),
    structs: Mapping[str, Field] | None = None,
    time_parts: Sequence[str] = (),
) -> list[Any]:
    """Return entities as ``FieldData``, one for each field.

    Args:
        schema: Of the collection.
        entities: Dicts that hold the fields asked for.
        names: Declared fields to return, in order; ``$meta`` for the undeclared ones.
        numbers: Number of each field.
        is_text: Fields that were declared as Milvus' TEXT.
        structs: By name arrays of structs of which the entities hold only these fields.
        time_parts: Parts of moments, such as ``hour``, that come in their place as an array.
    """
    found = []
    for name in names:
        if name == DYNAMIC_FIELD:
            found.append(_encode_dynamic(schema, entities))
            continue
        field = structs[name] if structs and name in structs else schema.field(name)
        values = [entity.get(name) for entity in entities]
        if time_parts and field.dtype is DataType.TIMESTAMPTZ:
            number, nullable = DataType.INT64, field.nullable
            field = Field(name, DataType.ARRAY, element_type=number, nullable=nullable)
            values = [v and [getattr(v, part) for part in time_parts] for v in values]
        message = encode_column(field, values)
        message.field_id = numbers.get(name, 0)
        if name in is_text:
            message.type = messages.DataType.Value("Text")
        found.append(message)
    return found


def _encode_dynamic(schema: Schema, entities: Sequence[Mapping[str, Any]]) -> Any:
    """Return undeclared fields as the column ``$meta``."""
    declared = {field.name for field in schema.fields}
    made = messages.FieldData(
        type=messages.DataType.Value("JSON"), field_name=DYNAMIC_FIELD, is_dynamic=True
    )
    made.scalars.json_data.data.extend(
        [
            documents.dump({name: value for name, value in entity.items() if name not in declared})
            for entity in entities
        ]
    )
    return made


def encode_column(field: Field, values: Sequence[Any]) -> Any:
    """Return the values of one field; None stands for null."""
    made = messages.FieldData(type=int(field.dtype), field_name=field.name)
    if field.nullable:
        made.valid_data.extend([value is not None for value in values])
    if field.struct is not None:
        made.type = messages.DataType.Value("ArrayOfStruct")
        _fill_structs(made, field, values)
    elif field.is_vector_list:
        made.type = messages.DataType.Value("ArrayOfVector")
        _fill_vector_lists(made, field, values)
    elif field.dtype.is_vector:
        # Of vectors only those that are there, as Milvus sends them.
        is_whole = isinstance(values, np.ndarray)
        there = values if is_whole else [value for value in values if value is not None]
        _fill_vectors(made.vectors, field, there)
    else:
        placeholder = _PLACEHOLDERS.get(field.dtype, 0)
        filled = [placeholder if value is None else value for value in values]
        _fill_scalars(made.scalars, field, filled)
    return made


def _fill_scalars(scalars: Any, field: Field, values: Sequence[Any]) -> None:
    if field.dtype is DataType.JSON:
        scalars.json_data.data.extend([documents.dump(value) for value in values])
        return
    if field.dtype is DataType.ARRAY:
        element = field.element_type or DataType.INT64
        scalars.array_data.element_type = int(element)
        inner = Field("element", element)
        for value in values:
            _fill_scalars(scalars.array_data.data.add(), inner, _listed(value))
        # A list without elements still says of which type it is.
        return
    if field.dtype is DataType.TIMESTAMPTZ:
        values = [shown_moment(v) if isinstance(v, datetime) else v for v in values]
    array = getattr(scalars, _SCALAR_ARRAYS[field.dtype])
    array.SetInParent()
    array.data.extend(values)


def shown_moment(moment: datetime) -> str:
    """Return a moment as Milvus writes it: ``Z`` for UTC, and no zeros behind a fraction."""
    whole = moment.replace(microsecond=0).isoformat()
    time, offset = whole[:19], whole[19:]
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return f"{time}{fraction}{'Z' if offset == '+00:00' else offset}"


def _fill_vectors(vectors: Any, field: Field, values: Sequence[Any]) -> None:
    dtype = field.vector_type
    if dtype is DataType.SPARSE_FLOAT_VECTOR:
        rows = vectors.sparse_float_vector
        rows.SetInParent()
        for value in values:
            ordered = sorted(value.items())
            pairs = np.array(ordered, dtype=[("dim", "<u4"), ("weight", "<f4")])
            rows.contents.append(pairs.tobytes())
            rows.dim = max(rows.dim, ordered[-1][0] + 1 if ordered else 0)
        return
    vectors.dim = field.dim or 0
    if dtype is DataType.FLOAT_VECTOR:
        vectors.float_vector.SetInParent()
        if len(values):
            matrix = values if isinstance(values, np.ndarray) else np.stack(values)
            flat = np.ascontiguousarray(matrix, dtype="<f4")
            set_floats(vectors.float_vector, flat)
        return
    name, kind = _BYTE_VECTORS[dtype]
    setattr(vectors, name, b"".join([_vector_bytes(dtype, kind, value) for value in values]))


def _vector_bytes(dtype: DataType, kind: np.dtype[Any], value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    array = np.asarray(value)
    if dtype is DataType.BFLOAT16_VECTOR and array.dtype != np.uint16:
        # The upper half of a float32 is the bfloat16 that it came from.
        array = array.astype("<f4").view("<u4") >> 16
    return array.astype(kind).tobytes()


def set_floats(array: Any, values: np.ndarray[Any, Any]) -> None:
    """Put float32 values into a ``FloatArray`` as its bytes on the wire, not one by one."""
    raw = values.tobytes()
    length, size = bytearray(), len(raw)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    # Field 1 of the message, packed: tag, length as varint, values.
    array.ParseFromString(b"\x0a" + bytes(length) + raw)


def _fill_vector_lists(made: Any, field: Field, values: Sequence[Any]) -> None:
    lists = made.vectors.vector_array
    made.vectors.dim = lists.dim = field.dim or 0
    lists.element_type = int(field.vector_type)
    for value in values:
        # Null lists have their place too: clients go by the number of the row.
        _fill_vectors(lists.data.add(), field, () if value is None else list(value))


def _fill_structs(made: Any, field: Field, values: Sequence[Any]) -> None:
    """Fill the columns of an array of structs: clients read what is null off each of them.

    They go by the number of the row, so that a null row has its place, with an empty list.
    """
    for part in field.struct or ():
        whole = Field(
            part.name, DataType.ARRAY, element_type=part.dtype, dim=part.dim, metric=part.metric
        )
        lists = [[element[part.name] for element in row or ()] for row in values]
        column = encode_column(whole, lists)
        column.valid_data.extend(made.valid_data)
        made.struct_arrays.fields.append(column)


def _listed(value: Any) -> list[Any]:
    return value.tolist() if isinstance(value, np.ndarray) else list(value)
