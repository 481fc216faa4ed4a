"""How does a kept state of a collection become a collection of its own?

Segments are files that never change, so the new collection gets the same ones. What the logs had on
top is replayed: rows become segments, and rows that died become tombstones.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from elanus.engine.background.clustering import rows_to_seal
from elanus.engine.background.segment_files import write_sealed
from elanus.engine.context import EngineContext
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.live import LiveRows
from elanus.engine.recovery import create_state, read_logs, replay_logs
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.engine.views import FieldViews
from elanus.engine.writing.ingest import AutoIds
from elanus.schema.serialization import schema_from_json
from elanus.storage.catalog import collection_path
from elanus.storage.directory import Directory, join_path, parent_path
from elanus.storage.manifest import Manifest, SegmentInfo, load_version
from elanus.storage.segment_writer import SEGMENTS_FOLDER


def restored_state(
    context: EngineContext,
    source: uuid.UUID,
    version: int,
    seq: int,
    made: uuid.UUID,
    name: str,
    properties: Mapping[str, Any],
) -> CollectionState:
    """Return a new collection that holds a kept state of another; the catalog does not name it yet.

    Args:
        context: The database.
        source: The other collection.
        version: Of its manifest that the state starts from; somebody holds it.
        seq: Number of the last write that belongs to the state.
        made: The new collection.
        name: Its name.
        properties: Set in it, beside those that the state has.

    Raises:
        CorruptionError: Files of the state are damaged.
        NotFoundError: The state was given up meanwhile.
        StorageError: The medium failed.
    """
    path = collection_path(source)
    manifest = load_version(context.directory, path, version)
    live = _replayed(context, path, manifest, seq)
    settings = CollectionSettings.from_json(manifest.properties).with_properties(properties)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    state = create_state(context, made, name, live.schema, settings, created)
    try:
        state.auto_ids = AutoIds(manifest.next_auto_id)
        segments = [_adopted(state, path, segment) for segment in live.sealed]
        for memtable in live.memtables:
            rows = rows_to_seal(live.schema, memtable)
            if len(rows):
                segments.append(write_sealed(state, memtable.content(rows)))
                state.note_auto_ids(memtable.view(memtable.num_rows))
        state.install_loaded(segments, {})
    except BaseException:
        state.close()
        raise
    return state


def _replayed(context: EngineContext, path: str, manifest: Manifest, seq: int) -> LiveRows:
    fields = FieldViews.of(schema_from_json(manifest.schema))
    sealed = [
        SealedSegment.open(context.directory, path, fields, info, context.memory)
        for info in manifest.segments
    ]
    return replay_logs(fields, sealed, read_logs(context, path, manifest), last_seq=seq)


def _adopted(state: CollectionState, path: str, segment: SealedSegment) -> SealedSegment:
    """Return a segment of the new collection with the files, and what is alive, of another's."""
    for file in _files(state.directory, path, segment.info):
        target = join_path(state.path, file)
        state.directory.make_dir(parent_path(target))
        state.directory.copy(join_path(path, file), target)
    made = SealedSegment.open(
        state.directory, state.path, state.fields, segment.info, state.context.memory
    )
    dead = np.flatnonzero(made.alive_mask() & ~segment.alive_mask()).astype(np.int64)
    if len(dead):
        made.kill(dead)
    return made


def _files(directory: Directory, path: str, info: SegmentInfo) -> Iterator[str]:
    folder = join_path(SEGMENTS_FOLDER, str(info.uuid))
    for name in directory.list_names(join_path(path, folder)):
        yield join_path(folder, name)
    if info.deletes is not None:
        yield info.deletes.file
    for index in info.indexes.values():
        yield index.file
