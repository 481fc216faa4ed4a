"""Do these entities fit the schema?

``entities_to_batch`` turns what a user hands in (a list of dicts, or a dict of columns) into typed
columns, or raises ``EntityError`` naming field and row. Nothing is half-converted: a batch comes
out whole or not at all. One function per kind of type; typed NumPy input is checked as an array,
never row by row.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

import numpy as np

from elanus.errors import EntityError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    DenseVectorColumn,
    FixedColumn,
    SparseVectorColumn,
    StringColumn,
    strings_to_column,
)
from elanus.schema.collection import DYNAMIC_FIELD, Schema, did_you_mean
from elanus.schema.fields import MAX_ARRAY_CAPACITY, Field
from elanus.types import NUMPY_DTYPES, BoolArray, DataType, Int64Array

Entities = Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A list of dicts, or a dict of equally long columns (lists or NumPy arrays)."""

MAX_SPARSE_INDEX = 2**32 - 2
"""Largest dimension of a sparse vector; Milvus reserves 2**32 - 1."""

_MISSING: Final = object()


def entities_to_batch(schema: Schema, entities: Entities) -> ColumnBatch:
    """Check and convert entities.

    Args:
        schema: What they must fit.
        entities: List of dicts, or dict of columns. A column is a sequence or a NumPy array of
            shape ``(n,)``; vectors ``(n, dim)``; sparse vectors also as a SciPy CSR matrix.

    Returns:
        One column per stored field. The primary key's column is missing when the schema has
        ``auto_id`` and no entity gives one.

    Raises:
        EntityError: An entity does not fit, with ``.field`` and ``.row``.
    """
    given, num_rows = _columns_of(schema, entities)
    columns: dict[str, Column] = {}
    for field in schema.stored_fields:
        values = given.get(field.name)
        if values is None and field.primary and field.auto_id:
            continue
        columns[field.name] = _convert(field, values, num_rows)
    return ColumnBatch(num_rows, columns)


def _columns_of(schema: Schema, entities: Entities) -> tuple[dict[str, Any], int]:
    if isinstance(entities, Mapping):
        return _from_columns(schema, entities)
    if isinstance(entities, str | bytes) or not isinstance(entities, Iterable):
        raise EntityError(
            f"expected a list of dicts or a dict of columns, got {type(entities).__name__}"
        )
    return _from_rows(schema, list(entities))


def _from_rows(schema: Schema, rows: list[Mapping[str, Any]]) -> tuple[dict[str, Any], int]:
    for row, entity in enumerate(rows):
        if not isinstance(entity, Mapping):
            raise EntityError(f"row {row}: expected a dict, got {type(entity).__name__}", row=row)
    names = set().union(*rows)
    given: dict[str, Any] = {}
    for field in schema.fields:
        if field.name in names:
            if not field.is_stored:
                _refuse_derived(field)
            given[field.name] = [row.get(field.name, _MISSING) for row in rows]
    undeclared = names - {f.name for f in schema.fields}
    if undeclared:
        if not schema.dynamic:
            first = next(i for i, row in enumerate(rows) if undeclared & set(row))
            _refuse_unknown(schema, sorted(map(str, undeclared & set(rows[first])))[0], first)
        given[DYNAMIC_FIELD] = [_dynamic_part(row, undeclared) for row in rows]
    return given, len(rows)


