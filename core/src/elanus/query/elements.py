"""How are the elements of lists searched one by one?

A source whose rows are elements: an element is allowed where its row is, and found by the index of
all vectors of the lists. Everything between candidates and a page of hits (merging, fusion,
groups, rankers) then works on elements as it does on rows; what is read of an entity is read in
the row that holds the element.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import cast

import numpy as np

from elanus.filter import BoundFilter, ElementFilter
from elanus.index.base import VectorIndex
from elanus.index.dense.flat import FlatIndex
from elanus.index.vector_lists import VectorLists
from elanus.kernels.bitset import Bitset
from elanus.kernels.cancel import CancelToken
from elanus.query.candidates import Run, read_keys
from elanus.query.ranking import RankedRows, RowReader
from elanus.query.sources import SearchSource
from elanus.schema.collection import Schema
from elanus.types import Int64Array, PrimaryKey


class ElementSource:
    """The elements of the lists of one source, those of all rows one after the other.

    Args:
        whole: The source.
        part: A field of lists of vectors; other fields that are searched have lists as long.
    """

    def __init__(self, whole: SearchSource, part: str) -> None:
        self.whole = whole
        self.name = whole.name
        self._lists = whole.vector_lists(part)
        self.num_rows = self._lists.num_vectors

    @cached_property
    def alive(self) -> Bitset | None:
        rows = self.whole.alive
        return None if rows is None else self._spread(rows)

    @cached_property
    def num_alive(self) -> int:
        return self.num_rows if self.alive is None else self.alive.count()

    @property
    def columns(self) -> ElementSource:
        """What says which elements filters allow."""
        return self

    def matching(self, condition: BoundFilter) -> Bitset:
        """Return the elements that a filter allows: those of its rows, or the elements it asks."""
        found = self.whole.columns.matching(condition)
        return found if isinstance(condition, ElementFilter) else self._spread(found)

    def elements_of(self, row: int) -> Int64Array:
        """Return the elements of a row, int64, ascending."""
        return np.arange(*self._lists.offsets[row : row + 2].tolist(), dtype=np.int64)

    def owners(self, elements: Int64Array) -> Int64Array:
        """Return the rows that hold elements."""
        rows: Int64Array = np.searchsorted(self._lists.offsets, elements, side="right") - 1
        return rows

    def places(self, elements: Int64Array) -> Int64Array:
        """Return the place of each element in its list, from 0."""
        found: Int64Array = elements - self._lists.offsets[self.owners(elements)]
        return found

    def vector_index(self, name: str) -> VectorIndex:
        lists: VectorLists = self.whole.vector_lists(name)
        return FlatIndex(lists.rows) if lists.index is None else lists.index

    def _spread(self, rows: Bitset) -> Bitset:
        lengths = np.diff(self._lists.offsets)
        return Bitset.from_mask(np.repeat(rows.to_mask(), lengths))


class ElementRun(Run):
    """A search of elements while it runs.

    Args:
        schema: Of the collection.
        sources: Of one snapshot.
        token: Ends the search.
        part: As for ``ElementSource``.
    """

    __slots__ = ("_part", "whole")

    def __init__(
        self, schema: Schema, sources: Sequence[SearchSource], token: CancelToken, part: str
    ) -> None:
        elements = [ElementSource(source, part) for source in sources]
        # They have what finding candidates asks of a source; values are read of ``whole``.
        super().__init__(schema, cast(Sequence[SearchSource], elements), token)
        self.whole, self._part = sources, part
        self.keys = self._keys

    def reader(self) -> RowReader:
        return RowReader(self.schema, self.whole, self.keys, self._holders)

    def owners(self, numbers: Int64Array, elements: Int64Array) -> Int64Array:
        """Return the rows that hold elements of several sources."""
        return owners_of(self.whole, self._part, numbers, elements)

    def places(self, numbers: Int64Array, elements: Int64Array) -> list[int]:
        """Return the place of elements of several sources in their lists, from 0."""
        found = np.empty(len(elements), dtype=np.int64)
        for source, at in self._by_source(numbers):
            found[at] = source.places(elements[at])
        return found.tolist()

    def _by_source(self, numbers: Int64Array) -> list[tuple[ElementSource, Int64Array]]:
        found = []
        for number in np.unique(numbers).tolist():
            source = self.sources[number]
            assert isinstance(source, ElementSource)
            found.append((source, np.flatnonzero(numbers == number)))
        return found

    def _keys(self, numbers: Int64Array, elements: Int64Array) -> list[PrimaryKey]:
        return read_keys(self.schema, self.whole, numbers, self.owners(numbers, elements))

    def _holders(self, rows: RankedRows) -> RankedRows:
        return rows._replace(row_ids=self.owners(rows.sources, rows.row_ids))


def owners_of(
    sources: Sequence[SearchSource], part: str, numbers: Int64Array, elements: Int64Array
) -> Int64Array:
    """Return the rows that hold elements of several sources.

    Args:
        sources: Of one snapshot.
        part: As for ``ElementSource``.
        numbers: The source of each element.
        elements: int64.
    """
    rows = np.empty(len(elements), dtype=np.int64)
    for number in np.unique(numbers).tolist():
        at = np.flatnonzero(numbers == number)
        rows[at] = ElementSource(sources[number], part).owners(elements[at])
    return rows
