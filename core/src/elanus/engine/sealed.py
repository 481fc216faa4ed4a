"""How is a sealed segment searched?

A ``SealedSegment`` joins what storage keeps of a segment with its indexes and the rows that died
since it was written. Columns and postings are read from mapped files when they are first needed;
an index that is missing or damaged is derived again, never fatal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from elanus.engine.content import SegmentContent
from elanus.engine.indexing.derived_columns import DerivedColumns
from elanus.engine.indexing.segment_indexes import SegmentIndexes, field_of
from elanus.engine.keys import Keys
from elanus.engine.memory import MemoryBudget
from elanus.engine.views import FieldViews
from elanus.filter.columns import ColumnCache, FilterColumns
from elanus.index.base import VectorIndex
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.inverted import SealedSparse, SparseView
from elanus.index.sparse.sealed_bm25 import SealedBM25
from elanus.index.vector_lists import VectorLists, list_column
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import Column, slice_column
from elanus.schema.evolution import other_metrics
from elanus.storage.deletes import read_alive, write_deletes
from elanus.storage.directory import Directory
from elanus.storage.manifest import FileEntry, SegmentInfo
from elanus.storage.segment_reader import SegmentReader
from elanus.types import BoolArray, Int64Array, PrimaryKey


class AddedColumn(NamedTuple):
    """A column that was written for a segment that is there.

    Attributes:
        file: Its name in the folder of the segment.
        entry: What the manifest says of it.
    """

    file: str
    entry: FileEntry


NOTHING: Final[Mapping[str, AddedColumn]] = {}
"""No columns."""


class SealedSegment:
    """One immutable segment. Methods that change what is alive need the writer lock."""

    def __init__(
        self, fields: FieldViews, reader: SegmentReader, indexes: SegmentIndexes, alive: Bitset
    ) -> None:
        self.name = f"segment {str(reader.info.uuid)[:8]}"
        self.fields = fields
        self.info = reader.info
        self.indexes = indexes
        self.reader = reader
        self.derived = derived = DerivedColumns(indexes, reader.info.num_rows, reader.info.ranges)
        # The cache must not hold the segment itself: its files go when nobody holds it any more.
        self.cache = ColumnCache(
            lambda name, start, stop: slice_column(reader.column(name), start, stop),
            indexes.memory.touch,
            derived,
        )
        self._alive = alive
        self._num_alive = alive.count()
        self._saved_alive = alive
        self._source: SealedSource | None = None

    @classmethod
    def open(
        cls,
        directory: Directory,
        path: str,
        fields: FieldViews,
        info: SegmentInfo,
        memory: MemoryBudget | None = None,
    ) -> SealedSegment:
        """Open a segment that the manifest names.

        Raises:
            CorruptionError: A file of it is missing or has the wrong length, or its tombstones are
                damaged.
        """
        reader = SegmentReader.open(directory, path, schema=fields.schema, info=info)
        indexes = SegmentIndexes(directory, path, fields, reader, memory)
        return cls(fields, reader, indexes, read_alive(directory, path, info))

    @property
    def num_rows(self) -> int:
        """Rows, dead ones included."""
        return self.info.num_rows

    @property
    def num_deleted(self) -> int:
        """Rows that died since the segment was written."""
        return self.num_rows - self._num_alive

    @property
    def size_bytes(self) -> int:
        """Bytes on disk, with tombstones and indexes."""
        return self.info.size_bytes

    def num_vectors(self, name: str) -> int:
        """Return how many vectors a field has: one a row, or those of all lists."""
        if name not in self.fields.lists:
            return self.num_rows
        return int(list_column(self.reader.column(name)).offsets[-1])

    def index_names(self) -> dict[str, str]:
        """Index type of each field of dense vectors, scalar field and JSON path that has one."""
        return {
            n: e.type
            for n, e in self.info.indexes.items()
            if n in self.fields.indexed or (e.params and n not in self.fields.text_of)
        }

    def find(self, keys: Keys) -> Int64Array:
        """Return the visible row of each key, -1 where there is none."""
        return _visible(self.reader.find_pks(keys.column), self._alive, self._num_alive)

    def kill(self, rows: Int64Array) -> None:
        """Hide rows (int64, visible until now) from snapshots published later."""
        self._set_alive(self._alive - Bitset.from_rows(rows, self.num_rows))

    def revive(self, rows: Int64Array) -> None:
        """Take back a ``kill`` that no snapshot has shown."""
        self._set_alive(self._alive | Bitset.from_rows(rows, self.num_rows))

    def kill_where_dead(self, mapping: Int64Array, alive: BoolArray) -> None:
        """Hide what died in the source of this segment while it was written.

        Args:
            mapping: int64: for each row of the source its row here, or -1.
            alive: What is visible in the source now, bool.
        """
        dead = mapping[(mapping >= 0) & ~alive]
        if len(dead):
            self.kill(np.sort(dead))

    @property
    def alive(self) -> Bitset:
        """What is visible; never changed, only replaced."""
        return self._alive

    def alive_mask(self) -> BoolArray:
        """Return what is visible, bool ``(num_rows,)``."""
        return self._alive.to_mask()

    def alive_rows(self) -> Int64Array:
        """Return the visible rows, ascending."""
        return self._alive.to_rows()

    def with_saved_deletes(self, directory: Directory, path: str, version: int) -> SegmentInfo:
        """Write tombstones that are not on disk yet; return what the manifest has to say then.

        ``saved`` takes it over once the manifest of ``version`` is committed.
        """
        if self._alive is self._saved_alive:
            return self.info
        entry = write_deletes(
            directory, path, segment=self.info, alive=self._alive, version=version
        )
        return replace(self.info, deletes=entry)

    def saved(self, info: SegmentInfo) -> None:
        """Take note of what the current manifest says; what is alive is saved."""
        self.info = info
        self.indexes.saved(info)
        self._saved_alive = self._alive

    def followed_by(
        self, directory: Directory, path: str, info: SegmentInfo, fields: FieldViews
    ) -> SealedSegment:
        """Return this segment as a later manifest has it, with the columns that are open."""
        if info == self.info:
            return self
        if info.columns == self.info.columns:
            reader = self.reader.with_info(info)
            is_same = info.indexes == self.info.indexes
        else:
            reader, is_same = self.reader.with_schema(fields.schema, info), False
        indexes = self.indexes if is_same else self.indexes.reopened(directory, path, reader)
        alive = read_alive(directory, path, info) & self._alive
        return SealedSegment(fields, reader, indexes, alive)

    def with_schema(
        self,
        fields: FieldViews,
        added: Mapping[str, AddedColumn] = NOTHING,
        anew: Collection[str] = (),
    ) -> SealedSegment:
        """Return this segment after fields were added, dropped or given another metric.

        Columns and indexes of dropped fields belong to it no more; their files stay until the
        segment is merged. So do indexes of fields that are compared otherwise now.

        Args:
            fields: The fields from now on.
            added: Columns that were written for it, by field.
            anew: Fields whose terms are made anew; their indexes belong to it no more.
        """
        names = {field.name for field in fields.schema.stored_fields}
        gone = other_metrics(self.fields.schema, fields.schema).union(anew)
        columns = {n: file for n, file in self.info.columns.items() if n in names}
        info = replace(
            self.info,
            files={**self.info.files, **{one.file: one.entry for one in added.values()}},
            columns={**columns, **{n: one.file for n, one in added.items()}},
            indexes={
                n: i
                for n, i in self.info.indexes.items()
                if fields.has(field_of(n)) and n not in gone
            },
            ranges={n: found for n, found in self.info.ranges.items() if n in names},
        )
        reader = self.reader.with_schema(fields.schema, info)
        # Searches under way go on with the fields that they were asked for, and so does everything
        # if the manifest cannot be written.
        indexes = self.indexes.without(gone)
        indexes.change_schema(fields, reader)
        made = SealedSegment(fields, reader, indexes, self._alive)
        made._saved_alive = self._saved_alive
        return made

    def present_share(self, name: str) -> float:
        """Return the share of rows that have a value in a stored column."""
        if name not in self.info.columns:
            return 0.0
        validity = self.reader.column(name).validity
        return 1.0 if validity is None else float(np.count_nonzero(validity)) / len(validity)

    def source(self) -> SealedSource:
        """Return what readers see from now on."""
        cached = self._source
        if cached is None or not cached.shows(self._alive):
            cached = self._source = SealedSource(self, self._alive, self._num_alive)
        return cached

    def retire(self) -> None:
        """Forget what only new snapshots need; the segment was merged into another."""
        self._source = None

    def release(self, directory: Directory, path: str) -> None:
        """Forget graphs in memory and decoded columns; whoever reads some of them keeps those."""
        self.indexes.release(directory, path)
        self.cache.clear()

    def content(self, rows: Int64Array) -> SegmentContent:
        """Return the given rows (ascending) for a new segment, without postings."""
        return SegmentContent(self.reader.batch().take(rows), self.reader.seqs[rows], {}, {})

    def text(self, name: str) -> SealedBM25:
        """Return the postings of a BM25 field."""
        return self.indexes.text(name)

    def sparse(self, name: str) -> SealedSparse:
        """Return the postings of a sparse field."""
        return self.indexes.sparse(name)

    def _set_alive(self, alive: Bitset) -> None:
        self._alive = alive
        self._num_alive = alive.count()


class SealedSource:
    """A sealed segment as one snapshot sees it (``query.sources``)."""

    def __init__(self, segment: SealedSegment, alive: Bitset, num_alive: int) -> None:
        self.name = segment.name
        self.num_rows = segment.num_rows
        self.num_alive = num_alive
        self.alive = None if num_alive == segment.num_rows else alive
        self._all_alive = alive
        self._segment = segment

    @cached_property
    def columns(self) -> FilterColumns:
        """What filters read."""
        return self._segment.cache.at(self.num_rows)

    @property
    def seqs(self) -> Int64Array:
        """Sequence number of each row."""
        return self._segment.reader.seqs

    @property
    def seq_range(self) -> tuple[int, int]:
        """Smallest and largest sequence number."""
        return self._segment.info.min_seq, self._segment.info.max_seq

    def shows(self, alive: Bitset) -> bool:
        """Whether this is what a snapshot of now would show."""
        return self._all_alive is alive

    def column(self, name: str) -> Column:
        return self._segment.reader.column(name)

    def vector_index(self, name: str) -> VectorIndex:
        return self._segment.indexes.vectors(name)

    def vector_lists(self, name: str) -> VectorLists:
        indexes = self._segment.indexes
        offsets = list_column(self._segment.reader.column(name)).offsets
        return VectorLists(offsets, indexes.rows(name), indexes.vectors(name))

    def text_index(self, name: str) -> BM25View:
        return self._segment.indexes.text(name)

    def sparse_index(self, name: str) -> SparseView:
        return self._segment.indexes.sparse(name)

    def find_pks(self, pks: Sequence[PrimaryKey]) -> Int64Array:
        keys = Keys.of(self._segment.fields.schema.primary, pks)
        rows = self._segment.reader.find_pks(keys.column)
        return _visible(rows, self._all_alive, self.num_alive)


def _visible(rows: Int64Array, alive: Bitset, num_alive: int) -> Int64Array:
    """Put -1 in place of rows that are dead."""
    if num_alive == alive.num_bits or not len(rows):
        return rows
    found = np.flatnonzero(rows >= 0)
    places = rows[found]
    bits = alive.words[places >> 6] >> (places & 63).astype(np.uint64) & np.uint64(1)
    rows = rows.copy()
    rows[found[bits == 0]] = -1
    return rows