def _from_columns(schema: Schema, columns: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    given: dict[str, Any] = {}
    undeclared: dict[str, Any] = {}
    num_rows: int | None = None
    first_name = ""
    for name, values in columns.items():
        length = _length_of(name, values)
        if num_rows is None:
            num_rows, first_name = length, name
        if length != num_rows:
            raise EntityError(
                f"columns differ in length: {first_name!r} has {num_rows}, {name!r} has {length}",
                field=name,
            )
        if name not in schema:
            if not schema.dynamic:
                _refuse_unknown(schema, name, None)
            undeclared[name] = values.tolist() if isinstance(values, np.ndarray) else list(values)
        elif not schema.field(name).is_stored:
            _refuse_derived(schema.field(name))
        else:
            given[name] = values
    if undeclared:
        rows = [
            dict(zip(undeclared, r, strict=True)) for r in zip(*undeclared.values(), strict=True)
        ]
        given[DYNAMIC_FIELD] = [_dynamic_part(row, undeclared.keys()) for row in rows]
    return given, num_rows or 0


def _length_of(name: str, values: Any) -> int:
    if hasattr(values, "indptr"):  # a SciPy CSR matrix has no len()
        return int(values.shape[0])
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise EntityError(
            f"field {name!r}: expected a column (list or array), got {type(values).__name__}; "
            f"pass one entity as [{{...}}]",
            field=name,
        )
    return len(values)


def _dynamic_part(row: Mapping[str, Any], undeclared: Iterable[str]) -> object:
    part = {name: row[name] for name in row if name in undeclared and name != DYNAMIC_FIELD}
    whole = row.get(DYNAMIC_FIELD)
    if isinstance(whole, Mapping):
        part = {**whole, **part}
    elif whole is not None:
        raise EntityError(f"field {DYNAMIC_FIELD!r}: expected a dict", field=DYNAMIC_FIELD)
    return part or None


def _refuse_unknown(schema: Schema, name: str, row: int | None) -> NoReturn:
    where = "" if row is None else f" (row {row})"
    names = [f.name for f in schema.fields if f.is_stored]
    raise EntityError(
        f"field {name!r} is not in the schema{where}{did_you_mean(name, names)} "
        f"Declare it, or make the schema dynamic=True",
        field=name,
        row=row,
    )


def _refuse_derived(field: Field) -> NoReturn:
    source = field.source.field if field.source else ""
    raise EntityError(
        f"field {field.name!r} is computed from {source!r} and cannot be given", field=field.name
    )


def _convert(field: Field, values: Any, num_rows: int) -> Column:
    if values is None:
        values = [_MISSING] * num_rows
    converter = _CONVERTERS.get(field.dtype, _fixed_column)
    if (isinstance(values, np.ndarray) and values.dtype != np.object_) or hasattr(values, "indptr"):
        return converter(field, values, None)
    filled, validity = _fill(field, list(values))
    return converter(field, filled, validity)


def _fill(field: Field, values: list[Any]) -> tuple[list[Any], BoolArray | None]:
    """Put defaults in place of what is missing; return the values and where nulls are."""
    # Identity, not equality: a value may be an array, whose == is not a truth value.
    absent = [i for i, v in enumerate(values) if v is None or v is _MISSING]
    if not absent:
        return values, None
    if field.default is not None:
        for i in absent:
            values[i] = field.default
        return values, None
    if not field.nullable:
        given = "missing" if values[absent[0]] is _MISSING else "None"
        _fail(field, f"expected {_wanted(field)}, got {given}", absent[0])
    validity = np.ones(len(values), dtype=np.bool_)
    validity[absent] = False
    placeholder = _PLACEHOLDERS.get(field.dtype, 0)
    for i in absent:
        values[i] = placeholder
    return values, validity


_PLACEHOLDERS: dict[DataType, Any] = {
    DataType.BOOL: False,
    DataType.VARCHAR: "",
    DataType.JSON: None,
    DataType.ARRAY: (),
}


def _fixed_column(field: Field, values: Any, validity: BoolArray | None) -> FixedColumn:
    return FixedColumn(_numbers(field, field.dtype, values), validity)


def _numbers(field: Field, dtype: DataType, values: Any) -> np.ndarray[Any, Any]:
    """Convert to the type's array; rows in errors count the given values."""
    target = NUMPY_DTYPES[dtype]
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            _fail(field, f"expected shape (n,), got {values.shape}")
        if values.dtype.kind not in _KINDS[target.kind]:
            _fail(field, f"expected {dtype.name}, got an array of {values.dtype}")
        array = values
    else:
        allowed = _SCALARS[target.kind]
        kinds = set(map(type, values))
        if not all(
            issubclass(k, allowed) and (target.kind == "b" or not issubclass(k, bool | np.bool_))
            for k in kinds
        ):
            row = next(i for i, v in enumerate(values) if not _is_scalar(v, target.kind))
            _fail(field, f"expected {dtype.name}, got {_shown(values[row])}", row)
        try:
            array = np.array(values, dtype=np.int64 if target.kind == "i" else target)
        except OverflowError:
            row = next(i for i, v in enumerate(values) if not -(2**63) <= v < 2**63)
            _fail(field, f"{values[row]} does not fit into {dtype.name}", row)
    if target.kind == "i" and array.size:
        limits = np.iinfo(target.name)
        outside = (array < limits.min) | (array > limits.max)
        if outside.any():
            row = int(np.argmax(outside))
            _fail(field, f"{array[row]} does not fit into {dtype.name}", row)
    return np.ascontiguousarray(array, dtype=target)


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


def _string_column(field: Field, values: Any, validity: BoolArray | None) -> StringColumn:
    texts = _as_list(field, values)
    if not set(map(type, texts)) <= {str}:
        for row, value in enumerate(texts):
            if not isinstance(value, str):
                _fail(field, f"expected VARCHAR, got {_shown(value)}", row)
    column = _encoded(field, texts)
    if field.max_length is not None:
        lengths = np.diff(column.offsets)
        if len(lengths) and lengths.max() > field.max_length:
            row = int(np.argmax(lengths > field.max_length))
            _fail(field, f"{lengths[row]} bytes exceed max_length={field.max_length}", row)
    return StringColumn(column.offsets, column.data, validity)


def _encoded(field: Field, texts: list[str]) -> StringColumn:
    try:
        return strings_to_column(texts)
    except UnicodeEncodeError:
        for row, text in enumerate(texts):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                _fail(field, f"text cannot be written as UTF-8: {error.reason}", row)
        raise


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
            _fail(field, f"value is not JSON: {error}", row)
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
            _fail(field, f"expected a list, got {_shown(value)}", row)
        if len(value) > capacity:
            _fail(field, f"{len(value)} elements exceed max_capacity={capacity}", row)
        lengths.append(len(value))
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    flat = list(itertools.chain.from_iterable(rows))
    element = field.element_type
    try:
        if element is DataType.VARCHAR:
            return ArrayColumn(offsets, _string_column(field, flat, None), validity)
        if element is None:
            _fail(field, "has no element_type")
        return ArrayColumn(offsets, FixedColumn(_numbers(field, element, flat)), validity)
    except EntityError as error:
        if error.row is None:
            raise
        row = int(np.searchsorted(offsets, error.row, side="right")) - 1
        text = str(error).rsplit(" (row", 1)[0]
        place = error.row - int(offsets[row])
        raise EntityError(
            f"{text} (row {row}, element {place})", field=field.name, row=row
        ) from None


def _dense_column(field: Field, values: Any, validity: BoolArray | None) -> DenseVectorColumn:
    dim = field.dim or 0
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "fiu":
            _fail(field, f"expected float vectors, got an array of {values.dtype}")
        if values.ndim != 2 or values.shape[1] != dim:
            _fail(field, f"expected shape (n, {dim}), got {values.shape}")
        array = np.ascontiguousarray(values, dtype=np.float32)
    else:
        array = _stack(field, values, dim)
    if array.size and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).all(axis=1)))
        _fail(field, "vector holds NaN or infinity", row)
    return DenseVectorColumn(array, validity)


