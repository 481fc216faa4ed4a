"""How does content become a sealed segment on disk?"""

from __future__ import annotations

from dataclasses import replace

from elanus.engine.content import SegmentContent
from elanus.engine.sealed import SealedSegment
from elanus.engine.segment_indexes import SPARSE_INDEX, TEXT_INDEX, IndexFile, write_index
from elanus.engine.state import CollectionState
from elanus.storage.segment_writer import write_segment


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
    entries = {f.field: write_index(state.directory, state.path, info.uuid, f) for f in files}
    info = replace(info, indexes=entries)
    return SealedSegment.open(state.directory, state.path, state.fields, info)
