"""Which fields come back, and as what?

Rows leave the engine here: columns become Python values, and undeclared fields step out of the
dynamic column under their own names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.query.sources import SearchSource
from elanus.schema.batches import Column, StringColumn
from elanus.schema.collection import DYNAMIC_FIELD, Schema, did_you_mean
from elanus.schema.structs import narrowed, stored_parts, struct_of, struct_rows
from elanus.types import DataType, Int64Array, PrimaryKey


def resolve_output(schema: Schema, output: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names to project.

    Args:
        schema: Of the collection.
        output: Field names, also undeclared ones of a dynamic schema; ``"*"`` stands for every
            stored field, a struct for all that it holds, ``chunks[text]`` for a part of it. None
            takes every stored field but vectors.

    Raises:
        InvalidArgumentError: An unknown field, or one that cannot be read back.
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
        elif name in structs:
            names += structs[name]
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


def project(
    schema: Schema, source: SearchSource, rows: Int64Array, output: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one dict per row (int64, any order) with the output fields."""
    stored = schema.column_types
    declared = [name for name in output if name in stored]
    plain = declared if not schema.structs else [n for n in declared if struct_of(n) == n]
    columns = [_values(stored[name], source.column(name), rows) for name in plain]
    if not columns:
        entities: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    else:
        entities = [dict(zip(plain, row, strict=True)) for row in zip(*columns, strict=True)]
    if len(declared) < len(output):
        undeclared = [name for name in output if name not in stored]
        _add_dynamic(source, rows, undeclared, entities)
    if schema.structs:
        _join_structs(schema, source, rows, declared, entities)
    return entities


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


def _add_dynamic(
    source: SearchSource, rows: Int64Array, names: Sequence[str], entities: list[dict[str, Any]]
) -> None:
    values = _values(DataType.JSON, source.column(DYNAMIC_FIELD), rows)
    for entity, extra in zip(entities, values, strict=True):
        for name in names:
            if name == DYNAMIC_FIELD:
                entity.update(extra or {})
            elif extra and name in extra:
                entity[name] = extra[name]


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


def _values(dtype: DataType, column: Column, rows: Int64Array) -> list[Any]:
    if dtype is DataType.JSON and isinstance(column, StringColumn):
        return column.json_at(rows)
    return column.values_at(rows)
