"""How does a process that only reads see what the writing process commits?

It looks at what the writer publishes before each search. When that has changed it reads the new
records of the log and, if there is a new manifest, maps the segments that are new; everything else
is kept. No lock is taken, and nothing is written, so a read-only mount works: the writer may delete
a file at any time, because what was mapped stays readable, and what vanished before it could be
mapped belongs to a state that has a successor.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid

from elanus.engine.consistency import BOUNDED_S, CATCH_UP_S, Consistency
from elanus.engine.context import EngineContext
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.growing import GrowingSegment
from elanus.engine.live import LiveRows, Segment
from elanus.engine.recovery import check_owner, read_logs, replay_logs
from elanus.engine.sealed import SealedSegment
from elanus.engine.snapshot import Snapshot
from elanus.engine.views import FieldViews
from elanus.errors import ClosedError, CorruptionError, ElanusError, NotFoundError
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_from_json
from elanus.storage.catalog import collection_path
from elanus.storage.directory import Directory
from elanus.storage.manifest import Manifest, load_newest, load_version
from elanus.storage.publication import Publication, PublicationReader
from elanus.storage.wal_format import HEADER_BYTES, wal_path
from elanus.storage.wal_reader import read_wal, read_wal_header

_log = logging.getLogger(__name__)

READ_ATTEMPTS = 10
"""How often a reader starts again when the writer replaces files while it reads them."""
POLL_S = 0.02
"""How often files are looked at when nothing is published, as in a copied folder."""


class CollectionFollower:
    """A collection that another process writes, or nobody. Safe from many threads at once."""

    def __init__(self, context: EngineContext, collection: uuid.UUID) -> None:
        """Open it.

        Raises:
            CorruptionError: Files are damaged or missing.
            FormatVersionError: Written by a newer version of elanus.
        """
        self.context = context
        self.path = collection_path(collection)
        self.closed = False
        self._lock = threading.Lock()
        self._publication = PublicationReader(context.directory, self.path)
        self._publication.changed()
        self._looked_at = 0.0
        self._files_seen: object = None
        self._manifest = load_newest(context.directory, self.path)
        check_owner(context, self.path, self._manifest)
        self.fields = FieldViews.of(schema_from_json(self._manifest.schema))
        self.settings = CollectionSettings.from_json(self._manifest.properties)
        self._snapshot = Snapshot(0, (), self.fields)
        self._is_current = False
        self._refreshed_at = 0.0
        self._catching_up = threading.Lock()
        self._adopted = 0
        self._ends: dict[int, int] = {}
        self._live = LiveRows(self.fields)
        self._refresh()

    @property
    def directory(self) -> Directory:
        """Where all files are."""
        return self.context.directory

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self.fields.schema

    def current(self, level: Consistency | None = None) -> Snapshot:
        """Return what the writer has acknowledged, as recent as a level asks for.

        Raises:
            ClosedError: The collection was dropped.
            CorruptionError: Files are damaged.
        """
        level = level or self.settings.consistency
        if level is not Consistency.STRONG and self._is_current and not self.closed:
            age_s = time.monotonic() - self._refreshed_at
            if level is Consistency.BOUNDED and age_s < BOUNDED_S:
                return self._snapshot
            if level is not Consistency.BOUNDED:
                seen = self._snapshot
                if age_s > CATCH_UP_S:
                    self._catch_up()
                return seen
        with self._lock:
            if not self.closed and self._has_news():
                self._refresh()
            self._refreshed_at = time.monotonic()
            return self._snapshot

    def _catch_up(self) -> None:
        """Take in what is new behind the reads of this process, unless that is under way."""
        if not self._catching_up.acquire(blocking=False):
            return

        def refresh() -> None:
            try:
                self.current(Consistency.STRONG)
            except ElanusError as error:
                # The read that asks for it is told; this one has been answered.
                _log.warning("%s: not followed: %s", self.path, error)
            finally:
                self._catching_up.release()

        threading.Thread(target=refresh, name="elanus-follower", daemon=True).start()

    def current_fields(self, level: Consistency | None = None) -> FieldViews:
        """Return what the engine derives from the schema, as recent as ``current``."""
        level = level or self.settings.consistency
        if not self.closed and level in (Consistency.STRONG, Consistency.BOUNDED):
            self.current(level)
        return self.fields

    def segments(self) -> list[Segment]:
        """Return sealed segments, oldest first, then the rows of the logs."""
        with self._lock:
            return self._live.segments

    def close(self) -> None:
        """Stop following; snapshots in use stay readable. Idempotent."""
        with self._lock:
            self.closed = True
            self._publication.close()

    # --- following; called under the lock ---------------------------------------------------

    def _has_news(self) -> bool:
        # What failed is tried again: an older state is never shown as if it were the present.
        if self._publication.changed() or not self._is_current:
            return True
        if self._trusted() is not None or time.monotonic() < self._looked_at + POLL_S:
            return False
        self._looked_at = time.monotonic()
        return self._state_of_files() != self._files_seen

    def _trusted(self) -> Publication | None:
        """Return what the writer last said, unless a power loss may have made it stale."""
        found = self._publication.current
        if found is None or not found.is_of_this_boot:
            return None
        return found

    def _refresh(self) -> None:
        self._is_current = False
        for attempt in range(READ_ATTEMPTS):
            target = self._trusted()
            try:
                if target is None:
                    self._follow_files()
                else:
                    self._follow(target)
                self._is_current = True
                return
            except (CorruptionError, NotFoundError):
                # The writer may have replaced what was about to be read; then there is news, and
                # what is open already is as good as before.
                if attempt == READ_ATTEMPTS - 1 or not self._is_superseded(target):
                    self._forget()
                    raise

    def _is_superseded(self, target: Publication | None) -> bool:
        if self._publication.changed():
            return True
        return target is None and self._state_of_files() != self._files_seen

    def _follow(self, target: Publication) -> None:
        if target.is_dropped:
            raise ClosedError("the collection was dropped by the process that writes")
        if self._files_seen is not None:
            # Rows that came from whole logs cannot be told from those that follow.
            self._forget()
            self._files_seen = None
        if self._adopted != target.manifest_version:
            self._adopt(load_version(self.directory, self.path, target.manifest_version))
        for number in range(self._manifest.wal_start, target.wal_number):
            self._replay(number, self._end_of(number))
        self._replay(target.wal_number, target.acked_end)
        self._snapshot = self._live.snapshot(target.last_seq)

    def _follow_files(self) -> None:
        """Take in whatever is there: nobody says what was acknowledged."""
        self._forget()
        self._files_seen = self._state_of_files()
        self._adopt(load_newest(self.directory, self.path))
        logs = read_logs(self.context, self.path, self._manifest)
        self._live = replay_logs(self.fields, self._live.sealed, logs)
        seqs = [m.last_seq for m in self._live.memtables]
        self._snapshot = self._live.snapshot(max(self._manifest.next_seq - 1, *seqs))

    def _state_of_files(self) -> tuple[int, int, int]:
        manifest = load_newest(self.directory, self.path)
        number = manifest.wal_start
        while self.directory.exists(wal_path(self.path, number + 1)):
            number += 1
        return manifest.version, number, self.directory.size(wal_path(self.path, number))

    def _forget(self) -> None:
        """Start from nothing at the next refresh."""
        self._adopted = 0
        self._ends = {}
        self._live = LiveRows(self.fields)

    def _adopt(self, manifest: Manifest) -> None:
        """Take over a manifest; segments and memtables that it keeps stay as they are."""
        known = {s.info.uuid: s for s in self._live.sealed}
        if manifest.schema != self._manifest.schema:
            # Every log that is still to be read is of the new schema.
            self.fields = FieldViews.of(schema_from_json(manifest.schema))
            known = {u: s.with_schema(self.fields) for u, s in known.items()}
            self._live = LiveRows(self.fields)
            self._ends = {}
        sealed: list[SealedSegment] = []
        for info in manifest.segments:
            open_ = known.get(info.uuid)
            if open_ is None:
                segment = SealedSegment.open(
                    self.directory, self.path, self.fields, info, self.context.memory
                )
            else:
                segment = open_.followed_by(self.directory, self.path, info, self.fields)
            sealed.append(segment)
        memtables = [m for m in self._live.memtables if m.wal_number >= manifest.wal_start]
        self._live = LiveRows(self.fields, sealed, memtables)
        self._ends = {n: end for n, end in self._ends.items() if n >= manifest.wal_start}
        self._manifest = manifest
        self.settings = CollectionSettings.from_json(manifest.properties)
        self._adopted = manifest.version

    def _end_of(self, number: int) -> int:
        """Return how much counts of a log that has a successor."""
        header = read_wal_header(
            self.directory, wal_path(self.path, number + 1), db_uuid=self.context.db_uuid
        )
        if header is not None and header.previous_end:
            return header.previous_end
        return self.directory.size(wal_path(self.path, number))

    def _replay(self, number: int, end: int) -> None:
        """Apply the records of a log that are new."""
        if number not in self._ends:
            self._live.memtables.append(GrowingSegment(self.fields, number))
            self._ends[number] = HEADER_BYTES
        start = self._ends[number]
        if end <= start:
            return
        path = wal_path(self.path, number)
        log = read_wal(
            self.directory,
            path,
            db_uuid=self.context.db_uuid,
            is_last=False,
            start=start,
            end=end,
        )
        try:
            for frame in log.frames:
                self._live.replay(path, frame)
        except BaseException:
            self._forget()  # some of the records are applied
            raise
        self._ends[number] = end
