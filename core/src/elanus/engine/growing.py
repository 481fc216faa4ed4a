"""How are rows searched that are only in memory yet?

A ``GrowingSegment`` is a memtable with everything that searching it needs: postings for text and
sparse fields, row lengths for COSINE, caches for filters. A row is found as soon as its write is
published. One writer at a time changes it; readers hold ``GrowingSource`` objects, which see a
fixed number of rows and a fixed set of dead ones.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from elanus.engine.content import SegmentContent
from elanus.engine.indexing.segment_indexes import row_mapping
from elanus.engine.indexing.vectors import vector_rows
from elanus.engine.keys import Keys
from elanus.engine.views import FieldViews
from elanus.errors import InternalError, PluginError
from elanus.filter.columns import ColumnCache, FilterColumns
from elanus.index.base import VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.inverted import GrowingSparse, SparseView
from elanus.index.sparse.inverted import merge_sealed as merge_sparse
from elanus.index.sparse.sealed_bm25 import merge_sealed as merge_text
from elanus.index.vector_lists import VectorLists, list_column
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    DenseVectorColumn,
    SparseVectorColumn,
    StringColumn,
    slice_column,
)
from elanus.storage.growing import GrowingArray
from elanus.storage.memtable import Memtable
from elanus.types import BoolArray, Int64Array, PrimaryKey

_log = logging.getLogger(__name__)

FLUSH_BYTES = 64 << 20
"""Memtable size from which it is flushed."""
FLUSH_ROWS = 32_768
"""Rows from which a memtable is flushed: as many as an exact scan answers in a few milliseconds."""


class GrowingSegment:
    """A memtable and its postings. Methods that change it need the collection's writer lock."""

    def __init__(self, fields: FieldViews, wal_number: int) -> None:
        self.name = f"memtable {wal_number}"
        self.wal_number = wal_number
        self.last_seq = 0
        self.num_deleted = 0
        self.fields = fields
        self._memtable = memtable = Memtable(fields.schema)
        # Nothing here refers back to the segment: its memory goes with the last snapshot of it,
        # not when the collector of cycles comes round.
        self.cache = ColumnCache(
            lambda name, start, stop: slice_column(memtable.view(stop).columns[name], start, stop)
        )
        self._alive: BoolArray | None = None
        # The row whose key a row took: readers of an older snapshot follow it back.
        self._replaced: dict[int, int] = {}
        self._text = {name: fields.growing_bm25(name) for name in fields.analyzers}
        # Fields without postings: of some row a plug-in made none, now that the log has the row.
        self._failed: dict[str, PluginError] = {}
        self._sparse = {name: GrowingSparse() for name in fields.sparse}
        self._scales = {name: GrowingArray(np.float32) for name in fields.cosine}
        self._source: GrowingSource | None = None
        self._sized = (-1, 0)

    def successor(self, wal_number: int) -> GrowingSegment:
        """Return an empty segment for the next log."""
        return GrowingSegment(self.fields, wal_number)

    @property
    def num_rows(self) -> int:
        """Rows, dead ones included."""
        return self._memtable.num_rows

    @property
    def size_bytes(self) -> int:
        """Bytes in use, roughly."""
        rows, size = self._sized
        if rows != self.num_rows:
            # Added up once a write, however often it is asked for.
            rows = self.num_rows
            scales = sum(scale.size_bytes for scale in self._scales.values())
            text = sum(index.size_bytes for index in self._text.values())
            sparse = sum(index.size_bytes for index in self._sparse.values())
            size = self._memtable.size_bytes + scales + text + sparse
            self._sized = rows, size
        return size

    @property
    def has_writes(self) -> bool:
        """Whether its log holds anything."""
        return self.last_seq > 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to flush."""
        return self.num_rows >= FLUSH_ROWS or self.size_bytes >= FLUSH_BYTES

    def index_names(self) -> dict[str, str]:
        """Index type by dense field: rows in memory are scanned."""
        return {}

    def note_write(self, seq: int) -> None:
        """Remember that the log has a write up to ``seq``."""
        self.last_seq = max(self.last_seq, seq)

    def append(self, batch: ColumnBatch, seq: int) -> None:
        """Add entities; rows with the same keys are dead already."""
        # Before the keys point to the new rows: readers of older snapshots follow it back.
        older = self._memtable.find_pks(batch.columns[self.fields.schema.primary.name])
        first = self.num_rows
        if older.max(initial=-1) >= 0:
            for place in np.flatnonzero(older >= 0).tolist():
                self._replaced[first + place] = int(older[place])
        for name in list(self._text):
            self._append_text(name, batch)
        for name, sparse in self._sparse.items():
            column = batch.columns[name]
            if isinstance(column, SparseVectorColumn):
                sparse.append(column)
        for name, scales in self._scales.items():
            vectors = batch.columns[name]
            if isinstance(vectors, ArrayColumn):
                vectors = vectors.flat_items()
            if isinstance(vectors, DenseVectorColumn):
                scales.append(inverse_norms(np.ascontiguousarray(vectors.values)))
        # The memtable last: its number of rows is what readers go by.
        self._memtable.append(batch, seq)

    def _append_text(self, name: str, batch: ColumnBatch) -> None:
        language = self.fields.language_of.get(name)
        try:
            self._text[name].append(
                _strings(batch.columns[self.fields.text_of[name]]),
                None if language is None else _strings(batch.columns[language]),
            )
        except PluginError as error:
            # The text passed before it was logged, so this is another version of the plug-in.
            _log.warning("%s: field %r cannot be searched: %s", self.name, name, error)
            self._failed[name] = error
            del self._text[name]

    def find(self, keys: Keys) -> Int64Array:
        """Return the visible row of each key, -1 where there is none."""
        rows = self._memtable.find_pks(keys.column)
        if self._alive is not None:
            alive = np.ones(self.num_rows, dtype=np.bool_)
            alive[: len(self._alive)] = self._alive
            rows[(rows >= 0) & ~alive[rows]] = -1
        return rows

    def kill(self, rows: Int64Array) -> None:
        """Hide rows (int64, visible until now) from snapshots published later."""
        alive = self.alive_mask()
        alive[rows] = False
        self._alive = alive
        self.num_deleted += len(rows)

    def alive_mask(self) -> BoolArray:
        """Return a copy of what is visible, bool ``(num_rows,)``."""
        mask = np.ones(self.num_rows, dtype=np.bool_)
        if self._alive is not None:
            mask[: len(self._alive)] = self._alive
        return mask

    def alive_rows(self) -> Int64Array:
        """Return the visible rows, ascending."""
        rows: Int64Array = np.flatnonzero(self.alive_mask()).astype(np.int64)
        return rows

    def source(self) -> GrowingSource:
        """Return what readers see from now on."""
        cached = self._source
        if cached is None or not cached.shows(self.num_rows, self._alive):
            self._source = GrowingSource(self, self.num_rows, self._alive, self.num_deleted)
        return self._source  # type: ignore[return-value]

    def retire(self) -> None:
        """Forget what only new snapshots need; the rows are in a segment now."""
        self._source = None

    def content(self, rows: Int64Array) -> SegmentContent:
        """Return the given rows, in their order, as the content of a segment."""
        total = self.num_rows
        mapping = row_mapping(total, rows, 0)
        whole = len(rows) == total and bool((rows[1:] > rows[:-1]).all())
        batch = self._memtable.view()
        text = {name: index.seal(total) for name, index in self._text.items()}
        sparse = {name: index.seal(total) for name, index in self._sparse.items()}
        if not whole:
            batch = batch.take(rows)
            text = {name: merge_text([(index, mapping)]) for name, index in text.items()}
            sparse = {name: merge_sparse([(index, mapping)]) for name, index in sparse.items()}
        return SegmentContent(batch, self._memtable.seqs()[rows], text, sparse)

    # --- what sources read ------------------------------------------------------------------

    def view(self, num_rows: int) -> ColumnBatch:
        """Return the columns of the first rows; they never change."""
        return self._memtable.view(num_rows)

    def seqs(self, num_rows: int) -> Int64Array:
        """Return the sequence numbers of the first rows."""
        return self._memtable.seqs(num_rows)

    def scale(
        self, name: str, num_vectors: int
    ) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
        """Return 1 / length of the first vectors of a COSINE field."""
        found = self._scales.get(name)
        return None if found is None else found.view(num_vectors)

    def text_view(self, name: str, num_rows: int) -> BM25View:
        """Return the postings of the first rows of a BM25 field."""
        if name in self._failed:
            raise copy.copy(self._failed[name])
        return self._text[name].snapshot(num_rows)

    def sparse_view(self, name: str, num_rows: int) -> SparseView:
        """Return the postings of the first rows of a sparse field."""
        return self._sparse[name].snapshot(num_rows)

    def newest_rows(self, pks: Sequence[PrimaryKey], num_rows: int) -> Int64Array:
        """Return the newest of the first ``num_rows`` rows with each key, dead or not; else -1."""
        keys = Keys.of(self.fields.schema.primary, pks)
        rows = self._memtable.find_pks(keys.column)
        for place in np.flatnonzero(rows >= num_rows).tolist():
            row = int(rows[place])
            while row >= num_rows:
                row = self._replaced.get(row, -1)
            rows[place] = row
        return rows


class GrowingSource:
    """The first rows of a memtable, as one snapshot sees them (``query.sources``)."""

    def __init__(
        self, segment: GrowingSegment, num_rows: int, alive: BoolArray | None, num_deleted: int
    ) -> None:
        self.name = segment.name
        self.num_rows = num_rows
        self.num_alive = num_rows - num_deleted
        self._segment = segment
        self._alive = alive
        self._text: dict[str, BM25View] = {}
        self._vectors: dict[str, FlatIndex] = {}
        self._lists: dict[str, VectorLists] = {}

    def shows(self, num_rows: int, alive: BoolArray | None) -> bool:
        """Whether this is what a snapshot of now would show."""
        return self.num_rows == num_rows and self._alive is alive

    @cached_property
    def alive(self) -> Bitset | None:
        """Rows that are visible."""
        if self.num_alive == self.num_rows or self._alive is None:
            return None
        mask = np.ones(self.num_rows, dtype=np.bool_)
        mask[: len(self._alive)] = self._alive
        return Bitset.from_mask(mask)

    @cached_property
    def columns(self) -> FilterColumns:
        """What filters read."""
        return self._segment.cache.at(self.num_rows)

    @property
    def seqs(self) -> Int64Array:
        """Sequence number of each row."""
        return self._segment.seqs(self.num_rows)

    @property
    def seq_range(self) -> tuple[int, int]:
        """Smallest and largest sequence number; rows are in the order of their writes."""
        seqs = self.seqs
        return (int(seqs[0]), int(seqs[-1])) if len(seqs) else (0, 0)

    @cached_property
    def batch(self) -> ColumnBatch:
        """The rows as columns."""
        return self._segment.view(self.num_rows)

    def column(self, name: str) -> Column:
        return self.batch.columns[name]

    def vector_index(self, name: str) -> VectorIndex:
        found = self._vectors.get(name)
        if found is None:
            found = self._vectors[name] = FlatIndex(self._rows(name, self.column(name)))
        return found

    def vector_lists(self, name: str) -> VectorLists:
        found = self._lists.get(name)
        if found is None:
            column = list_column(self.column(name))
            found = VectorLists(column.offsets, self._rows(name, column), None)
            self._lists[name] = found
        return found

    def _rows(self, name: str, column: Column) -> VectorRows:
        field = self._segment.fields.schema.field(name)
        count = len(column.items) if isinstance(column, ArrayColumn) else self.num_rows
        return vector_rows(field, column, self._segment.scale(name, count))

    def text_index(self, name: str) -> BM25View:
        # Kept, because a view remembers the totals of its rows.
        found = self._text.get(name)
        if found is None:
            found = self._text[name] = self._segment.text_view(name, self.num_rows)
        return found

    def sparse_index(self, name: str) -> SparseView:
        return self._segment.sparse_view(name, self.num_rows)

    def find_pks(self, pks: Sequence[PrimaryKey]) -> Int64Array:
        rows = self._segment.newest_rows(pks, self.num_rows)
        if self._alive is not None:
            alive = np.ones(self.num_rows, dtype=np.bool_)
            alive[: len(self._alive)] = self._alive
            rows[(rows >= 0) & ~alive[rows]] = -1
        return rows


def _strings(column: Column) -> StringColumn:
    if not isinstance(column, StringColumn):
        raise InternalError(f"expected text, got {type(column).__name__}")
    return column
