"""Which fields come back, and as what?

Rows leave the engine here: columns become Python values, and undeclared fields step out of the
dynamic column under their own names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np

from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import FieldRef
from elanus.kernels.rows import RowReader as KernelRowReader
from elanus.query.paths import path_values, read_path
from elanus.query.sources import SearchSource
from elanus.schema.batches import Column, FixedColumn, StringColumn
from elanus.schema.collection import DYNAMIC_FIELD, Schema, did_you_mean
from elanus.schema.structs import narrowed, stored_parts, struct_of, struct_rows
from elanus.schema.times import to_datetimes
from elanus.types import DataType, Int64Array, PrimaryKey


def resolve_output(schema: Schema, output: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names to project.

    Args:
        schema: Of the collection.
        output: Field names, also undeclared ones of a dynamic schema, and paths such as
            ``meta["a"]``, ``tags[0]`` and ``$meta["key"]``, which come under their text. ``"*"``
            stands for every stored field, ``"%"`` for those of vectors, ``"meta_*"`` for those
            whose names begin so, undeclared ones included; a struct for all that it holds,
            ``chunks[text]`` for a part of it. None takes every stored field but vectors.

    Raises:
        InvalidArgumentError: An unknown field, one that cannot be read back, or a pattern that
            fits none.
    """
    if output is None:
        return tuple(f.name for f in schema.value_fields if not f.vector_type.is_vector)
    if isinstance(output, str):
        raise InvalidArgumentError(f"output must be a list of field names, got {output!r}")
    stored = {f.name for f in schema.value_fields}
    structs = {f.name: [part.name for part in stored_parts(f)] for f in schema.structs}
    names: list[str] = []
    for name in output:
        if name == "*":
            names += [f.name for f in schema.value_fields]
        elif name == "%":
            names += [f.name for f in schema.value_fields if f.vector_type.is_vector]
        elif name in structs:
            names += structs[name]
        elif isinstance(name, str) and "[" in name and name not in stored:
            _check_path(schema, name)
            names.append(name)
        elif isinstance(name, str) and "*" in name:
            names += _matching_names(schema, name)
        elif name in stored or (schema.dynamic and name not in schema):
            names.append(name)
        elif name in schema:
            raise InvalidArgumentError(
                f"output: field {name!r} is computed for searching and cannot be read back"
            )
        else:
            hint = did_you_mean(name, sorted(stored))
            raise InvalidArgumentError(f"output: no field {name!r}{hint}")
    return tuple(dict.fromkeys(names))


def _check_path(schema: Schema, name: str) -> None:
    try:
        read_path(schema, name)
    except FilterError as error:
        raise InvalidArgumentError(f"output: {error}") from None


def _matching_names(schema: Schema, pattern: str) -> list[str]:
    """Return the stored fields that fit, and the pattern itself where undeclared ones may."""
    stored = [f.name for f in schema.value_fields]
    names = [name for name in stored if name != DYNAMIC_FIELD and fnmatchcase(name, pattern)]
    if schema.dynamic:
        return [*names, pattern]
    if not names:
        raise InvalidArgumentError(
            f"output: no field fits {pattern!r}; stored are {', '.join(stored)}"
        )
    return names


