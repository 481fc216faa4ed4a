"""Arrow arrays as columns of a field, and back.

Layouts are nearly the same (``docs/file-format.md``), so most columns are views of each other:
text, vectors, and numbers without nulls are not copied. Types of Arrow that do not fit a field
exactly go through Python values, which the schema checks one by one.

Dense vectors are fixed-size lists: FLOAT_VECTOR of float32, FLOAT16_VECTOR of halffloat,
BFLOAT16_VECTOR of float32 (Arrow has no bfloat16), INT8_VECTOR of int8, BINARY_VECTOR of uint8,
eight dimensions each. ARRAY is a large list, also of structs, SPARSE_FLOAT_VECTOR a large list
of ``struct<index: uint32, value: float>``, VARCHAR large text, JSON large text of JSON,
GEOMETRY large text of WKT, and TIMESTAMPTZ a timestamp of microseconds in its time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import pyarrow as pa

from elanus.errors import EntityError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    DenseVectorColumn,
    FixedColumn,
    SparseVectorColumn,
    StringColumn,
)
from elanus.schema.collection import did_you_mean
from elanus.schema.converters import MAX_SPARSE_INDEX, convert_column, to_numbers
from elanus.schema.faults import fail
from elanus.schema.fields import MAX_ARRAY_CAPACITY, Field
from elanus.schema.structs import element_field, stored_parts
from elanus.schema.vectors import to_dense
from elanus.transfer.values import PlainValues, plain_parts
from elanus.types import NUMPY_DTYPES, BoolArray, DataType, Int64Array, vector_width

_SCALARS: dict[DataType, Any] = {
    DataType.BOOL: pa.bool_(),
    DataType.INT8: pa.int8(),
    DataType.INT16: pa.int16(),
    DataType.INT32: pa.int32(),
    DataType.INT64: pa.int64(),
    DataType.FLOAT: pa.float32(),
    DataType.DOUBLE: pa.float64(),
    DataType.VARCHAR: pa.large_string(),
    DataType.JSON: pa.large_string(),
    DataType.GEOMETRY: pa.large_string(),
}
_ELEMENTS: dict[DataType, Any] = {
    DataType.FLOAT_VECTOR: pa.float32(),
    DataType.FLOAT16_VECTOR: pa.float16(),
    DataType.BFLOAT16_VECTOR: pa.float32(),
    DataType.INT8_VECTOR: pa.int8(),
    DataType.BINARY_VECTOR: pa.uint8(),
}
_AS_BYTES = (DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
SPARSE_ENTRY = pa.struct(
    [pa.field("index", pa.uint32(), False), pa.field("value", pa.float32(), False)]
)


# --- Arrow to columns -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArrowValues:
    """A column of a record batch."""

    array: Any

    def __len__(self) -> int:
        return len(self.array)

    def slice(self, start: int, stop: int) -> ArrowValues:
        return ArrowValues(self.array.slice(start, stop - start))

    def pylist(self) -> list[Any]:
        values: list[Any] = self.array.to_pylist()
        return values

    def parts(self, field: Field) -> dict[str, Column]:
        array = _plain(self.array)
        if not _is_list(array.type) or not pa.types.is_struct(array.type.value_type):
            return plain_parts(field, _pylist(field, array))
        if array.null_count and not field.nullable:
            return plain_parts(
                field, [None if value is None else () for value in array.to_pylist()]
            )
        return _struct_parts(field, array)

    def column(self, field: Field) -> Column:
        array = _plain(self.array)
        if array.null_count and (field.default is not None or not field.nullable):
            # Defaults take the place of nulls, or the first null is the fault.
            return PlainValues(array.to_pylist(), json_is_text=True).column(field)
        made: Column | None = None
        if field.dtype is DataType.TIMESTAMPTZ:
            made = _times(field, array)
        elif field.dtype in NUMPY_DTYPES:
            made = _fixed(field, array)
        elif field.dtype is DataType.VARCHAR:
            made = _text(field, array)
        elif field.dtype.is_dense_vector:
            made = _dense(field, array)
        elif field.dtype is DataType.SPARSE_FLOAT_VECTOR:
            made = _sparse(field, array)
        elif field.dtype is DataType.ARRAY:
            made = _list(field, array)
        if made is not None:
            return made
        return PlainValues(_pylist(field, array), json_is_text=True).column(field)


def _plain(array: Any) -> Any:
    """Return an array without dictionary, run-length or extension encoding, in one piece."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type) or pa.types.is_run_end_encoded(array.type):
        array = array.cast(array.type.value_type)
    return array


