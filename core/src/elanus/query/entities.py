"""Which entities match a filter, or have these keys?

Answers come in the order of the primary key, so that paging with ``offset`` is stable however
rows are split into segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.filter import BoundFilter
from elanus.query.ordering import OrderKey, order_of
from elanus.query.projection import project_places, read_pks
from elanus.query.sources import SearchSource, allowed_rows, matching_rows
from elanus.schema.batches import FixedColumn
from elanus.schema.collection import Schema
from elanus.types import Int64Array, PrimaryKey


@dataclass(frozen=True, slots=True)
class EntityRequest:
    """Entities that pass a filter.

    Attributes:
        output: Fields to return.
        filters: All must pass.
        limit: Most entities; None: all.
        offset: Entities to leave out at the front.
        order: What they are ordered by before the primary key, the most important first.
    """

    output: tuple[str, ...]
    filters: tuple[BoundFilter, ...] = ()
    limit: int | None = None
    offset: int = 0
    order: tuple[OrderKey, ...] = ()


def query_entities(
    schema: Schema, sources: Sequence[SearchSource], request: EntityRequest
) -> list[dict[str, Any]]:
    """Return the matching entities in the order asked for, equals by their primary key."""
    stop = None if request.limit is None else request.offset + request.limit
    if request.order:
        numbers, rows = matching_places(schema, sources, request.filters)
        order = order_of(sources, numbers, rows, request.order)
        numbers, rows = numbers[order], rows[order]
    else:
        numbers, rows = matching_places(schema, sources, request.filters, stop)
    page = slice(request.offset, stop)
    return project_places(schema, sources, numbers[page], rows[page], request.output)


def count_entities(sources: Sequence[SearchSource], filters: Sequence[BoundFilter]) -> int:
    """Return how many entities match."""
    return sum(allowed_rows(source, filters).count for source in sources)


def matching_pks(
    schema: Schema, sources: Sequence[SearchSource], filters: Sequence[BoundFilter]
) -> list[PrimaryKey]:
    """Return the keys of all matching entities, in no order."""
    pks: list[PrimaryKey] = []
    for source in sources:
        pks += read_pks(schema, source, matching_rows(source, filters))
    return pks


def get_entities(
    schema: Schema,
    sources: Sequence[SearchSource],
    pks: Sequence[PrimaryKey],
    output: Sequence[str],
) -> list[dict[str, Any]]:
    """Return the entities with these keys in the order of the request; missing ones are left out.

    A key that is asked for twice is answered twice.
    """
    numbers = np.full(len(pks), -1, dtype=np.int64)
    rows = np.full(len(pks), -1, dtype=np.int64)
    for number, source in enumerate(sources):
        found = source.find_pks(pks)
        is_here = found >= 0
        numbers[is_here], rows[is_here] = number, found[is_here]
    is_there = rows >= 0
    return project_places(schema, sources, numbers[is_there], rows[is_there], output)


def matching_places(
    schema: Schema,
    sources: Sequence[SearchSource],
    filters: Sequence[BoundFilter],
    stop: int | None = None,
) -> tuple[Int64Array, Int64Array]:
    """Return source numbers and row ids of the first ``stop`` matches, or all, by primary key."""
    numbers: list[Int64Array] = []
    rows: list[Int64Array] = []
    keys: list[Any] = []
    for number, source in enumerate(sources):
        matching = matching_rows(source, filters)
        column = source.column(schema.primary.name).take(matching)
        numbers.append(np.full(len(matching), number, dtype=np.int64))
        rows.append(matching)
        keys.append(column.values if isinstance(column, FixedColumn) else column.to_pylist())
    if not numbers:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    all_numbers, all_rows = np.concatenate(numbers), np.concatenate(rows)
    if all(isinstance(k, np.ndarray) for k in keys):
        order = _smallest(np.concatenate(keys), stop)
    else:
        flat = [key for part in keys for key in part]
        order = np.array(sorted(range(len(flat)), key=flat.__getitem__)[:stop], dtype=np.int64)
    return all_numbers[order], all_rows[order]


def _smallest(keys: Int64Array, stop: int | None) -> Int64Array:
    """Return the positions of the ``stop`` smallest keys, smallest first."""
    if stop is None or stop >= len(keys):
        return np.argsort(keys, kind="stable")
    if stop == 0:
        return np.empty(0, dtype=np.int64)
    few = np.argpartition(keys, stop - 1)[:stop]
    return few[np.argsort(keys[few])]