def project(
    schema: Schema, source: SearchSource, rows: Int64Array, output: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one dict per row (int64, any order) with the output fields."""
    stored = schema.column_types
    declared = [name for name in output if name in stored]
    plain = declared if not schema.structs else [n for n in declared if struct_of(n) == n]
    columns = [values_at(schema, name, source.column(name), rows) for name in plain]
    if not columns:
        entities: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    else:
        entities = [dict(zip(plain, row, strict=True)) for row in zip(*columns, strict=True)]
    if len(declared) < len(output):
        others = [name for name in output if name not in stored]
        keys = [name for name in others if "[" not in name]
        if keys:
            _add_dynamic(schema, source, rows, keys, entities)
        for name in others:
            if "[" in name:
                _add_path(schema, source, rows, name, entities)
    if schema.structs:
        _join_structs(schema, source, rows, declared, entities)
    return entities


RowReader = Callable[[Int64Array], list[dict[str, Any]]]
"""Row ids (int64) → output fields of each row."""


def row_reader(schema: Schema, source: SearchSource, output: Sequence[str]) -> RowReader:
    """Return what ``project`` does with some rows of a source, without looking fields up again."""
    stored = schema.column_types
    if not output:
        return lambda rows: [{} for _ in range(len(rows))]
    if schema.structs or any(name not in stored for name in output):
        return lambda rows: project(schema, source, rows, output)
    names = tuple(output)
    columns = [value_reader(schema, name, source.column(name)) for name in names]
    native = native_reader(schema, source, names)

    def read(rows: Int64Array) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] | None = None if native is None else native.read(rows)
        if found is not None:
            return found
        values = zip(*[column(rows) for column in columns], strict=True)
        return [dict(zip(names, row, strict=True)) for row in values]

    return read


def native_reader(
    schema: Schema, source: SearchSource, output: Sequence[str]
) -> KernelRowReader | None:
    """Return what does the same in one call; None when a field is of another kind, or none."""
    names, stored = output, schema.column_types
    if not names or schema.structs or any(name not in stored for name in names):
        return None
    reader = KernelRowReader(source.num_rows)
    for name in names:
        dtype, column = schema.column_types[name], source.column(name)
        if isinstance(column, FixedColumn) and dtype is not DataType.TIMESTAMPTZ:
            if not reader.add_numbers(name, column.values, column.validity):
                return None
        elif isinstance(column, StringColumn):
            data, guard = column.unverified()
            is_json = dtype is DataType.JSON
            places = column.offsets, data, column.validity
            reader.add_texts(name, *places, guard=guard, is_json=is_json)
        else:
            return None
    return reader


def _join_structs(
    schema: Schema,
    source: SearchSource,
    rows: Int64Array,
    names: Sequence[str],
    entities: list[dict[str, Any]],
) -> None:
    """Put lists of dicts in place of the columns of structs."""
    for struct in schema.structs:
        field = narrowed(struct, names)
        if field is None:
            continue
        parts = [part.name for part in stored_parts(field)]
        lists = struct_rows(field, {name: source.column(name).take(rows) for name in parts})
        for entity, elements in zip(entities, lists, strict=True):
            entity[struct.name] = elements


def _add_path(
    schema: Schema,
    source: SearchSource,
    rows: Int64Array,
    name: str,
    entities: list[dict[str, Any]],
) -> None:
    path = read_path(schema, name)
    if isinstance(path, FieldRef):
        values = source.column(path.name).values_at(rows)
    else:
        values = path_values(source, path, rows)
    for entity, value in zip(entities, values, strict=True):
        entity[name] = value


def _add_dynamic(
    schema: Schema,
    source: SearchSource,
    rows: Int64Array,
    names: Sequence[str],
    entities: list[dict[str, Any]],
) -> None:
    values = values_at(schema, DYNAMIC_FIELD, source.column(DYNAMIC_FIELD), rows)
    for entity, value in zip(entities, values, strict=True):
        extra = schema.undeclared(value)
        for name in names:
            if name == DYNAMIC_FIELD:
                entity.update(extra)
            elif name in extra:
                entity[name] = extra[name]
            elif "*" in name:
                entity.update({k: v for k, v in extra.items() if fnmatchcase(k, name)})


def read_pks(schema: Schema, source: SearchSource, rows: Int64Array) -> list[PrimaryKey]:
    """Return the primary keys of the given rows."""
    pks: list[Any] = source.column(schema.primary.name).values_at(rows)
    return pks


def read_places(
    sources: Sequence[SearchSource],
    numbers: Int64Array,
    rows: Int64Array,
    read: Callable[[SearchSource, Int64Array], list[Any]],
) -> list[Any]:
    """Return what ``read`` gives for rows of several sources, in the order of the rows.

    Args:
        sources: Of one snapshot.
        numbers: int64, for each row the number of its source.
        rows: int64, its row id there.
        read: Returns one value for each row id (int64) of a source.
    """
    if len(sources) == 1:
        return read(sources[0], rows)
    touched = set(numbers.tolist())
    if len(touched) == 1:
        return read(sources[touched.pop()], rows)
    values: list[Any] = [None] * len(rows)
    for number in touched:
        positions = np.flatnonzero(numbers == number)
        found = read(sources[number], rows[positions])
        for position, value in zip(positions.tolist(), found, strict=True):
            values[position] = value
    return values


def project_places(
    schema: Schema,
    sources: Sequence[SearchSource],
    numbers: Int64Array,
    rows: Int64Array,
    output: Sequence[str],
) -> list[dict[str, Any]]:
    """Return one dict per row, in that order; arguments as ``read_places``."""
    return read_places(sources, numbers, rows, lambda s, r: project(schema, s, r, output))


def values_at(schema: Schema, name: str, column: Column, rows: Int64Array) -> list[Any]:
    """Return the values of a field in the given rows as users see them."""
    return value_reader(schema, name, column)(rows)


def value_reader(schema: Schema, name: str, column: Column) -> Callable[[Int64Array], list[Any]]:
    """Return what reads the values of a field in some rows (int64) as users see them."""
    dtype = schema.column_types.get(name, DataType.JSON)
    if dtype is DataType.JSON and isinstance(column, StringColumn):
        return column.json_at
    if dtype is DataType.TIMESTAMPTZ and isinstance(column, FixedColumn):
        return partial(times_at, column, zone=schema.field(name).zone)
    return column.values_at


def times_at(column: FixedColumn, rows: Int64Array, zone: tzinfo) -> list[datetime | None]:
    """Return the moments in the given rows, in a time zone."""
    taken = column.take(rows)
    moments = to_datetimes(taken.values, zone)  # type: ignore[arg-type]
    if taken.validity is None:
        return [*moments]
    return [m if ok else None for m, ok in zip(moments, taken.validity.tolist(), strict=True)]
