"""Which indexes does a sealed segment have?

Vector indexes are built in the background and attached; until then, and for small segments, rows
are scanned. Postings are written with the segment. All of it is derivable: what cannot be read is
derived from the columns again, with a warning.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from elanus.engine.vectors import vector_rows
from elanus.engine.views import FieldViews
from elanus.errors import CorruptionError, InternalError, PluginNotInstalledError
from elanus.index.base import VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.registry import index_type
from elanus.index.sparse.bm25 import GrowingBM25, SealedBM25
from elanus.index.sparse.inverted import GrowingSparse, SealedSparse
from elanus.schema.batches import SparseVectorColumn, StringColumn
from elanus.storage.block_file import BlockFile, write_block_file
from elanus.storage.directory import Directory, join_path
from elanus.storage.leftovers import INDEXES_FOLDER
from elanus.storage.manifest import IndexEntry
from elanus.storage.section_stream import ArraySection
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.verification import INDEX_KIND
from elanus.types import AnyArray

_log = logging.getLogger(__name__)

TEXT_INDEX = "BM25"
SPARSE_INDEX = "SPARSE"


IndexT = TypeVar("IndexT")
Stored = tuple[Mapping[str, Any], dict[str, AnyArray]]


@dataclass(frozen=True, slots=True)
class IndexFile:
    """What is written for one index.

    Attributes:
        field: The indexed field.
        type: Name of the index type.
        params: Build parameters.
        header: JSON values of the index.
        arrays: Its arrays, whole or in parts.
    """

    field: str
    type: str
    params: Mapping[str, Any]
    header: Mapping[str, Any]
    arrays: Mapping[str, ArraySection]


def write_index(
    directory: Directory, path: str, segment: uuid.UUID, index: IndexFile
) -> IndexEntry:
    """Write an index file, durably. It counts once a manifest names it."""
    folder = join_path(INDEXES_FOLDER, str(segment), index.field)
    directory.make_dir(join_path(path, folder))
    file = join_path(folder, str(uuid.uuid4()))
    written = write_block_file(
        directory,
        join_path(path, file),
        kind=INDEX_KIND,
        header={"segment": str(segment), "field": index.field, "index": dict(index.header)},
        sections=index.arrays,
    )
    return IndexEntry(file, written.size, written.crc, index.type, dict(index.params))


class SegmentIndexes:
    """Indexes of one sealed segment, opened when first used. Safe from many threads."""

    def __init__(
        self, directory: Directory, path: str, fields: FieldViews, reader: SegmentReader
    ) -> None:
        self._fields = fields
        self._reader = reader
        self._lock = threading.RLock()
        self._vectors: dict[str, VectorIndex] = {}
        self._rows: dict[str, VectorRows] = {}
        self._text: dict[str, SealedBM25] = {}
        self._sparse: dict[str, SealedSparse] = {}
        self._files: dict[str, BlockFile] = {}
        for name, entry in reader.info.indexes.items():
            try:
                self._files[name] = BlockFile.open(
                    directory, join_path(path, entry.file), kind=INDEX_KIND, crc=entry.crc
                )
            except CorruptionError as error:
                _log.warning("%s; the index is derived again", error)

    def vectors(self, name: str) -> VectorIndex:
        """Return the index of a dense field; a scan when none is built."""
        found = self._vectors.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._vectors:
                self._vectors[name] = self._open_vectors(name) or FlatIndex(self.rows(name))
            return self._vectors[name]

    def attach(self, name: str, index: VectorIndex) -> None:
        """Use an index that was just built."""
        with self._lock:
            self._vectors[name] = index

    def has_vectors(self, name: str) -> bool:
        """Whether a built index of a dense field could be opened."""
        return self.vectors(name).index_type != FlatIndex.index_type

    def rows(self, name: str) -> VectorRows:
        """Return the vectors of a dense field as an index reads them."""
        with self._lock:
            if name not in self._rows:
                field = self._fields.schema.field(name)
                self._rows[name] = vector_rows(field, self._reader.column(name))
            return self._rows[name]

    def text(self, name: str) -> SealedBM25:
        """Return the postings of a BM25 field."""
        return self._postings(self._text, name, SealedBM25.from_arrays, self._derive_text)

    def sparse(self, name: str) -> SealedSparse:
        """Return the postings of a sparse field."""
        return self._postings(self._sparse, name, SealedSparse.from_arrays, self._derive_sparse)

    def _postings(
        self,
        known: dict[str, IndexT],
        name: str,
        from_arrays: Callable[[Mapping[str, Any], Mapping[str, AnyArray]], IndexT],
        derive: Callable[[str], IndexT],
    ) -> IndexT:
        found = known.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in known:
                opened = self._open(name, lambda stored: from_arrays(*stored))
                known[name] = derive(name) if opened is None else opened
            return known[name]

    def _open_vectors(self, name: str) -> VectorIndex | None:
        entry = self._reader.info.indexes.get(name)
        if entry is None:
            return None
        rows = self.rows(name)
        try:
            return self._open(name, lambda stored: index_type(entry.type).open(rows, *stored))
        except PluginNotInstalledError as error:
            _log.warning("%s; searching this segment by scan", error)
            return None

    def _open(self, name: str, make: Callable[[Stored], IndexT]) -> IndexT | None:
        """Return what the file of an index holds; None when there is none that can be read."""
        file = self._files.get(name)
        if file is None:
            return None
        try:
            arrays = {section: file.section(section) for section in file.section_names}
            return make((file.header["index"], arrays))
        except CorruptionError as error:
            _log.warning("%s; the index is derived again", error)
            return None

    def _derive_text(self, name: str) -> SealedBM25:
        column = self._reader.column(self._fields.text_of[name])
        if not isinstance(column, StringColumn):
            raise InternalError(f"field {name!r}: its source holds no text")
        index = GrowingBM25(self._fields.analyzers[name])
        index.append(column)
        return index.seal(len(column))

    def _derive_sparse(self, name: str) -> SealedSparse:
        column = self._reader.column(name)
        if not isinstance(column, SparseVectorColumn):
            raise InternalError(f"field {name!r} holds no sparse vectors")
        index = GrowingSparse()
        index.append(column)
        return index.seal(len(column))


def row_mapping(
    num_rows: int, rows: AnyArray, first: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the new row id of each row: ``first ..`` for the kept ``rows``, -1 for the others."""
    mapping = np.full(num_rows, -1, dtype=np.int64)
    mapping[rows] = np.arange(first, first + len(rows))
    return mapping
