"""How do rows become a sealed segment?

All files of a segment are written and synced in a folder of another name, which is renamed when
it is complete. The segment counts once a manifest names it.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass

import numpy as np

from elanus.errors import InternalError, StorageError
from elanus.schema.batches import Column, ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.block_file import write_block_file
from elanus.storage.columns import column_to_sections
from elanus.storage.directory import TEMPORARY_SUFFIX, Directory, join_path
from elanus.storage.manifest import FileEntry, SegmentInfo
from elanus.storage.pk_index import PkIndex
from elanus.types import AnyArray, DataType, Int64Array

SEGMENTS_FOLDER = "seg"
COLUMN_KIND = "column"
SEQS_KIND = "rows"
PK_INDEX_KIND = "pk"
SEQS_FILE = "rows.col"
PK_INDEX_FILE = "pk.idx"
DERIVABLE_FILES = frozenset({PK_INDEX_FILE})
"""Files of a segment that are built again when they are damaged."""

MAX_SEGMENT_ROWS = 2**32 - 1
"""Row ids are 32 bits wide in indexes and tombstones."""

_NAME_CHARACTERS = 64
"""Field names may be longer than file names; the number in front keeps them apart."""


def segment_path(path: str, segment: uuid.UUID) -> str:
    """Return the folder of a segment of the collection in folder ``path``."""
    return join_path(path, SEGMENTS_FOLDER, str(segment))


def write_segment(
    directory: Directory,
    path: str,
    *,
    schema: Schema,
    batch: ColumnBatch,
    seqs: Int64Array,
) -> SegmentInfo:
    """Write rows as a sealed segment, durably. It counts once a manifest names it.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        schema: Its stored fields are the columns.
        batch: The rows, at least one, oldest first.
        seqs: Sequence number of each row, int64, shape ``(num_rows,)``.

    Raises:
        StorageError: The medium failed; nothing but leftovers is there.
    """
    if not 0 < len(batch) <= MAX_SEGMENT_ROWS or seqs.shape != (len(batch),):
        raise InternalError(
            f"a segment takes 1 to {MAX_SEGMENT_ROWS} rows with one seq each, "
            f"got {len(batch)} rows and seqs of shape {seqs.shape}"
        )
    segment = uuid.uuid4()
    final = segment_path(path, segment)
    temporary = final + TEMPORARY_SUFFIX
    writer = _SegmentFiles(directory, temporary, segment, {}, {})
    try:
        directory.make_dir(temporary)
        writer.write_all(schema, batch, seqs)
        directory.sync_dir(temporary)
        directory.rename_dir(temporary, final)
    except BaseException:
        # A full disk gets its space back at once; opening sweeps what stays behind.
        with contextlib.suppress(StorageError):
            directory.delete_dir(temporary)
        raise
    return SegmentInfo(
        uuid=segment,
        num_rows=len(batch),
        min_seq=int(np.min(seqs)),
        max_seq=int(np.max(seqs)),
        files=writer.files,
        columns=writer.columns,
    )


@dataclass(frozen=True, slots=True)
class _SegmentFiles:
    """The files of one segment while they are written."""

    directory: Directory
    folder: str
    segment: uuid.UUID
    files: dict[str, FileEntry]
    columns: dict[str, str]

    def write_all(self, schema: Schema, batch: ColumnBatch, seqs: Int64Array) -> None:
        for position, field in enumerate(schema.stored_fields):
            self.write_column(position, field, batch.columns[field.name])
        self.write(SEQS_FILE, SEQS_KIND, "", {"seqs": seqs})
        index = PkIndex.build(batch.columns[schema.primary.name])
        self.write(PK_INDEX_FILE, PK_INDEX_KIND, schema.primary.name, index.to_sections())

    def write_column(self, position: int, field: Field, column: Column) -> None:
        suffix = ".vec" if field.dtype is DataType.FLOAT_VECTOR else ".col"
        name = f"{position:03d}-{field.name.lstrip('$')[:_NAME_CHARACTERS]}{suffix}"
        self.write(name, COLUMN_KIND, field.name, column_to_sections(column))
        self.columns[field.name] = name

    def write(self, name: str, kind: str, field: str, sections: dict[str, AnyArray]) -> None:
        written = write_block_file(
            self.directory,
            join_path(self.folder, name),
            kind=kind,
            header={"segment": str(self.segment), "field": field},
            sections=sections,
            publish=False,
        )
        self.files[name] = FileEntry(written.size, written.crc)
