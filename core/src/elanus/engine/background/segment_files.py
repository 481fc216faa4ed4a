"""How does content become a sealed segment on disk?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from elanus.engine.background.merge_job import MergeJob
from elanus.engine.content import SegmentContent
from elanus.engine.indexing.segment_indexes import SPARSE_INDEX, TEXT_INDEX, IndexFile, write_index
from elanus.engine.indexing.shredding import MIN_SHREDDED_ROWS, merged_paths, paths_of
from elanus.engine.memory import STREAMED_PART
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.errors import PluginError
from elanus.filter.json.shredded import TYPE as SHREDDED
from elanus.index.sparse.inverted import joined_sections as joined_sparse
from elanus.index.sparse.merging import POSTING_BYTES, POSTINGS_AT_ONCE
from elanus.index.sparse.sealed_bm25 import joined_sections as joined_text
from elanus.schema.batches import Column
from elanus.schema.ranges import RANGED_TYPES, ValueRange, range_of
from elanus.storage.manifest import SegmentInfo
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import SegmentStreams, write_segment, write_segment_streams
from elanus.types import Int64Array

_log = logging.getLogger(__name__)


def write_sealed(state: CollectionState, content: SegmentContent) -> SealedSegment:
    """Write columns and postings of a segment, durably, and open it.

    Nothing refers to it until a manifest names it.

    Raises:
        StorageError: The medium failed; what was written is swept at the next opening.
    """
    info = write_segment(
        state.directory, state.path, schema=state.schema, batch=content.batch, seqs=content.seqs
    )
    ranges = _ranges(state, content.batch.columns.__getitem__)
    info = replace(info, sorted_by=state.schema.order_field, ranges=ranges)
    files = [
        IndexFile(name, TEXT_INDEX, {}, *index.to_arrays()) for name, index in content.text.items()
    ]
    files += [
        IndexFile(name, SPARSE_INDEX, {}, *index.to_arrays())
        for name, index in content.sparse.items()
    ]
    files += _shredded_files(state, content)
    return _with_indexes(state, info, files)


def write_merged(
    state: CollectionState,
    job: MergeJob,
    streams: Callable[[], SegmentStreams],
    sources: Sequence[tuple[SealedSegment, Int64Array]],
    checkpoint: Callable[[], None],
) -> SealedSegment:
    """Write what is missing of columns and postings of a merged segment, durably, and open it.

    Args:
        state: The collection.
        job: The merge; it is told of each step that is done.
        streams: Returns the columns.
        sources: Where the postings come from: segments, and for each int64, the new row of each
            of its rows, or -1.
        checkpoint: Called between the steps; may raise to cancel.

    Raises:
        StorageError: The medium failed.
    """
    if job.opened() is None:
        job.note(_written_columns(state, streams()))
    share = state.context.memory.share(STREAMED_PART)
    at_once = POSTINGS_AT_ONCE if share is None else min(POSTINGS_AT_ONCE, share // POSTING_BYTES)
    for name in [*state.fields.analyzers, *state.fields.sparse]:
        if name in job.written.indexes:
            continue
        checkpoint()
        if name in state.fields.analyzers:
            try:
                text = [(segment.text(name), mapping) for segment, mapping in sources]
            except PluginError as error:
                # Derived once the plug-in is there again, as those of a part are now.
                _log.warning("%s: merged without the postings of %r: %s", state.path, name, error)
                continue
            file = IndexFile(name, TEXT_INDEX, {}, *joined_text(text, at_once=at_once))
        else:
            sparse = [(segment.sparse(name), mapping) for segment, mapping in sources]
            file = IndexFile(name, SPARSE_INDEX, {}, *joined_sparse(sparse, at_once=at_once))
        entry = write_index(state.directory, state.path, job.written.uuid, file)
        job.note_index(name, entry)
    _write_shredded(state, job, sources, checkpoint)
    return SealedSegment.open(
        state.directory, state.path, state.fields, job.written, state.context.memory
    )


def _written_columns(state: CollectionState, streams: SegmentStreams) -> SegmentInfo:
    info = write_segment_streams(state.directory, state.path, schema=state.schema, streams=streams)
    reader = SegmentReader.open(state.directory, state.path, schema=state.schema, info=info)
    # What dead rows held is not in it: bounds are those of the rows that live on.
    ranges = _ranges(state, reader.column)
    return replace(info, sorted_by=state.schema.order_field, ranges=ranges)


def _ranges(state: CollectionState, column: Callable[[str], Column]) -> dict[str, ValueRange]:
    """Return the bounds of the columns that have any."""
    fields = [field for field in state.schema.stored_fields if field.dtype in RANGED_TYPES]
    found = {field.name: range_of(column(field.name)) for field in fields}
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def _write_shredded(
    state: CollectionState,
    job: MergeJob,
    sources: Sequence[tuple[SealedSegment, Int64Array]],
    checkpoint: Callable[[], None],
) -> None:
    """Write the paths of the JSON fields of a merged segment."""
    if job.written.num_rows < MIN_SHREDDED_ROWS:
        return
    for name in state.fields.json:
        if name in job.written.indexes:
            continue
        checkpoint()
        shredded = merged_paths(name, sources, job.written.num_rows)
        if shredded is not None:
            file = IndexFile(name, SHREDDED, {}, *shredded.to_arrays())
            entry = write_index(state.directory, state.path, job.written.uuid, file)
            job.note_index(name, entry)


def _shredded_files(state: CollectionState, content: SegmentContent) -> Iterator[IndexFile]:
    num_rows = content.batch.num_rows
    if num_rows < MIN_SHREDDED_ROWS:
        return
    for name in state.fields.json:
        shredded = paths_of(content.batch.columns[name])
        if shredded is not None:
            yield IndexFile(name, SHREDDED, {}, *shredded.to_arrays())


def _with_indexes(
    state: CollectionState, info: SegmentInfo, files: Iterable[IndexFile]
) -> SealedSegment:
    """Write index files of a segment that was just written, and open it."""
    try:
        entries = {f.field: write_index(state.directory, state.path, info.uuid, f) for f in files}
    except BaseException:
        state.discard_unused(info)
        raise
    info = replace(info, indexes=entries)
    return SealedSegment.open(state.directory, state.path, state.fields, info, state.context.memory)
