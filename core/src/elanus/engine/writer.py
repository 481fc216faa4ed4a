"""How does a write become durable?

Group commit without a timer: every caller queues its write and then takes the writer lock.
Whoever gets it commits all that is queued as one group, with one append and one sync; the others
find their write done. While one group syncs, the next one gathers.

Order of a group: check against the committed state, append frames, sync, apply to the memtable,
publish, acknowledge. A write that fails its check changes nothing and does not stop the others.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from elanus.errors import ElanusError, EntityExistsError, InternalError
from elanus.filter import BoundFilter
from elanus.schema.batches import ColumnBatch
from elanus.types import PrimaryKey

MAX_GROUP_ROWS = 65_536
"""Rows after which a group is closed: a bound on the bytes that one sync has to carry."""


class WriteKind(Enum):
    """What a write does with its keys."""

    INSERT = "insert"
    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(slots=True)
class PendingWrite:
    """One call of a user on its way to the log.

    Attributes:
        kind: Insert, upsert or delete.
        pks: Keys it touches, unique; found at commit time when ``matching`` is given.
        batch: The entities, one per key; None for a delete.
        matching: Delete what matches these filters when the write is committed.
        count: Entities written or deleted; known when ``done``.
    """

    kind: WriteKind
    pks: list[PrimaryKey]
    batch: ColumnBatch | None = None
    matching: tuple[BoundFilter, ...] = ()
    count: int = 0
    done: bool = False
    error: BaseException | None = field(default=None, repr=False)


class WriteTarget(Protocol):
    """What the writer needs from the collection; every call is made under the writer lock."""

    def existing(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys that are visible now."""
        ...

    def matching(self, filters: Sequence[BoundFilter]) -> list[PrimaryKey]:
        """Return the keys of the entities that match now."""
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

    def submit(self, write: PendingWrite) -> int:
        """Return the number of entities written or deleted, once that is durable.

        Raises:
            EntityExistsError: An inserted key is taken.
            StorageError: The write is not durable; after a crash it may or may not be there.
        """
        with self._queue_lock:
            self._queue.append(write)
        with self._lock:
            while not write.done:
                self._commit_group(self._next_group())
        if write.error is not None:
            raise write.error
        return write.count

    def _next_group(self) -> list[PendingWrite]:
        """Take queued writes that touch different keys, so that each can be checked alone."""
        group: list[PendingWrite] = []
        keys: set[PrimaryKey] = set()
        rows = 0
        with self._queue_lock:
            while self._queue:
                write = self._queue[0]
                if group and (
                    write.matching
                    or rows + len(write.pks) > MAX_GROUP_ROWS
                    or not keys.isdisjoint(write.pks)
                ):
                    break
                group.append(self._queue.pop(0))
                if write.matching:
                    break  # its keys are not known yet
                rows += len(write.pks)
                # A lone large write needs no set: nothing else joins it.
                if self._queue:
                    keys.update(write.pks)
        return group

    def _commit_group(self, group: list[PendingWrite]) -> None:
        passed = [write for write in group if self._check(write)]
        try:
            if passed:
                self._target.commit(passed)
        except BaseException as error:
            # Whatever it was, also an interrupt: nobody may take it for an acknowledgement.
            for write in passed:
                write.error = error
            if not isinstance(error, ElanusError):
                raise
        finally:
            for write in group:
                write.done = True

    def _check(self, write: PendingWrite) -> bool:
        """Resolve the write against the committed state; False when it fails or has no effect."""
        try:
            if write.matching:
                write.pks = self._target.matching(write.matching)
            elif write.kind is WriteKind.DELETE:
                write.pks = self._target.existing(write.pks)
            elif write.kind is WriteKind.INSERT:
                taken = self._target.existing(write.pks)
                if taken:
                    raise _exists(write.pks, taken[0])
        except ElanusError as error:
            write.error = error
            return False
        if write.batch is not None and len(write.batch) != len(write.pks):
            raise InternalError(f"{len(write.batch)} entities, but {len(write.pks)} keys")
        write.count = len(write.pks)
        return write.count > 0


def _exists(pks: Sequence[PrimaryKey], pk: PrimaryKey) -> EntityExistsError:
    row = list(pks).index(pk)
    return EntityExistsError(
        f"primary key {pk!r} exists already (row {row}); use upsert to replace it", pk=pk, row=row
    )
