"""How does one column of values become typed?

One function per kind of type. Typed NumPy input is checked as an array, never row by row; what does
not fit raises ``EntityError`` naming field and row.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from elanus.errors import EntityError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    DenseVectorColumn,
    FixedColumn,
    SparseVectorColumn,
    StringColumn,
    strings_to_column,
)
from elanus.schema.faults import fail, shown
from elanus.schema.fields import MAX_ARRAY_CAPACITY, Field
from elanus.schema.geometry import first_fault, to_wkt
from elanus.schema.structs import element_field
from elanus.schema.times import EPOCH, MAX_TIME, MIN_TIME, time_of
from elanus.schema.vectors import to_dense
from elanus.types import (
    NUMPY_DTYPES,
    VECTOR_DTYPES,
    BoolArray,
    DataType,
    Int64Array,
    vector_width,
)

MAX_SPARSE_INDEX = 2**32 - 2
"""Largest dimension of a sparse vector; Milvus reserves 2**32 - 1."""

MISSING: Final = object()
"""Stands where an entity has no value for a field."""


def convert_column(field: Field, values: Any, num_rows: int) -> Column:
    """Return the column of a field; None for ``values`` means that no entity gives any.

    Raises:
        EntityError: A value does not fit, or is missing without a default.
    """
    if values is None:
        values = [MISSING] * num_rows
    converter = _CONVERTERS.get(field.dtype, _fixed_column)
    if (isinstance(values, np.ndarray) and values.dtype != np.object_) or hasattr(values, "tocsr"):
        return converter(field, values, None)
    filled, validity = _fill(field, list(values))
    return converter(field, filled, validity)


def _fill(field: Field, values: list[Any]) -> tuple[list[Any], BoolArray | None]:
    """Put defaults in place of what is missing; return the values and where nulls are."""
    if not _ABSENT_TYPES & set(map(type, values)):
        return values, None
    # Identity, not equality: a value may be an array, whose == is not a truth value.
    absent = [i for i, v in enumerate(values) if v is None or v is MISSING]
    if not absent:
        return values, None
    if field.default is not None:
        for i in absent:
            values[i] = field.default
        return values, None
    if not field.nullable:
        given = "missing" if values[absent[0]] is MISSING else "None"
        fail(field, f"expected {_wanted(field)}, got {given}", absent[0])
    validity = np.ones(len(values), dtype=np.bool_)
    validity[absent] = False
    placeholder = _placeholder(field)
    for i in absent:
        values[i] = placeholder
    return values, validity


def _placeholder(field: Field) -> Any:
    """Return what stands where a value is null."""
    if field.dtype.is_dense_vector:
        width = vector_width(field.dtype, field.dim or 0)
        return np.zeros(width, dtype=VECTOR_DTYPES[field.dtype])
    return _PLACEHOLDERS.get(field.dtype, 0)


_ABSENT_TYPES = {type(None), type(MISSING)}
_PLACEHOLDERS: dict[DataType, Any] = {
    DataType.BOOL: False,
    DataType.VARCHAR: "",
    DataType.GEOMETRY: "",
    DataType.JSON: None,
    DataType.ARRAY: (),
    DataType.SPARSE_FLOAT_VECTOR: {},
    DataType.TIMESTAMPTZ: EPOCH,
}


def _fixed_column(field: Field, values: Any, validity: BoolArray | None) -> FixedColumn:
    return FixedColumn(to_numbers(field, field.dtype, values), validity)


def to_numbers(field: Field, dtype: DataType, values: Any) -> np.ndarray[Any, Any]:
    """Convert to the type's array; rows in errors count the given values."""
    target = NUMPY_DTYPES[dtype]
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            fail(field, f"expected shape (n,), got {values.shape}")
        if values.dtype.kind not in _KINDS[target.kind]:
            fail(field, f"expected {dtype.name}, got an array of {values.dtype}")
        array = values
    else:
        allowed = _SCALARS[target.kind]
        kinds = set(map(type, values))
        if not all(
            issubclass(k, allowed) and (target.kind == "b" or not issubclass(k, bool | np.bool_))
            for k in kinds
        ):
            row = next(i for i, v in enumerate(values) if not _is_scalar(v, target.kind))
            fail(field, f"expected {dtype.name}, got {shown(values[row])}", row)
        try:
            array = np.array(values, dtype=np.int64 if target.kind == "i" else target)
        except OverflowError:
            row = next(i for i, v in enumerate(values) if not -(2**63) <= v < 2**63)
            fail(field, f"{values[row]} does not fit into {dtype.name}", row)
    if target.kind == "i" and array.size and array.dtype != target:
        limits = np.iinfo(target.name)
        outside = (array < limits.min) | (array > limits.max)
        if outside.any():
            row = int(np.argmax(outside))
            fail(field, f"{array[row]} does not fit into {dtype.name}", row)
    return np.ascontiguousarray(array, dtype=target)


