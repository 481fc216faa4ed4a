"""After a step has failed, writing goes on where it can, and says so where it cannot."""

import errno
import threading

import pytest

import elanus
from elanus.engine.context import Durability
from elanus.engine.database import DatabaseEngine
from elanus.errors import (
    DatabaseLockedError,
    InvalidArgumentError,
    StorageError,
    StorageFailedError,
)
from elanus.query.entities import EntityRequest, query_entities
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.wal_format import list_wals
from support.builders import paper_schema, papers
from support.fault_directory import FaultDirectory


def keys(collection):
    rows = query_entities(collection.schema, collection.snapshot().sources, EntityRequest(("id",)))
    return [row["id"] for row in rows]


def reopened(directory):
    engine = DatabaseEngine(directory)
    try:
        return keys(engine.open("papers"))
    finally:
        engine.close()


def steps_since(directory, first):
    """Return the steps on files that are synced; what is published never is."""
    return [step for step in directory.steps[first:] if step.kind != "share"]


@pytest.fixture
def directory():
    return FaultDirectory(MemoryDirectory())


@pytest.fixture
def collection(directory):
    engine = DatabaseEngine(directory)
    yield engine.create("papers", paper_schema(), {})
    directory.stop_failing()
    engine.close()


def next_step_is(directory, kind, part):
    """Let the next step of this kind, on a path with this part, fail once."""
    original = directory.check

    def check(step):
        if step.kind == kind and part in step.path:
            directory.check = original
            directory.fail_after(0, error=next_step_is.error, torn=True)
        original(step)

    directory.check = check


next_step_is.error = errno.EIO


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_a_failed_log_is_left_and_writing_goes_on_in_the_next(directory, collection, kind):
    collection.insert(papers(3))
    next_step_is(directory, kind, "wal/")
    with pytest.raises(StorageFailedError, match="may or may not be found"):
        collection.insert(papers(2, first=50))
    assert keys(collection) == [0, 1, 2]
    collection.insert(papers(2, first=10))
    collection.delete([1])
    assert keys(collection) == [0, 2, 10, 11]
    for chance in (0.0, 0.5, 1.0):
        assert reopened(directory.after_power_loss(chance=chance, seed=3)) == [0, 2, 10, 11]
    collection.flush()
    assert keys(collection) == [0, 2, 10, 11]
    assert reopened(directory.after_power_loss()) == [0, 2, 10, 11]


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_of_a_failed_log_counts_what_was_acknowledged(directory, collection, kind):
    # Its flush would make the log superfluous.
    collection.state.on_frozen = lambda: None
    reader = DatabaseEngine(directory, read_only=True)
    following = reader.open("papers")
    collection.insert(papers(3))
    next_step_is(directory, kind, "wal/")
    with pytest.raises(StorageFailedError):
        collection.insert(papers(2, first=50))
    # Half of it, or all, stands in the log: it must neither come back nor pass for damage.
    for rows in ([0, 1, 2], [0, 1, 2, 10, 11]):
        assert keys(collection) == keys(following) == rows
        assert len(list_wals(directory, collection.path)) == 2
        for chance in (0.0, 0.5, 1.0):
            assert reopened(directory.after_power_loss(chance=chance, seed=3)) == rows
        if len(rows) == 3:
            collection.insert(papers(2, first=10))
    reader.close()


def test_when_there_is_no_next_log_the_collection_says_to_reopen(directory, collection):
    collection.insert(papers(3))
    directory.fail_after(0, lasting=True)
    with pytest.raises(StorageFailedError):
        collection.insert(papers(2, first=50))
    directory.stop_failing()
    with pytest.raises(StorageFailedError, match="close the database and open it again"):
        collection.insert(papers(2, first=60))
    assert keys(collection) == [0, 1, 2]
    assert reopened(directory.after_power_loss()) == [0, 1, 2]


def test_a_manifest_that_may_be_there_stops_writing(directory, collection):
    collection.insert(papers(3))
    next_step_is(directory, "sync_dir", "manifest")
    with pytest.raises(StorageFailedError):
        collection.set_properties({"a": 1})
    # Whoever opens the collection next may start from that manifest, or from the one before.
    for act in (lambda: collection.insert(papers(1, first=7)), lambda: collection.delete([1])):
        with pytest.raises(StorageFailedError, match="open it again"):
            act()
    assert keys(collection) == [0, 1, 2]
    for chance in (0.0, 1.0):
        assert reopened(directory.after_power_loss(chance=chance)) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["create", "write", "sync", "sync_dir"])
