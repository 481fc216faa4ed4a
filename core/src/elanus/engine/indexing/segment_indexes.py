"""Which indexes does a sealed segment have?

Vector indexes are built in the background and attached; until then, and for small segments, rows
are scanned. Postings are written with the segment. All of it is derivable: what cannot be read is
derived from the columns again, with a warning.
"""

from __future__ import annotations

import copy
import logging
import threading
import uuid
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from elanus.engine.indexing.index_loader import IndexLoader
from elanus.engine.indexing.vectors import vector_rows
from elanus.engine.memory import MemoryBudget
from elanus.engine.views import FieldViews
from elanus.errors import CorruptionError, InternalError, PluginNotInstalledError
from elanus.index.base import VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.registry import index_type
from elanus.index.sparse.inverted import GrowingSparse, SealedSparse
from elanus.index.sparse.sealed_bm25 import SealedBM25
from elanus.schema.batches import SparseVectorColumn, StringColumn
from elanus.storage.block_file import BlockFile, write_block_file
from elanus.storage.directory import Directory, join_path
from elanus.storage.leftovers import INDEXES_FOLDER
from elanus.storage.manifest import IndexEntry, SegmentInfo
from elanus.storage.section_stream import ArraySection
from elanus.storage.segment_reader import SegmentReader, map_whole
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
        field: The indexed field, or JSON path.
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
    # The keys of a JSON path may hold any character.
    folder = join_path(INDEXES_FOLDER, str(segment), field_of(index.field))
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


def field_of(key: str) -> str:
    """Return the field of an index that is named by its field or JSON path."""
    return key.partition("[")[0]


