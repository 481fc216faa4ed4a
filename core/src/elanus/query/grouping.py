"""How do hits come in groups, a few of each?

A group is as good as its best hit, and comes with its best hits. Candidates are looked at from the
nearest on; once their groups are known, the search goes on without the rows of these groups, so
that one large group hides nothing, and groups that are not full yet are searched among their rows.
What comes out is what a look at every row would give, as far as the searches find it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from itertools import product
from typing import Any, NamedTuple, TypeGuard, cast

import numpy as np

from elanus.filter import (
    And,
    BoundFilter,
    FieldRef,
    In,
    IsNull,
    JsonPath,
    Literal,
    Node,
    Or,
    compile_filter,
)
from elanus.kernels.ranking import FusedRows, MergedCandidates
from elanus.query.elements import ElementSource
from elanus.query.paths import path_values
from elanus.query.projection import read_places, times_at
from elanus.query.requests import GroupBy, LegRequest
from elanus.query.sources import SearchSource
from elanus.schema.batches import FixedColumn
from elanus.schema.collection import Schema
from elanus.types import DataType, Int64Array

GroupKey = tuple[bool, Any]
"""A value that equals no other kind's: whether it is a bool, and the value."""


class GroupHit(NamedTuple):
    """One hit; ``value`` is a distance, or the score of a fused list."""

    source: int
    row_id: int
    value: float


@dataclass(slots=True)
class Group:
    """Hits that share a value, best first.

    Attributes:
        value: What they share; None also where nothing is there.
        hits: At most as many as a group may have.
        is_complete: Whether no further row can be among them.
    """

    value: Any
    hits: list[GroupHit] = field(default_factory=list)
    is_complete: bool = False


class GroupReader:
    """Knows the group of each row.

    Args:
        schema: Of the collection.
        sources: Of one snapshot.
        group: What rows are grouped by.
    """

    def __init__(self, schema: Schema, sources: Sequence[SearchSource], group: GroupBy) -> None:
        self._schema = schema
        self._sources = sources
        self._nodes = group.nodes
        self._is_composite = group.is_composite
        self.size = group.size

    def values(self, numbers: Int64Array, rows: Int64Array) -> list[Any]:
        """Return the value of each row; arguments as ``read_places``."""
        columns = [
            read_places(self._sources, numbers, rows, partial(self._read, node))
            for node in self._nodes
        ]
        return list(zip(*columns, strict=True)) if self._is_composite else columns[0]

    def filter_of(self, values: Sequence[Any]) -> BoundFilter | None:
        """Return what the rows of these groups pass; None when no filter can say it of all."""
        if any(map(self._is_whole, self._nodes)):
            return None
        shared = [value if self._is_composite else (value,) for value in values]
        if not shared or not all(_is_scalar(part) for parts in shared for part in parts):
            return None
        return compile_filter(_any_of(self._nodes, shared), self._schema)

    def filter_of_only(self, groups: Mapping[GroupKey, Group]) -> BoundFilter | None:
        """Return what rows of these groups pass, and of no other; of some groups none does."""
        return self.filter_of([g.value for g in groups.values() if self._is_told(g.value, groups)])

    def _is_told(self, value: Any, groups: Mapping[GroupKey, Group]) -> bool:
        """Whether a filter can tell a group from those that are not among ``groups``."""
        parts = value if self._is_composite else (value,)
        if not all(map(_is_scalar, parts)):
            return False
        # A filter of a path takes 1 and true for equal: it can say both groups, or neither.
        twins = [
            [part, bool(part) if not isinstance(part, bool) else int(part)]
            if not isinstance(node, FieldRef)
            and isinstance(part, bool | int | float)
            and part in (0, 1)
            else [part]
            for node, part in zip(self._nodes, parts, strict=True)
        ]
        every = product(*twins)
        return all(key_of(one if self._is_composite else one[0]) in groups for one in every)

    def _is_whole(self, node: FieldRef | JsonPath) -> TypeGuard[FieldRef]:
        """Whether it is a JSON field, not a path of one."""
        return isinstance(node, FieldRef) and (
            self._schema.column_types[node.name] is DataType.JSON
        )

    def _read(self, node: FieldRef | JsonPath, source: SearchSource, rows: Int64Array) -> list[Any]:
        if isinstance(source, ElementSource):
            source, rows = source.whole, source.owners(rows)
        if self._is_whole(node):
            return path_values(source, JsonPath(node.name, ()), rows)
        if isinstance(node, FieldRef):
            column = source.column(node.name)
            if self._schema.column_types[node.name] is DataType.TIMESTAMPTZ:
                # In UTC, because Python takes an hour that a clock shows twice for the same one.
                return times_at(cast(FixedColumn, column), rows, UTC)
            return column.values_at(rows)
        return path_values(source, node, rows)