def _stack(field: Field, vectors: list[Any], dim: int) -> np.ndarray[Any, Any]:
    if not vectors:
        return np.empty((0, dim), dtype=np.float32)
    try:
        array = np.array(vectors, dtype=np.float32)
        if array.shape == (len(vectors), dim):
            return array
    except (TypeError, ValueError):
        pass  # the loop below finds the row at fault
    for row, vector in enumerate(vectors):
        try:
            one = np.asarray(vector, dtype=np.float32)
        except (TypeError, ValueError):
            _fail(field, f"expected a list of {dim} floats, got {_shown(vector)}", row)
        if one.shape != (dim,):
            got = len(one) if one.ndim == 1 else f"shape {one.shape}"
            _fail(field, f"expected dim {dim}, got {got}", row)
    _fail(field, f"expected vectors of dim {dim}")


def _sparse_column(field: Field, values: Any, validity: BoolArray | None) -> SparseVectorColumn:
    if hasattr(values, "indptr"):
        values = [
            (values.indices[a:b], values.data[a:b]) for a, b in itertools.pairwise(values.indptr)
        ]
    indices: list[np.ndarray[Any, Any]] = []
    weights: list[np.ndarray[Any, Any]] = []
    for row, value in enumerate(_as_list(field, values)):
        dims, row_weights = _sparse_row(field, value, row)
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


