"""What can be searched?

A ``SearchSource`` is one sealed segment or one memtable, frozen at a moment. Every kind of search
sees rows only through this protocol, so there is one search path and one merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from elanus.filter import BoundFilter
from elanus.filter.columns import FilterColumns
from elanus.index.base import VectorIndex
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.inverted import SparseView
from elanus.index.vector_lists import VectorLists
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import Column
from elanus.types import Int64Array, PrimaryKey


class SearchSource(Protocol):
    """Rows ``0..num_rows-1`` of one segment or memtable as of one snapshot."""

    @property
    def name(self) -> str:
        """What ``explain`` calls this source."""
        ...

    @property
    def num_rows(self) -> int:
        """Rows, dead ones included."""
        ...

    @property
    def alive(self) -> Bitset | None:
        """Rows that are still visible; None when all are."""
        ...

    @property
    def num_alive(self) -> int:
        """Number of visible rows."""
        ...

    @property
    def columns(self) -> FilterColumns:
        """What filters read."""
        ...

    @property
    def seqs(self) -> Int64Array:
        """Sequence number of each row, int64 ``(num_rows,)``: when it was written."""
        ...

    @property
    def seq_range(self) -> tuple[int, int]:
        """Smallest and largest sequence number of a row."""
        ...

    def column(self, name: str) -> Column:
        """Return a stored column, ``num_rows`` long."""
        ...

    def vector_index(self, name: str) -> VectorIndex:
        """Return the index of a dense field; a scan when none is built."""
        ...

    def vector_lists(self, name: str) -> VectorLists:
        """Return the lists of vectors of a field, and what finds the nearest of them."""
        ...

    def text_index(self, name: str) -> BM25View:
        """Return the postings of a BM25 field."""
        ...

    def sparse_index(self, name: str) -> SparseView:
        """Return the postings of a sparse field."""
        ...

    def find_pks(self, pks: Sequence[PrimaryKey]) -> Int64Array:
        """Return the visible row of each key, -1 where there is none."""
        ...


class PartOfSource:
    """A source of which some visible rows are not shown.

    Attributes:
        whole: The source with them.
    """

    def __init__(self, source: SearchSource, alive: Bitset) -> None:
        self.name = source.name
        self.num_rows = source.num_rows
        self.alive = alive
        self.num_alive = alive.count()
        self.whole = source

    @property
    def columns(self) -> FilterColumns:
        """What filters read."""
        return self.whole.columns

    @property
    def seqs(self) -> Int64Array:
        """Sequence number of each row."""
        return self.whole.seqs

    @property
    def seq_range(self) -> tuple[int, int]:
        """Smallest and largest sequence number."""
        return self.whole.seq_range

    def column(self, name: str) -> Column:
        return self.whole.column(name)

    def vector_index(self, name: str) -> VectorIndex:
        return self.whole.vector_index(name)

    def vector_lists(self, name: str) -> VectorLists:
        return self.whole.vector_lists(name)

    def text_index(self, name: str) -> BM25View:
        return self.whole.text_index(name)

    def sparse_index(self, name: str) -> SparseView:
        return self.whole.sparse_index(name)

    def find_pks(self, pks: Sequence[PrimaryKey]) -> Int64Array:
        rows = self.whole.find_pks(pks).copy()
        found = np.flatnonzero(rows >= 0)
        places = rows[found]
        bits = self.alive.words[places >> 6] >> (places & 63).astype(np.uint64) & np.uint64(1)
        rows[found[bits == 0]] = -1
        return rows


class RestrictedSource(PartOfSource):
    """A source of which a filter shows some rows, and nothing tells of the others."""


@dataclass(frozen=True, slots=True)
class AllowedRows:
    """Rows of one source that a search may return.

    Attributes:
        bits: One bit a row; None allows every row.
        count: Number of allowed rows.
    """

    bits: Bitset | None
    count: int


def allowed_rows(source: SearchSource, filters: Sequence[BoundFilter]) -> AllowedRows:
    """Return the visible rows that pass every filter."""
    bits, count = source.alive, source.num_alive
    for condition in filters:
        matching = source.columns.matching(condition)
        bits = matching if bits is None else bits & matching
        count = bits.count()
    return AllowedRows(None if count == source.num_rows else bits, count)


def rows_with(source: SearchSource, rows: AllowedRows, name: str) -> AllowedRows:
    """Return the allowed rows that have a value in a stored column."""
    validity = source.column(name).validity
    if validity is None or not rows.count:
        return rows
    present = Bitset.from_mask(validity)
    bits = present if rows.bits is None else present & rows.bits
    return AllowedRows(bits, bits.count())


def remaining_rows(source: SearchSource, rows: AllowedRows, without: BoundFilter) -> AllowedRows:
    """Return the allowed rows that do not pass a filter."""
    matching = source.columns.matching(without)
    bits = ~matching if rows.bits is None else rows.bits - matching
    return AllowedRows(bits, bits.count())


def matching_rows(source: SearchSource, filters: Sequence[BoundFilter]) -> Int64Array:
    """Return the visible rows that pass every filter, int64, ascending."""
    bits = allowed_rows(source, filters).bits
    return np.arange(source.num_rows, dtype=np.int64) if bits is None else bits.to_rows()