def _pylist(field: Field, array: Any) -> list[Any]:
    """Return values for the schema to check; a type that no field has is refused by its name."""
    kind = array.type
    is_time = pa.types.is_temporal(kind) and field.dtype is not DataType.TIMESTAMPTZ
    if is_time or pa.types.is_decimal(kind):
        fail(field, f"expected {field.dtype.name}, got Arrow's {kind}; cast the column first")
    values: list[Any] = array.to_pylist()
    return values


def _validity(array: Any) -> BoolArray | None:
    if not array.null_count:
        return None
    found: BoolArray = array.is_valid().to_numpy(zero_copy_only=False)
    return found


def _fixed(field: Field, array: Any) -> FixedColumn | None:
    kind = array.type
    if pa.types.is_null(kind):
        return None
    if not (pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)):
        fail(field, f"expected {field.dtype.name}, got Arrow's {kind}; cast the column first")
    validity = _validity(array)
    values = (
        array.fill_null(0 if not pa.types.is_boolean(kind) else False)
        if validity is not None
        else array
    )
    numbers = values.to_numpy(zero_copy_only=False)
    return FixedColumn(to_numbers(field, field.dtype, numbers), validity)


def _times(field: Field, array: Any) -> FixedColumn | None:
    """Return timestamps of any unit; those without a zone are read in that of the field."""
    kind = array.type
    if _is_text(kind) or pa.types.is_null(kind):
        return None
    if not pa.types.is_timestamp(kind):
        fail(field, f"expected TIMESTAMPTZ, got Arrow's {kind}; cast the column first")
    try:
        micros = array.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    except pa.ArrowInvalid as error:
        fail(field, f"Arrow's {kind} cannot be read: {error}")
    validity = _validity(micros)
    values = micros.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if kind.tz is None and field.zone is not UTC:
        return None  # clocks of a zone are read one by one
    moments = convert_column(field, values.view("M8[us]"), len(values))
    return FixedColumn(moments.values, validity) if isinstance(moments, FixedColumn) else None


def _text(field: Field, array: Any) -> StringColumn | None:
    kind = array.type
    if not _is_text(kind):
        if pa.types.is_null(kind):
            return None
        fail(field, f"expected VARCHAR, got Arrow's {kind}; cast the column first")
    column = text_column(field, array)
    if field.max_length is not None:
        lengths = np.diff(column.offsets)
        if len(lengths) and lengths.max() > field.max_length:
            row = int(np.argmax(lengths > field.max_length))
            fail(field, f"{lengths[row]} bytes exceed max_length={field.max_length}", row)
    return column


def text_column(field: Field, array: Any) -> StringColumn:
    """Return text as a column that shares the array's bytes.

    Raises:
        EntityError: The bytes are not UTF-8.
    """
    validity = _validity(array)
    large = array.cast(pa.large_string())
    if validity is not None:
        large = large.fill_null("")
    try:
        large.validate(full=True)
    except pa.ArrowInvalid:
        _find_broken_text(field, large)
    _, offsets, data = large.buffers()
    ends: Int64Array = np.frombuffer(offsets, dtype=np.int64)[
        large.offset : large.offset + len(large) + 1
    ]
    raw = np.empty(0, dtype=np.uint8) if data is None else np.frombuffer(data, dtype=np.uint8)
    if not len(large):
        ends = np.zeros(1, dtype=np.int64)
    return StringColumn(ends, raw, validity)


def _find_broken_text(field: Field, array: Any) -> None:
    for row in range(len(array)):
        try:
            array.slice(row, 1).validate(full=True)
        except pa.ArrowInvalid:
            fail(field, "text is not UTF-8", row)


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _dense(field: Field, array: Any) -> DenseVectorColumn | None:
    kind = array.type
    if not _is_list(kind) or not _is_number(kind.value_type) or array.null_count:
        return None
    dim = vector_width(field.dtype, field.dim or 0)
    if field.dtype in _AS_BYTES and pa.types.is_uint8(kind.value_type):
        dim *= 2  # raw elements, as Milvus' files have them
    name = "dim" if dim == field.dim else "bytes"
    if pa.types.is_fixed_size_list(kind):
        if kind.list_size != dim:
            fail(field, f"expected {name} {dim}, got vectors of {kind.list_size}")
    else:
        lengths = array.value_lengths().to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != dim).any():
            row = int(np.argmax(lengths != dim))
            fail(field, f"expected {name} {dim}, got {lengths[row]}", row)
    # Nulls within a vector become NaN, which is refused with its row.
    flat = array.flatten().to_numpy(zero_copy_only=False)
    return to_dense(field, flat.reshape(len(array), dim), None)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _lengths_to_offsets(array: Any) -> Int64Array:
    lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _list(field: Field, array: Any) -> ArrayColumn | None:
    element = field.element_type
    if element is None or not _is_list(array.type):
        return None
    items = array.flatten()
    if element.is_dense_vector:
        return _vector_lists(field, array, items)
    wants_text = element is DataType.VARCHAR
    if items.null_count or _is_text(items.type) != wants_text:
        return None
    offsets = _checked_offsets(field, array)
    if not wants_text and not pa.types.is_primitive(items.type):
        return None
    try:
        made = (
            _text(field, items)
            if wants_text
            else FixedColumn(to_numbers(field, element, items.to_numpy(zero_copy_only=False)))
        )
    except EntityError as error:
        if error.row is None:
            raise
        row = int(np.searchsorted(offsets, error.row, side="right")) - 1
        fail(field, str(error).rsplit(" (row", 1)[0].partition(": ")[2], row)
    return None if made is None else ArrayColumn(offsets, made, _validity(array))


