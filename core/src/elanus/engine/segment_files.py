"""How does content become a sealed segment on disk?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from elanus.engine.content import SegmentContent
from elanus.engine.sealed import SealedSegment
from elanus.engine.segment_indexes import SPARSE_INDEX, TEXT_INDEX, IndexFile, write_index
from elanus.engine.state import CollectionState
from elanus.index.sparse.bm25 import merge_sealed as merge_text
from elanus.index.sparse.inverted import merge_sealed as merge_sparse
from elanus.storage.manifest import SegmentInfo
from elanus.storage.segment_writer import SegmentStreams, write_segment, write_segment_streams
from elanus.types import Int64Array


def write_sealed(state: CollectionState, content: SegmentContent) -> SealedSegment:
    """Write columns and postings of a segment, durably, and open it.

    Nothing refers to it until a manifest names it.

    Raises:
        StorageError: The medium failed; what was written is swept at the next opening.
    """
    info = write_segment(
        state.directory, state.path, schema=state.schema, batch=content.batch, seqs=content.seqs
    )
    files = [
        IndexFile(name, TEXT_INDEX, {}, *index.to_arrays()) for name, index in content.text.items()
    ]
    files += [
        IndexFile(name, SPARSE_INDEX, {}, *index.to_arrays())
        for name, index in content.sparse.items()
    ]
    return _with_indexes(state, info, files)


def write_merged(
    state: CollectionState,
    streams: SegmentStreams,
    segments: Sequence[SealedSegment],
    mappings: Sequence[Int64Array],
    checkpoint: Callable[[], None],
) -> SealedSegment:
    """Write columns and postings of merged segments, durably, and open the new one.

    Args:
        state: The collection.
        streams: The columns.
        segments: Where the postings come from.
        mappings: For each segment int64, the new row of each of its rows, or -1.
        checkpoint: Called between the steps; may raise to cancel.

    Raises:
        StorageError: The medium failed; what was written is swept at the next opening.
    """

    def files() -> Iterator[IndexFile]:
        for name in state.fields.analyzers:
            checkpoint()
            text = merge_text([(s.text(name), m) for s, m in zip(segments, mappings, strict=True)])
            yield IndexFile(name, TEXT_INDEX, {}, *text.to_arrays())
        for name in state.fields.sparse:
            checkpoint()
            parts = [(s.sparse(name), m) for s, m in zip(segments, mappings, strict=True)]
            yield IndexFile(name, SPARSE_INDEX, {}, *merge_sparse(parts).to_arrays())

    info = write_segment_streams(state.directory, state.path, schema=state.schema, streams=streams)
    return _with_indexes(state, info, files())


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
