"""Which rows are too old to be seen?

A row expires when it was written too long ago, or when the time that one of its own fields says
has come. What has expired is hidden from every read at once; deleting it is the engine's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elanus.filter.columns import FilterColumns
from elanus.index.base import VectorIndex
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.inverted import SparseView
from elanus.index.vector_lists import VectorLists
from elanus.kernels.bitset import Bitset
from elanus.query.projection import read_pks
from elanus.query.sources import SearchSource
from elanus.schema.batches import Column, FixedColumn
from elanus.schema.collection import Schema
from elanus.types import BoolArray, Int64Array, PrimaryKey


class Expiry(NamedTuple):
    """What has expired at a moment.

    Attributes:
        oldest_seq: Rows with a smaller sequence number have; 0 for none.
        field: Numeric field that says when a row does; None for none. Nulls never do.
        now: The moment as that field counts.
    """

    oldest_seq: int = 0
    field: str | None = None
    now: float = 0.0


def expired_rows(source: SearchSource, expiry: Expiry) -> BoolArray | None:
    """Return which rows of a source have expired, bool ``(num_rows,)``; None when none has."""
    expired: BoolArray | None = None
    if expiry.oldest_seq:
        first, last = source.seq_range
        if last < expiry.oldest_seq:
            return np.ones(source.num_rows, dtype=np.bool_)
        if first < expiry.oldest_seq:
            expired = source.seqs < expiry.oldest_seq
    if expiry.field is not None:
        column = source.column(expiry.field)
        if isinstance(column, FixedColumn):
            due: BoolArray = np.less_equal(column.values, expiry.now)
            if column.validity is not None:
                due &= column.validity
            if due.any():
                expired = due if expired is None else expired | due
    return expired


def fresh_rows(source: SearchSource, expiry: Expiry) -> Bitset | None:
    """Return the visible rows of a source that have not expired; None when none has."""
    expired = expired_rows(source, expiry)
    if expired is None:
        return None
    fresh = Bitset.from_mask(~expired)
    return fresh if source.alive is None else source.alive & fresh


def unexpired(sources: Sequence[SearchSource], expiry: Expiry) -> list[SearchSource]:
    """Return the sources without what has expired."""
    shown = [(source, fresh_rows(source, expiry)) for source in sources]
    return [s if fresh is None else UnexpiredSource(s, fresh) for s, fresh in shown]


def expired_pks(
    schema: Schema, sources: Sequence[SearchSource], expiry: Expiry
) -> list[PrimaryKey]:
    """Return the primary keys of the visible rows that have expired."""
    found: list[PrimaryKey] = []
    for source in sources:
        expired = expired_rows(source, expiry)
        if expired is not None:
            bits = Bitset.from_mask(expired)
            rows = (bits if source.alive is None else bits & source.alive).to_rows()
            found += read_pks(schema, source, rows)
    return found


class UnexpiredSource:
    """A source without the rows that have expired (``query.sources``).

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