def nearest_groups(
    find: Callable[[LegRequest, BoundFilter | None], MergedCandidates],
    reader: GroupReader,
    leg: LegRequest,
) -> list[Group]:
    """Return the ``leg.limit`` groups with the nearest hits, each with its nearest hits.

    Args:
        find: Returns the candidates of a leg with one query, less the rows that pass a filter.
        reader: Knows groups.
        leg: What is searched.
    """
    groups: dict[GroupKey, Group] = {}
    asked = leg.limit * reader.size
    without: BoundFilter | None = None
    while len(groups) < leg.limit:
        hits = _hits_of(find(leg._replace(limit=asked), without))
        fresh = sort_in(groups, hits, reader, leg.limit)
        is_all = len(hits) < asked
        for group in fresh:
            group.is_complete = is_all or len(group.hits) >= reader.size
        if is_all:
            break
        without = reader.filter_of_only(groups)
        asked *= 2
    _fill(find, reader, leg, {k: g for k, g in groups.items() if not g.is_complete})
    return list(groups.values())


def fused_groups(
    fuse: Callable[[int], tuple[FusedRows, bool]], reader: GroupReader, limit: int
) -> list[Group]:
    """Return the first ``limit`` groups of a fused list, each with its first hits.

    Args:
        fuse: Returns the whole fused list of legs that are so many times as deep as asked for, and
            whether deeper ones may hold more.
        reader: Knows groups.
        limit: Groups wanted.
    """
    depth = 1
    while True:
        fused, may_go_on = fuse(depth)
        groups: dict[GroupKey, Group] = {}
        parts = zip(
            fused.sources.tolist(), fused.row_ids.tolist(), fused.scores.tolist(), strict=True
        )
        sort_in(groups, [GroupHit(*part) for part in parts], reader, limit)
        is_full = len(groups) >= limit and all(
            len(group.hits) >= reader.size for group in groups.values()
        )
        if is_full or not may_go_on:
            return list(groups.values())
        depth *= 4


def _hits_of(found: MergedCandidates) -> list[GroupHit]:
    """Return the candidates of the only query."""
    parts = zip(
        found.sources[0].tolist(),
        found.row_ids[0].tolist(),
        found.distances[0].tolist(),
        strict=True,
    )
    return [GroupHit(*part) for part in parts if part[1] >= 0]


def sort_in(
    groups: dict[GroupKey, Group], hits: Sequence[GroupHit], reader: GroupReader, limit: int
) -> list[Group]:
    """Add hits to their groups, in order, and return the groups that are new.

    Args:
        groups: Those that are known; changed.
        hits: Best first.
        reader: Knows groups.
        limit: Groups wanted; hits of others are left out.
    """
    numbers = [hit.source for hit in hits]
    rows = [hit.row_id for hit in hits]
    fresh = []
    for hit, value in zip(hits, reader.values(*_arrays(numbers, rows)), strict=True):
        key = key_of(value)
        group = groups.get(key)
        if group is None:
            if len(groups) >= limit:
                continue
            group = groups[key] = Group(value)
            fresh.append(group)
        if len(group.hits) < reader.size and hit not in group.hits:
            group.hits.append(hit)
    return fresh


def _fill(
    find: Callable[[LegRequest, BoundFilter | None], MergedCandidates],
    reader: GroupReader,
    leg: LegRequest,
    pending: dict[GroupKey, Group],
) -> None:
    """Search for the hits of groups among their rows only."""
    asked = 2 * reader.size * len(pending)
    while pending:
        condition = reader.filter_of([group.value for group in pending.values()])
        own = leg if condition is None else leg._replace(filters=(*leg.filters, condition))
        hits = _hits_of(find(own._replace(limit=asked), None))
        # A filter may take 1 and true for equal, or say nothing of a list; the keys do.
        filled: dict[GroupKey, Group] = {}
        sort_in(filled, hits, reader, len(hits))
        is_all = len(hits) < asked
        for key, found in filled.items():
            if key in pending and (is_all or len(found.hits) >= reader.size):
                pending.pop(key).hits = found.hits
        if is_all:
            break
        asked *= 4


def _arrays(numbers: Sequence[int], rows: Sequence[int]) -> tuple[Int64Array, Int64Array]:
    return np.array(numbers, dtype=np.int64), np.array(rows, dtype=np.int64)


def _any_of(nodes: Sequence[FieldRef | JsonPath], shared: Sequence[tuple[Any, ...]]) -> Node:
    """Return what rows pass that share one of these tuples, value by value."""
    node, *others = nodes
    if not others:
        told = tuple([value for (value,) in shared if value is not None])
        parts: list[Node] = [In(node, Literal(told))] if told else []
        return Or((*parts, IsNull(node)) if (None,) in shared else tuple(parts))
    by_first: dict[GroupKey, list[tuple[Any, ...]]] = {}
    for values in shared:
        by_first.setdefault(key_of(values[0]), []).append(values)
    return Or(
        tuple(
            [
                And((_any_of([node], [same[0][:1]]), _any_of(others, [one[1:] for one in same])))
                for same in by_first.values()
            ]
        )
    )


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict)


def key_of(value: Any) -> GroupKey:
    """Return what the values of one group have in common."""
    if isinstance(value, tuple):
        return False, tuple(map(key_of, value))
    if not _is_scalar(value):
        return False, json.dumps(value, sort_keys=True)
    return isinstance(value, bool), value