def _time_column(field: Field, values: Any, validity: BoolArray | None) -> FixedColumn:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        # NumPy's moments have no zone and count as UTC; None stands for those that are none.
        micros = values.astype("M8[us]")
        if np.isnat(micros).any():
            filled, validity = _fill(field, micros.tolist())
            values = [v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for v in filled]
        else:
            values = micros.view(np.int64)
            outside = (values < MIN_TIME) | (values > MAX_TIME)
            if outside.any():
                row = int(np.argmax(outside))
                fail(field, f"{micros[row]} is outside of the years 1 to 9999", row)
            return FixedColumn(np.ascontiguousarray(values), None)
    zone = field.zone
    times = np.empty(len(values), dtype=np.int64)
    # Row by row: Python's reader of ISO 8601 is the only one that takes all of its forms.
    for row, value in enumerate(values):
        if not isinstance(value, datetime | str):
            fail(field, f"expected a datetime or a text of ISO 8601, got {shown(value)}", row)
        try:
            times[row] = time_of(value, zone)
        except (ValueError, TypeError, OverflowError) as error:
            fail(field, f"expected a moment, got {shown(value)}: {error}", row)
    return FixedColumn(times, validity)


_KINDS = {"b": "b", "i": "iu", "f": "fiu"}
_SCALARS: dict[str, tuple[type, ...]] = {
    "b": (bool, np.bool_),
    "i": (int, np.integer),
    "f": (float, int, np.floating, np.integer),
}


def _is_scalar(value: object, kind: str) -> bool:
    if kind != "b" and isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, _SCALARS[kind])


def to_strings(field: Field, values: Any, validity: BoolArray | None) -> StringColumn:
    """Return VARCHAR values as a column."""
    texts = _as_list(field, values)
    if not set(map(type, texts)) <= {str}:
        for row, value in enumerate(texts):
            if not isinstance(value, str):
                fail(
                    field,
                    f"expected {(field.element_type or field.dtype).name}, got {shown(value)}",
                    row,
                )
    column = _encoded(field, texts)
    if field.max_length is not None:
        lengths = column.offsets[1:] - column.offsets[:-1]
        if len(lengths) and lengths.max() > field.max_length:
            row = int(np.argmax(lengths > field.max_length))
            fail(field, f"{lengths[row]} bytes exceed max_length={field.max_length}", row)
    return StringColumn(column.offsets, column.data, validity)


def _encoded(field: Field, texts: list[str]) -> StringColumn:
    try:
        return strings_to_column(texts)
    except UnicodeEncodeError:
        for row, text in enumerate(texts):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                fail(field, f"text cannot be written as UTF-8: {error.reason}", row)
        raise


def _geometry_column(field: Field, values: Any, validity: BoolArray | None) -> StringColumn:
    texts = to_wkt(_as_list(field, values))
    column = replace(to_strings(field, texts, None), validity=validity)
    rows = range(len(texts)) if validity is None else np.flatnonzero(validity).tolist()
    fault = first_fault([texts[row] for row in rows])
    if fault is not None:
        row, why = rows[fault[0]], fault[1]
        fail(field, f"expected WKT such as 'POINT (1 2)', got {shown(texts[row])}: {why}", row)
    return column


def _json_column(field: Field, values: Any, validity: BoolArray | None) -> StringColumn:
    encode = json.JSONEncoder(
        ensure_ascii=False, separators=(",", ":"), default=_json_default
    ).encode
    texts: list[str] = []
    # One encoder call per row: JSON has no columnar form before it is parsed.
    for row, value in enumerate(_as_list(field, values)):
        try:
            texts.append(encode(value))
        except (TypeError, ValueError, RecursionError) as error:
            fail(field, f"value is not JSON: {error}", row)
    column = _encoded(field, texts)
    return StringColumn(column.offsets, column.data, validity)


