"""What can be done with a collection without the right to write to it?"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from elanus.engine.background.expiry import ExpiringSnapshots, expiry_at, whole_second
from elanus.engine.consistency import Consistency, parse_consistency
from elanus.engine.context import EngineContext, seq_at, time_of
from elanus.engine.definition.backfill import MadeVectors
from elanus.engine.definition.properties import shown_properties
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.follower import CollectionFollower
from elanus.engine.indexing.segment_indexes import SegmentIndexes
from elanus.engine.kept_states.past import HeldState, PastStates
from elanus.engine.live import Segment
from elanus.engine.sealed import SealedSegment
from elanus.engine.snapshot import Snapshot
from elanus.engine.stats import CollectionStats, IndexDescription, collection_stats
from elanus.engine.views import FieldViews
from elanus.engine.writing.bulk_load import BulkLoad
from elanus.engine.writing.load_request import LoadRequest
from elanus.engine.writing.write_bounds import BoundsOf
from elanus.errors import (
    ClosedError,
    ElanusError,
    InvalidArgumentError,
    NotFoundError,
    ReadOnlyError,
)
from elanus.filter import BoundFilter
from elanus.kernels.cancel import CancelToken
from elanus.schema.collection import Schema
from elanus.schema.validation import Entities
from elanus.storage.directory import Directory
from elanus.types import PrimaryKey

AsOf: TypeAlias = "datetime | int | str"
"""A moment in the past: a time, a sequence number, or the name of a snapshot."""


WAIT_S = 0.002
"""Seconds between two looks for a write that a read waits for."""


class CollectionView(Protocol):
    """What writer and follower have in common."""

    path: str
    fields: FieldViews
    settings: CollectionSettings
    closed: bool

    @property
    def directory(self) -> Directory: ...

    def current(self, level: Consistency | None = None) -> Snapshot: ...

    def current_fields(self, level: Consistency | None = None) -> FieldViews: ...

    def segments(self) -> list[Segment]: ...

    def close(self) -> None: ...


class CollectionReader:
    """A collection that is open for reading.

    Attributes:
        name: With its database, if that is not the default one.
        restricted_to: What is shown of it, as text; empty: everything.
    """

    restricted_to = ""

    def __init__(self, context: EngineContext, view: CollectionView, name: str) -> None:
        self.name = name
        self.named_seq: Callable[[str], int] = _no_snapshots
        self._context = context
        self._view = view
        self._past = PastStates(context, view.path)
        self._expiring = ExpiringSnapshots()
        self._child_lock = threading.Lock()
        self._child: CollectionReader | None = None

    @classmethod
    def follow(cls, context: EngineContext, collection: uuid.UUID, name: str) -> CollectionReader:
        """Open a collection that another process may be writing.

        Raises:
            CorruptionError: Files are damaged.
        """
        return cls(context, CollectionFollower(context, collection), name)

    @property
    def path(self) -> str:
        """Folder of the collection within the database."""
        return self._view.path

    @property
    def live_view(self) -> CollectionView:
        """The collection as this process follows it: a forked child does so by itself."""
        if os.getpid() == self._context.owner_pid:
            return self._view
        return self._in_child().live_view

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self.live_view.current_fields().schema

    @property
    def fields(self) -> FieldViews:
        """What the engine derives from the schema."""
        return self.live_view.current_fields()

    def fields_at(self, consistency: str | None) -> FieldViews:
        """Return what the engine derives from the schema, as recent as a level asks for."""
        level = None if consistency is None else parse_consistency(consistency)
        return self.live_view.current_fields(level)

    @property
    def properties(self) -> dict[str, Any]:
        """The properties that were set."""
        view = self.live_view
        schema = view.current_fields().schema  # looks for news, of settings as well
        return shown_properties(view.settings, schema)

    @property
    def retention_s(self) -> float:
        """How long past states are kept, in seconds."""
        return self.live_view.settings.retention_s

    @property
    def settings(self) -> CollectionSettings:
        """What can be changed about the collection, as it is now."""
        return self.live_view.settings

    @property
    def index_types(self) -> dict[str, str]:
        """Index type by dense field, scalar field and JSON path, as chosen by the user."""
        return self.live_view.settings.types(self.schema)

    def list_indexes(self) -> list[IndexDescription]:
        """Return the indexes that were chosen, and how many rows have them."""
        self._check_open()
        view = self.live_view
        settings = view.settings
        segments = [(s.num_rows, s.index_names()) for s in view.segments()]
        total = sum(rows for rows, _ in segments)
        described = []
        for name, kind in settings.types(self.schema).items():
            indexed = sum(rows for rows, names in segments if name in names)
            params = dict(settings.index(name).params)
            described.append(IndexDescription(name, kind, params, indexed, total))
        return described

    def snapshot(
        self,
        as_of: AsOf | None = None,
        *,
        consistency: str | None = None,
        at_least: int | None = None,
        token: CancelToken | None = None,
    ) -> Snapshot:
        """Return what is visible now, or was visible at a moment in the past.

        Args:
            as_of: The moment; None is now.
            consistency: How recent it is, for a process that only reads; None: as the collection
                says (``engine.consistency``).
            at_least: Wait until the write with this sequence number is visible.
            token: Ends the waiting.

        Raises:
            ClosedError: The database is closed, or the collection was dropped.
            HistoryError: That state was not kept.
            InvalidArgumentError: ``as_of`` is none of time, sequence number and name, or no such
                level.
            SearchTimeoutError: The time of ``token`` was over.
        """
        self._check_open()
        if os.getpid() != self._context.owner_pid:
            return self._in_child().snapshot(
                as_of, consistency=consistency, at_least=at_least, token=token
            )
        current = self._current(consistency, at_least, token)
        if as_of is not None:
            seq = self._seq_of(as_of)
            if seq < current.seq:
                seen = self._past.held(seq)
                if seen is not None:
                    return self._unexpired(*seen)
                return self._unexpired(self._past.at(seq), time_of(seq))
        return self._unexpired(current, None)

    def _current(
        self, consistency: str | None, at_least: int | None, token: CancelToken | None
    ) -> Snapshot:
        level = None if consistency is None else parse_consistency(consistency)
        current = self._view.current(level)
        while at_least is not None and current.seq < at_least:
            if token is not None:
                token.check()
            time.sleep(WAIT_S)
            self._check_open()
            current = self._view.current(Consistency.STRONG)
        return current

    def hold(self, *, consistency: str | None = None, at_least: int | None = None) -> HeldState:
        """Keep what is visible now for ``as_of``, for as long as what is returned lives.

        Args:
            consistency: As in ``snapshot``.
            at_least: As in ``snapshot``.

        Raises:
            ClosedError: The database is closed, or the collection was dropped.
            InvalidArgumentError: No such level.
        """
        self._check_open()
        if os.getpid() != self._context.owner_pid:
            return self._in_child().hold(consistency=consistency, at_least=at_least)
        return self._past.hold(self._current(consistency, at_least, None), whole_second())

    def _unexpired(self, snapshot: Snapshot, moment_s: float | None) -> Snapshot:
        """Return a snapshot without what had expired at a time, or has by now."""
        settings = self._view.settings
        if settings.ttl_s is None and settings.ttl_field is None:
            return snapshot
        moment_s = whole_second() if moment_s is None else moment_s
        expiry = expiry_at(settings, snapshot.fields.schema, moment_s)
        return snapshot if expiry is None else self._expiring.at(snapshot, expiry)

    def _in_child(self) -> CollectionReader:
        """Return what a forked child reads with: locks and threads of its parent are not its own,
        and one of them may have been held at the moment of the fork."""
        with self._child_lock:
            if self._child is None:
                collection = uuid.UUID(self._view.path.rpartition("/")[2])
                context = self._context.for_child()
                self._child = CollectionReader.follow(context, collection, self.name)
                self._child.named_seq = self.named_seq
            return self._child

    def _seq_of(self, as_of: AsOf) -> int:
        if isinstance(as_of, str):
            return self.named_seq(as_of)
        if isinstance(as_of, datetime):
            # All writes of that millisecond.
            return seq_at(as_of.timestamp() + 0.001) - 1
        if isinstance(as_of, int) and not isinstance(as_of, bool) and as_of >= 0:
            return as_of
        raise InvalidArgumentError(
            f"as_of must be a datetime, a sequence number or the name of a snapshot, got {as_of!r}"
        )

    def stats(self) -> CollectionStats:
        """Return rows, segments and bytes."""
        self._check_open()
        view = self.live_view
        view.current()
        return collection_stats(
            view.directory, view.path, view.segments(), self._background_error()
        )

    def _background_error(self) -> str | None:
        return None

    def close(self, *, flush: bool) -> None:
        """Close the files. Idempotent."""
        for indexes in self._indexes():
            indexes.close()
        self._view.close()

    def _check_open(self) -> None:
        if self._view.closed:
            raise ClosedError(f"collection {self.name!r} was dropped or its database is closed")

    # --- what needs the right to write ------------------------------------------------------

    def insert(
        self,
        entities: Entities,
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        """Check, log and apply new entities; return their keys once they are durable."""
        raise self._refused()

    def upsert(
        self,
        entities: Entities,
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        """Like ``insert``, replacing entities with the same keys."""
        raise self._refused()

    def upsert_parts(
        self,
        entities: Entities,
        operations: Mapping[str, str],
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        """Change the given fields of entities, and make those that are not there."""
        raise self._refused()

    def sync_turn(self) -> AbstractContextManager[object]:
        """Return what one thread at a time enters, to compare a source with what is stored."""
        raise self._refused()

    def begin_load(self, request: LoadRequest) -> BulkLoad:
        """Start an import, or go on with an equal one that ended early."""
        raise self._refused()

    def finish_load(self, load: BulkLoad, removed: Sequence[PrimaryKey] = ()) -> None:
        """Make the rows of an import visible, and the entities with some keys go."""
        raise self._refused()

    def delete(self, pks: Sequence[PrimaryKey]) -> int:
        """Delete by key; return how many were visible."""
        raise self._refused()

    def delete_matching(self, filters: tuple[BoundFilter, ...]) -> int:
        """Delete what matches when the delete is committed; return how many."""
        raise self._refused()

    def create_index(self, field: str, index_type: str, params: Mapping[str, Any]) -> None:
        """Choose the index of a dense field; segments are indexed in the background."""
        raise self._refused()

    def change_schema(
        self,
        change: Callable[[Schema], Schema],
        change_settings: Callable[[CollectionSettings, Schema], CollectionSettings] | None = None,
    ) -> None:
        """Replace the schema by what ``change`` makes of it, durably, and settings with it."""
        raise self._refused()

    def rebuild_terms(self, name: str) -> None:
        """Analyze all texts of a field anew, durably."""
        raise self._refused()

    def fill_vectors(self, made: MadeVectors) -> int:
        """Write vectors to entities that are as they were read; return to how many."""
        raise self._refused()

    def create_partition(self, name: str) -> None:
        """Add a partition, durably."""
        raise self._refused()

    def drop_partition(self, name: str) -> None:
        """Remove a partition with its entities, durably."""
        raise self._refused()

    def truncate(self) -> None:
        """Remove all entities, durably."""
        raise self._refused()

    def drop_index(self, field: str) -> None:
        """Give up the index of a field or path."""
        raise self._refused()

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        """Add or replace properties, durably; None removes one."""
        raise self._refused()

    def set_ttl(self, seconds: float | None, field: str | None) -> None:
        """Let entities expire, durably."""
        raise self._refused()

    def set_consistency(self, level: str) -> None:
        """Choose how recent reads are that do not say it, durably."""
        raise self._refused()

    def set_retention(self, seconds: float) -> None:
        """Keep past states for a time, durably."""
        raise self._refused()

    def flush(self) -> None:
        """Write every memtable as a segment."""
        raise self._refused()

    def compact(self) -> None:
        """Merge all segments into one and build its indexes before returning."""
        raise self._refused()

    def drop(self) -> None:
        """Delete the collection; its database forgets it first."""
        raise self._refused()

    def wait_idle(self) -> None:
        """Return when every index is loaded; a reader has no other background work."""
        self._check_open()
        if os.getpid() != self._context.owner_pid:
            self._in_child().wait_idle()
            return
        for indexes in self._indexes():
            indexes.wait_loaded()

    def load(self) -> None:
        """Read ahead what searches need, instead of at the first search that needs it."""
        self._check_open()
        fields = self._view.current_fields()
        for indexes in self._indexes():
            indexes.wait_loaded()
            for name in fields.analyzers:
                indexes.text(name)
            for name in fields.sparse:
                indexes.sparse(name)

    def release(self) -> None:
        """Give back what is in memory and can be read again; searches read it when they need it."""
        self._check_open()
        for segment in self._view.segments():
            if isinstance(segment, SealedSegment):
                segment.release(self._view.directory, self._view.path)
        # Prepared searches hold the graphs that they walk.
        current = self._view.current()
        current.plain.clear()
        current.parts.clear()

    def _indexes(self) -> list[SegmentIndexes]:
        segments = self._view.segments()
        return [s.indexes for s in segments if isinstance(s, SealedSegment)]

    def _refused(self) -> ElanusError:
        self._check_open()
        return ReadOnlyError(
            "the database was opened with read_only=True; connect without it to write"
        )


def _no_snapshots(name: str) -> int:
    raise NotFoundError(f"as_of: no snapshot is named {name!r}")
