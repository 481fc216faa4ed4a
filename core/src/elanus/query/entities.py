"""Which entities match a filter, or have these keys?

Answers come in the order of the primary key, so that paging with ``offset`` is stable however
rows are split into segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.errors import InternalError
from elanus.filter import BoundFilter, ElementFilter, element_arrays, split_elements
from elanus.query.ordering import OrderKey, order_of
from elanus.query.projection import project_places, read_pks
from elanus.query.sources import SearchSource, allowed_rows, matching_rows
from elanus.schema.batches import ArrayColumn, FixedColumn
from elanus.schema.collection import Schema
from elanus.schema.structs import stored_parts
from elanus.types import DataType, Int64Array, PrimaryKey

OFFSET = "$offset"
"""Under what an element that is a result of its own has its place: no field is called so."""


@dataclass(frozen=True, slots=True)
class EntityRequest:
    """Entities that pass a filter.

    Attributes:
        output: Fields to return.
        filters: All must pass.
        limit: Most entities; None: all.
        offset: Entities to leave out at the front.
        order: What they are ordered by before the primary key, the most important first.
        per_element: Whether elements that an ``element_filter`` chooses are results of their own;
            limit and offset count those then.
    """

    output: tuple[str, ...]
    filters: tuple[BoundFilter, ...] = ()
    limit: int | None = None
    offset: int = 0
    order: tuple[OrderKey, ...] = ()
    per_element: bool = False


def query_entities(
    schema: Schema, sources: Sequence[SearchSource], request: EntityRequest
) -> list[dict[str, Any]]:
    """Return the matching entities in the order asked for, equals by their primary key."""
    stop = None if request.limit is None else request.offset + request.limit
    elements = chosen_elements(schema, request)
    if request.order or (elements is not None and not elements.in_every_row):
        numbers, rows = matching_places(schema, sources, request.filters)
    else:
        numbers, rows = matching_places(schema, sources, request.filters, stop)
    if request.order:
        order = order_of(sources, numbers, rows, request.order)
        numbers, rows = numbers[order], rows[order]
    page = slice(request.offset, stop)
    if elements is None:
        return project_places(schema, sources, numbers[page], rows[page], request.output)
    which, places = elements.of(sources, numbers, rows, page)
    return project_elements(schema, sources, numbers[which], rows[which], places, request.output)


def project_elements(
    schema: Schema,
    sources: Sequence[SearchSource],
    numbers: Int64Array,
    rows: Int64Array,
    places: Int64Array,
    output: Sequence[str],
) -> list[dict[str, Any]]:
    """Return elements as results of their own: the entity of each, and its place.

    Args:
        schema: Of the sources.
        sources: Of one snapshot.
        numbers: Source of each element; those of one row stand side by side.
        rows: Row of each element in its source.
        places: Place of each element in its array.
        output: Fields of the entities to return.
    """
    is_next = np.ones(len(rows), dtype=np.bool_)
    is_next[1:] = (np.diff(rows) != 0) | (np.diff(numbers) != 0)
    found = project_places(schema, sources, numbers[is_next], rows[is_next], output)
    both = zip((np.cumsum(is_next) - 1).tolist(), places.tolist(), strict=True)
    return [{**found[row], OFFSET: place} for row, place in both]


def chosen_elements(schema: Schema, request: EntityRequest) -> Elements | None:
    """Return which elements are results of their own; None where entities are."""
    return Elements.chosen(schema, request.filters) if request.per_element else None


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of an array that meet every ``element_filter``.

    Attributes:
        part: A column of the array; that of a field of its elements, where those are structs.
        filters: What an element has to meet.
    """

    part: str
    filters: tuple[ElementFilter, ...]

    @classmethod
    def chosen(cls, schema: Schema, filters: Sequence[BoundFilter]) -> Elements | None:
        """Return which elements filters choose; None where it is none, or of several arrays."""
        names = frozenset[str]().union(*[element_arrays(bound) for bound in filters])
        named = [schema.field(name) for name in names]
        fields = [field for field in named if field.dtype is DataType.ARRAY]
        if len(fields) != 1:
            return None
        name = fields[0].name
        found = [one for bound in filters for one in split_elements(bound, schema, name)[1]]
        return cls(stored_parts(fields[0])[0].name, tuple(found))

    @property
    def in_every_row(self) -> bool:
        """Whether every row that passes the filters has such an element."""
        return len(self.filters) == 1

    def of(
        self, sources: Sequence[SearchSource], numbers: Int64Array, rows: Int64Array, page: slice
    ) -> tuple[Int64Array, Int64Array]:
        """Return a page of elements: of each where its row stands among ``rows``, and its place."""
        whiches, places = [], []
        for number in np.unique(numbers).tolist():
            at = np.flatnonzero(numbers == number)
            which, place = self._in_rows(sources[number], rows[at])
            whiches.append(at[which])
            places.append(place)
        if not whiches:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        all_which, all_places = np.concatenate(whiches), np.concatenate(places)
        order = np.lexsort((all_places, all_which))[page]
        return all_which[order], all_places[order]

    def _in_rows(self, source: SearchSource, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return the elements in rows of one source, as ``of`` does."""
        column = source.column(self.part)
        if not isinstance(column, ArrayColumn):
            raise InternalError(f"column {self.part!r} has no elements")
        meeting = source.columns.matching(self.filters[0])
        for other in self.filters[1:]:
            meeting = meeting & source.columns.matching(other)
        starts = (column.offsets - column.offsets[0])[rows]
        lengths = np.diff(column.offsets)[rows]
        which = np.repeat(np.arange(len(rows), dtype=np.int64), lengths)
        places = np.arange(len(which), dtype=np.int64)
        places -= np.repeat(np.cumsum(lengths) - lengths, lengths)
        is_met = meeting.to_mask()[starts[which] + places]
        return which[is_met], places[is_met]


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