def _json_default(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form; convert it to text or a number")


def _array_column(field: Field, values: Any, validity: BoolArray | None) -> ArrayColumn:
    rows = _as_list(field, values)
    capacity = field.max_capacity or MAX_ARRAY_CAPACITY
    lengths: list[int] = []
    for row, value in enumerate(rows):
        if not isinstance(value, list | tuple | np.ndarray):
            fail(field, f"expected a list, got {shown(value)}", row)
        if len(value) > capacity:
            fail(field, f"{len(value)} elements exceed max_capacity={capacity}", row)
        lengths.append(len(value))
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return ArrayColumn(offsets, array_items(field, joined_rows(rows), offsets), validity)


def joined_rows(rows: list[Any]) -> Any:
    """Return the elements of all rows one after the other: an array where all are of one dtype."""
    dtypes = {row.dtype if isinstance(row, np.ndarray) else None for row in rows}
    # Joining other dtypes would turn bools into numbers.
    if len(dtypes) == 1 and None not in dtypes and np.dtype(np.object_) not in dtypes:
        try:
            joined = np.concatenate(rows)
            return joined if len(joined) else []
        except ValueError:
            pass  # vectors of different dim: the schema says which
    return list(itertools.chain.from_iterable(rows))


def array_items(
    field: Field, flat: Any, offsets: Int64Array
) -> FixedColumn | StringColumn | DenseVectorColumn:
    """Return the elements of an ARRAY.

    Args:
        field: Says what they are.
        flat: The elements of all rows, one after the other.
        offsets: Where the elements of each row begin, for errors.

    Raises:
        EntityError: One does not fit, with its row.
    """
    element = field.element_type
    if element is None:
        fail(field, "has no element_type")
    try:
        if element is DataType.VARCHAR:
            return to_strings(field, flat, None)
        if element.is_dense_vector:
            return to_dense(element_field(field), flat, None)
        return FixedColumn(to_numbers(field, element, flat))
    except EntityError as error:
        if error.row is None:
            raise
        row = int(np.searchsorted(offsets, error.row, side="right")) - 1
        text = str(error).rsplit(" (row", 1)[0]
        place = error.row - int(offsets[row])
        raise EntityError(
            f"{text} (row {row}, element {place})", field=field.name, row=row
        ) from None


def _sparse_column(field: Field, values: Any, validity: BoolArray | None) -> SparseVectorColumn:
    if hasattr(values, "tocsr"):
        values = matrix_rows(values)
    indices: list[np.ndarray[Any, Any]] = []
    weights: list[np.ndarray[Any, Any]] = []
    for row, value in enumerate(_as_list(field, values)):
        dims, row_weights = to_sparse_row(field, value, row)
        indices.append(dims)
        weights.append(row_weights)
    offsets = np.zeros(len(indices) + 1, dtype=np.int64)
    np.cumsum([len(i) for i in indices], out=offsets[1:])
    empty: list[np.ndarray[Any, Any]] = [np.empty(0)]
    return SparseVectorColumn(
        offsets,
        np.concatenate(indices or empty).astype(np.uint32),
        np.concatenate(weights or empty).astype(np.float32),
        validity,
    )


def matrix_rows(matrix: Any) -> list[tuple[Any, Any]]:
    """Return the rows of a sparse matrix of scipy, in whatever layout: dimensions and weights."""
    rows = matrix.tocsr()
    return [(rows.indices[a:b], rows.data[a:b]) for a, b in itertools.pairwise(rows.indptr)]


def to_sparse_row(field: Field, value: Any, row: int) -> tuple[Any, Any]:
    """Return ascending dimensions and their weights."""
    if isinstance(value, Mapping):
        pairs = (list(value.keys()), list(value.values()))
    elif hasattr(value, "tocsr"):
        rows = matrix_rows(value)
        if len(rows) != 1:
            fail(field, f"expected a matrix of one row, got {len(rows)} rows", row)
        pairs = rows[0]
    elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        # A matrix of one row, as it comes from a program that uses a server.
        pairs = (list(value[0].keys()), list(value[0].values()))
    elif isinstance(value, tuple) and len(value) == 2 and all(hasattr(v, "dtype") for v in value):
        pairs = value
    elif isinstance(value, list | tuple) and all(
        isinstance(p, list | tuple) and len(p) == 2 for p in value
    ):
        pairs = ([p[0] for p in value], [p[1] for p in value])
    else:
        fail(field, f"expected {{dimension: weight}} or pairs, got {shown(value)}", row)
    try:
        dims = np.asarray(pairs[0], dtype=np.int64)
        weights = np.asarray(pairs[1], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        fail(field, f"expected integer dimensions and float weights, got {shown(value)}", row)
    if dims.size and (dims.min() < 0 or dims.max() > MAX_SPARSE_INDEX):
        fail(field, f"dimensions must lie in 0..{MAX_SPARSE_INDEX}", row)
    if not np.isfinite(weights).all():
        fail(field, "sparse vector holds NaN or infinity", row)
    order = np.argsort(dims, kind="stable")
    dims = dims[order]
    if len(dims) > 1 and (dims[1:] == dims[:-1]).any():
        fail(field, "sparse vector has a dimension twice", row)
    return dims, weights[order]


def _as_list(field: Field, values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        if field.dtype is DataType.VARCHAR and values.dtype.kind not in "US":
            fail(field, f"expected VARCHAR, got an array of {values.dtype}")
        return values.tolist() if values.ndim == 1 else list(values)
    return list(values)


def _wanted(field: Field) -> str:
    return f"{field.dtype.name} (not nullable, no default)"


_Converter = Callable[[Field, Any, BoolArray | None], Column]
_CONVERTERS: dict[DataType, _Converter] = {
    DataType.VARCHAR: to_strings,
    DataType.JSON: _json_column,
    DataType.GEOMETRY: _geometry_column,
    DataType.ARRAY: _array_column,
    DataType.TIMESTAMPTZ: _time_column,
    DataType.SPARSE_FLOAT_VECTOR: _sparse_column,
    **dict.fromkeys(VECTOR_DTYPES, to_dense),
}