def _vector_lists(field: Field, array: Any, items: Any) -> ArrayColumn | None:
    if items.null_count:
        return None
    offsets = _checked_offsets(field, array)
    try:
        vectors = _dense(element_field(field), items)
    except EntityError as error:
        if error.row is None:
            raise
        row = int(np.searchsorted(offsets, error.row, side="right")) - 1
        fail(field, str(error).rsplit(" (row", 1)[0].partition(": ")[2], row)
    return None if vectors is None else ArrayColumn(offsets, vectors, _validity(array))


def _checked_offsets(field: Field, array: Any) -> Int64Array:
    offsets = _lengths_to_offsets(array)
    lengths = np.diff(offsets)
    capacity = field.max_capacity or MAX_ARRAY_CAPACITY
    if len(lengths) and lengths.max() > capacity:
        row = int(np.argmax(lengths > capacity))
        fail(field, f"{lengths[row]} elements exceed max_capacity={capacity}", row)
    return offsets


def _struct_parts(field: Field, array: Any) -> dict[str, Column]:
    """Return lists of structs as the columns of the struct."""
    elements = array.flatten()
    by_name = dict(zip([f.name for f in elements.type], elements.flatten(), strict=True))
    names = [part.name for part in field.struct or ()]
    for name in names:
        if name not in by_name:
            fail(field, f"an element has no {name!r}")
    for name in by_name:
        if name not in names:
            fail(field, f"the struct has no field {name!r}{did_you_mean(name, names)}")
    offsets = pa.array(_checked_offsets(field, array))
    # A null among the offsets stands for a list that is not there.
    nulls = pa.array(~array.is_valid().to_numpy(zero_copy_only=False)) if array.null_count else None
    return {
        part.name: ArrowValues(
            pa.LargeListArray.from_arrays(offsets, by_name[name], mask=nulls)
        ).column(part)
        for name, part in zip(names, stored_parts(field), strict=True)
    }


def _sparse(field: Field, array: Any) -> SparseVectorColumn | None:
    """Return maps, lists of entries or structs of two lists as sparse vectors."""
    kind = array.type
    if array.null_count:
        return None
    if pa.types.is_map(kind):
        entries = array.cast(pa.list_(pa.struct([("k", kind.key_type), ("v", kind.item_type)])))
    elif _is_list(kind) and pa.types.is_struct(kind.value_type) and kind.value_type.num_fields == 2:
        entries = array
    elif pa.types.is_struct(kind) and {f.name for f in kind} == {"indices", "values"}:
        return _sparse_of_lists(field, array)
    else:
        return None
    flat = entries.flatten()
    names = [f.name for f in flat.type]
    swapped = names == ["value", "index"]
    first, second = (flat.field(1), flat.field(0)) if swapped else (flat.field(0), flat.field(1))
    return _sparse_column(field, _lengths_to_offsets(entries), first, second)


def _sparse_of_lists(field: Field, array: Any) -> SparseVectorColumn | None:
    # flatten() of a sliced struct keeps to the slice.
    by_name = dict(zip([f.name for f in array.type], array.flatten(), strict=True))
    indices, values = by_name["indices"], by_name["values"]
    offsets = _lengths_to_offsets(indices)
    if not np.array_equal(offsets, _lengths_to_offsets(values)):
        return None
    return _sparse_column(field, offsets, indices.flatten(), values.flatten())


