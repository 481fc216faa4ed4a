import threading
from collections.abc import Sequence

import numpy as np
import pytest

from elanus.engine.writing.writer import GroupCommit, PendingWrite, SchemaChangedError, WriteKind
from elanus.errors import EntityExistsError, NotFoundError, StorageError
from elanus.filter import BoundFilter
from elanus.schema.batches import ColumnBatch, FixedColumn
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType, PrimaryKey

SCHEMA = Schema([Field("value", DataType.INT64, primary=True)])


class Rows:
    """A collection that is a dict: key to value. Its first commit waits until ``go``."""

    def __init__(self) -> None:
        self.values: dict[PrimaryKey, int] = {}
        self.groups: list[list[tuple[WriteKind, list[PrimaryKey]]]] = []
        self.lookups = 0
        self.go = threading.Event()
        self.began = threading.Event()
        self.failure: BaseException | None = None
        self.schema = SCHEMA

    def check_partition(self, name: str, number: int) -> None:
        if (name, number) != ("p", 1):
            raise NotFoundError(name)

    def existing(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        self.lookups += 1
        return [pk for pk in pks if pk in self.values]

    def unexpired(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        return list(pks)

    def matching(self, filters: Sequence[BoundFilter]) -> list[PrimaryKey]:
        return sorted(self.values)

    def commit(self, writes: Sequence[PendingWrite]) -> None:
        self.groups.append([(write.kind, list(write.pks)) for write in writes])
        if len(self.groups) == 1:
            self.began.set()
            assert self.go.wait(10)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        for write in writes:
            if write.batch is None:
                for pk in write.pks:
                    del self.values[pk]
                continue
            column = write.batch.columns["value"]
            self.values |= dict(zip(write.pks, column.to_pylist(), strict=True))  # type: ignore[arg-type]


def write(kind: WriteKind, *pks: int) -> PendingWrite:
    if kind is WriteKind.DELETE:
        return PendingWrite(kind, list(pks))
    values = FixedColumn(np.array(pks, dtype=np.int64) * 10)
    return PendingWrite(kind, list(pks), ColumnBatch(len(pks), {"value": values}))


INSERT, UPSERT, DELETE = WriteKind.INSERT, WriteKind.UPSERT, WriteKind.DELETE


def run(rows: Rows, writes: Sequence[PendingWrite]) -> list[int | BaseException]:
    """Submit one write, and the others, in order, while it is being committed."""
    commits = GroupCommit(rows, threading.RLock())
    results: list[int | BaseException] = [0] * len(writes)

    def submit(place: int) -> None:
        try:
            results[place] = commits.submit(writes[place])
        except BaseException as error:  # noqa: BLE001 - an interrupt is a result here
            results[place] = error

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(len(writes))]
    threads[0].start()
    assert rows.began.wait(10)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        while commits.num_waiting < number:
            pass
    rows.go.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return results


def test_what_gathers_during_a_commit_is_one_group() -> None:
    rows = Rows()
    writes = [write(INSERT, n) for n in range(20)]
    assert run(rows, writes) == [1] * 20
    assert rows.groups == [[(INSERT, [0])], [(INSERT, list(range(1, 20)))]]
    assert rows.values == {n: 10 * n for n in range(20)}
    assert rows.lookups == 2


def test_only_small_neighbours_of_one_kind_are_joined() -> None:
    rows = Rows()
    many = list(range(100, 200))
    writes = [
        write(UPSERT, 0),
        write(INSERT, 1),
        write(INSERT, 2, 3),
        write(UPSERT, 4),
        write(INSERT, *many),
        write(DELETE, 0),
        write(UPSERT, 5),
        write(UPSERT, 6),
    ]
    assert run(rows, writes) == [1, 1, 2, 1, 100, 1, 1, 1]
    assert rows.groups[1] == [
        (INSERT, [1, 2, 3]),
        (UPSERT, [4]),
        (INSERT, many),
        (DELETE, [0]),
        (UPSERT, [5, 6]),
    ]
    assert rows.values == {n: 10 * n for n in (1, 2, 3, 4, 5, 6, *many)}


def test_what_was_made_for_another_state_is_not_committed() -> None:
    rows = Rows()
    first, fits, older, gone, other = (write(UPSERT, n) for n in range(5))
    fits.schema, fits.partition = rows.schema, ("p", 1)
    older.schema = Schema([Field("value", DataType.INT64, primary=True)])  # equal, but another
    gone.partition, other.partition = ("q", 2), ("p", 0)
    results = run(rows, [first, fits, older, gone, other])
    assert results[:2] == [1, 1]
    assert [type(one) for one in results[2:]] == [SchemaChangedError, NotFoundError, NotFoundError]
    assert rows.values == {0: 0, 1: 10}


def test_writes_of_the_same_key_are_committed_one_after_the_other() -> None:
    rows = Rows()
    writes = [write(INSERT, 0), write(INSERT, 1), write(UPSERT, 1), write(DELETE, 1, 2)]
    assert run(rows, writes) == [1, 1, 1, 1]
    assert rows.groups == [
        [(INSERT, [0])],
        [(INSERT, [1])],
        [(UPSERT, [1])],
        [(DELETE, [1])],
    ]
    assert rows.values == {0: 0}


def test_a_taken_key_fails_alone() -> None:
    rows = Rows()
    results = run(rows, [write(INSERT, 0), write(INSERT, 1), write(INSERT, 2, 0), write(INSERT, 3)])
    assert results[:2] == [1, 1]
    assert results[3] == 1
    assert isinstance(results[2], EntityExistsError)
    assert (results[2].pk, results[2].row) == (0, 1)
    assert rows.values == {0: 0, 1: 10, 3: 30}


@pytest.mark.parametrize("failure", [StorageError("no disk"), KeyboardInterrupt()])
def test_a_failed_commit_is_acknowledged_to_nobody_and_the_queue_goes_on(
    failure: BaseException,
) -> None:
    rows = Rows()
    rows.failure = failure
    results = run(rows, [write(INSERT, 0), write(INSERT, 1), write(INSERT, 2)])
    assert results == [failure, 1, 1]
    assert rows.values == {1: 10, 2: 20}


def test_an_interrupted_caller_leaves_the_queue_to_the_others() -> None:
    rows = Rows()
    commits = GroupCommit(rows, threading.RLock())
    interrupted = write(INSERT, 1)
    interrupted.turn = Interrupting(commits, 2)  # type: ignore[assignment]
    results: list[object] = []

    def submit(one: PendingWrite) -> None:
        try:
            results.append(commits.submit(one))
        except KeyboardInterrupt:
            results.append("interrupted")

    first = threading.Thread(target=submit, args=(write(INSERT, 0),))
    first.start()
    assert rows.began.wait(10)
    second = threading.Thread(target=submit, args=(interrupted,))
    second.start()
    while commits.num_waiting < 1:
        pass
    third = threading.Thread(target=submit, args=(write(INSERT, 2),))
    third.start()
    second.join(10)
    rows.go.set()
    first.join(10)
    third.join(10)
    assert results == ["interrupted", 1, 1]
    assert rows.values == {0: 0, 2: 20}


class Interrupting:
    """A lock whose waiter is interrupted once so many writes wait."""

    def __init__(self, commits: GroupCommit, waiting: int) -> None:
        self._commits = commits
        self._waiting = waiting

    def acquire(self) -> None:
        while self._commits.num_waiting < self._waiting:
            pass
        raise KeyboardInterrupt
