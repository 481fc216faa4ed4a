"""In which order are the rows of a segment?

In that of the clustering key or the partition key, where the schema declares one: rows of one value
lie side by side, so that reading them touches few pages, and where they begin and end is found by
halving. Flushes, imports and merges write them so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elanus.engine.growing import GrowingSegment
from elanus.errors import InternalError
from elanus.query.ordering import ranks_of
from elanus.schema.batches import (
    Column,
    DenseVectorColumn,
    RowIds,
    StringColumn,
    concat_columns,
)
from elanus.schema.collection import Schema
from elanus.types import BoolArray, Int64Array

Parts = Sequence[tuple[Column, Int64Array]]
"""Columns of segments, and the rows of each that are taken over."""


def rows_to_seal(schema: Schema, growing: GrowingSegment) -> Int64Array:
    """Return the visible rows of a memtable in the order in which a segment has them."""
    rows = growing.alive_rows()
    if schema.order_field is None:
        return rows
    column = growing.view(growing.num_rows).columns[schema.order_field]
    order: Int64Array = np.argsort(ranks_of([column.take(rows)]), kind="stable")
    return rows[order]


def merged_order(parts: Parts) -> Int64Array:
    """Return which of the rows that are taken over, counted end to end, comes at each place."""
    ranks = ranks_of([column.take(rows) for column, rows in parts])
    order: Int64Array = np.argsort(ranks, kind="stable")
    return order


def in_order(parts: Parts, order: Int64Array) -> Column:
    """Return the rows that are taken over, in another order than end to end.

    Vectors and texts are gathered when they are asked for; all else is small.
    """
    first = parts[0][0]
    validity = _gathered_validity(parts, order)
    if isinstance(first, DenseVectorColumn):
        return _OrderedVectors(parts, order, validity)
    if isinstance(first, StringColumn):
        return _OrderedStrings(parts, order, validity)
    return concat_columns([column.take(rows) for column, rows in parts]).take(order)


class _Gatherer:
    """Takes rows by their place in the new order."""

    def __init__(self, parts: Parts, order: Int64Array) -> None:
        self._parts = parts
        self._order = order
        self._starts = np.cumsum([0, *(len(rows) for _, rows in parts)])

    def take(self, places: RowIds) -> Column:
        wanted = self._order[places]
        numbers = np.searchsorted(self._starts, wanted, side="right") - 1
        taken: list[Column] = []
        where: list[Int64Array] = []
        for number, (column, rows) in enumerate(self._parts):
            mine = np.flatnonzero(numbers == number)
            if len(mine) or (not len(places) and not taken):
                taken.append(column.take(rows[wanted[mine] - self._starts[number]]))
                where.append(mine)
        return concat_columns(taken).take(np.argsort(np.concatenate(where)))


class _OrderedVectors(DenseVectorColumn):
    """Vectors of several segments in a new order. ``values`` is not to be asked for."""

    __slots__ = ("_gatherer", "_length")

    _gatherer: _Gatherer
    _length: int

    def __init__(self, parts: Parts, order: Int64Array, validity: BoolArray | None) -> None:
        object.__setattr__(self, "_gatherer", _Gatherer(parts, order))
        object.__setattr__(self, "_length", len(order))
        object.__setattr__(self, "validity", validity)

    def __len__(self) -> int:
        return self._length

    def take(self, rows: RowIds) -> DenseVectorColumn:
        taken = self._gatherer.take(rows)
        if not isinstance(taken, DenseVectorColumn):
            raise InternalError("columns that are merged differ in kind")
        return taken


class _OrderedStrings(StringColumn):
    """Texts of several segments in a new order. ``data`` is not to be asked for."""

    __slots__ = ("_gatherer",)

    _gatherer: _Gatherer

    def __init__(self, parts: Parts, order: Int64Array, validity: BoolArray | None) -> None:
        lengths = []
        for column, rows in parts:
            if not isinstance(column, StringColumn):
                raise InternalError("columns that are merged differ in kind")
            lengths.append(column.offsets[rows + 1] - column.offsets[rows])
        offsets = np.zeros(len(order) + 1, dtype=np.int64)
        np.cumsum(np.concatenate(lengths)[order], out=offsets[1:])
        object.__setattr__(self, "_gatherer", _Gatherer(parts, order))
        object.__setattr__(self, "offsets", offsets)
        object.__setattr__(self, "validity", validity)

    def take(self, rows: RowIds) -> StringColumn:
        taken = self._gatherer.take(rows)
        if not isinstance(taken, StringColumn):
            raise InternalError("columns that are merged differ in kind")
        return taken


def _gathered_validity(parts: Parts, order: Int64Array) -> BoolArray | None:
    if all(column.validity is None for column, _ in parts):
        return None
    bits = [
        np.ones(len(rows), dtype=np.bool_) if c.validity is None else c.validity[rows]
        for c, rows in parts
    ]
    return np.concatenate(bits)[order]
