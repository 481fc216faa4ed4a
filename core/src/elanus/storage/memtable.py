"""Which rows are not in a segment yet?

Rows in memory in the order in which they were written, as columns, with the sequence number of
each and the row of every primary key. One thread appends; any number of threads read views, which
never change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elanus.errors import InternalError, InvalidArgumentError
from elanus.kernels.keys import IntKeyTable, StringKeyTable
from elanus.schema.batches import Column, ColumnBatch, FixedColumn, StringColumn
from elanus.schema.collection import Schema
from elanus.storage.growing import GrowingArray, growing_column
from elanus.types import DataType, Int64Array


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did.

    Attributes:
        first_row: Row id of the first row that was added; the others follow.
        older: The row of this memtable that each row replaced, int64, -1 if none; it may be of
            the same batch.
    """

    first_row: int
    older: Int64Array

    @property
    def replaced(self) -> Int64Array:
        """Row ids, ascending, that are dead now because a later row has their primary key."""
        return np.sort(self.older[self.older >= 0])


class Memtable:
    """Rows that grow at the end.

    Args:
        schema: The stored fields become columns.
    """

    def __init__(self, schema: Schema) -> None:
        self._fields = schema.stored_fields
        self._primary = schema.primary.name
        is_text = schema.primary.dtype is DataType.VARCHAR
        self._rows_by_pk: _IntKeys | _TextKeys = _TextKeys() if is_text else _IntKeys()
        self._columns = {f.name: growing_column(f) for f in self._fields}
        self._seqs = GrowingArray(np.int64)
        self._num_rows = 0

    @property
    def num_rows(self) -> int:
        """Rows that were appended, dead ones included."""
        return self._num_rows

    @property
    def size_bytes(self) -> int:
        """Bytes in use, roughly; spare room of the columns is not counted."""
        columns = sum(column.size_bytes for column in self._columns.values())
        return columns + self._seqs.size_bytes + self._rows_by_pk.size_bytes

    def append(self, batch: ColumnBatch, seq: int) -> Appended:
        """Add rows that were written under one sequence number.

        A row replaces the older one with its primary key, in this batch too. ``num_rows`` moves
        only when all is in place.

        Args:
            batch: Every stored field of the schema.
            seq: Sequence number of the write.
        """
        if batch.columns.keys() != self._columns.keys():
            raise InternalError(
                f"the batch has columns {', '.join(batch)}, expected {', '.join(self._columns)}"
            )
        first = self._num_rows
        for name, column in self._columns.items():
            column.append(batch.columns[name])
        self._seqs.append(np.full(len(batch), seq, dtype=np.int64))
        older = self._rows_by_pk.put(batch.columns[self._primary], first)
        self._num_rows = first + len(batch)
        return Appended(first, older)

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

    def find_pks(self, pks: Column) -> Int64Array:
        """Return the newest row of each primary key, dead or alive, int64; -1 where none is.

        Args:
            pks: Primary keys as a column of the kind of the primary field.
        """
        return self._rows_by_pk.find(pks)

    def _checked(self, num_rows: int | None) -> int:
        if num_rows is None:
            return self._num_rows
        if not 0 <= num_rows <= self._num_rows:
            raise InvalidArgumentError(
                f"asked for {num_rows} rows, the memtable has {self._num_rows}"
            )
        return num_rows


class _IntKeys:
    """Rows by INT64 key."""

    def __init__(self) -> None:
        self._table = IntKeyTable()

    @property
    def size_bytes(self) -> int:
        return self._table.size_bytes

    def put(self, pks: Column, first_row: int) -> Int64Array:
        return self._table.put(self._keys(pks), first_row)

    def find(self, pks: Column) -> Int64Array:
        return self._table.find(self._keys(pks))

    @staticmethod
    def _keys(pks: Column) -> Int64Array:
        if not isinstance(pks, FixedColumn):
            raise InternalError(f"primary keys: expected numbers, got {type(pks).__name__}")
        keys: Int64Array = np.ascontiguousarray(pks.values)
        return keys


class _TextKeys:
    """Rows by VARCHAR key."""

    def __init__(self) -> None:
        self._table = StringKeyTable()

    @property
    def size_bytes(self) -> int:
        return self._table.size_bytes

    def put(self, pks: Column, first_row: int) -> Int64Array:
        texts = self._texts(pks)
        return self._table.put(texts.offsets, texts.data, first_row)

    def find(self, pks: Column) -> Int64Array:
        texts = self._texts(pks)
        return self._table.find(texts.offsets, texts.data)

    @staticmethod
    def _texts(pks: Column) -> StringColumn:
        if not isinstance(pks, StringColumn):
            raise InternalError(f"primary keys: expected text, got {type(pks).__name__}")
        return pks
