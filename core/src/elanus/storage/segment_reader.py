"""What does a sealed segment hold?

Its files are mapped when it is opened, so that it stays whole when they are deleted. What they say
is read when it is first asked for, and verified when it is first touched. Columns are views of the
maps.
"""

from __future__ import annotations

import copy
import logging
import threading

import numpy as np

from elanus.errors import CorruptionError, FieldNotFoundError, InternalError, NotFoundError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    ColumnBatch,
    DenseVectorColumn,
    StringColumn,
)
from elanus.schema.collection import Schema
from elanus.schema.evolution import absent_column
from elanus.schema.fields import Field
from elanus.storage.block_file import BlockFile, RowGuard, Verify
from elanus.storage.columns import INVERSE_NORMS, ITEM_PREFIX, sections_to_column
from elanus.storage.directory import Directory, join_path
from elanus.storage.manifest import SegmentInfo
from elanus.storage.pk_index import KeyColumn, PkIndex
from elanus.storage.segment_writer import (
    COLUMN_KIND,
    DERIVABLE_FILES,
    PK_INDEX_FILE,
    PK_INDEX_KIND,
    SEQS_FILE,
    SEQS_KIND,
    segment_path,
)
from elanus.storage.stored_strings import StoredStrings
from elanus.storage.stored_vectors import StoredVectors
from elanus.types import TEXT_TYPES, Float32Array, Int64Array

_log = logging.getLogger(__name__)


