"""A restored collection is there as a whole or not at all, whatever step fails."""

import errno
import itertools

from elanus.engine.database import DatabaseEngine
from elanus.errors import ElanusError
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.storage_workload import reopened
from support.tally import count

NEW = "copy"
STRIDE = 2
"""Every other step fails once; the odd ones are alike."""


def prepared(directory):
    """A collection with rows, tombstones and a snapshot that needs segments and logs."""
    engine = DatabaseEngine(directory)
    collection = engine.create("papers", paper_schema(), {})
    collection.insert(papers(12))
    collection.flush()
    collection.delete([2, 5])
    collection.insert(papers(3, first=40))
    engine.create_snapshot("s", "papers")
    collection.delete([1])
    collection.flush()
    return engine


def outcome(directory, where):
    try:
        return reopened(directory)
    except ElanusError as failure:
        raise AssertionError(f"{where}: cannot be opened again: {failure!r}") from failure


def folders(directory):
    return len(directory.list_names("c"))


def whole():
    directory = MemoryDirectory()
    engine = prepared(directory)
    engine.restore("papers", "s", NEW, {})
    engine.close()
    return reopened(directory)


def test_failing_step():
    expected = whole()
    assert len(expected[NEW].rows) == 12 + 3 - 2
    results = set()
    for step in itertools.count(0, STRIDE):
        inner = MemoryDirectory()
        directory = FaultDirectory(inner)
        engine = prepared(directory)
        directory.fail_after(
            step, error=(errno.EIO, errno.ENOSPC)[step // STRIDE % 2], lasting=step % 3 == 0
        )
        failure = None
        try:
            engine.restore("papers", "s", NEW, {})
        except ElanusError as error:
            failure = error
        was_injected = directory.injected
        directory.stop_failing()
        try:
            engine.close()
        except ElanusError:
            failure = failure or True
        found = outcome(inner, f"step {step}")
        assert found["papers"] == expected["papers"]
        assert found.get(NEW) in (None, expected[NEW]), f"step {step}"
        assert folders(inner) == 1 + (NEW in found), f"step {step}"
        if failure is None:
            assert NEW in found
        results.add(NEW in found)
        count("failing steps survived", was_injected)
        if not was_injected:
            break
    assert results == {True, False}
    assert step > 20


def test_power_loss_at_every_step():
    expected = whole()
    directory = FaultDirectory(MemoryDirectory())
    engine = prepared(directory)
    first = len(directory.steps)
    engine.restore("papers", "s", NEW, {})
    last = len(directory.steps)
    engine.close()
    disk = DiskModel(directory.steps[:first])
    for done, step in enumerate(directory.steps[first:last], 1):
        disk.apply(step)
        survival = STRICTEST if done % 2 else SURVIVALS[done % len(SURVIVALS)]
        survivors = disk.survivors(survival, seed=done)
        where = f"power lost after step {done} ({step})"
        found = outcome(survivors, where)
        assert found["papers"] == expected["papers"], where
        assert found.get(NEW) in (None, expected[NEW]), where
        assert folders(survivors) == 1 + (NEW in found), where
        count("power losses survived")
    assert found[NEW] == expected[NEW]
