"""How do rows become a sealed segment?

All files of a segment are written and synced in a folder of another name, which is renamed when
it is complete. The segment counts once a manifest names it.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from elanus.errors import InternalError, StorageError
from elanus.kernels.distance import inverse_norms
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.block_file import write_block_file
from elanus.storage.columns import INVERSE_NORMS, ITEM_PREFIX, column_to_sections
from elanus.storage.directory import TEMPORARY_SUFFIX, Directory, join_path
from elanus.storage.manifest import FileEntry, SegmentInfo
from elanus.storage.pk_index import PkIndex
from elanus.storage.section_stream import ArraySection, SectionStream
from elanus.types import AnyArray, Float32Array, Int64Array, MetricType

SEGMENTS_FOLDER = "seg"
COLUMN_KIND = "column"
SEQS_KIND = "rows"
PK_INDEX_KIND = "pk"
SEQS_FILE = "rows.col"
PK_INDEX_FILE = "pk.idx"
ADDED_PREFIX = "added-"
"""How the names of columns begin that a segment got later."""
DERIVABLE_FILES = frozenset({PK_INDEX_FILE})
"""Files of a segment that are built again when they are damaged."""

MAX_SEGMENT_ROWS = 2**32 - 1
"""Row ids are 32 bits wide in indexes and tombstones."""

_NAME_CHARACTERS = 64
"""Field names may be longer than file names; the number in front keeps them apart."""


def segment_path(path: str, segment: uuid.UUID) -> str:
    """Return the folder of a segment of the collection in folder ``path``."""
    return join_path(path, SEGMENTS_FOLDER, str(segment))


@dataclass(frozen=True, slots=True)
class SegmentStreams:
    """The rows of a new segment, column by column, as arrays or in parts.

    Attributes:
        num_rows: Rows, at least one.
        columns: For each stored field its sections, named as ``column_to_sections`` names them.
            They are taken in the order of the schema, and those of a column in their own order.
            Parts of dense vectors have the shape that their column has.
        seqs: Sequence number of each row, int64, shape ``(num_rows,)``; taken after the columns.
        pk_index: ``keys`` and ``rows`` of the index of primary keys; taken last.
    """

    num_rows: int
    columns: Mapping[str, Mapping[str, ArraySection]]
    seqs: ArraySection
    pk_index: Mapping[str, ArraySection]


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
    index = PkIndex.build(batch.columns[schema.primary.name])
    streams = SegmentStreams(
        num_rows=len(batch),
        columns={f.name: column_to_sections(batch.columns[f.name]) for f in schema.stored_fields},
        seqs=seqs,
        pk_index=index.to_sections(),
    )
    return write_segment_streams(directory, path, schema=schema, streams=streams)


def write_segment_streams(
    directory: Directory, path: str, *, schema: Schema, streams: SegmentStreams
) -> SegmentInfo:
    """Like ``write_segment``, for rows that need not be in memory at once.

    Raises:
        InternalError: A stream is not what it says it is.
        StorageError: The medium failed; nothing but leftovers is there.
    """
    num_rows = streams.num_rows
    if not 0 < num_rows <= MAX_SEGMENT_ROWS or streams.seqs.shape != (num_rows,):
        raise InternalError(
            f"a segment takes 1 to {MAX_SEGMENT_ROWS} rows with one seq each, "
            f"got {num_rows} rows and seqs of shape {streams.seqs.shape}"
        )
    segment = uuid.uuid4()
    final = segment_path(path, segment)
    temporary = final + TEMPORARY_SUFFIX
    writer = _SegmentFiles(directory, temporary, segment, {}, {})
    try:
        directory.make_dir(temporary)
        min_seq, max_seq = writer.write_all(schema, streams)
        directory.sync_dir(temporary)
        directory.rename_dir(temporary, final)
    except BaseException:
        # A full disk gets its space back at once; opening sweeps what stays behind.
        with contextlib.suppress(StorageError):
            directory.delete_dir(temporary)
        raise
    return SegmentInfo(
        uuid=segment,
        num_rows=num_rows,
        min_seq=min_seq,
        max_seq=max_seq,
        files=writer.files,
        columns=writer.columns,
    )


def write_added_column(
    directory: Directory,
    path: str,
    *,
    segment: uuid.UUID,
    field: Field,
    sections: Mapping[str, ArraySection],
) -> tuple[str, FileEntry]:
    """Write a column of a field that a segment lacks into its folder, durably.

    It counts once a manifest names it.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        segment: Name of the segment.
        field: The field.
        sections: As ``column_to_sections`` names them.

    Returns:
        Name of the file, and what the manifest has to say of it.

    Raises:
        StorageError: The medium failed; nothing but leftovers is there.
    """
    name = f"{ADDED_PREFIX}{uuid.uuid4()}-{_file_name(field)}"
    folder = segment_path(path, segment)
    written = write_block_file(
        directory,
        join_path(folder, name),
        kind=COLUMN_KIND,
        header={"segment": str(segment), "field": field.name},
        sections=_with_lengths(field, sections),
    )
    return name, FileEntry(written.size, written.crc)


def _file_name(field: Field) -> str:
    suffix = ".vec" if field.vector_type.is_dense_vector else ".col"
    plain = field.name.lstrip("$").replace("[", ".").rstrip("]")
    return plain[:_NAME_CHARACTERS] + suffix


def _with_lengths(field: Field, sections: Mapping[str, ArraySection]) -> Mapping[str, ArraySection]:
    """Return the sections of a field, with the lengths of its vectors where they are needed."""
    is_dense = field.vector_type.is_dense_vector
    if not is_dense or field.metric_type.of_vectors is not MetricType.COSINE:
        return sections
    prefix = ITEM_PREFIX if field.is_vector_list else ""
    return _with_inverse_norms(sections, prefix + "values")


@dataclass(frozen=True, slots=True)
class _SegmentFiles:
    """The files of one segment while they are written."""

    directory: Directory
    folder: str
    segment: uuid.UUID
    files: dict[str, FileEntry]
    columns: dict[str, str]

    def write_all(self, schema: Schema, streams: SegmentStreams) -> tuple[int, int]:
        """Write every file; return the smallest and the largest sequence number."""
        for position, field in enumerate(schema.stored_fields):
            self.write_column(position, field, streams.columns[field.name])
        seqs = _Watched(streams.seqs)
        self.write(SEQS_FILE, SEQS_KIND, "", {"seqs": seqs.section})
        self.write(PK_INDEX_FILE, PK_INDEX_KIND, schema.primary.name, streams.pk_index)
        return min(seqs.smallest), max(seqs.largest)

    def write_column(
        self, position: int, field: Field, sections: Mapping[str, ArraySection]
    ) -> None:
        name = f"{position:03d}-{_file_name(field)}"
        self.write(name, COLUMN_KIND, field.name, _with_lengths(field, sections))
        self.columns[field.name] = name

    def write(self, name: str, kind: str, field: str, sections: Mapping[str, ArraySection]) -> None:
        written = write_block_file(
            self.directory,
            join_path(self.folder, name),
            kind=kind,
            header={"segment": str(self.segment), "field": field},
            sections=sections,
            publish=False,
        )
        self.files[name] = FileEntry(written.size, written.crc)


class _Watched:
    """Remembers the extremes of a section of numbers while it is written."""

    def __init__(self, section: ArraySection) -> None:
        self.smallest: list[int] = []
        self.largest: list[int] = []
        chunks = section.chunks if isinstance(section, SectionStream) else (section,)
        self.section = SectionStream(section.dtype, section.shape, self._watch(chunks))

    def _watch(self, chunks: Iterable[AnyArray]) -> Iterator[AnyArray]:
        for chunk in chunks:
            if len(chunk):
                self.smallest.append(int(chunk.min()))
                self.largest.append(int(chunk.max()))
            yield chunk


def _with_inverse_norms(sections: Mapping[str, ArraySection], name: str) -> dict[str, ArraySection]:
    """Add what COSINE divides by, so that opening the segment does not read every vector."""
    values = sections[name]
    if not isinstance(values, SectionStream):
        return {**sections, INVERSE_NORMS: inverse_norms(values)}
    norms: list[Float32Array] = []

    def measured() -> Iterator[AnyArray]:
        for chunk in values.chunks:
            norms.append(inverse_norms(np.ascontiguousarray(chunk)))
            yield chunk

    # The norms are taken after the last vector: sections are written in this order.
    return {
        **sections,
        name: SectionStream(values.dtype, values.shape, measured()),
        INVERSE_NORMS: SectionStream(np.dtype(np.float32), values.shape[:1], iter(norms)),
    }
