"""How does a collection come back?

From its newest manifest and the logs that it names. A torn tail of the last log is normal and is
cut; anything else that does not verify is refused by name, never skipped. Replaying a log applies
the same steps as the writes did, so what comes back is what was acknowledged.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elanus.engine.context import EngineContext
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.growing import GrowingSegment
from elanus.engine.kept_states.history import History, horizon, needed_manifests
from elanus.engine.live import LiveRows
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.engine.views import FieldViews, check_analyzers
from elanus.engine.writing.commit_log import CommitLog
from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_from_json, schema_to_json
from elanus.storage.catalog import collection_path
from elanus.storage.directory import Directory, join_path
from elanus.storage.held_source import CopyingSource
from elanus.storage.leftovers import delete_unreferenced
from elanus.storage.manifest import (
    Manifest,
    commit,
    list_versions,
    load_newest,
    load_version,
)
from elanus.storage.publication import Publication, read_publication
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import WalContents, list_wals, wal_path
from elanus.storage.wal_reader import read_wal, read_wal_header

_log = logging.getLogger(__name__)

_FOLDERS = ("manifest", "wal", "seg", "del", "idx")


@dataclass(frozen=True, slots=True)
class NumberedLog:
    """A log and its number."""

    number: int
    contents: WalContents


def create_state(
    context: EngineContext,
    collection: uuid.UUID,
    name: str,
    schema: Schema,
    settings: CollectionSettings,
    created: str,
) -> CollectionState:
    """Make the files of an empty collection; the catalog has to name it afterwards."""
    path = collection_path(collection)
    check_analyzers(schema)
    fields = FieldViews.of(schema)
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
        next_seq=context.clock.tick(),
        next_auto_id=1,
        created=created,
    )
    # The log first: every manifest names a log that exists, so a missing one is always damage.
    wal = WalWriter.create(context.directory, wal_path(path, 1), db_uuid=context.db_uuid, number=1)
    commit(context.directory, path, manifest)
    live = LiveRows(fields, (), [GrowingSegment(fields, 1)])
    return CollectionState(
        context,
        fields,
        live=live,
        log=CommitLog(context, path, wal, 1),
        history=History(context.directory, path, manifest, ()),
    )


def open_state(
    context: EngineContext, collection: uuid.UUID, *, pinned: Iterable[int] = ()
) -> CollectionState:
    """Open a collection for writing and replay its logs.

    Args:
        context: The database; this process holds its writer's lock.
        collection: Identifier of the collection.
        pinned: Versions of the manifest that named snapshots hold.

    Raises:
        CorruptionError: Files are damaged or missing.
        FormatVersionError: Written by a newer version of elanus.
    """
    path = collection_path(collection)
    manifest = load_newest(context.directory, path)
    check_owner(context, path, manifest)
    published = read_publication(context.directory, path)
    _check_newest(path, manifest, published)
    fields = FieldViews.of(schema_from_json(manifest.schema))
    pins = frozenset(pinned)
    older = _kept_manifests(context.directory, path, manifest, pins)
    sealed = [
        SealedSegment.open(context.directory, path, fields, info, context.memory)
        for info in manifest.segments
    ]
    logs = read_logs(context, path, manifest, publication=published, discard_torn=True)
    # Only now that all is there: a repair of what is not may need what nobody names.
    delete_unreferenced(context.directory, path, [*older, manifest])
    context.clock.advance(manifest.next_seq - 1)
    wal = WalWriter.resume(context.directory, logs[-1].contents)
    live = replay_logs(fields, sealed, logs)
    context.clock.advance(live.memtables[-1].last_seq)
    return CollectionState(
        context,
        fields,
        live=live,
        log=CommitLog(context, path, wal, logs[-1].number),
        history=History(context.directory, path, manifest, older),
        pinned=pins,
    )


def _check_newest(path: str, manifest: Manifest, published: Publication | None) -> None:
    """Refuse to take an older state for the current one when the newest manifest is gone.

    A manifest is durable before it is published.
    """
    if published is not None and published.manifest_version > manifest.version:
        file = join_path(path, "manifest", f"{published.manifest_version:020d}.man")
        raise CorruptionError(
            f"{file}: the file is missing. Restore a backup, or see what can be kept with "
            f"'elanus repair --salvage --dry-run'",
            path=file,
        )


def check_owner(context: EngineContext, path: str, manifest: Manifest) -> None:
    """Refuse a collection that was copied here from another database."""
    if manifest.db_uuid != context.db_uuid:
        raise CorruptionError(f"{path}: belongs to another database", path=path)


def read_logs(
    context: EngineContext,
    path: str,
    manifest: Manifest,
    *,
    publication: Publication | None = None,
    discard_torn: bool = False,
) -> list[NumberedLog]:
    """Return the logs to replay on a manifest, oldest first; at least one.

    Args:
        context: The database.
        path: Folder of the collection.
        manifest: Says where to start.
        publication: What the writer last said; it tells damage from a torn tail.
        discard_torn: Delete a log that was torn while it was created; for the writer at opening.

    Raises:
        CorruptionError: A log is damaged or missing.
    """
    numbers = _numbers(context.directory, path, manifest)
    ends = _previous_ends(context, path, numbers)
    logs: list[NumberedLog] = []
    for number in numbers:
        log = read_wal(
            # The next writer may cut off the end of the last log while it is read here.
            context.directory if number in ends else CopyingSource(context.directory),
            wal_path(path, number),
            db_uuid=context.db_uuid,
            is_last=number not in ends,
            end=ends.get(number) or None,
            synced_end=_synced_end(publication, number),
        )
        if log.salt is None and logs:
            # Torn while it was created: the writes of that moment went to the log before it.
            if discard_torn:
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
        logs.append(NumberedLog(number, log))
    return logs


def replay_logs(
    fields: FieldViews,
    sealed: Sequence[SealedSegment],
    logs: Sequence[NumberedLog],
    *,
    last_seq: int | None = None,
) -> LiveRows:
    """Return segments with the writes of logs on top.

    Args:
        fields: Of the collection.
        sealed: The segments of a manifest.
        logs: The logs from where the manifest says.
        last_seq: Sequence number of the last write to apply; None for all.
    """
    growing = GrowingSegment(fields, logs[-1].number)
    live = LiveRows(fields, sealed, [growing])
    for log in logs:
        for frame in log.contents.frames:
            if last_seq is None or frame.seq <= last_seq:
                live.replay(log.contents.path, frame)
    return live


def _numbers(directory: Directory, path: str, manifest: Manifest) -> list[int]:
    numbers = [n for n in list_wals(directory, path) if n >= manifest.wal_start]
    expected = list(range(manifest.wal_start, manifest.wal_start + max(len(numbers), 1)))
    if numbers != expected:
        missing = next(n for n in expected if n not in numbers)
        lost = wal_path(path, missing)
        raise CorruptionError(
            f"{lost}: the log is missing; its writes are lost, restore a backup", path=lost
        )
    return numbers


def _previous_ends(context: EngineContext, path: str, numbers: list[int]) -> dict[int, int]:
    """Return how much counts of each log that has a successor; 0 is all of it."""
    ends: dict[int, int] = {}
    for number in numbers[1:]:
        header = read_wal_header(context.directory, wal_path(path, number), db_uuid=context.db_uuid)
        # Only the last log may have been torn while it was created.
        if header is not None or number != numbers[-1]:
            ends[number - 1] = 0 if header is None else header.previous_end
    return ends


def _synced_end(publication: Publication | None, number: int) -> int:
    if publication is None or publication.wal_number != number:
        return 0
    return publication.synced_end


def _kept_manifests(
    directory: Directory, path: str, current: Manifest, pinned: frozenset[int]
) -> list[Manifest]:
    """Return the older manifests whose states are still wanted."""
    older: list[Manifest] = []
    for version in list_versions(directory, path):
        if version < current.version:
            try:
                older.append(load_version(directory, path, version))
            except (CorruptionError, NotFoundError) as error:
                # A read that failed is no damage: opening fails with it, or the files of a state
                # that somebody named would be swept.
                _log.warning("%s; the past before the current state may be incomplete", error)
    retention_s = CollectionSettings.from_json(current.properties).retention_s
    return needed_manifests(
        older, current, horizon=horizon(retention_s, current.next_seq - 1), pinned=pinned
    )
