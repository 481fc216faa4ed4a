"""Which fields come back, and as what?

Rows leave the engine here: columns become Python values, and undeclared fields step out of the
dynamic column under their own names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.query.sources import SearchSource
from elanus.schema.batches import Column, StringColumn
from elanus.schema.collection import DYNAMIC_FIELD, Schema, did_you_mean
from elanus.types import DataType, Int64Array, PrimaryKey


def resolve_output(schema: Schema, output: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names to project.

    Args:
        schema: Of the collection.
        output: Field names, also undeclared ones of a dynamic schema; ``"*"`` stands for every
            stored field. None takes every stored field but vectors.

    Raises:
        InvalidArgumentError: An unknown field, or one that cannot be read back.
    """
    if output is None:
        return tuple(f.name for f in schema.stored_fields if not f.dtype.is_vector)
    if isinstance(output, str):
        raise InvalidArgumentError(f"output must be a list of field names, got {output!r}")
    stored = {f.name for f in schema.stored_fields}
    names: list[str] = []
    for name in output:
        if name == "*":
            names += [f.name for f in schema.stored_fields]
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
    schema: Schema, source: SearchSource, rows: Int64Array, output: Iterable[str]
) -> list[dict[str, Any]]:
    """Return one dict per row (int64, any order) with the output fields."""
    entities: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    stored = {f.name: f for f in schema.stored_fields}
    dynamic: list[Any] | None = None
    for name in output:
        if name in stored and name != DYNAMIC_FIELD:
            values = _values(stored[name].dtype, source.column(name), rows)
            for entity, value in zip(entities, values, strict=True):
                entity[name] = value
            continue
        if dynamic is None:
            dynamic = _values(DataType.JSON, source.column(DYNAMIC_FIELD), rows)
        for entity, extra in zip(entities, dynamic, strict=True):
            if name == DYNAMIC_FIELD:
                entity.update(extra or {})
            elif extra and name in extra:
                entity[name] = extra[name]
    return entities


def read_pks(schema: Schema, source: SearchSource, rows: Int64Array) -> list[PrimaryKey]:
    """Return the primary keys of the given rows."""
    pks: list[Any] = source.column(schema.primary.name).values_at(rows)
    return pks


def project_places(
    schema: Schema,
    sources: Sequence[SearchSource],
    places: Sequence[tuple[int, int]],
    output: Sequence[str],
) -> list[dict[str, Any]]:
    """Return one dict per ``(source number, row id)``, in that order."""
    entities: list[dict[str, Any]] = [{}] * len(places)
    by_source: dict[int, list[int]] = {}
    for position, (source, _) in enumerate(places):
        by_source.setdefault(source, []).append(position)
    for source, positions in by_source.items():
        rows = np.array([places[p][1] for p in positions], dtype=np.int64)
        found = project(schema, sources[source], rows, output)
        for position, entity in zip(positions, found, strict=True):
            entities[position] = entity
    return entities


def _values(dtype: DataType, column: Column, rows: Int64Array) -> list[Any]:
    if dtype is DataType.JSON and isinstance(column, StringColumn):
        return column.json_at(rows)
    return column.values_at(rows)