class SegmentReader:
    """One sealed segment. Safe from many threads at once."""

    def __init__(
        self,
        directory: Directory,
        path: str,
        *,
        schema: Schema,
        info: SegmentInfo,
        verify: Verify = "first-touch",
    ) -> None:
        """Use ``open``."""
        self._directory = directory
        self._folder = segment_path(path, info.uuid)
        self._schema = schema
        self._info = info
        self._verify = verify
        self._lock = threading.RLock()
        self._maps: dict[str, memoryview] = {}
        self._columns: dict[str, Column] = {}
        self._seqs: Int64Array | None = None
        self._pk_index: PkIndex | None = None

    @classmethod
    def open(
        cls,
        directory: Directory,
        path: str,
        *,
        schema: Schema,
        info: SegmentInfo,
        verify: Verify = "first-touch",
    ) -> SegmentReader:
        """Map the files of a segment; nothing is read yet.

        Args:
            directory: Where the database is.
            path: Folder of the collection.
            schema: Tells the kind of each column.
            info: What the manifest says about the segment.
            verify: When blocks are checked; ``"full"`` reads everything now.

        Raises:
            CorruptionError: A file is missing or has another length, or, with ``"full"``, is
                damaged. Files that can be built again are left out.
        """
        reader = cls(directory, path, schema=schema, info=info, verify=verify)
        reader.map_all()
        if verify == "full":
            reader._read_all()
        return reader

    def map_all(self) -> None:
        """Map every file, so that the reader stays whole when they are deleted. Reads nothing.

        Raises:
            CorruptionError: A file that cannot be built again is missing or has another length.
        """
        for name, entry in self._info.files.items():
            if name in self._maps:
                continue
            path = join_path(self._folder, name)
            try:
                self._maps[name] = map_whole(self._directory, path, entry.size)
            except CorruptionError:
                if name not in DERIVABLE_FILES:
                    raise

    def with_info(self, info: SegmentInfo) -> SegmentReader:
        """Return a reader of the same open files for what a later manifest says of the segment."""
        other = copy.copy(self)
        other._info = info  # noqa: SLF001 - a copy of this very object
        return other

    def with_schema(self, schema: Schema, info: SegmentInfo) -> SegmentReader:
        """Return a reader of the same open files after fields were added or dropped.

        Raises:
            CorruptionError: The file of a column that was added is missing or has another length.
        """
        other = self.with_info(info)
        other._schema = schema  # noqa: SLF001 - a copy of this very object
        files = self._info.columns
        with self._lock:
            columns, maps = dict(self._columns), dict(self._maps)
        other._columns = {  # noqa: SLF001
            n: c for n, c in columns.items() if n in files and info.columns.get(n) == files[n]
        }
        other._maps = maps  # noqa: SLF001
        other.map_all()
        return other

    @property
    def info(self) -> SegmentInfo:
        """What the manifest says about the segment."""
        return self._info

    @property
    def num_rows(self) -> int:
        """Rows, deleted ones included."""
        return self._info.num_rows

    def column(self, name: str) -> Column:
        """Return the column of a field as a view of its file.

        Raises:
            CorruptionError: The file is damaged.
            FieldNotFoundError: The segment has no such column.
        """
        found = self._columns.get(name)
        if found is None:
            with self._lock:
                found = self._columns.get(name)
                if found is None:
                    found = self._columns[name] = self._load_column(name)
        return found

    def batch(self) -> ColumnBatch:
        """Return all columns, in schema order."""
        names = [f.name for f in self._schema.stored_fields]
        return ColumnBatch(self.num_rows, {name: self.column(name) for name in names})

    @property
    def seqs(self) -> Int64Array:
        """Sequence number of each row, int64, shape ``(num_rows,)``."""
        with self._lock:
            if self._seqs is None:
                file = self._open(SEQS_FILE, SEQS_KIND, "")
                seqs: Int64Array = file.section("seqs")
                if seqs.dtype != "<i8" or seqs.shape != (self.num_rows,):
                    raise CorruptionError(
                        f"{file.path}: damaged: expected {self.num_rows} int64 sequence numbers",
                        path=file.path,
                    )
                self._seqs = seqs
            return self._seqs

    def find_pks(self, pks: KeyColumn) -> Int64Array:
        """Return the last row with each primary key, alive or not.

        Args:
            pks: Primary keys as a column of the kind of the primary field.

        Returns:
            Row ids, int64, -1 where the key is absent; shape ``(len(pks),)``.

        Raises:
            CorruptionError: The column of primary keys is damaged. A damaged index of it is
                built again in memory.
        """
        return self.pk_index().find(pks, self.column(self._schema.primary.name))

    def _read_all(self) -> None:
        for name in self._info.columns:
            self.column(name)
        _ = self.seqs
        self.pk_index()

    def pk_index(self) -> PkIndex:
        """Return the index of primary keys, built again if its file is damaged."""
        with self._lock:
            if self._pk_index is None:
                self._pk_index = self._load_index()
            return self._pk_index

    def _load_index(self) -> PkIndex:
        primary = self._schema.primary.name
        try:
            file = self._open(PK_INDEX_FILE, PK_INDEX_KIND, primary)
            sections = {name: file.section(name) for name in ("keys", "rows")}
            return PkIndex.from_sections(sections, self.num_rows, file.path)
        except CorruptionError as error:
            _log.warning("%s; building the index of primary keys again", error)
            return PkIndex.build(self.column(primary))

    def _load_column(self, name: str) -> Column:
        file_name = self._info.columns.get(name)
        if file_name is None:
            for field in self._schema.stored_fields:
                if field.name == name and field.may_be_absent:
                    return absent_column(field, self.num_rows)
            raise FieldNotFoundError(f"{self._folder}: no column {name!r} there", name=name)
        file = self._open(file_name, COLUMN_KIND, name)
        field = self._schema.field(name)
        if field.dtype.is_dense_vector:
            return self._stored_vectors(field, file)
        if field.is_vector_list:
            return self._stored_lists(field, file)
        if field.dtype in TEXT_TYPES:
            return self._stored_strings(field, file)
        sections = {section: file.section(section) for section in file.section_names}
        return sections_to_column(field, self.num_rows, sections, path=file.path)

    def _stored_strings(self, field: Field, file: BlockFile) -> StoredStrings:
        column, guard = self._unverified(field, file, "data")
        if not isinstance(column, StringColumn):
            raise InternalError(f"field {field.name!r} holds no text")
        return StoredStrings(column.offsets, column.data, column.validity, guard)

    def _unverified(self, field: Field, file: BlockFile, lazy: str) -> tuple[Column, RowGuard]:
        """Return a column whose section ``lazy`` is not verified, and what verifies it."""
        values, guard = file.guarded(lazy)
        sections = {lazy: values}
        for name in file.section_names:
            if name not in (lazy, INVERSE_NORMS):
                sections[name] = file.section(name)
        return sections_to_column(field, self.num_rows, sections, path=file.path), guard

    def _stored_vectors(self, field: Field, file: BlockFile) -> StoredVectors:
        column, guard = self._unverified(field, file, "values")
        if not isinstance(column, DenseVectorColumn):
            raise InternalError(f"field {field.name!r} holds no dense vectors")
        norms = self._inverse_norms(file, self.num_rows) if INVERSE_NORMS in file else None
        return StoredVectors(column.values, column.validity, guard, norms)

    def _stored_lists(self, field: Field, file: BlockFile) -> ArrayColumn:
        column, guard = self._unverified(field, file, ITEM_PREFIX + "values")
        if not isinstance(column, ArrayColumn) or not isinstance(column.items, DenseVectorColumn):
            raise InternalError(f"field {field.name!r} holds no lists of vectors")
        vectors = column.items.values
        norms = self._inverse_norms(file, len(vectors)) if INVERSE_NORMS in file else None
        stored = StoredVectors(vectors, None, guard, norms)
        return ArrayColumn(column.offsets, stored, column.validity)

    def _inverse_norms(self, file: BlockFile, count: int) -> Float32Array | None:
        try:
            norms = file.section(INVERSE_NORMS)
            if norms.dtype == np.float32 and norms.shape == (count,):
                return norms
            what = f"{file.path}: {INVERSE_NORMS} do not fit the segment"
        except CorruptionError as error:
            what = str(error)
        _log.warning("%s; computing them again", what)
        return None

    def _open(self, name: str, kind: str, field: str) -> BlockFile:
        path = join_path(self._folder, name)
        entry = self._info.files.get(name)
        if entry is None:
            raise CorruptionError(f"{path}: the manifest does not name it", path=path)
        raw = self._maps.get(name)
        if raw is None:
            raise CorruptionError(f"{path}: the file is missing", path=path)
        file = BlockFile.over(raw, path, kind=kind, crc=entry.crc, verify=self._verify)
        if (file.header.get("segment"), file.header.get("field")) != (str(self._info.uuid), field):
            raise CorruptionError(
                f"{path}: damaged: belongs to another segment or field", path=path
            )
        return file


def map_whole(directory: Directory, path: str, size: int) -> memoryview:
    """Map a file that has to have this length.

    Raises:
        CorruptionError: It is missing or has another length.
    """
    try:
        raw = directory.read(path)
    except NotFoundError as error:
        raise CorruptionError(f"{path}: the file is missing", path=path) from error
    if len(raw) != size:
        raise CorruptionError(
            f"{path}: damaged: expected {size} bytes, found {len(raw)}",
            path=path,
            offset=min(len(raw), size),
        )
    return raw