def _sparse_row(field: Field, value: Any, row: int) -> tuple[Any, Any]:
    """Return ascending dimensions and their weights."""
    if isinstance(value, Mapping):
        pairs = (list(value.keys()), list(value.values()))
    elif hasattr(value, "indptr"):
        pairs = (value.indices, value.data)
    elif isinstance(value, tuple) and len(value) == 2 and all(hasattr(v, "dtype") for v in value):
        pairs = value
    elif isinstance(value, list | tuple) and all(
        isinstance(p, list | tuple) and len(p) == 2 for p in value
    ):
        pairs = ([p[0] for p in value], [p[1] for p in value])
    else:
        _fail(field, f"expected {{dimension: weight}} or pairs, got {_shown(value)}", row)
    try:
        dims = np.asarray(pairs[0], dtype=np.int64)
        weights = np.asarray(pairs[1], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        _fail(field, f"expected integer dimensions and float weights, got {_shown(value)}", row)
    if dims.size and (dims.min() < 0 or dims.max() > MAX_SPARSE_INDEX):
        _fail(field, f"dimensions must lie in 0..{MAX_SPARSE_INDEX}", row)
    if not np.isfinite(weights).all():
        _fail(field, "sparse vector holds NaN or infinity", row)
    order = np.argsort(dims, kind="stable")
    dims = dims[order]
    if len(dims) > 1 and (dims[1:] == dims[:-1]).any():
        _fail(field, "sparse vector has a dimension twice", row)
    return dims, weights[order]


def query_vector(field: Field, value: Any) -> np.ndarray[Any, Any]:
    """Check query vectors of a dense field.

    Returns:
        float32 of shape ``(nq, dim)``; one vector counts as ``nq = 1``.

    Raises:
        EntityError: Wrong dim, not numbers, NaN or infinity.
    """
    array = value if isinstance(value, np.ndarray) else _as_vectors(field, value)
    if array.ndim == 1:
        array = array[np.newaxis]
    return _dense_column(field, array, None).values


def _as_vectors(field: Field, value: Any) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        _fail(field, f"expected a query vector of {field.dim} floats, got {_shown(value)}")


def query_sparse(field: Field, value: Any) -> tuple[Any, Any]:
    """Check one sparse query vector; return its dimensions (uint32) and weights (float32)."""
    dims, weights = _sparse_row(field, value, 0)
    return dims.astype(np.uint32), weights.astype(np.float32)


def _as_list(field: Field, values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        if field.dtype is DataType.VARCHAR and values.dtype.kind not in "US":
            _fail(field, f"expected VARCHAR, got an array of {values.dtype}")
        return values.tolist() if values.ndim == 1 else list(values)
    return list(values)


def _wanted(field: Field) -> str:
    return f"{field.dtype.name} (not nullable, no default)"


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def _fail(field: Field, message: str, row: int | None = None) -> NoReturn:
    where = "" if row is None else f" (row {row})"
    raise EntityError(f"field {field.name!r}: {message}{where}", field=field.name, row=row)


_Converter = Callable[[Field, Any, BoolArray | None], Column]
_CONVERTERS: dict[DataType, _Converter] = {
    DataType.VARCHAR: _string_column,
    DataType.JSON: _json_column,
    DataType.ARRAY: _array_column,
    DataType.FLOAT_VECTOR: _dense_column,
    DataType.SPARSE_FLOAT_VECTOR: _sparse_column,
}


def primary_keys(field: Field, keys: Iterable[Any]) -> list[int] | list[str]:
    """Check primary keys given by a user.

    Raises:
        EntityError: A key has the wrong type.
    """
    given = [keys] if isinstance(keys, str | int | np.integer) else list(keys)
    if field.dtype is DataType.VARCHAR:
        return [str(k) for k in _string_column(field, given, None).to_pylist()]
    numbers: Int64Array = _numbers(field, DataType.INT64, given)
    return [int(k) for k in numbers.tolist()]
