"""How does everything that matches leave the engine, batch by batch?

Rows come in the order in which they are stored, as columns. Where a run of rows is whole, columns
are views of what is stored; nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from elanus.filter import BoundFilter
from elanus.query.sources import SearchSource, matching_rows
from elanus.schema.batches import Column, ColumnBatch, slice_column
from elanus.types import Int64Array


def scan_batches(
    sources: Sequence[SearchSource],
    filters: Sequence[BoundFilter],
    names: Sequence[str],
    batch_rows: int,
) -> Iterator[ColumnBatch]:
    """Yield the visible rows that pass every filter.

    Args:
        sources: Of one snapshot.
        filters: All must pass.
        names: Columns to yield.
        batch_rows: Most rows of a batch.
    """
    for source in sources:
        rows: Int64Array | None = None
        if filters or source.alive is not None:
            rows = matching_rows(source, filters)
        count = source.num_rows if rows is None else len(rows)
        columns = {name: source.column(name) for name in names} if count else {}
        for first in range(0, count, batch_rows):
            stop = min(first + batch_rows, count)
            chosen = None if rows is None else rows[first:stop]
            made = {n: _rows_of(c, first, stop, chosen) for n, c in columns.items()}
            yield ColumnBatch(stop - first, made)


def _rows_of(column: Column, first: int, stop: int, rows: Int64Array | None) -> Column:
    if rows is None:
        return slice_column(column, first, stop)
    if rows[-1] - rows[0] + 1 == len(rows):
        return slice_column(column, int(rows[0]), int(rows[-1]) + 1)
    return column.take(rows)
