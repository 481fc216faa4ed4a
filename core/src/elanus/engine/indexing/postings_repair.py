"""How do postings that a repair had to drop get onto the disk again?

Postings are written with a segment and derived in memory when their file is gone, at every opening
anew. Here they are derived once and written.
"""

from __future__ import annotations

from elanus.engine.collection import CollectionEngine
from elanus.engine.database import DatabaseEngine
from elanus.engine.indexing.segment_indexes import SPARSE_INDEX, TEXT_INDEX, IndexFile, write_index
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.storage.directory import Directory


def rebuild_postings(directory: Directory) -> int:
    """Open a database for writing and write the postings that its segments lack.

    Returns:
        How many were written.

    Raises:
        CorruptionError: The database is damaged.
        DatabaseLockedError: A process has it open for writing.
        StorageError: The medium failed; what was written until then stays.
    """
    engine = DatabaseEngine(directory)
    try:
        for name in sorted(engine.catalog().collections):
            engine.open(name)
        return sum(_rebuild(opened) for opened in engine.open_engines())
    finally:
        engine.close()


def _rebuild(engine: CollectionEngine) -> int:
    state = engine.state
    written = 0
    with state.reorganise_lock:
        for segment in state.sealed():
            files = _missing(state, segment)
            if not files:
                continue
            indexes = dict(segment.info.indexes)
            for file in files:
                indexes[file.field] = write_index(
                    state.directory, state.path, segment.info.uuid, file
                )
            state.install_indexes(segment, indexes)
            written += len(files)
    return written


def _missing(state: CollectionState, segment: SealedSegment) -> list[IndexFile]:
    named = segment.info.indexes
    files = [
        IndexFile(name, TEXT_INDEX, {}, *segment.text(name).to_arrays())
        for name in state.fields.analyzers
        if name not in named
    ]
    files += [
        IndexFile(name, SPARSE_INDEX, {}, *segment.sparse(name).to_arrays())
        for name in state.fields.sparse
        if name not in named
    ]
    return files