def test_a_log_that_cannot_be_made_does_not_fail_the_write(
    directory, collection, monkeypatch, kind
):
    collection.insert(papers(3))
    monkeypatch.setattr("elanus.engine.growing.FLUSH_ROWS", 4)
    next_step_is(directory, kind, "/wal")
    if kind in ("write", "sync"):
        # The first of them is the record itself; the one that fails is the new log's header.
        directory.check = fails_at_the_header(directory, kind)
    collection.insert(papers(2, first=10))
    assert keys(collection) == [0, 1, 2, 10, 11]
    monkeypatch.setattr("elanus.engine.growing.FLUSH_ROWS", 1000)
    collection.insert(papers(1, first=20))
    # A header that reached the disk all the same must not cut off what was appended since.
    for chance in (0.0, 1.0):
        assert reopened(directory.after_power_loss(chance=chance)) == [0, 1, 2, 10, 11, 20]


def fails_at_the_header(directory, kind):
    """Let the first step of this kind on the second log fail."""
    original = FaultDirectory.check.__get__(directory)

    def check(step):
        if step.kind == kind and step.path.endswith("2.wal"):
            directory.check = original
            directory.fail_after(0, error=next_step_is.error, torn=True)
        original(step)

    return check


@pytest.mark.parametrize("kind", ["create", "write", "sync", "link"])
def test_a_manifest_that_was_not_committed_is_tried_again(directory, collection, kind):
    collection.insert(papers(5))
    collection.delete([2])
    next_step_is(directory, kind, "manifest/")
    with pytest.raises(StorageError):
        collection.flush()
    collection.insert(papers(1, first=10))
    assert keys(collection) == [0, 1, 3, 4, 10]
    collection.flush()
    collection.delete([3])
    collection.flush()
    assert keys(collection) == [0, 1, 4, 10]
    assert reopened(directory.after_power_loss()) == [0, 1, 4, 10]


def test_a_log_that_can_neither_be_made_nor_deleted_stops_writing(
    directory, collection, monkeypatch
):
    collection.insert(papers(3))
    monkeypatch.setattr("elanus.engine.growing.FLUSH_ROWS", 4)
    passing = directory.check

    def check(step):
        if step.path.endswith("2.wal") and step.kind in ("sync", "delete"):
            directory.fail_after(0)
        passing(step)

    directory.check = check
    collection.insert(papers(2, first=10))
    directory.check = passing
    # Should its header be there, it says where the log before it ends.
    with pytest.raises(StorageFailedError, match="open it again"):
        collection.insert(papers(1, first=20))
    for chance in (0.0, 1.0):
        assert reopened(directory.after_power_loss(chance=chance)) == [0, 1, 2, 10, 11]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_for_a_moment_fails_no_write(directory, collection, monkeypatch, error):
    collection.insert(papers(3))
    monkeypatch.setattr(next_step_is, "error", error)
    next_step_is(directory, "write", "wal/")
    collection.insert(papers(2, first=10))
    assert keys(collection) == [0, 1, 2, 10, 11]
    assert reopened(directory.after_power_loss()) == [0, 1, 2, 10, 11]


def test_a_disk_that_stays_full_fails_the_write_and_no_later_one(directory, collection):
    collection.insert(papers(3))
    original = directory.check
    errors = [errno.ENOSPC, errno.EIO]  # full, and then not even that can be told

    def check(step):
        if step.kind == "write" and "wal/" in step.path and step.size:
            directory.fail_after(0, error=errors.pop(0), torn=True)
        original(step)

    directory.check = check
    with pytest.raises(StorageFailedError, match="may or may not be found"):
        collection.insert(papers(2, first=50))
    directory.check = original
    directory.stop_failing()
    collection.insert(papers(2, first=10))
    assert keys(collection) == [0, 1, 2, 10, 11]
    assert reopened(directory.after_power_loss()) == [0, 1, 2, 10, 11]


def test_a_flush_of_nothing_writes_nothing(directory, collection):
    collection.delete([5])  # nothing either
    first = len(directory.steps)
    collection.flush()
    assert steps_since(directory, first) == []


