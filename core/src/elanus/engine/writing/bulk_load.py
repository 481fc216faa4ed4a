"""How do many rows come in without going through the log?

An import fills a memtable of its own, segment by segment, and writes each as a sealed segment that
no manifest names. A durable record beside them (``storage/load_record.py``) says how far it is, so
that an import that ended early goes on where its last segment ended. At the end one manifest,
committed under the writer lock, makes all rows visible at once and hides those that they
replace.

Keys are checked twice: when a row comes in, against everything that is there, and again at the
commit against what was written meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elanus.engine.background.clustering import rows_to_seal
from elanus.engine.background.flush import MemtableFlush
from elanus.engine.background.segment_files import write_sealed
from elanus.engine.growing import GrowingSegment
from elanus.engine.kept_states.history import files_of
from elanus.engine.keys import Keys
from elanus.engine.memory import FLUSH_PART
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.engine.writing.ingest import in_partition, with_auto_ids
from elanus.engine.writing.load_request import Conflict, LoadRequest, OnConflict
from elanus.errors import (
    ClosedError,
    CorruptionError,
    InternalError,
    StateError,
    StorageFailedError,
)
from elanus.schema.batches import Column, ColumnBatch, FixedColumn, StringColumn
from elanus.schema.serialization import schema_from_json, schema_to_json
from elanus.storage.directory import Directory, join_path
from elanus.storage.load_record import (
    LoadRecord,
    delete_load,
    delete_other_loads,
    list_loads,
    save_load,
    settle_load,
)
from elanus.types import BoolArray, Int64Array, PrimaryKey

SEGMENT_ROWS = 131_072
"""Rows from which a segment of an import is written."""
SEGMENT_BYTES = 128 << 20
"""Bytes from which it is written: a bound on memory."""


class BulkLoads:
    """The imports of one collection, one at a time."""

    def __init__(self, state: CollectionState, flush: MemtableFlush) -> None:
        self._state = state
        self._flush = flush
        self._running: BulkLoad | None = None
        for record in list_loads(state.directory, state.path):
            self._recover(record)

    def _recover(self, record: LoadRecord) -> None:
        """Take note of an import that a process before this one has left.

        Called before segments are merged: those of a finished import have their names still.
        """
        self._state.auto_ids.advance(record.next_auto_id - 1)
        live = {s.uuid for s in self._state.manifest.segments}
        if any(segment.uuid in live for segment in record.segments):
            done = replace(record, segments=(), is_committed=True)
            save_load(self._state.directory, self._state.path, done)

    def begin(self, request: LoadRequest) -> BulkLoad:
        """Start an import, or go on with an equal one that ended early. Others are dropped.

        Raises:
            StateError: Another import into this collection is running.
        """
        with self._state.lock:
            if self._running is not None:
                raise StateError(
                    f"{self._state.path}: another import into this collection is running; wait "
                    f"until it has ended"
                )
            load = BulkLoad(self._state, self._flush, request, self._ended)
            self._running = load
        try:
            load.start(list_loads(self._state.directory, self._state.path))
        except BaseException:
            load.close()
            raise
        return load

    @property
    def is_running(self) -> bool:
        """Whether an import has begun and not ended."""
        return self._running is not None

    def _ended(self) -> None:
        self._running = None


class BulkLoad:
    """One import. Call ``finish`` to make its rows visible, and ``close`` in any case."""

    def __init__(
        self,
        state: CollectionState,
        flush: MemtableFlush,
        request: LoadRequest,
        ended: Callable[[], None],
    ) -> None:
        self.num_rows = 0
        """Rows that are going to be visible."""
        self.skipped = 0
        """Rows left out because their key is taken."""
        self._state = state
        self._flush = flush
        self._request = request
        self._partition = state.settings.partition(request.partition)
        self._ended = ended
        self._record: LoadRecord | None = None
        self._segments: list[SealedSegment] = []
        self._growing = GrowingSegment(state.fields, 0)
        self._resumed: Mapping[str, Any] | None = None

    def start(self, records: Iterable[LoadRecord]) -> None:
        """Adopt the record of an equal import, and drop all others."""
        identity = self._request.identity
        for record in records:
            is_same = self._request.resume and identity is not None and record.request == identity
            if not is_same or self._record is not None or not self._adopt(record):
                _drop(self._state.directory, self._state.path, record)
        kept = None if self._record is None else self._record.job
        delete_other_loads(self._state.directory, self._state.path, kept)
        if self._record is None and identity is not None:
            self._record = LoadRecord(uuid.uuid4(), dict(identity))

    def _adopt(self, record: LoadRecord) -> bool:
        state = self._state
        if not record.is_committed and not self._has_same_target(record):
            return False
        try:
            self._segments = [
                SealedSegment.open(
                    state.directory, state.path, state.fields, info, state.context.memory
                )
                for info in record.segments
            ]
        except CorruptionError:
            return False
        for number, segment in enumerate(self._segments):
            column = self._pks(segment)
            for older in self._segments[:number]:
                _kill(older, older.find(Keys(_NO_LIST, column)))
        self._record = record
        self._resumed = record.progress.get("importer", {})
        self.skipped = int(record.progress.get("skipped", 0))
        self.num_rows = int(record.progress.get("rows", 0))
        return True

    def _has_same_target(self, record: LoadRecord) -> bool:
        """Whether rows of an earlier import are what the same rows of this one would be: a field
        or a partition may have been dropped since, and another one may have its name."""
        schema, partition = (record.progress.get(name) for name in ("schema", "partition"))
        is_same = schema is not None and schema_from_json(schema) == self._state.schema
        return is_same and partition == self._partition

    @property
    def resumed(self) -> Mapping[str, Any] | None:
        """What ``progress`` returned when the last segment was written; None for a new import."""
        return self._resumed

    @property
    def is_committed(self) -> bool:
        """Whether an equal import made its rows visible, and ended before it could say so."""
        return self._record is not None and self._record.is_committed

    def add(self, batch: ColumnBatch) -> None:
        """Take rows.

        Args:
            batch: Every stored field of the schema; the column of an automatic primary key may
                be missing.

        Raises:
            ClosedError: The database was closed meanwhile.
            DiskFullError: There is no room.
            StorageError: A segment cannot be written; the import can be tried again.
        """
        self._check_open()
        if not len(batch):
            return
        self._state.context.reserve.check_room(batch.size_bytes)
        fields = self._state.fields
        if fields.given is not fields.schema:
            batch = fields.embedders.completed(batch)
        fields.check_texts(batch.columns)
        batch = in_partition(self._state.schema, batch, self._partition)
        batch = with_auto_ids(self._state.schema, self._state.auto_ids, batch)
        batch = self._without_conflicts(batch)
        if len(batch):
            self._growing.append(batch, self._state.context.clock.tick())
            self.num_rows += len(batch)
        if self._is_full:
            self._seal()

    @property
    def _is_full(self) -> bool:
        size = self._growing.size_bytes
        is_over = self._state.context.memory.is_over(size, FLUSH_PART)
        return is_over or self._growing.num_rows >= SEGMENT_ROWS or size >= SEGMENT_BYTES

    def finish(self, removed: Sequence[PrimaryKey] = ()) -> None:
        """Make the rows visible, all at once.

        Args:
            removed: Keys of entities that go at the same moment; the import may have rows with
                these keys.

        Raises:
            StorageError: Nothing of it is visible; the import can be tried again.
        """
        self._check_open()
        self._seal()
        state = self._state
        if self._record is not None:
            # Should the power fail after the commit, it is the last record that tells of it.
            settle_load(state.directory, state.path, self._record.job)
        # Most of the work is done before writers have to wait.
        state.freeze()
        self._flush.run()
        known = {segment: self._matches(segment) for segment in state.sealed()}
        gone = Keys.of(state.schema.primary, removed)
        with state.reorganise_lock:
            with self._flush.drained():
                written = self.num_rows
                replaced = self._resolve(known, gone)
                if self.num_rows != written:
                    self._save()
                self._install(replaced)
            # Before anything is merged: a record names the segments as they were written.
            if self._record is not None:
                delete_load(state.directory, state.path, self._record.job)
        for segment in self._segments:
            if not _has_rows(segment):
                _delete_files(state.directory, state.path, segment)
        self._segments = []
        self._record = None

    def _install(self, replaced: Mapping[SealedSegment, Int64Array]) -> None:
        try:
            made = [s for s in self._segments if _has_rows(s)]
            self._state.install_loaded(made, replaced, self._request.properties_of(self.num_rows))
        except StorageFailedError:
            # The manifest may be on the disk and name them: opening tells, and drops what it does
            # not name.
            self._segments = []
            raise

    def forget(self) -> None:
        """Drop the record of an import whose rows are visible already."""
        if self._record is not None:
            delete_load(self._state.directory, self._state.path, self._record.job)
            self._record = None

    def close(self) -> None:
        """End. Rows of an import that did not finish stay for the next try if it can go on."""
        try:
            if self._record is None and not self._state.closed:
                for segment in self._segments:
                    _delete_files(self._state.directory, self._state.path, segment)
                self._segments = []
        finally:
            self._ended()

    # --- rows coming in -----------------------------------------------------------------

    def _without_conflicts(self, batch: ColumnBatch) -> ColumnBatch:
        """Return the rows that count, and hide what they replace within this import."""
        column = _key_column(batch.columns[self._state.schema.primary.name])
        pks: list[PrimaryKey] = column.to_pylist()  # type: ignore[assignment]
        keys = Keys(pks, column)
        wins_last = self._request.on_conflict is OnConflict.REPLACE
        kept = _one_per_key(pks, last=wins_last)
        if wins_last:
            mine: list[SealedSegment | GrowingSegment] = [self._growing, *self._segments]
            for segment in mine:
                self.num_rows -= _kill(segment, segment.find(keys))
        else:
            taken = self._taken_here(keys)
            waits = self._request.waits_for_removals
            existing = np.zeros_like(taken) if waits else self._taken_before(keys)
            self._leave_out(pks, ~kept, "is there twice in this import")
            self._leave_out(pks, kept & taken, "is there twice in this import")
            self._leave_out(pks, kept & ~taken & existing, "exists already in the collection")
            kept &= ~taken & ~existing
        if kept.all():
            return batch
        return batch.take(np.flatnonzero(kept).astype(np.int64))

    def _taken_here(self, keys: Keys) -> BoolArray:
        taken = self._growing.find(keys) >= 0
        for segment in self._segments:
            taken |= segment.find(keys) >= 0
        return taken

    def _taken_before(self, keys: Keys) -> BoolArray:
        taken = np.zeros(len(keys), dtype=np.bool_)
        with self._state.lock:
            for segment in self._state.segments():
                taken |= segment.find(keys) >= 0
        return taken

    def _leave_out(self, pks: Sequence[PrimaryKey], rows: BoolArray, what: str) -> None:
        places = np.flatnonzero(rows).tolist()
        if self._request.on_conflict is OnConflict.SKIP:
            self.skipped += len(places)
        elif places:
            self._request.report([Conflict(pks[p], p, _message(pks[p], what)) for p in places])

    def _seal(self) -> None:
        """Write what has gathered as a segment, and the record that names it."""
        rows = rows_to_seal(self._state.schema, self._growing)
        if len(rows):
            made = write_sealed(self._state, self._growing.content(rows))
            self._segments.append(made)
        self._growing = GrowingSegment(self._state.fields, 0)
        self._save()

    def _save(self) -> None:
        """Write down how far the import is."""
        if self._record is None:
            return
        progress = {
            "importer": dict(self._request.progress()),
            "rows": self.num_rows,
            "skipped": self.skipped,
            "schema": schema_to_json(self._state.schema),
            "partition": self._partition,
        }
        self._record = save_load(
            self._state.directory,
            self._state.path,
            replace(
                self._record,
                progress=progress,
                next_auto_id=self._state.auto_ids.next,
                segments=tuple(segment.info for segment in self._segments),
            ),
        )

    # --- the commit -----------------------------------------------------------------------

    def _matches(self, existing: SealedSegment) -> list[_Match]:
        """Return the rows of this import whose keys a segment of the collection has, alive or
        not."""
        found: list[_Match] = []
        for segment in self._segments:
            rows = existing.reader.find_pks(self._pks(segment))
            mine = np.flatnonzero(rows >= 0).astype(np.int64)
            if len(mine):
                found.append(_Match(segment, mine, rows[mine]))
        return found

    def _resolve(
        self, known: Mapping[SealedSegment, list[_Match]], gone: Keys
    ) -> dict[SealedSegment, Int64Array]:
        """Settle the conflicts with what is visible now; return the rows that go.

        Args:
            known: Matches of the segments that were there before the lock was taken: within
                them rows only die.
            gone: Keys of entities that go whatever the import has.
        """
        replaced: dict[SealedSegment, Int64Array] = {}
        for existing in self._state.sealed():
            matches = known[existing] if existing in known else self._matches(existing)
            removed = _found(existing, gone)
            alive = existing.alive_mask() if matches else _NOTHING
            if matches:
                alive[removed] = False
            dead = [self._settle(match, alive) for match in matches]
            hidden = np.concatenate([removed, *dead])
            if len(hidden):
                replaced[existing] = np.unique(hidden)
        return replaced

    def _settle(self, match: _Match, alive: BoolArray) -> Int64Array:
        """Return the rows of the collection that are replaced in one pair of segments."""
        counts = match.segment.alive_mask()[match.mine] & alive[match.theirs]
        mine, theirs = match.mine[counts], match.theirs[counts]
        if self._request.on_conflict is OnConflict.REPLACE or not len(mine):
            return theirs
        if self._request.on_conflict is OnConflict.SKIP:
            self.skipped += len(mine)
        else:
            column = self._pks(match.segment).take(mine)
            what = "was written to the collection while this import ran"
            self._request.report(
                [Conflict(pk, None, _message(pk, what)) for pk in column.to_pylist()]  # type: ignore[arg-type]
            )
        match.segment.kill(mine)
        self.num_rows -= len(mine)
        return np.empty(0, dtype=np.int64)

    def _pks(self, segment: SealedSegment) -> FixedColumn | StringColumn:
        return _key_column(segment.reader.column(self._state.schema.primary.name))

    def _check_open(self) -> None:
        if self._state.closed:
            raise ClosedError("the collection was dropped or its database was closed meanwhile")


@dataclass(frozen=True, slots=True)
class _Match:
    """Rows of a segment of the import and rows of the collection with the same keys."""

    segment: SealedSegment
    mine: Int64Array
    theirs: Int64Array


_NO_LIST: tuple[PrimaryKey, ...] = ()
"""Segments look keys up as a column; only memtables ever wanted them as a list."""
_NOTHING: BoolArray = np.empty(0, dtype=np.bool_)


def _message(pk: PrimaryKey, what: str) -> str:
    return (
        f"primary key {pk!r} {what}; on_conflict='replace' lets the last one count, 'skip' the "
        f"first one"
    )


def _one_per_key(pks: Sequence[PrimaryKey], *, last: bool) -> BoolArray:
    """Return which rows to keep so that each key is there once: the last or the first."""
    kept = np.ones(len(pks), dtype=np.bool_)
    if len(set(pks)) == len(pks):
        return kept
    kept[:] = False
    order = enumerate(pks) if last else zip(reversed(range(len(pks))), reversed(pks), strict=True)
    kept[list({pk: row for row, pk in order}.values())] = True
    return kept


def _has_rows(segment: SealedSegment) -> bool:
    return segment.num_rows > segment.num_deleted


def _kill(segment: SealedSegment | GrowingSegment, rows: Int64Array) -> int:
    """Hide the rows that are there; return how many."""
    dead = np.unique(rows[rows >= 0])
    if len(dead):
        segment.kill(dead)
    return len(dead)


def _found(segment: SealedSegment, keys: Keys) -> Int64Array:
    """Return the visible rows with these keys."""
    if not len(keys):
        return np.empty(0, dtype=np.int64)
    rows = segment.find(keys)
    return rows[rows >= 0]


def _key_column(column: Column) -> FixedColumn | StringColumn:
    if not isinstance(column, FixedColumn | StringColumn):
        raise InternalError(f"primary keys cannot be a {type(column).__name__}")
    return column


def _drop(directory: Directory, path: str, record: LoadRecord) -> None:
    """Delete an import that nobody goes on with: first its record, then its segments."""
    delete_load(directory, path, record.job)
    for info in record.segments:
        for file in files_of(info):
            _delete(directory, join_path(path, file))


def _delete_files(directory: Directory, path: str, segment: SealedSegment) -> None:
    for file in files_of(segment.info):
        _delete(directory, join_path(path, file))


def _delete(directory: Directory, path: str) -> None:
    if directory.is_dir(path):
        directory.delete_dir(path)
    elif directory.exists(path):
        # What lies in a folder that was named before went with it.
        directory.delete(path)
