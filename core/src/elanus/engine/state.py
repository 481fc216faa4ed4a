"""What is a collection made of right now?

``CollectionState`` owns the log, the rows and the manifest of a collection that is open for
writing, and makes the only changes to them: committing a group of writes, freezing a memtable, and
installing what flush, compaction, index building and imports have made. Every change is made under
``lock`` and ends by publishing a new snapshot, to this process and to those that follow it.
"""

from __future__ import annotations

import logging
import threading
import uuid
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from elanus.engine.consistency import Consistency
from elanus.engine.context import EngineContext
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.growing import GrowingSegment
from elanus.engine.kept_states.history import History, changeable_files, files_of, horizon
from elanus.engine.live import LiveRows, Segment, delete_frame, upsert_frame
from elanus.engine.memory import FLUSH_PART
from elanus.engine.sealed import NOTHING, AddedColumn, SealedSegment
from elanus.engine.snapshot import Snapshot
from elanus.engine.views import FieldViews
from elanus.engine.writing.commit_log import CommitLog, is_disk_full
from elanus.engine.writing.ingest import AutoIds
from elanus.engine.writing.write_checks import WriteChecks
from elanus.engine.writing.writer import PendingWrite, WriteKind
from elanus.errors import ElanusError, InternalError, StorageError, StorageFailedError
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_to_json
from elanus.storage.directory import TEMPORARY_SUFFIX, Directory
from elanus.storage.manifest import (
    IndexEntry,
    SegmentInfo,
    commit,
    next_version,
)
from elanus.storage.publication import Publication, PublicationWriter
from elanus.storage.wal_format import Frame
from elanus.types import Int64Array

_logger = logging.getLogger(__name__)

KEY_BYTES = 64
"""About what a deleted key takes in the log."""
WASTEFUL_LOG_BYTES = 1 << 20
"""Log size from which it matters that most of a log is dead."""


