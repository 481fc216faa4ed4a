"""How does one collection live?

``CollectionEngine`` opens it, takes writes and hands out snapshots. It wires the parts: group
commit (``writer``), memory and disk (``growing``, ``sealed``), and the jobs that move rows from
one to the other (``flush``, ``compaction``, ``index_builder``).

Locks, in the order in which they are taken:
0. the turn of a sync, which lasts as long as it does;
1. ``DatabaseEngine._lock``;
2. ``CollectionState.lock``, the writer lock: held while a group commits, a memtable is frozen or
   a manifest is replaced; never during index building, segment writing or a search;
3. locks inside a segment's caches.
Readers take none of them: they read ``CollectionState.snapshot``, which is replaced as a whole.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from elanus.engine.background.expiry import PURGE_S, whole_second
from elanus.engine.background.upkeep import Upkeep
from elanus.engine.consistency import parse_consistency
from elanus.engine.context import EngineContext
from elanus.engine.definition.backfill import MadeVectors
from elanus.engine.definition.partitions import Partitions
from elanus.engine.definition.properties import (
    changed_schema,
    changed_settings,
    changes_schema,
    read_properties,
)
from elanus.engine.definition.schema_change import SchemaChanges
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.definition.terms import made_of_terms, with_fingerprints
from elanus.engine.memory import MEMTABLES_PART
from elanus.engine.reading import CollectionReader
from elanus.engine.recovery import create_state, open_state
from elanus.engine.state import CollectionState
from elanus.engine.stats import IndexDescription
from elanus.engine.writing.bulk_load import BulkLoad, BulkLoads
from elanus.engine.writing.embedding import with_models
from elanus.engine.writing.ingest import Ingest
from elanus.engine.writing.load_request import LoadRequest
from elanus.engine.writing.partial import prepare_partial, unique_keys
from elanus.engine.writing.write_bounds import BoundsOf
from elanus.engine.writing.writer import GroupCommit, PendingWrite, SchemaChangedError, WriteKind
from elanus.errors import DiskFullError, StorageError
from elanus.filter import BoundFilter
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.validation import Entities, check_defaults
from elanus.types import PrimaryKey

_log = logging.getLogger(__name__)

MAX_FROZEN = 3
"""Memtables that may wait for their flush before a writer helps: a bound on memory."""
CLOSE_FLUSH_ROWS = 2_000
"""Rows from which closing writes a segment: replaying fewer at the next open is quicker."""


class CollectionEngine(CollectionReader):
    """A collection that is open for writing."""

    def __init__(self, context: EngineContext, state: CollectionState, name: str) -> None:
        super().__init__(context, state, name)
        self.on_drop: Callable[[], None] = lambda: None
        self._state = state
        self._commits = GroupCommit(state, state.lock)
        self._upkeep = Upkeep(context, state)
        self._loads = BulkLoads(state, self._upkeep.memtable_flush)
        self._changes = SchemaChanges(
            state, self._upkeep.memtable_flush, lambda: self._loads.is_running
        )
        self._sync_lock = threading.RLock()
        self._purged_at = time.monotonic()
        self._partitions = Partitions(state, self._changes, self.delete_matching)
        self._upkeep.start()
        try:
            self._partitions.finish_drops()
        except StorageError as error:
            _log.warning("%s: a dropped partition still has rows: %s", name, error)

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
            InvalidArgumentError: A property does not fit.
            SchemaError: A default does not fit its field, or an analyzer is unknown.
        """
        values = read_properties(properties)
        schema = with_fingerprints(with_models(changed_schema(schema, values)))
        check_defaults(schema)
        settings = changed_settings(CollectionSettings(), schema, values)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        state = create_state(context, collection, name, schema, settings, created)
        return cls(context, state, name)

    @classmethod
    def open(
        cls,
        context: EngineContext,
        collection: uuid.UUID,
        name: str,
        *,
        pinned: Iterable[int] = (),
    ) -> CollectionEngine:
        """Open a collection and replay its log.

        Args:
            context: The database.
            collection: Its identifier.
            name: Its name.
            pinned: Versions of the manifest that named snapshots hold.

        Raises:
            CorruptionError: Files are damaged.
        """
        return cls(context, open_state(context, collection, pinned=pinned), name)

    @property
    def state(self) -> CollectionState:
        """Log, rows and manifest."""
        return self._state

    def insert(
        self,
        entities: Entities,
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        """Check, log and apply new entities; return their keys once they are durable."""
        return self._write(WriteKind.INSERT, entities, partition, bounds_of)

    def upsert(
        self,
        entities: Entities,
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        """Like ``insert``, replacing entities with the same keys."""
        return self._write(WriteKind.UPSERT, entities, partition, bounds_of)

    def upsert_parts(
        self,
        entities: Entities,
        operations: Mapping[str, str],
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        """Change the given fields of entities, and make those that are not there."""
        self._check_writable()
        number = None if partition is None else self._state.settings.partition(partition)
        while True:
            fields = self._state.fields
            schema = fields.schema
            partial = prepare_partial(fields, entities, operations, number)
            if not partial.pks:
                return []
            write = PendingWrite(WriteKind.UPSERT, partial.pks, partial=partial, schema=schema)
            if partition is not None and number is not None:
                write.partition = partition, number
            write.bounds = None if bounds_of is None else bounds_of(schema)
            try:
                self._commits.submit(write)
            except SchemaChangedError:
                continue
            self._upkeep.after_deletes()
            return unique_keys(entities, schema.primary)

    def delete(self, pks: Sequence[PrimaryKey]) -> int:
        """Delete by key; return how many were visible."""
        self._check_writable()
        unique = list(dict.fromkeys(pks))
        if not unique:
            return 0
        return self._delete(PendingWrite(WriteKind.DELETE, unique))

    def delete_matching(self, filters: tuple[BoundFilter, ...]) -> int:
        """Delete what matches when the delete is committed; return how many."""
        self._check_writable()
        return self._delete(PendingWrite(WriteKind.DELETE, [], matching=filters))

    def _delete(self, write: PendingWrite) -> int:
        deleted = self._commits.submit(write)
        self._upkeep.after_deletes()
        return deleted

    def _write(
        self,
        kind: WriteKind,
        entities: Entities,
        partition: str | None,
        bounds_of: BoundsOf | None,
    ) -> list[PrimaryKey]:
        self._check_writable()
        number = self._state.settings.partition(partition)
        while True:
            fields = self._state.fields
            schema = fields.schema
            ingest = Ingest(fields, self._state.auto_ids)
            prepared = ingest.prepare(
                entities,
                replace=kind is WriteKind.UPSERT,
                partition=number,
                takes_keys=self._state.settings.takes_auto_ids,
            )
            if not prepared.batch.num_rows:
                return prepared.pks
            self._make_room(prepared.batch)
            write = PendingWrite(kind, prepared.unique_pks, prepared.batch, schema=schema)
            if partition is not None:
                write.partition = partition, number
            write.bounds = None if bounds_of is None else bounds_of(schema)
            try:
                self._commits.submit(write)
            except SchemaChangedError:
                continue
            if kind is WriteKind.UPSERT:
                self._upkeep.after_deletes()
            return prepared.pks

    def sync_turn(self) -> AbstractContextManager[object]:
        """Return what one thread at a time enters, to compare a source with what is stored."""
        self._check_writable()
        return self._sync_lock

    def begin_load(self, request: LoadRequest) -> BulkLoad:
        """Start an import, or go on with an equal one that ended early.

        Raises:
            StateError: Another import is running.
        """
        self._check_writable()
        return self._loads.begin(request)

    def finish_load(self, load: BulkLoad, removed: Sequence[PrimaryKey] = ()) -> None:
        """Make the rows of an import visible and the entities with some keys go, at one moment;
        merges and indexes follow in the background."""
        self._check_writable()
        load.finish(removed)
        self._upkeep.after_load()

    def _make_room(self, batch: ColumnBatch) -> None:
        """Refuse a write that the disk or the memory has no room for, before anything happens."""
        unflushed = self._state.unflushed_bytes()
        try:
            self._context.reserve.check_room(batch.size_bytes, unflushed=unflushed)
        except DiskFullError as error:
            if not unflushed or (error.free or 0) <= unflushed:
                raise
            # A flush makes the log superfluous, which takes as much as the rows themselves.
            self._state.freeze()
            self._upkeep.flush()
            self._context.reserve.check_room(batch.size_bytes)
        is_over = self._context.memory.is_over(self._state.unflushed_bytes(), MEMTABLES_PART)
        if self._state.num_frozen() > MAX_FROZEN or (is_over and self._state.num_frozen()):
            self._upkeep.flush()

    def create_index(self, field: str, index_type: str, params: Mapping[str, Any]) -> None:
        """Choose the index of a field or path; segments are indexed in the background."""
        self._check_writable()
        with self._state.lock:
            settings = self._state.settings.with_index(self.schema, field, index_type, params)
            self._state.commit_settings(settings)
        self._upkeep.submit_index_build()

    def drop_index(self, field: str) -> None:
        """Give up the index of a field or path; its files go in the background."""
        self._check_writable()
        with self._state.lock:
            self._state.commit_settings(self._state.settings.without_index(self.schema, field))
        self._upkeep.submit_index_build()

    def list_indexes(self) -> list[IndexDescription]:
        """Return the indexes that were chosen, how many rows have them and how many are to."""
        return self._upkeep.described(super().list_indexes())

    def change_schema(
        self,
        change: Callable[[Schema], Schema],
        change_settings: Callable[[CollectionSettings, Schema], CollectionSettings] | None = None,
    ) -> None:
        """Replace the schema by what ``change`` makes of it, durably, and settings with it."""
        self._check_writable()
        self._changes.apply(
            lambda schema: with_fingerprints(with_models(change(schema), schema), schema),
            change_settings,
        )
        self._upkeep.submit_index_build()

    def rebuild_terms(self, name: str) -> None:
        """Analyze all texts of a field anew, durably, with the analyzer that is installed."""
        self._check_writable()
        self._changes.apply(
            lambda schema: with_fingerprints(schema, schema, made_of_terms(schema, name)),
            anew=(name,),
        )
        self._upkeep.submit_index_build()

    def fill_vectors(self, made: MadeVectors) -> int:
        """Write vectors to entities that are as they were read; return to how many."""
        self._check_writable()
        wanted = made.wanted
        write = PendingWrite(WriteKind.UPSERT, wanted.pks, schema=wanted.schema, made=made)
        count = self._commits.submit(write)
        self._upkeep.after_deletes()
        return count

    def create_partition(self, name: str) -> None:
        """Add a partition, durably."""
        self._check_writable()
        self._partitions.create(name)

    def drop_partition(self, name: str) -> None:
        """Remove a partition with its entities, durably."""
        self._check_writable()
        self._partitions.drop(name)

    def truncate(self) -> None:
        """Remove all entities, durably."""
        self._check_writable()
        self._changes.truncate()

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        """Add or replace properties, durably; None removes one."""
        self._check_writable()
        values = read_properties(properties)
        if changes_schema(values):
            self._changes.apply(
                lambda schema: changed_schema(schema, values),
                lambda settings, schema: changed_settings(settings, schema, values),
            )
            return
        with self._state.lock:
            self._state.commit_settings(changed_settings(self._state.settings, self.schema, values))

    def set_ttl(self, seconds: float | None, field: str | None) -> None:
        """Let entities expire, durably."""
        self._check_writable()
        with self._state.lock:
            self._state.commit_settings(self._state.settings.with_ttl(self.schema, seconds, field))

    def set_consistency(self, level: str) -> None:
        """Choose how recent reads are that do not say it, durably."""
        self._check_writable()
        with self._state.lock:
            settings = replace(self._state.settings, consistency=parse_consistency(level))
            self._state.commit_settings(settings)

    def set_retention(self, seconds: float) -> None:
        """Keep past states for a time, durably."""
        self._check_writable()
        with self._state.lock:
            self._state.commit_settings(self._state.settings.with_retention(seconds))

    def flush(self) -> None:
        """Write every memtable as a segment."""
        self._check_writable()
        self._state.freeze()
        self._upkeep.flush()

    def compact(self) -> None:
        """Merge all segments into one and build its indexes before returning."""
        self.flush()
        # Background work on the same segments ends first, so that nothing is merged twice.
        self._context.maintenance.wait_idle()
        self._upkeep.compact(self._check_open)

    def wait_idle(self) -> None:
        """Return when background work is done; raise what it failed with."""
        super().wait_idle()
        if os.getpid() == self._context.owner_pid:
            self._context.maintenance.wait_idle()

    def _background_error(self) -> str | None:
        failure = self._context.maintenance.failure
        return None if failure is None else str(failure)

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
            if flush and self._state.can_write:
                if self._state.unflushed_rows() >= CLOSE_FLUSH_ROWS:
                    self._state.freeze()
                self._upkeep.flush()
        except StorageError as error:
            _log.warning("%s: not flushed at closing, the log has every row: %s", self.name, error)
        finally:
            super().close(flush=flush)

    def tidy(self) -> None:
        """Delete what has become too old, and try again what failed for want of space."""
        self._past.forget_unused()
        self._state.tidy()
        self._purge()
        if self._state.num_frozen():
            self._upkeep.submit_flush()

    def _purge(self) -> None:
        """Delete what has expired, now and then."""
        settings, now = self._state.settings, time.monotonic()
        expires = settings.ttl_s is not None or settings.ttl_field is not None
        if expires and now >= self._purged_at + PURGE_S and self._state.can_write:
            self._purged_at = now
            self._delete(PendingWrite(WriteKind.DELETE, [], expired_at=whole_second()))

    def sync(self) -> None:
        """Make everything acknowledged so far survive a power loss."""
        self._state.sync()

    def _check_writable(self) -> None:
        self._check_open()
        self._context.check_writable()
