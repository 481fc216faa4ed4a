"""How does one collection live?

``CollectionEngine`` opens it, takes writes and hands out snapshots. It wires the parts: group
commit (``writer``), memory and disk (``growing``, ``sealed``), and the jobs that move rows from
one to the other (``flush``, ``compaction``, ``index_builder``).

Locks, in the order in which they are taken:
1. ``DatabaseEngine._lock``;
2. ``CollectionState.lock``, the writer lock: held while a group commits, a memtable is frozen or
   a manifest is replaced; never during index building, segment writing or a search;
3. locks inside a segment's caches.
Readers take none of them: they read ``CollectionState.snapshot``, which is replaced as a whole.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elanus.engine.compaction import Compaction
from elanus.engine.context import EngineContext
from elanus.engine.flush import MemtableFlush
from elanus.engine.index_builder import IndexBuilder
from elanus.engine.ingest import Ingest
from elanus.engine.maintenance import Checkpoint, Job, Priority
from elanus.engine.recovery import create_state, open_state
from elanus.engine.snapshot import Snapshot
from elanus.engine.state import CollectionState
from elanus.engine.views import FieldViews
from elanus.engine.writer import GroupCommit, PendingWrite, WriteKind
from elanus.errors import ClosedError, ElanusError, StorageError
from elanus.filter import BoundFilter
from elanus.schema.collection import Schema
from elanus.schema.validation import Entities, check_defaults
from elanus.types import PrimaryKey

_log = logging.getLogger(__name__)

MAX_FROZEN = 3
"""Memtables that may wait for their flush before a writer helps: a bound on memory."""
CLOSE_FLUSH_ROWS = 2_000
"""Rows from which closing writes a segment: replaying fewer at the next open is quicker."""


@dataclass(frozen=True, slots=True)
class SegmentStats:
    """One source of a collection.

    Attributes:
        name: As in ``explain``.
        rows: Rows, deleted ones included.
        deleted: Rows that are deleted but not yet compacted away.
        size_bytes: On disk for a sealed segment, in memory for a memtable.
        indexes: Type of the index of each dense field that has one.
    """

    name: str
    rows: int
    deleted: int
    size_bytes: int
    indexes: dict[str, str]


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """Rows, bytes and background work of a collection.

    Attributes:
        rows: Visible entities.
        segments: Its sources.
        disk_bytes: Sealed segments and write-ahead logs.
        memory_bytes: Memtables.
        background_error: What background work failed with, or None.
    """

    rows: int
    segments: tuple[SegmentStats, ...]
    disk_bytes: int
    memory_bytes: int
    background_error: str | None


class CollectionEngine:
    """An open collection."""

    def __init__(self, context: EngineContext, state: CollectionState, name: str) -> None:
        self.name = name
        self.on_drop: Callable[[], None] = lambda: None
        self._context = context
        self._state = state
        self._ingest = Ingest(state.schema, state.auto_ids)
        self._commits = GroupCommit(state, state.lock)
        self._flush = MemtableFlush(state)
        self._compaction = Compaction(state)
        self._index_builder = IndexBuilder(state)
        state.on_frozen = self._submit_flush
        if not context.read_only:
            self._schedule()

    @classmethod
    def create(
        cls,
        context: EngineContext,
        collection: uuid.UUID,
        name: str,
        schema: Schema,
        properties: Mapping[str, Any],
    ) -> CollectionEngine:
        """Create the files of a new collection; the catalog does not name it yet.

        Raises:
            SchemaError: A default does not fit its field, or an analyzer is unknown.
        """
        check_defaults(schema)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        state = create_state(context, collection, name, schema, properties, created)
        return cls(context, state, name)

    @classmethod
    def open(cls, context: EngineContext, collection: uuid.UUID, name: str) -> CollectionEngine:
        """Open a collection and replay its log.

        Raises:
            CorruptionError: Files are damaged.
        """
        return cls(context, open_state(context, collection), name)

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self._state.schema

    @property
    def fields(self) -> FieldViews:
        """What the engine derives from the schema."""
        return self._state.fields

    @property
    def properties(self) -> dict[str, Any]:
        """A copy of the stored properties."""
        return self._state.settings.properties

    @property
    def index_types(self) -> dict[str, str]:
        """Index type by dense field, as chosen by the user."""
        return self._state.settings.types(self.schema)

    def snapshot(self) -> Snapshot:
        """Return what is visible now."""
        self._check_open()
        return self._state.snapshot

    def insert(self, entities: Entities) -> list[PrimaryKey]:
        """Check, log and apply new entities; return their keys once they are durable."""
        return self._write(WriteKind.INSERT, entities)

    def upsert(self, entities: Entities) -> list[PrimaryKey]:
        """Like ``insert``, replacing entities with the same keys."""
        return self._write(WriteKind.UPSERT, entities)

    def delete(self, pks: Sequence[PrimaryKey]) -> int:
        """Delete by key; return how many were visible."""
        self._check_writable()
        unique = list(dict.fromkeys(pks))
        if not unique:
            return 0
        return self._commits.submit(PendingWrite(WriteKind.DELETE, unique))

    def delete_matching(self, filters: tuple[BoundFilter, ...]) -> int:
        """Delete what matches when the delete is committed; return how many."""
        self._check_writable()
        return self._commits.submit(PendingWrite(WriteKind.DELETE, [], matching=filters))

    def _write(self, kind: WriteKind, entities: Entities) -> list[PrimaryKey]:
        self._check_writable()
        prepared = self._ingest.prepare(entities, replace=kind is WriteKind.UPSERT)
        if prepared.batch.num_rows:
            self._commits.submit(PendingWrite(kind, prepared.unique_pks, prepared.batch))
            if self._state.num_frozen() > MAX_FROZEN:
                self._flush.run()
        return prepared.pks

    def create_index(self, field: str, index_type: str, params: Mapping[str, Any]) -> None:
        """Choose the index of a dense field; segments are indexed in the background."""
        self._check_writable()
        with self._state.lock:
            settings = self._state.settings.with_index(self.schema.field(field), index_type, params)
            self._state.commit_settings(settings)
        self._submit_index_build()

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        """Merge properties into the stored ones, durably; None removes one."""
        self._check_writable()
        with self._state.lock:
            self._state.commit_settings(self._state.settings.with_properties(properties))

    def flush(self) -> None:
        """Write every memtable as a segment."""
        self._check_writable()
        self._state.freeze()
        self._flush.run()
        self._submit_index_build()

    def compact(self) -> None:
        """Merge all segments into one and build its indexes before returning."""
        self.flush()
        # Background work on the same segments ends first, so that nothing is merged twice.
        self.wait_idle()
        self._compaction.run(everything=True)
        self._index_builder.run(self._check_open)

    def wait_idle(self) -> None:
        """Return when background work is done; raise what it failed with."""
        self._check_open()
        self._context.maintenance.wait_idle()

    def stats(self) -> CollectionStats:
        """Return rows, segments and bytes."""
        self._check_open()
        segments = tuple(
            SegmentStats(s.name, s.num_rows, s.num_deleted, s.size_bytes, s.index_names())
            for s in self._state.segments()
        )
        failure = self._context.maintenance.failure
        return CollectionStats(
            rows=sum(s.rows - s.deleted for s in segments),
            segments=segments,
            disk_bytes=self._state.disk_bytes(),
            memory_bytes=self._state.memory_bytes(),
            background_error=None if failure is None else str(failure),
        )

    def drop(self) -> None:
        """Delete the collection; its database forgets it first."""
        self._check_writable()
        self.on_drop()

    def discard(self) -> None:
        """Close without saving and delete the files; the catalog no longer names them."""
        self._state.discard()

    def close(self, *, flush: bool) -> None:
        """Close the files; with ``flush`` a large memtable becomes a segment first. Idempotent."""
        if self._state.closed:
            return
        try:
            if flush and not self._context.read_only and self._state.can_write:
                if self._state.unflushed_rows() >= CLOSE_FLUSH_ROWS:
                    self._state.freeze()
                self._flush.run()
        except StorageError as error:
            _log.warning("%s: not flushed at closing, the log has every row: %s", self.name, error)
        finally:
            self._state.close()

    def _submit_flush(self) -> None:
        self._submit(Priority.FLUSH, "flush", self._background_flush)

    def _schedule(self) -> None:
        if self._state.num_frozen():
            self._submit_flush()
        self._submit_index_build()

    def _background_flush(self, checkpoint: Checkpoint) -> None:
        self._flush.run()
        self._submit(Priority.COMPACT, "compact", self._background_compaction)
        self._submit_index_build()

    def _background_compaction(self, checkpoint: Checkpoint) -> None:
        while self._compaction.run(everything=False, checkpoint=checkpoint):
            self._submit_index_build()

    def _submit_index_build(self) -> None:
        self._submit(Priority.INDEX, "index", self._index_builder.run)

    def _submit(self, priority: Priority, what: str, job: Job) -> None:
        def unless_dropped(checkpoint: Checkpoint) -> None:
            try:
                job(checkpoint)
            except ElanusError:
                # Its files went away under it: the collection was dropped meanwhile.
                if not self._state.closed:
                    raise

        self._context.maintenance.submit(priority, f"{what} {self._state.path}", unless_dropped)

    def _check_open(self) -> None:
        if self._state.closed:
            raise ClosedError(f"collection {self.name!r} was dropped or its database is closed")

    def _check_writable(self) -> None:
        self._check_open()
        self._context.check_writable()
