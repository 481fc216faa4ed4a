"""Which rows are not in a segment yet?

Rows in memory in the order in which they were written, as columns, with the sequence number of
each and the row of every primary key. One thread appends; any number of threads read views, which
never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elanus.errors import InternalError, InvalidArgumentError
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.storage.growing import GrowingArray, growing_column
from elanus.types import Int64Array, PrimaryKey

PK_ENTRY_BYTES = 120
"""What one entry of the table of primary keys costs in CPython, measured with tracemalloc on
100,000 entries: 116 bytes with int keys, 133 with str keys of 14 characters."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did.

    Attributes:
        first_row: Row id of the first row that was added; the others follow.
        replaced: Row ids of this memtable, ascending, that are dead now because a later row has
            their primary key; some may be of the same batch.
    """

    first_row: int
    replaced: Int64Array


class Memtable:
    """Rows that grow at the end.

    Args:
        schema: The stored fields become columns.
    """

    def __init__(self, schema: Schema) -> None:
        self._fields = schema.stored_fields
        self._primary = schema.primary.name
        self._columns = {f.name: growing_column(f) for f in self._fields}
        self._seqs = GrowingArray(np.int64)
        self._rows_by_pk: dict[PrimaryKey, int] = {}
        self._num_rows = 0

    @property
    def num_rows(self) -> int:
        """Rows that were appended, dead ones included."""
        return self._num_rows

    @property
    def size_bytes(self) -> int:
        """Bytes in use, roughly; spare room of the columns is not counted."""
        columns = sum(column.size_bytes for column in self._columns.values())
        return columns + self._seqs.size_bytes + PK_ENTRY_BYTES * len(self._rows_by_pk)

    def append(self, batch: ColumnBatch, seq: int) -> Appended:
        """Add rows that were written under one sequence number.

        A row replaces the older one with its primary key, in this batch too. ``num_rows`` moves
        only when all is in place.

        Args:
            batch: Every stored field of the schema.
            seq: Sequence number of the write.
        """
        if set(batch.columns) != set(self._columns):
            raise InternalError(
                f"the batch has columns {', '.join(batch)}, expected {', '.join(self._columns)}"
            )
        first = self._num_rows
        for name, column in self._columns.items():
            column.append(batch.columns[name])
        self._seqs.append(np.full(len(batch), seq, dtype=np.int64))
        replaced = self._point_pks_to(batch.columns[self._primary].to_pylist(), first)
        self._num_rows = first + len(batch)
        return Appended(first, replaced)

    def view(self, num_rows: int | None = None) -> ColumnBatch:
        """Return the first ``num_rows`` rows (all by default); they never change.

        Raises:
            InvalidArgumentError: There are fewer rows.
        """
        wanted = self._checked(num_rows)
        return ColumnBatch(wanted, {n: c.view(wanted) for n, c in self._columns.items()})

    def seqs(self, num_rows: int | None = None) -> Int64Array:
        """Return the sequence numbers of the first rows, int64, shape ``(num_rows,)``."""
        return self._seqs.view(self._checked(num_rows))

    def find_pk(self, pk: PrimaryKey) -> int:
        """Return the row id of the newest alive row with a primary key, or -1."""
        return self._rows_by_pk.get(pk, -1)

    def find_pks(self, pks: Sequence[PrimaryKey]) -> Int64Array:
        """Return the newest alive row of each primary key, int64; -1 where there is none."""
        find = self._rows_by_pk.get
        return np.fromiter((find(pk, -1) for pk in pks), dtype=np.int64, count=len(pks))

    def forget_pks(self, pks: Iterable[PrimaryKey]) -> Int64Array:
        """Take primary keys out, as a delete does.

        Returns:
            Row ids that are dead now, ascending. Keys that are not here are skipped.
        """
        rows = [row for pk in pks if (row := self._rows_by_pk.pop(pk, -1)) >= 0]
        return np.array(sorted(rows), dtype=np.int64)

    def _point_pks_to(self, pks: Sequence[object], first: int) -> Int64Array:
        # A hash table of Python objects is filled one key at a time.
        table = self._rows_by_pk
        replaced: list[int] = []
        for row, pk in enumerate(pks, first):
            if not isinstance(pk, int | str):
                raise InternalError(f"row {row}: primary key {pk!r} is neither int nor str")
            older = table.get(pk, -1)
            if older >= 0:
                replaced.append(older)
            table[pk] = row
        return np.array(sorted(replaced), dtype=np.int64)

    def _checked(self, num_rows: int | None) -> int:
        if num_rows is None:
            return self._num_rows
        if not 0 <= num_rows <= self._num_rows:
            raise InvalidArgumentError(
                f"asked for {num_rows} rows, the memtable has {self._num_rows}"
            )
        return num_rows
