"""Do these entities fit the schema?

``entities_to_batch`` turns what a user hands in (a list of dicts, or a dict of columns) into typed
columns, or raises ``EntityError`` naming field and row. Nothing is half-converted: a batch comes
out whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np

from elanus.errors import EntityError, SchemaError
from elanus.schema.batches import Column, ColumnBatch
from elanus.schema.collection import DYNAMIC_FIELD, Schema, did_you_mean
from elanus.schema.converters import (
    MISSING,
    convert_column,
    matrix_rows,
    to_numbers,
    to_sparse_row,
    to_strings,
)
from elanus.schema.fields import Field
from elanus.schema.struct_values import struct_columns
from elanus.types import DataType, Int64Array

Entities = Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A list of dicts, or a dict of equally long columns (lists or NumPy arrays)."""


def entities_to_batch(schema: Schema, entities: Entities) -> ColumnBatch:
    """Check and convert entities.

    Args:
        schema: What they must fit.
        entities: List of dicts, or dict of columns. A column is a sequence or a NumPy array of
            shape ``(n,)``; vectors ``(n, dim)``; sparse vectors also as a sparse matrix of SciPy.

    Returns:
        One column per field with values. The primary key's column is missing when the schema has
        ``auto_id`` and no entity gives one.

    Raises:
        EntityError: An entity does not fit, with ``.field`` and ``.row``.
    """
    given, num_rows = _columns_of(schema, entities)
    columns: dict[str, Column] = {}
    parts = _struct_parts(schema, given, num_rows, every=True)
    for field in schema.value_fields:
        if field.name in parts:
            columns[field.name] = parts[field.name]
            continue
        values = given.get(field.name)
        if values is None and field.primary and field.auto_id:
            continue
        columns[field.name] = convert_column(field, values, num_rows)
    return ColumnBatch(num_rows, columns)


def given_to_batch(schema: Schema, entities: Sequence[Mapping[str, Any]]) -> ColumnBatch:
    """Check and convert parts of entities that all give the same fields.

    Returns:
        One column for each field that is given.

    Raises:
        EntityError: A value does not fit, or a field does not exist.
    """
    given, num_rows = _from_rows(schema, list(entities))
    columns = _struct_parts(schema, given, num_rows)
    fields = [field for field in schema.value_fields if field.name in given]
    columns |= {f.name: convert_column(f, given[f.name], num_rows) for f in fields}
    return ColumnBatch(num_rows, columns)


def _struct_parts(
    schema: Schema, given: Mapping[str, Any], num_rows: int, *, every: bool = False
) -> dict[str, Column]:
    """Return the columns of the structs that are given, or of all."""
    parts: dict[str, Column] = {}
    for struct in schema.structs:
        if every or struct.name in given:
            parts |= struct_columns(struct, given.get(struct.name), num_rows)
    return parts


def _columns_of(schema: Schema, entities: Entities) -> tuple[dict[str, Any], int]:
    if isinstance(entities, Mapping):
        return _from_columns(schema, entities)
    if isinstance(entities, str | bytes) or not isinstance(entities, Iterable):
        raise EntityError(
            f"expected a list of dicts or a dict of columns, got {type(entities).__name__}"
        )
    return _from_rows(schema, list(entities))


def _from_rows(schema: Schema, rows: list[Mapping[str, Any]]) -> tuple[dict[str, Any], int]:
    are_dicts = set(map(type, rows)) == {dict}
    if not are_dicts:
        for row, entity in enumerate(rows):
            if not isinstance(entity, Mapping):
                got = type(entity).__name__
                raise EntityError(f"row {row}: expected a dict, got {got}", row=row)
    names = set().union(*rows)
    given: dict[str, Any] = {}
    for field in schema.fields:
        if field.name in names:
            if field.source is not None:
                _refuse_derived(field)
            # A subclass may make up what is missing, so only plain dicts take the short way.
            given[field.name] = (
                _values_of(field.name, rows)
                if are_dicts
                else [row.get(field.name, MISSING) for row in rows]
            )
    undeclared = names - {f.name for f in schema.fields}
    if undeclared:
        if not schema.dynamic:
            first = next(i for i, row in enumerate(rows) if undeclared & set(row))
            _refuse_unknown(schema, sorted(map(str, undeclared & set(rows[first])))[0], first)
        given[DYNAMIC_FIELD] = [_dynamic_part(row, undeclared) for row in rows]
    return given, len(rows)


