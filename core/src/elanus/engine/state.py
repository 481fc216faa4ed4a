"""What is a collection made of right now?

``CollectionState`` owns the log, the memtables, the sealed segments and the manifest, and makes
the only changes to them: committing a group of writes, freezing a memtable, and installing what
flush, compaction and index building have made. Every change is made under ``lock`` and ends by
publishing a new snapshot.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from elanus.engine.context import EngineContext
from elanus.engine.growing import GrowingSegment
from elanus.engine.ingest import AutoIds
from elanus.engine.keys import Keys
from elanus.engine.sealed import SealedSegment
from elanus.engine.settings import CollectionSettings
from elanus.engine.snapshot import Snapshot
from elanus.engine.views import FieldViews
from elanus.engine.writer import PendingWrite, WriteKind
from elanus.errors import InternalError, StorageError, StorageFailedError
from elanus.filter import BoundFilter
from elanus.query.entities import matching_pks
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.storage.batch_codec import encode_batch
from elanus.storage.directory import Directory, join_path
from elanus.storage.leftovers import INDEXES_FOLDER
from elanus.storage.manifest import (
    IndexEntry,
    Manifest,
    SegmentInfo,
    commit,
    next_version,
)
from elanus.storage.segment_writer import segment_path
from elanus.storage.wal import Frame, WalWriter, list_wals, wal_path
from elanus.types import Int64Array, PrimaryKey

UPSERT_FRAME = 1
"""Payload: the entities; each replaces what has its key."""
DELETE_FRAME = 2
"""Payload: the keys, as a batch of the primary key's column alone."""

Segment = SealedSegment | GrowingSegment