class CollectionState(WriteChecks):
    """The parts of one collection open for writing. ``engine/collection.py`` orders the locks."""

    def __init__(
        self,
        context: EngineContext,
        fields: FieldViews,
        *,
        live: LiveRows,
        log: CommitLog,
        history: History,
        pinned: Iterable[int] = (),
    ) -> None:
        self.context = context
        self.fields = fields
        self.path = history.path
        self.manifest = manifest = history.current
        self.settings = CollectionSettings.from_json(manifest.properties)
        self.auto_ids = AutoIds(manifest.next_auto_id)
        self.lock = threading.RLock()
        self.reorganise_lock = threading.Lock()
        self.on_frozen: Callable[[], None] = lambda: None
        self.closed = False
        self._live = live
        self._log = log
        self._publication = PublicationWriter(context.directory, self.path)
        self._history = history
        self._pinned = frozenset(pinned)
        for batch in (memtable.view(memtable.num_rows) for memtable in live.memtables):
            self.note_auto_ids(batch)
        seq = max(manifest.next_seq - 1, *(m.last_seq for m in live.memtables))
        self.snapshot = live.snapshot(seq)
        self._publish(seq)

    # --- opening and closing ----------------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """Where all files are."""
        return self.context.directory

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self.fields.schema

    def close(self) -> None:
        """Close the log; snapshots in use stay readable. Idempotent."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            try:
                self._log.close()
            finally:
                self._publication.close()
        self._history.sweep()

    def discard(self) -> None:
        """Close, and delete every file of the collection once no reader needs them."""
        with self.lock:
            self._tell(self.snapshot.seq, is_dropped=True)
            self.closed = True
            self._log.abandon()
            self._publication.close()
            self._live = LiveRows(self.fields, (), [GrowingSegment(self.fields, 0)])
            self.snapshot = Snapshot(self.snapshot.seq, (), self.fields)
        try:
            # Under another name, so that background work that still runs cannot add to it.
            doomed = self.path + TEMPORARY_SUFFIX
            self.directory.rename_dir(self.path, doomed)
            self.directory.delete_dir(doomed)
        except ElanusError as error:
            _logger.warning("%s: swept when the database is opened again: %s", self.path, error)

    @property
    def can_write(self) -> bool:
        """False once a write or a commit has failed."""
        return self._log.can_write

    # --- looking ----------------------------------------------------------------------------

    def current(self, level: Consistency | None = None) -> Snapshot:
        """Return what is visible now; every level sees every acknowledged write here."""
        return self.snapshot

    def current_fields(self, level: Consistency | None = None) -> FieldViews:
        """Return what the engine derives from the schema as it is now."""
        return self.fields

    def segments(self) -> list[Segment]:
        """Return sealed segments, oldest first, then frozen memtables, then the growing one."""
        with self.lock:
            return self._live.segments

    def sealed(self) -> list[SealedSegment]:
        """Return the sealed segments, oldest first."""
        with self.lock:
            return list(self._live.sealed)

    def holds(self, segment: SealedSegment) -> bool:
        """Whether a segment is still part of the collection."""
        with self.lock:
            return segment in self._live.sealed

    def has_wasteful_memtable(self) -> bool:
        """Whether most of the log is rows that are dead, or deletes."""
        growing, log_bytes = self._growing, self._log.size
        if log_bytes < WASTEFUL_LOG_BYTES:
            return False
        alive_share = 1 - growing.num_deleted / max(growing.num_rows, 1)
        return 2 * growing.size_bytes * alive_share < log_bytes

    def oldest_frozen(self) -> GrowingSegment | None:
        """Return the memtable to flush next."""
        with self.lock:
            return self._live.memtables[0] if self.num_frozen() else None

    def num_frozen(self) -> int:
        """Return how many memtables wait for their flush."""
        return len(self._live.memtables) - 1

    def unflushed_rows(self) -> int:
        """Return how many rows the growing memtable holds."""
        return self._growing.num_rows

    def unflushed_bytes(self) -> int:
        """Return the bytes of all memtables."""
        return sum(memtable.size_bytes for memtable in self._live.memtables)

    @property
    def _growing(self) -> GrowingSegment:
        return self._live.memtables[-1]

    # --- writing: called by the leader of a group, under the lock ---------------------------

    def commit(self, writes: Sequence[PendingWrite]) -> None:
        """Log, sync, apply and publish writes that touch different keys.

        Raises:
            StorageFailedError: Not durable. The collection goes on with a new log, or takes no
                more writes when that cannot be made either.
        """
        self._log.check_usable()
        if any(write.batch is None for write in writes):
            # Deleting is how a full disk gets empty again.
            self.context.reserve.make_room(sum(KEY_BYTES * len(write.pks) for write in writes))
        numbered = [(write, self.context.clock.tick()) for write in writes]
        self._append([self._frame(write, seq) for write, seq in numbered])
        for write, seq in numbered:
            if write.kind is not WriteKind.INSERT:
                self._live.kill(write.pks)
            if write.batch is not None:
                self._growing.append(write.batch, seq)
                self.note_auto_ids(write.batch)
            self._growing.note_write(seq)
        self._publish(numbered[-1][1])
        if self._is_full:
            self._try_to_freeze()

    def _frame(self, write: PendingWrite, seq: int) -> Frame:
        if write.batch is not None:
            return upsert_frame(write.batch, seq)
        return delete_frame(self.schema, write.pks, seq)

    def _append(self, frames: Sequence[Frame]) -> None:
        """Write frames to the log and sync it, as the durability asks."""
        try:
            self._log.append(frames)
        except StorageFailedError as error:
            if not self._leave_log(error) or not is_disk_full(error):
                raise
            # The ballast has made room, and nothing of the first attempt counts.
            try:
                self._log.append(frames)
            except StorageFailedError as again:
                self._leave_log(again)
                raise

    def sync(self) -> None:
        """Make everything acknowledged so far survive a power loss."""
        with self.lock:
            if not self.closed and self._log.sync():
                self._tell(self.snapshot.seq)

    def note_auto_ids(self, batch: ColumnBatch) -> None:
        """Never give out the keys of a batch, if keys are made here."""
        if self.schema.primary.auto_id:
            self.auto_ids.note(batch.columns[self.schema.primary.name])

    def _publish(self, seq: int) -> None:
        self.snapshot = self._live.snapshot(seq)
        self._tell(seq)

    def _tell(self, seq: int, *, is_dropped: bool = False) -> None:
        """Tell the processes that follow this one."""
        self._publication.publish(
            Publication(
                manifest_version=self.manifest.version,
                wal_number=self._log.number,
                wal_salt=self._log.salt,
                acked_end=self._log.acked_end,
                synced_end=self._log.synced_end,
                last_seq=seq,
                is_dropped=is_dropped,
            )
        )

    # --- moving rows ------------------------------------------------------------------------

    @property
    def _is_full(self) -> bool:
        growing = self._growing
        return growing.is_full or self.context.memory.is_over(growing.size_bytes, FLUSH_PART)

    def freeze(self) -> None:
        """Start a new memtable and log; the old memtable waits for its flush.

        Raises:
            StorageError: There is no new log; writing goes on in the old one.
        """
        with self.lock:
            self._log.check_usable()
            if not self._growing.has_writes:
                return
            self._log.start_next()
            self._start_memtable()
        self.on_frozen()

    def _try_to_freeze(self) -> None:
        # The write that filled the memtable is durable and visible: it does not fail any more.
        try:
            self.freeze()
        except StorageError as error:
            _logger.warning("%s: the memtable goes on growing: %s", self.path, error)

    def _leave_log(self, failure: StorageError) -> bool:
        """Go on in a new log after a failed one; return whether that is possible."""
        if not self._log.leave(failure):
            return False
        self._start_memtable()
        self.on_frozen()
        return True

    def _start_memtable(self) -> None:
        """Let the rows of the new log go to a memtable of their own."""
        growing = self._growing.successor(self._log.number)
        if self._growing.has_writes:
            self._live.memtables.append(growing)
        else:
            self._live.memtables[-1] = growing
        self._publish(self.snapshot.seq)

    def install_flushed(self, frozen: GrowingSegment, made: SealedSegment | None) -> None:
        """Replace the oldest frozen memtable by its segment (None: no row was left)."""
        with self.lock:
            if self.num_frozen() == 0 or self._live.memtables[0] is not frozen:
                raise InternalError("memtables are flushed in order")
            following = self._live.memtables[1]
            segments = [*self._live.sealed, *([made] if made else [])]
            self._commit_manifest(segments, wal_start=following.wal_number)
            self._live.sealed = segments
            self._live.memtables.pop(0)
            self._publish(self.snapshot.seq)
        frozen.retire()
        self._history.sweep()

    def install_compacted(
        self, merged: Sequence[SealedSegment], made: SealedSegment | None
    ) -> None:
        """Replace segments by the one they were merged into, in the place of the oldest."""
        with self.lock:
            place = self._live.sealed.index(merged[0])
            left = [s for s in self._live.sealed if s not in merged]
            if made is not None:
                left.insert(place, made)
            self._commit_manifest(left)
            self._live.sealed = left
            self._publish(self.snapshot.seq)
        for segment in merged:
            segment.retire()
            # Searches that run now still read it; its files go when they have ended.
            weakref.finalize(segment, self._history.discard, files_of(segment.info))

    def install_truncated(self, segments: Sequence[SealedSegment]) -> None:
        """Remove segments, with one manifest."""
        with self.lock:
            self._advance()
            self.install_compacted(segments, None)

    def _advance(self) -> None:
        """Let what is about to be committed be later than what was visible: that was perhaps named,
        or somebody asks for it by its sequence number."""
        self.snapshot = replace(self.snapshot, seq=self.context.clock.tick(), plain={}, parts={})

    def install_loaded(
        self,
        made: Sequence[SealedSegment],
        replaced: Mapping[SealedSegment, Int64Array],
        properties: Mapping[str, object] | None = None,
    ) -> None:
        """Add the segments of an import, with one manifest.

        Args:
            made: The segments; no memtable has rows (``MemtableFlush.drained``), or replaying
                the log would hide rows of the import behind older ones.
            replaced: Visible rows of other segments that are hidden at the same time.
            properties: Are set at the same time.
        """
        with self.lock:
            settings = self.settings.with_properties(properties or {})
            if self.closed or self._growing.has_writes or self.num_frozen():
                raise InternalError("an import is installed in an open collection without a log")
            for segment, rows in replaced.items():
                segment.kill(rows)
            self._advance()
            segments = [*self._live.sealed, *made]
            try:
                self._commit_manifest(segments, properties=settings.to_json())
            except StorageError:
                for segment, rows in replaced.items():
                    segment.revive(rows)
                raise
            self.settings = settings
            self._live.sealed = segments
            self._publish(self.snapshot.seq)

    def install_indexes(self, segment: SealedSegment, indexes: Mapping[str, IndexEntry]) -> bool:
        """Record a segment's indexes in the manifest; False when the segment is gone by now."""
        with self.lock:
            if segment not in self._live.sealed:
                return False
            self._commit_manifest(self._live.sealed, changed={segment: indexes})
            self._publish(self.snapshot.seq)
            return True

    def discard_unused(self, info: SegmentInfo) -> None:
        """Delete the files of a segment that no manifest was made to name."""
        self._history.discard(files_of(info))
        self._history.sweep()

    def commit_settings(self, settings: CollectionSettings) -> None:
        """Replace properties and index choices, durably."""
        with self.lock:
            self._commit_manifest(self._live.sealed, properties=settings.to_json())
            self.settings = settings
            self._publish(self.snapshot.seq)

    def install_schema(
        self,
        fields: FieldViews,
        settings: CollectionSettings,
        made: Mapping[uuid.UUID, Mapping[str, AddedColumn]],
        anew: Collection[str],
    ) -> None:
        """Let the collection have other fields, with one manifest; no memtable has rows.

        Args:
            fields: The fields from now on.
            settings: The settings from now on.
            made: Columns of fields that segments lack, by segment and field.
            anew: Fields whose terms are made anew.
        """
        with self.lock:
            if self.closed or self._growing.has_writes or self.num_frozen():
                raise InternalError("fields change in an open collection without a log")
            self._advance()
            segments = [
                segment.with_schema(fields, made.get(segment.info.uuid, NOTHING), anew)
                for segment in self._live.sealed
            ]
            self._commit_manifest(
                segments, schema=schema_to_json(fields.schema), properties=settings.to_json()
            )
            self.fields, self.settings = fields, settings
            growing = [GrowingSegment(fields, self._log.number)]
            self._live = LiveRows(fields, segments, growing)
            self._publish(self.snapshot.seq)

    def _commit_manifest(
        self,
        segments: Sequence[SealedSegment],
        *,
        changed: Mapping[SealedSegment, Mapping[str, IndexEntry]] | None = None,
        **changes: object,
    ) -> None:
        """Commit the next manifest; tombstones of the segments are saved with it.

        Raises:
            StorageFailedError: What reached the disk is unknown; the collection takes no writes.
            StorageError: Nothing was committed; everything goes on as before.
        """
        self._log.check_usable()
        self.context.reserve.make_room(sum(s.num_rows for s in segments) // 8)
        # Tombstones are never ahead of the log: the row that replaced another would be lost.
        self.sync()
        version = self.manifest.version + 1
        infos = []
        try:
            for segment in segments:
                info = segment.with_saved_deletes(self.directory, self.path, version)
                if changed and segment in changed:
                    info = replace(info, indexes=changed[segment])
                infos.append(info)
            manifest = next_version(
                self.manifest,
                segments=tuple(infos),
                next_seq=self.snapshot.seq + 1,
                next_auto_id=self.auto_ids.next,
                **changes,
            )
            commit(self.directory, self.path, manifest)
        except StorageFailedError as error:
            self._log.fail(error)
            raise
        self.manifest = manifest
        for segment, info in zip(segments, infos, strict=True):
            replaced = set(changeable_files(segment.info)) - set(changeable_files(info))
            segment.saved(info)
            self._history.discard(replaced)
        self._advance_history()

    # --- the past ---------------------------------------------------------------------------

    def pin(self, versions: Iterable[int]) -> None:
        """Keep the states of these manifests, and of no others, beyond the retention."""
        with self.lock:
            self._pinned = frozenset(versions)
            self._advance_history()

    @property
    def pinned(self) -> frozenset[int]:
        """Versions of the manifest that named snapshots hold."""
        return self._pinned

    def tidy(self) -> None:
        """Delete what has become too old; called now and then."""
        with self.lock:
            if self.closed:
                return
            self._advance_history()
        self._history.sweep()

    def _advance_history(self) -> None:
        oldest = horizon(self.settings.retention_s, self.snapshot.seq)
        self._history.advance(self.manifest, horizon=oldest, pinned=self._pinned)
