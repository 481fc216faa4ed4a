"""Which rows are too old to be seen?

A row expires when it was written too long ago, or when the time that one of its own fields says
has come. What has expired is hidden from every read at once; deleting it is the engine's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elanus.kernels.bitset import Bitset
from elanus.query.projection import read_pks
from elanus.query.sources import PartOfSource, SearchSource
from elanus.schema.batches import FixedColumn
from elanus.schema.collection import Schema
from elanus.types import BoolArray, PrimaryKey


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


class UnexpiredSource(PartOfSource):
    """A source without the rows that have expired."""
