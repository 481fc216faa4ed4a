"""How does a collection come back?

From its newest manifest and the logs that it names. A torn tail of the last log is normal and is
cut; anything else that does not verify is refused by name, never skipped. Replaying a log applies
the same steps as the writes did, so what comes back is what was acknowledged.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from elanus.engine.context import EngineContext
from elanus.engine.growing import GrowingSegment
from elanus.engine.sealed import SealedSegment
from elanus.engine.settings import CollectionSettings
from elanus.engine.state import DELETE_FRAME, UPSERT_FRAME, CollectionState
from elanus.engine.views import FieldViews
from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_from_json, schema_to_json
from elanus.storage.batch_codec import decode_batch
from elanus.storage.catalog import collection_path
from elanus.storage.directory import join_path
from elanus.storage.leftovers import delete_unreferenced
from elanus.storage.manifest import Manifest, commit, load_newest
from elanus.storage.wal import (
    StoredFrame,
    WalContents,
    WalWriter,
    list_wals,
    read_wal,
    wal_path,
)

_log = logging.getLogger(__name__)

_FOLDERS = ("manifest", "wal", "seg", "del", "idx")
READ_ATTEMPTS = 10
"""How often a reader starts again when the writer replaces files while it opens them."""


def create_state(
    context: EngineContext,
    collection: uuid.UUID,
    name: str,
    schema: Schema,
    properties: Mapping[str, Any],
    created: str,
) -> CollectionState:
    """Make the files of an empty collection; the catalog has to name it afterwards."""
    path = collection_path(collection)
    fields = FieldViews.of(schema)
    settings = CollectionSettings().with_properties(properties)
    for folder in _FOLDERS:
        context.directory.make_dir(join_path(path, folder))
    manifest = Manifest(
        version=1,
        db_uuid=context.db_uuid,
        collection_uuid=collection,
        name=name,
        schema=schema_to_json(schema),
        properties=settings.to_json(),
        wal_start=1,
        next_seq=1,
        next_auto_id=1,
        created=created,
    )
    # The log first: every manifest names a log that exists, so a missing one is always damage.
    wal = WalWriter.create(context.directory, wal_path(path, 1), db_uuid=context.db_uuid, number=1)
    commit(context.directory, path, manifest)
    state = CollectionState(context, path, manifest, fields, settings)
    state.start([], GrowingSegment(fields, 1), wal)
    return state


def open_state(context: EngineContext, collection: uuid.UUID) -> CollectionState:
    """Open a collection and replay its logs.

    Raises:
        CorruptionError: Files are damaged or missing.
        FormatVersionError: Written by a newer version of elanus.
    """
    path = collection_path(collection)
    if not context.read_only:
        return _open_once(context, path)
    for attempt in range(READ_ATTEMPTS):
        version = load_newest(context.directory, path).version
        try:
            return _open_once(context, path)
        except (CorruptionError, NotFoundError):
            # The writer may have replaced what the manifest names; then there is a newer one.
            unchanged = load_newest(context.directory, path).version == version
            if unchanged or attempt == READ_ATTEMPTS - 1:
                raise
    raise CorruptionError(f"{path}: its files are replaced faster than they can be opened")


def _open_once(context: EngineContext, path: str) -> CollectionState:
    manifest = load_newest(context.directory, path)
    if manifest.db_uuid != context.db_uuid:
        raise CorruptionError(f"{path}: belongs to another database", path=path)
    fields = FieldViews.of(schema_from_json(manifest.schema))
    settings = CollectionSettings.from_json(manifest.properties)
    state = CollectionState(context, path, manifest, fields, settings)
    if not context.read_only:
        delete_unreferenced(context.directory, path, [manifest])
    sealed = [
        SealedSegment.open(context.directory, path, fields, info) for info in manifest.segments
    ]
    if context.read_only:
        # The writer may merge a segment away and delete its files while we still read it.
        for segment in sealed:
            segment.reader.pin()
    logs = _read_logs(context, path, manifest)
    context.clock.advance(manifest.next_seq - 1)
    number, last = logs[-1]
    wal = None if context.read_only else WalWriter.resume(context.directory, last)
    state.start(sealed, GrowingSegment(fields, number), wal)
    for _, log in logs:
        for frame in log.frames:
            _replay(state, log.path, frame)
    state.publish_replayed()
    return state


def _read_logs(
    context: EngineContext, path: str, manifest: Manifest
) -> list[tuple[int, WalContents]]:
    """Return the logs to replay, oldest first, with their numbers; at least one."""
    numbers = [n for n in list_wals(context.directory, path) if n >= manifest.wal_start]
    expected = list(range(manifest.wal_start, manifest.wal_start + max(len(numbers), 1)))
    if numbers != expected:
        missing = next(n for n in expected if n not in numbers)
        lost = wal_path(path, missing)
        raise CorruptionError(
            f"{lost}: the log is missing; its writes are lost, restore a backup", path=lost
        )
    logs: list[tuple[int, WalContents]] = []
    for number in numbers:
        log = read_wal(
            context.directory,
            wal_path(path, number),
            db_uuid=context.db_uuid,
            is_last=number == numbers[-1],
        )
        if log.salt is None and logs:
            # Torn while it was created: the writes of that moment went to the log before it.
            if not context.read_only:
                context.directory.delete(log.path)
            continue
        if log.salt is None:
            raise CorruptionError(f"{log.path}: damaged: its header is gone", path=log.path)
        if log.torn_bytes:
            _log.warning(
                "%s: %d bytes at the end belong to a write that was never acknowledged; cut",
                log.path,
                log.torn_bytes,
            )
        logs.append((number, log))
    return logs


def _replay(state: CollectionState, path: str, frame: StoredFrame) -> None:
    primary = state.schema.primary
    if frame.type == UPSERT_FRAME:
        batch = decode_batch(frame.payload, state.schema.stored_fields, path=path)
        state.replay(batch, batch.columns[primary.name].to_pylist(), frame.seq)  # type: ignore[arg-type]
    elif frame.type == DELETE_FRAME:
        keys = decode_batch(frame.payload, [primary], path=path)
        state.replay(None, keys.columns[primary.name].to_pylist(), frame.seq)  # type: ignore[arg-type]
    else:
        raise CorruptionError(
            f"{path}: record of unknown type {frame.type}", path=path, offset=frame.offset
        )
    state.context.clock.advance(frame.seq)