class CollectionState:
    """The parts of one open collection. See ``engine/collection.py`` for the order of locks."""

    def __init__(
        self,
        context: EngineContext,
        path: str,
        manifest: Manifest,
        fields: FieldViews,
        settings: CollectionSettings,
    ) -> None:
        self.context = context
        self.path = path
        self.fields = fields
        self.settings = settings
        self.manifest = manifest
        self.auto_ids = AutoIds(manifest.next_auto_id)
        self.lock = threading.RLock()
        self.reorganise_lock = threading.Lock()
        self.on_frozen: Callable[[], None] = lambda: None
        self.closed = False
        self._sealed: list[SealedSegment] = []
        self._frozen: list[GrowingSegment] = []
        self._growing: GrowingSegment | None = None
        self._wal: WalWriter | None = None
        self._failure: StorageError | None = None
        self.snapshot = Snapshot(0, ())

    # --- opening and closing ----------------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """Where all files are."""
        return self.context.directory

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self.fields.schema

    def start(
        self, sealed: Sequence[SealedSegment], growing: GrowingSegment, wal: WalWriter | None
    ) -> None:
        """Take over what recovery opened; ``wal`` is None when reading only."""
        self._sealed = list(sealed)
        self._growing = growing
        self._wal = wal
        self._publish(max(self.manifest.next_seq - 1, growing.last_seq))

    def close(self) -> None:
        """Close the log; snapshots in use stay readable. Idempotent."""
        with self.lock:
            self.closed = True
            if self._wal is not None:
                self._wal.close()

    def discard(self) -> None:
        """Close, and delete every file of the collection once no reader needs them."""
        with self.lock:
            self.close()
            self._sealed, self._frozen, self._growing = [], [], None
            self.snapshot = Snapshot(self.snapshot.seq, ())
        self.directory.delete_dir(self.path)

    @property
    def can_write(self) -> bool:
        """False once a write or a commit has failed."""
        return self._failure is None and self._wal is not None and not self._wal.is_poisoned

    # --- looking ----------------------------------------------------------------------------

    def segments(self) -> list[Segment]:
        """Return sealed segments, oldest first, then frozen memtables, then the growing one."""
        with self.lock:
            growing = [] if self._growing is None else [self._growing]
            return [*self._sealed, *self._frozen, *growing]

    def sealed(self) -> list[SealedSegment]:
        """Return the sealed segments, oldest first."""
        with self.lock:
            return list(self._sealed)

    def oldest_frozen(self) -> GrowingSegment | None:
        """Return the memtable to flush next."""
        with self.lock:
            return self._frozen[0] if self._frozen else None

    def num_frozen(self) -> int:
        """Return how many memtables wait for their flush."""
        return len(self._frozen)

    def unflushed_rows(self) -> int:
        """Return how many rows the growing memtable holds."""
        return 0 if self._growing is None else self._growing.num_rows

    def disk_bytes(self) -> int:
        """Return the bytes of sealed segments and logs."""
        with self.lock:
            numbers = list_wals(self.directory, self.path)
            logs = sum(self.directory.size(wal_path(self.path, n)) for n in numbers)
            return logs + sum(segment.size_bytes for segment in self._sealed)

    def memory_bytes(self) -> int:
        """Return the approximate bytes of the memtables."""
        return sum(s.size_bytes for s in self.segments() if isinstance(s, GrowingSegment))

    # --- writing: called by the leader of a group, under the lock ---------------------------

    def existing(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys that are visible, in the given order."""
        keys = Keys.of(self.schema.primary, pks)
        found = np.zeros(len(pks), dtype=np.bool_)
        for segment in self.segments():
            found |= segment.find(keys) >= 0
        return [pks[i] for i in np.flatnonzero(found).tolist()]

    def matching(self, filters: Sequence[BoundFilter]) -> list[PrimaryKey]:
        """Return the keys of the entities that match now."""
        return matching_pks(self.schema, self.snapshot.sources, filters)

    def commit(self, writes: Sequence[PendingWrite]) -> None:
        """Log, sync, apply and publish writes that touch different keys.

        Raises:
            StorageFailedError: Not durable; the collection takes no more writes.
        """
        wal, growing = self._writable()
        numbered = [(write, self.context.clock.tick()) for write in writes]
        wal.append([self._frame(write, seq) for write, seq in numbered])
        wal.sync()
        for write, seq in numbered:
            if write.kind is not WriteKind.INSERT:
                self._kill(write.pks)
            self._apply(growing, write.batch, seq)
        self._publish(numbered[-1][1])
        if growing.is_full:
            self.freeze()

    def replay(self, batch: ColumnBatch | None, pks: Sequence[PrimaryKey], seq: int) -> None:
        """Apply a write that was read from the log."""
        if self._growing is None:
            raise InternalError("replay before start")
        self._kill(pks)
        self._apply(self._growing, batch, seq)

    def publish_replayed(self) -> None:
        """Make everything replayed visible."""
        growing = self._growing
        last = self.snapshot.seq if growing is None else max(self.snapshot.seq, growing.last_seq)
        self._publish(last)

    def _frame(self, write: PendingWrite, seq: int) -> Frame:
        if write.batch is not None:
            return Frame(UPSERT_FRAME, seq, encode_batch(write.batch))
        primary = self.schema.primary
        keys = Keys.of(primary, write.pks)
        batch = ColumnBatch(len(keys), {primary.name: keys.column})
        return Frame(DELETE_FRAME, seq, encode_batch(batch))

    def _kill(self, pks: Sequence[PrimaryKey]) -> None:
        keys = Keys.of(self.schema.primary, pks)
        for segment in self.segments():
            rows = segment.find(keys)
            dead: Int64Array = rows[rows >= 0]
            if len(dead):
                segment.kill(dead)

    def _apply(self, growing: GrowingSegment, batch: ColumnBatch | None, seq: int) -> None:
        growing.note_write(seq)
        if batch is None:
            return
        growing.append(batch, seq)
        if self.schema.primary.auto_id:
            keys = batch.columns[self.schema.primary.name].to_pylist()
            self.auto_ids.advance(max((int(k) for k in keys if str(k).isdigit()), default=0))  # type: ignore[call-overload]

    def _check_usable(self) -> None:
        """Raise once a commit has failed: what reached the disk is unknown until reopening."""
        if self._failure is not None:
            raise StorageFailedError(
                f"an earlier commit failed ({self._failure}); close the database and open it again"
            ) from self._failure

    def _writable(self) -> tuple[WalWriter, GrowingSegment]:
        self._check_usable()
        if self._wal is None or self._growing is None:
            raise InternalError("no log is open for writing")
        return self._wal, self._growing

    def _publish(self, seq: int) -> None:
        sources = tuple(s.source() for s in self.segments() if s.num_rows > s.num_deleted)
        self.snapshot = Snapshot(seq, sources)

    # --- moving rows ------------------------------------------------------------------------

    def freeze(self) -> None:
        """Start a new memtable and log; the old memtable waits for its flush."""
        with self.lock:
            wal, growing = self._writable()
            if not growing.has_writes:
                return
            number = growing.wal_number + 1
            try:
                fresh = WalWriter.create(
                    self.directory,
                    wal_path(self.path, number),
                    db_uuid=self.context.db_uuid,
                    number=number,
                )
            except StorageError as error:
                self._failure = error
                raise
            wal.close()
            self._wal = fresh
            self._frozen.append(growing)
            self._growing = growing.successor(number)
            self._publish(self.snapshot.seq)
        self.on_frozen()

    def install_flushed(self, frozen: GrowingSegment, made: SealedSegment | None) -> None:
        """Replace the oldest frozen memtable by its segment (None: no row was left)."""
        with self.lock:
            following = self._frozen[1] if len(self._frozen) > 1 else self._growing
            if self._frozen[0] is not frozen or following is None:
                raise InternalError("memtables are flushed in order")
            segments = [*self._sealed, *([made] if made else [])]
            self._commit_manifest(segments, wal_start=following.wal_number)
            self._sealed = segments
            self._frozen.pop(0)
            self._publish(self.snapshot.seq)
        for number in list_wals(self.directory, self.path):
            if number < following.wal_number:
                self.directory.delete(wal_path(self.path, number))

    def install_compacted(
        self, merged: Sequence[SealedSegment], made: SealedSegment | None
    ) -> None:
        """Replace segments by the one they were merged into, in the place of the oldest."""
        with self.lock:
            place = self._sealed.index(merged[0])
            left = [s for s in self._sealed if s not in merged]
            if made is not None:
                left.insert(place, made)
            self._commit_manifest(left)
            self._sealed = left
            self._publish(self.snapshot.seq)
        for segment in merged:
            segment.retire()
            weakref.finalize(segment, _delete_segment, self.directory, self.path, segment.info)

    def install_indexes(self, segment: SealedSegment, indexes: Mapping[str, IndexEntry]) -> bool:
        """Record a segment's indexes in the manifest; False when the segment is gone by now."""
        with self.lock:
            if segment not in self._sealed:
                return False
            segment.info = replace(segment.info, indexes=indexes)
            self._commit_manifest(self._sealed)
            self._publish(self.snapshot.seq)
            return True

    def commit_settings(self, settings: CollectionSettings) -> None:
        """Replace properties and index choices, durably."""
        with self.lock:
            self._commit_manifest(self._sealed, properties=settings.to_json())
            self.settings = settings

    def _commit_manifest(self, segments: Sequence[SealedSegment], **changes: object) -> None:
        """Commit the next manifest; tombstones of the segments are saved with it."""
        self._check_usable()
        try:
            version = self.manifest.version + 1
            outdated = [s.save_deletes(self.directory, self.path, version) for s in segments]
            manifest = next_version(
                self.manifest,
                segments=tuple(s.info for s in segments),
                next_seq=self.snapshot.seq + 1,
                next_auto_id=self.auto_ids.next,
                **changes,
            )
            commit(self.directory, self.path, manifest)
        except StorageError as error:
            self._failure = error
            raise
        self.manifest = manifest
        for file in outdated:
            if file is not None:
                self.directory.delete(join_path(self.path, file))


def _delete_segment(directory: Directory, path: str, info: SegmentInfo) -> None:
    """Delete a merged segment; called when the last snapshot that holds it is gone."""
    try:
        directory.delete_dir(segment_path(path, info.uuid))
        directory.delete_dir(join_path(path, INDEXES_FOLDER, str(info.uuid)))
        if info.deletes is not None:
            directory.delete(join_path(path, info.deletes.file))
    except StorageError:
        # What stays behind is swept when the database is opened for writing again.
        return