def _values_of(name: str, rows: list[Mapping[str, Any]]) -> list[Any]:
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        return [row.get(name, MISSING) for row in rows]


def _from_columns(schema: Schema, columns: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    given: dict[str, Any] = {}
    undeclared: dict[str, Any] = {}
    declared = {field.name: field for field in schema.fields}
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
        field = declared.get(name)
        if field is None:
            if not schema.dynamic:
                _refuse_unknown(schema, name, None)
            undeclared[name] = values.tolist() if isinstance(values, np.ndarray) else list(values)
        elif field.source is not None:
            _refuse_derived(field)
        else:
            given[name] = values
    if undeclared:
        rows = [
            dict(zip(undeclared, r, strict=True)) for r in zip(*undeclared.values(), strict=True)
        ]
        given[DYNAMIC_FIELD] = [_dynamic_part(row, undeclared.keys()) for row in rows]
    return given, num_rows or 0


def _length_of(name: str, values: Any) -> int:
    if hasattr(values, "tocsr"):  # a sparse matrix has no len()
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
    names = [f.name for f in schema.fields if f.source is None]
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


def check_defaults(schema: Schema) -> None:
    """Check that every default is a value of its field.

    Raises:
        SchemaError: One is not.
    """
    for field in schema.fields:
        check_default(field)


def check_default(field: Field) -> None:
    """Check that the default of a field, where it has one, is a value of it.

    Raises:
        SchemaError: It is not.
    """
    if field.default is not None:
        try:
            convert_column(field, [field.default], 1)
        except EntityError as error:
            raise SchemaError(f"default of {error}") from None


def query_sparse(field: Field, data: Any) -> tuple[list[tuple[Any, Any]], bool]:
    """Check sparse queries.

    Args:
        field: The field that is searched.
        data: A vector, or a list or a matrix of them.

    Returns:
        Dimensions (uint32) and weights (float32) of each query; whether it was a list.
    """
    vectors, many = [data], hasattr(data, "tocsr")
    if many:
        vectors = matrix_rows(data)
    elif isinstance(data, list | tuple) and len(data):
        first = data[0]
        # A vector as a list holds pairs of numbers; a list of such vectors holds lists of pairs.
        many = hasattr(first, "tocsr") or isinstance(first, Mapping)
        many = many or (isinstance(first, list | tuple) and _holds_pairs(data))
        vectors = list(data) if many else vectors
    parsed = [to_sparse_row(field, vector, row) for row, vector in enumerate(vectors)]
    return [(dims.astype(np.uint32), weights.astype(np.float32)) for dims, weights in parsed], many


def _holds_pairs(data: Sequence[Any]) -> bool:
    filled = (vector[0] for vector in data if isinstance(vector, list | tuple) and vector)
    return isinstance(next(filled, None), list | tuple)


def primary_keys(field: Field, keys: Iterable[Any]) -> list[int] | list[str]:
    """Check primary keys given by a user.

    Raises:
        EntityError: A key has the wrong type.
    """
    given = [keys] if isinstance(keys, str | int | np.integer) else list(keys)
    if field.dtype is DataType.VARCHAR:
        return [str(k) for k in to_strings(field, given, None).to_pylist()]
    numbers: Int64Array = to_numbers(field, DataType.INT64, given)
    return [int(k) for k in numbers.tolist()]
