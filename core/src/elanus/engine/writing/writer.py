"""How does a write become durable?

Group commit without a timer: every caller queues its write. The first in the queue leads: it
takes the writer lock and commits all that is queued as one group, with one append and one sync,
while the others sleep until their write is done. While one group syncs, the next one gathers; its
leader is woken when the sync is over. Small writes of a group become one record: what they cost
besides their bytes is paid once.

Order of a group: check against the committed state, append frames, sync, apply to the memtable,
publish, acknowledge. A write that fails its check changes nothing and does not stop the others.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from elanus.engine.definition.backfill import MadeVectors
from elanus.engine.writing.partial import PartialEntities
from elanus.engine.writing.write_bounds import WriteBounds
from elanus.errors import ElanusError, EntityExistsError, InternalError
from elanus.filter import BoundFilter
from elanus.schema.batches import ColumnBatch, concat_batches
from elanus.schema.collection import Schema
from elanus.types import PrimaryKey

MAX_GROUP_ROWS = 65_536
"""Rows after which a group is closed: a bound on the bytes that one sync has to carry."""
MAX_JOINED_ROWS = 64
"""Rows of a write that is joined with its neighbours; larger ones are not copied once more."""


class WriteKind(Enum):
    """What a write does with its keys."""

    INSERT = "insert"
    UPSERT = "upsert"
    DELETE = "delete"


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class PendingWrite:
    """One call of a user on its way to the log.

    Attributes:
        kind: Insert, upsert or delete.
        pks: Keys it touches, unique; found at commit time when ``matching`` is given.
        batch: The entities, one per key; None for a delete.
        matching: Delete what matches these filters when the write is committed.
        count: Entities written or deleted; known when ``done``.
        leads: The caller commits the group that begins with this write.
        is_new: None of the keys of an insert is taken.
        partial: Parts of entities; ``batch`` is made of them when they are committed.
        expired_at: Delete what has expired at this time, seconds since 1970, when committed.
        schema: What the entities were checked against; None for a delete.
        partition: Name and number of the partition that they belong to; None: the default one, or
            whichever they are in.
        made: Vectors for entities, written to those that are as they were when it is committed.
        bounds: Entities that it may touch and make; None: any.
        turn: Locked until the write is done or leads.
    """

    kind: WriteKind
    pks: list[PrimaryKey]
    batch: ColumnBatch | None = None
    matching: tuple[BoundFilter, ...] = ()
    count: int = 0
    done: bool = False
    error: BaseException | None = field(default=None, repr=False)
    leads: bool = False
    is_new: bool = False
    partial: PartialEntities | None = None
    expired_at: float | None = None
    schema: Schema | None = None
    partition: tuple[str, int] | None = None
    made: MadeVectors | None = None
    bounds: WriteBounds | None = None
    turn: threading.Lock = field(default_factory=_locked, repr=False)

    @property
    def finds_keys(self) -> bool:
        """Whether its keys are not known before it is committed."""
        return bool(self.matching) or self.expired_at is not None


class SchemaChangedError(ElanusError):
    """The fields of the collection changed after entities were checked: check them again."""


class WriteTarget(Protocol):
    """What the writer needs from the collection; every call is made under the writer lock."""

    @property
    def schema(self) -> Schema:
        """The fields that entities must have."""
        ...

    def check_partition(self, name: str, number: int) -> None:
        """Raise ``NotFoundError`` unless there is such a partition, and it has this number."""
        ...

    def existing(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys that are visible now."""
        ...

    def unexpired(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys of visible entities that have not expired."""
        ...

    def matching(self, filters: Sequence[BoundFilter]) -> list[PrimaryKey]:
        """Return the keys of the entities that match now."""
        ...

    def check_replaced(self, pks: Sequence[PrimaryKey], bounds: WriteBounds) -> None:
        """Raise ``NotAllowedError`` when a key is that of an entity that may not be touched."""
        ...

    def complete(self, partial: PartialEntities) -> ColumnBatch:
        """Return whole entities: what is given, and the rest as it is now."""
        ...

    def filled(self, made: MadeVectors) -> tuple[list[PrimaryKey], ColumnBatch]:
        """Return the entities that vectors are still for, whole."""
        ...

    def expired(self, moment_s: float) -> list[PrimaryKey]:
        """Return the keys of the entities that have expired at a time."""
        ...

    def commit(self, writes: Sequence[PendingWrite]) -> None:
        """Log, sync, apply and publish the writes as one group."""
        ...


class GroupCommit:
    """The queue in front of one collection's log."""

    def __init__(self, target: WriteTarget, lock: threading.RLock) -> None:
        self._target = target
        self._lock = lock
        self._queue: list[PendingWrite] = []
        self._queue_lock = threading.Lock()
        self._has_leader = False

    @property
    def num_waiting(self) -> int:
        """Writes that no leader has taken yet."""
        return len(self._queue)

    def submit(self, write: PendingWrite) -> int:
        """Return the number of entities written or deleted, once that is durable.

        Raises:
            EntityExistsError: An inserted key is taken.
            StorageError: The write is not durable; after a crash it may or may not be there.
        """
        try:
            with self._queue_lock:
                self._queue.append(write)
                if not self._has_leader:
                    self._has_leader = write.leads = True
            if not write.leads:
                write.turn.acquire()
            if write.leads:
                self._lead(write)
        except BaseException:
            # An interrupt: the caller never learns what became of the write, but others go on.
            self._resign(write)
            raise
        if write.error is not None:
            raise write.error
        return write.count

    def _lead(self, write: PendingWrite) -> None:
        """Commit one group, which begins with the write of the caller; then let another lead."""
        group: list[PendingWrite] = []
        try:
            with self._lock:
                group = self._next_group()
                self._commit_group(group)
        finally:
            self._resign(write)
            for done in group:
                done.turn.release()

    def _resign(self, write: PendingWrite) -> None:
        """Give up leading, if the caller leads, and a write that nobody has begun with."""
        with self._queue_lock:
            if write in self._queue:
                self._queue.remove(write)
            if not write.leads:
                return
            write.leads = False
            self._has_leader = bool(self._queue)
            if self._queue:
                self._queue[0].leads = True
                self._queue[0].turn.release()

    def _next_group(self) -> list[PendingWrite]:
        """Take queued writes that touch different keys, so that each can be checked alone."""
        group: list[PendingWrite] = []
        keys: set[PrimaryKey] = set()
        rows = 0
        with self._queue_lock:
            while self._queue:
                write = self._queue[0]
                if group and (
                    write.finds_keys
                    or rows + len(write.pks) > MAX_GROUP_ROWS
                    or not keys.isdisjoint(write.pks)
                ):
                    break
                group.append(self._queue.pop(0))
                if write.finds_keys:
                    break  # its keys are not known yet
                rows += len(write.pks)
                # A lone large write needs no set: nothing else joins it.
                if self._queue:
                    keys.update(write.pks)
        return group

    def _commit_group(self, group: list[PendingWrite]) -> None:
        passed = group
        try:
            passed = self._checked(group)
            if passed:
                self._target.commit(_joined(passed))
        except BaseException as error:
            # Whatever it was, also an interrupt: nobody may take it for an acknowledgement.
            for write in passed:
                write.error = error
            if not isinstance(error, ElanusError):
                raise
        finally:
            for write in group:
                write.done = True

    def _checked(self, group: list[PendingWrite]) -> list[PendingWrite]:
        """Return the writes that are to be logged; the others fail or have no effect."""
        inserts = [write for write in group if write.kind is WriteKind.INSERT]
        if len(inserts) > 1:
            # Nearly always every key is new, which one look-up for all of them tells.
            pks = [pk for write in inserts for pk in write.pks]
            if not self._target.existing(pks):
                for write in inserts:
                    write.is_new = True
        return [write for write in group if self._check(write)]

    def _check(self, write: PendingWrite) -> bool:
        """Resolve the write against the committed state; False when it fails or has no effect."""
        try:
            if write.schema is not None and write.schema is not self._target.schema:
                raise SchemaChangedError
            if write.partition is not None:
                self._target.check_partition(*write.partition)
            if write.matching:
                write.pks = self._target.matching(write.matching)
            elif write.expired_at is not None:
                write.pks = self._target.expired(write.expired_at)
            elif write.kind is WriteKind.DELETE:
                write.pks = self._target.existing(write.pks)
            elif write.kind is WriteKind.INSERT and not write.is_new:
                self._check_free(write)
            if write.bounds is not None:
                self._target.check_replaced(write.pks, write.bounds)
            if write.partial is not None:
                write.batch = self._target.complete(write.partial)
            if write.bounds is not None and write.batch is not None:
                write.bounds.check_made(write.batch)
            if write.made is not None:
                write.pks, write.batch = self._target.filled(write.made)
        except ElanusError as error:
            write.error = error
            return False
        if write.batch is not None and len(write.batch) != len(write.pks):
            raise InternalError(f"{len(write.batch)} entities, but {len(write.pks)} keys")
        write.count = len(write.pks)
        if write.kind is WriteKind.DELETE and write.expired_at is None and write.pks:
            # What has expired goes too, and was there for nobody.
            write.count = len(self._target.unexpired(write.pks))
        return len(write.pks) > 0

    def _check_free(self, write: PendingWrite) -> None:
        """Raise ``EntityExistsError`` unless the keys of an insert are those of no entity."""
        there = self._target.existing(write.pks)
        if not there:
            return
        taken = self._target.unexpired(there)
        if taken:
            raise _exists(write.pks, taken[0])
        # What has expired is still in its place until somebody deletes it.
        write.kind = WriteKind.UPSERT


def _joined(writes: Sequence[PendingWrite]) -> list[PendingWrite]:
    """Return the writes with small neighbours of the same kind made one; their keys differ."""
    joined: list[PendingWrite] = []
    for small, run in itertools.groupby(writes, _is_small):
        members = list(run)
        if small is None or len(members) == 1:
            joined += members
            continue
        pks = [pk for write in members for pk in write.pks]
        batch = concat_batches([write.batch for write in members if write.batch is not None])
        joined.append(PendingWrite(small, pks, batch))
    return joined


def _is_small(write: PendingWrite) -> WriteKind | None:
    """Return the kind of a write that can be joined with its neighbours, else None."""
    return None if write.batch is None or len(write.pks) > MAX_JOINED_ROWS else write.kind


def _exists(pks: Sequence[PrimaryKey], pk: PrimaryKey) -> EntityExistsError:
    row = list(pks).index(pk)
    return EntityExistsError(
        f"primary key {pk!r} exists already (row {row}); use upsert to replace it", pk=pk, row=row
    )