def test_one_sync_makes_a_commit_durable(directory, collection):
    collection.insert(papers(1))
    first = len(directory.steps)
    collection.insert(papers(100, first=10))
    steps = steps_since(directory, first)
    assert [step.kind for step in steps] == ["write", "sync"]
    assert steps[0].path == steps[1].path


def test_os_durability_syncs_only_before_what_relies_on_it(directory):
    engine = DatabaseEngine(directory, durability=Durability("os"))
    collection = engine.create("papers", paper_schema(), {})
    first = len(directory.steps)
    collection.insert(papers(3))
    collection.delete([1])
    assert [step.kind for step in steps_since(directory, first)] == ["write", "write"]
    assert reopened(directory.after_power_loss()) == []
    collection.flush()
    assert reopened(directory.after_power_loss()) == [0, 2]
    # A row of the segment is replaced; a manifest must not name it dead before the log is synced.
    collection.upsert(papers(1, seed=5))
    collection.set_properties({"a": 1})
    assert reopened(directory.after_power_loss()) == [0, 2]
    first = len(directory.steps)
    collection.insert(papers(1, first=9))
    engine.close()
    # Work in the background adds steps of its own.
    logged = [step.kind for step in steps_since(directory, first) if "/wal/" in step.path]
    assert logged[:2] == ["write", "sync"]


def test_closing_makes_what_was_written_with_os_durability_survive(directory):
    engine = DatabaseEngine(directory, durability=Durability("os"))
    engine.create("papers", paper_schema(), {}).insert(papers(3))
    assert reopened(directory.after_power_loss()) == []
    engine.close()
    assert reopened(directory.after_power_loss()) == [0, 1, 2]


def test_interval_durability_syncs_in_the_background(directory):
    synced = threading.Event()
    engine = DatabaseEngine(directory, durability=Durability("interval", 5))
    collection = engine.create("papers", paper_schema(), {})
    original = directory.do

    def do(step, action, *arguments):
        made = original(step, action, *arguments)
        if step.kind == "sync" and "wal/" in step.path:
            synced.set()
        return made

    directory.do = do
    collection.insert(papers(3))
    assert synced.wait(10)
    assert reopened(directory.after_power_loss()) == [0, 1, 2]
    engine.close()


def test_a_failed_late_sync_stops_writing(directory):
    engine = DatabaseEngine(directory, durability=Durability("os"))
    collection = engine.create("papers", paper_schema(), {})
    collection.insert(papers(3))
    next_step_is(directory, "sync", "wal/")
    with pytest.raises(StorageFailedError):
        collection.flush()
    # A manifest would rely on what the log may have lost.
    with pytest.raises(StorageFailedError, match="open it again"):
        collection.set_properties({"a": 1})
    with pytest.raises(StorageFailedError, match="open it again"):
        collection.insert(papers(1, first=7))
    assert keys(collection) == [0, 1, 2]
    engine.close()


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_no_log_follows_one_whose_acknowledged_end_may_be_lost(directory, kind):
    engine = DatabaseEngine(directory, durability=Durability("os"))
    collection = engine.create("papers", paper_schema(), {})
    collection.insert(papers(3))
    next_step_is(directory, kind, "wal/")
    with pytest.raises(StorageFailedError):
        (collection.insert(papers(2, first=10)), collection.flush())
    with pytest.raises(StorageFailedError, match="open it again"):
        collection.insert(papers(1, first=20))
    assert reopened(directory.after_power_loss()) == []
    engine.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"durability": "always"}, "durability must be one of commit, interval, os"),
        ({"durability": "interval", "sync_interval_ms": 0}, "sync_interval_ms must be a number"),
    ],
)
def test_wrong_durability_is_refused_before_anything_happens(tmp_path, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        elanus.connect(tmp_path / "kb", **options)
    assert not (tmp_path / "kb").exists()


def test_a_second_writer_waits_if_asked(tmp_path):
    first = DatabaseEngine(LocalDirectory(tmp_path))
    with pytest.raises(DatabaseLockedError, match="wait_s="):
        DatabaseEngine(LocalDirectory(tmp_path), wait_s=0.05)
    timer = threading.Timer(0.1, first.close)
    timer.start()
    second = DatabaseEngine(LocalDirectory(tmp_path), wait_s=30)
    second.close()
    timer.join()