class SegmentIndexes:
    """Indexes of one sealed segment. Safe from many threads.

    Their files are mapped at once, so that they may be deleted, and read when first used.

    Attributes:
        on_lost: Called, perhaps by another thread, when an index turned out to be damaged.
        memory: What graphs may take; one that does not fit is not loaded.
    """

    def __init__(
        self,
        directory: Directory,
        path: str,
        fields: FieldViews,
        reader: SegmentReader,
        memory: MemoryBudget | None = None,
    ) -> None:
        self.on_lost: Callable[[], None] = lambda: None
        self.memory = memory or MemoryBudget()
        self._unfit: set[str] = set()
        self._mapped: set[str] = set()
        self._fields = fields
        self._reader = reader
        self._lock = threading.RLock()
        self._vectors: dict[str, VectorIndex] = {}
        self._loaders: dict[str, IndexLoader] = {}
        self._rows: dict[str, VectorRows] = {}
        self._text: dict[str, SealedBM25] = {}
        self._sparse: dict[str, SealedSparse] = {}
        self._files: dict[str, BlockFile] = {}
        self._maps: dict[str, tuple[str, memoryview, int]] = {}
        for name, entry in reader.info.indexes.items():
            self._map(directory, path, name, entry)

    def vectors(self, name: str) -> VectorIndex:
        """Return what a dense field is searched with now.

        A scan when no index is built; a scan as well while the index is loaded, which begins
        after the first search.
        """
        found = self._vectors.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._vectors:
                if not self.has_vectors(name) or not self._fits(name):
                    self._vectors[name] = FlatIndex(self.rows(name))
                elif index_type(self._reader.info.indexes[name].type).opens_at_once:
                    self._load(name)
                else:
                    loader = IndexLoader(self.rows(name), lambda: self._load(name))
                    self._loaders[name] = loader
                    self._vectors[name] = loader.scan
            return self._vectors[name]

    def loaded(self, name: str) -> VectorIndex:
        """Return the index of a dense field, waiting until it is loaded; a scan when none is."""
        self.vectors(name)
        # Under the lock: loading takes the loader away before it puts the index in place.
        with self._lock:
            loader = self._loaders.get(name)
        if loader is not None:
            loader.wait()
        with self._lock:
            return self._vectors[name]

    def wait_loaded(self) -> None:
        """Return when the index of every dense field is loaded."""
        for name in self._fields.indexed:
            self.loaded(name)

    def close(self) -> None:
        """Begin no loading any more, and return when what has begun is over. Idempotent."""
        with self._lock:
            loaders = list(self._loaders.values())
        for loader in loaders:
            loader.cancel()

    def _load(self, name: str) -> None:
        """Put the index in place of the scan; leave a scan where it cannot be read."""
        lease = self.memory.lease(self.graph_bytes(name))
        if lease is None:
            # Others took the room since: a scan answers as well.
            with self._lock:
                self._unfit.add(name)
                self._replace_scan(name, FlatIndex(self.rows(name)))
            return
        index = self._open_vectors(name)
        if index is None:
            lease.release()
        else:
            weakref.finalize(index, lease.release)
        with self._lock:
            self._replace_scan(name, FlatIndex(self.rows(name)) if index is None else index)
            # Whoever uses the map holds it; for a copy it would count as memory a second time.
            self._files.pop(name, None)
        if index is None:
            self.on_lost()

    def _replace_scan(self, name: str, index: VectorIndex) -> None:
        """Search with ``index`` from now on, unless something better was attached meanwhile."""
        loader = self._loaders.pop(name, None)
        if loader is None:
            self._mapped.add(name)
        if loader is None or self._vectors[name] is loader.scan:
            self._vectors[name] = index

    def attach(self, name: str, index: VectorIndex) -> None:
        """Use an index that was just built."""
        with self._lock:
            self._vectors[name] = index
            self._unfit.discard(name)
            self._mapped.discard(name)

    def saved(self, info: SegmentInfo) -> None:
        """Take note of what the current manifest says."""
        with self._lock:
            self._reader = self._reader.with_info(info)

    def release(self, directory: Directory, path: str) -> None:
        """Forget vector indexes that are held in memory; the next search begins to load them."""
        with self._lock:
            for name, entry in self._reader.info.indexes.items():
                if name not in self._vectors or name in self._mapped or name in self._loaders:
                    continue
                file = join_path(path, entry.file)
                try:
                    raw = map_whole(directory, file, entry.size)
                    self._maps[name] = file, raw, entry.crc
                except CorruptionError as error:
                    _log.warning("%s; the index stays in memory", error)
                else:
                    del self._vectors[name]

    def reopened(self, directory: Directory, path: str, reader: SegmentReader) -> SegmentIndexes:
        """Return the indexes that a later manifest names."""
        return SegmentIndexes(directory, path, self._fields, reader, self.memory)

    def without(self, names: Collection[str]) -> SegmentIndexes:
        """Return the same indexes but those of some fields; what is open stays open."""
        with self._lock:
            made = copy.copy(self)
            made.forget(names)
        return made

    def forget(self, names: Collection[str]) -> None:
        """Let go of fields, and share nothing that changes with what this is a copy of."""
        gone = {*names, *self._loaders}
        self._lock, self._loaders = threading.RLock(), {}
        self._unfit, self._mapped = self._unfit - gone, self._mapped - gone
        self._vectors = {n: index for n, index in self._vectors.items() if n not in gone}
        self._rows = {n: rows for n, rows in self._rows.items() if n not in names}
        self._files = {n: file for n, file in self._files.items() if n not in names}
        self._maps = {n: mapped for n, mapped in self._maps.items() if n not in names}
        self._text = {n: index for n, index in self._text.items() if n not in names}
        self._sparse = dict(self._sparse)

    def change_schema(self, fields: FieldViews, reader: SegmentReader) -> None:
        """Go on with other fields; what was open of a field that is gone is forgotten."""
        with self._lock:
            self._fields = fields
            self._reader = reader
            known: Sequence[dict[str, Any]] = (
                self._vectors,
                self._rows,
                self._text,
                self._sparse,
                self._files,
                self._maps,
            )
            for opened in known:
                for name in [n for n in opened if not fields.has(field_of(n))]:
                    del opened[name]

    def graph_bytes(self, name: str) -> int:
        """Return what the built index of a dense field takes in memory."""
        entry = self._reader.info.indexes[name]
        field = self._fields.schema.field(name)
        kind = index_type(entry.type)
        count = self.rows(name).num_rows if field.is_vector_list else self._reader.num_rows
        return kind.memory_bytes(count, field.dim or 0, field.vector_type, entry.params)

    def held_bytes(self) -> int:
        """Return what the indexes of dense fields hold in memory, besides mapped files."""
        with self._lock:
            held = [n for n, i in self._vectors.items() if i.index_type != FlatIndex.index_type]
            held = [n for n in held if n not in self._mapped]
            return sum(self.graph_bytes(n) for n in held if n in self._reader.info.indexes)

    def _fits(self, name: str) -> bool:
        """Whether the index of a dense field may be loaded; without room it stays a scan."""
        if self.memory.can_ever_lease(self.graph_bytes(name)):
            return True
        self._unfit.add(name)
        return False

    def has_vectors(self, name: str) -> bool:
        """Whether there is a built index of a dense field, loaded or not."""
        with self._lock:
            known = self._vectors.get(name)
            if known is not None and name not in self._loaders and name not in self._unfit:
                return known.index_type != FlatIndex.index_type
            return self._file(name) is not None

    def rows(self, name: str) -> VectorRows:
        """Return the vectors of a dense field as an index reads them."""
        with self._lock:
            if name not in self._rows:
                field = self._fields.schema.field(name)
                self._rows[name] = vector_rows(field, self._reader.column(name))
            return self._rows[name]

    def derived_file(self, name: str) -> BlockFile | None:
        """Return the file of a scalar index or of shredded JSON; None when it cannot be read."""
        return self._file(name)

    def use_file(
        self, directory: Directory, path: str, name: str, entry: IndexEntry | None
    ) -> None:
        """Open what a new manifest names in place of what was open; None: nothing any more."""
        with self._lock:
            self._files.pop(name, None)
            self._maps.pop(name, None)
            if entry is not None:
                self._map(directory, path, name, entry)

    def _map(self, directory: Directory, path: str, name: str, entry: IndexEntry) -> None:
        file = join_path(path, entry.file)
        try:
            self._maps[name] = file, map_whole(directory, file, entry.size), entry.crc
        except CorruptionError as error:
            _log.warning("%s; the index is derived again", error)

    def has_file(self, name: str) -> bool:
        """Whether there is a file of that name whose footer can be read."""
        return self._file(name) is not None

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
        kind = self._reader.info.indexes[name].type
        rows = self.rows(name)
        try:
            return self._open(name, lambda stored: index_type(kind).open(rows, *stored))
        except PluginNotInstalledError as error:
            _log.warning("%s; searching this segment by scan", error)
            return None

    def _open(self, name: str, make: Callable[[Stored], IndexT]) -> IndexT | None:
        """Return what the file of an index holds; None when there is none that can be read."""
        file = self._file(name)
        if file is None:
            return None
        try:
            arrays = {section: file.section(section) for section in file.section_names}
            return make((file.header["index"], arrays))
        except CorruptionError as error:
            _log.warning("%s; the index is derived again", error)
            return None

    def _file(self, name: str) -> BlockFile | None:
        """Return the file of an index; None when there is none or its footer is damaged."""
        with self._lock:
            mapped = self._maps.pop(name, None)
            if mapped is not None:
                path, raw, crc = mapped
                try:
                    self._files[name] = BlockFile.over(raw, path, kind=INDEX_KIND, crc=crc)
                except CorruptionError as error:
                    _log.warning("%s; the index is derived again", error)
            return self._files.get(name)

    def _derive_text(self, name: str) -> SealedBM25:
        column = self._strings(self._fields.text_of[name])
        language = self._fields.language_of.get(name)
        index = self._fields.growing_bm25(name)
        index.append(column, None if language is None else self._strings(language))
        return index.seal(len(column))

    def _strings(self, name: str) -> StringColumn:
        column = self._reader.column(name)
        if not isinstance(column, StringColumn):
            raise InternalError(f"field {name!r}: it holds no text")
        return column

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