def _sparse_column(
    field: Field, offsets: Int64Array, indices: Any, values: Any
) -> SparseVectorColumn | None:
    """Return CSR arrays when they are in order; None lets the slow path sort or find the fault."""
    if indices.null_count or values.null_count:
        return None
    if not pa.types.is_integer(indices.type) or not _is_number(values.type):
        return None
    dims = indices.to_numpy(zero_copy_only=False)
    weights = values.to_numpy(zero_copy_only=False).astype(np.float32)
    inner = np.ones(max(len(dims) - 1, 0), dtype=np.bool_)
    starts = offsets[1:-1]
    inner[starts[(starts > 0) & (starts < len(dims))] - 1] = False
    ascending = bool((dims[1:][inner] > dims[:-1][inner]).all())
    if not ascending or not np.isfinite(weights).all():
        return None
    if len(dims) and (dims.min() < 0 or dims.max() > MAX_SPARSE_INDEX):
        return None
    return SparseVectorColumn(offsets, dims.astype(np.uint32), weights)


# --- columns to Arrow -----------------------------------------------------------------------


def arrow_schema(fields: tuple[Field, ...]) -> Any:
    """Return the Arrow schema of exported fields."""
    return pa.schema([pa.field(f.name, arrow_type(f), f.nullable) for f in fields])


def arrow_type(field: Field) -> Any:
    """Return the Arrow type of a field."""
    if field.dtype in _ELEMENTS:
        width = vector_width(field.dtype, field.dim or 0)
        return pa.list_(pa.field("item", _ELEMENTS[field.dtype], False), width)
    if field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        return pa.large_list(pa.field("item", SPARSE_ENTRY, False))
    if field.struct is not None:
        parts = [pa.field(part.name, arrow_type(part), False) for part in field.struct]
        return pa.large_list(pa.field("item", pa.struct(parts), False))
    if field.dtype is DataType.ARRAY:
        return pa.large_list(pa.field("item", arrow_type(element_field(field)), False))
    if field.dtype is DataType.TIMESTAMPTZ:
        return pa.timestamp("us", tz=field.timezone or "UTC")
    return _SCALARS[field.dtype]


def to_record_batch(fields: tuple[Field, ...], batch: ColumnBatch) -> Any:
    """Return a column batch as an Arrow record batch, without a copy where the layouts agree."""
    arrays = [
        _struct_array(f, batch) if f.struct else to_arrow_array(f, batch.columns[f.name])
        for f in fields
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(fields))


def to_arrow_array(field: Field, column: Column) -> Any:
    """Return a column as an Arrow array."""
    kind = arrow_type(field)
    absent = None if column.validity is None else ~column.validity
    mask = None if absent is None else pa.array(absent)
    if isinstance(column, FixedColumn):
        return pa.array(column.values, type=kind, mask=absent)
    if isinstance(column, StringColumn):
        return _text_array(column, kind)
    if isinstance(column, DenseVectorColumn):
        flat = pa.array(np.ascontiguousarray(column.to_numbers()).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=mask)
    first, last = int(column.offsets[0]), int(column.offsets[-1])
    offsets = pa.array(column.offsets - first)
    if isinstance(column, SparseVectorColumn):
        entries = pa.StructArray.from_arrays(
            [pa.array(column.indices[first:last]), pa.array(column.values[first:last])],
            fields=list(SPARSE_ENTRY),
        )
        return pa.LargeListArray.from_arrays(offsets, entries, type=kind, mask=mask)
    flat = to_arrow_array(element_field(field), column.flat_items())
    return pa.LargeListArray.from_arrays(offsets, flat, type=kind, mask=mask)


def _struct_array(field: Field, batch: ColumnBatch) -> Any:
    parts = [(part, batch.columns[part.name]) for part in stored_parts(field)]
    lists = [column for _, column in parts if isinstance(column, ArrayColumn)]
    kind = arrow_type(field)
    flat = [
        to_arrow_array(element_field(part), column.flat_items())
        for (part, _), column in zip(parts, lists, strict=True)
    ]
    first = lists[0]
    return pa.LargeListArray.from_arrays(
        pa.array(first.offsets - first.offsets[0]),
        pa.StructArray.from_arrays(flat, fields=list(kind.value_type)),
        type=kind,
        mask=None if first.validity is None else pa.array(~first.validity),
    )


def _text_array(column: StringColumn, kind: Any) -> Any:
    bits = None
    nulls = 0
    if column.validity is not None:
        bits = pa.py_buffer(np.packbits(column.validity, bitorder="little"))
        nulls = int(np.count_nonzero(~column.validity))
    buffers = [bits, pa.py_buffer(np.ascontiguousarray(column.offsets)), pa.py_buffer(column.data)]
    return pa.Array.from_buffers(kind, len(column), buffers, null_count=nulls)


__all__ = ["ArrowValues", "arrow_schema", "to_arrow_array", "to_record_batch"]
