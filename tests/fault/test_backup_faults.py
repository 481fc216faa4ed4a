"""A backup or a restore that fails half-way harms nothing, and the next one succeeds."""

import errno
import itertools

import pytest

from elanus.engine.database import DatabaseEngine
from elanus.errors import ElanusError, StorageError
from elanus.storage.backup.restore import restore_backup, verify_backups
from elanus.storage.backup.writer import back_up
from elanus.storage.catalog import RESTORE_MARKER
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import papers
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.storage_workload import observe, operations, run_workload
from support.tally import count

STRIDE = 3


def now(engine):
    """Return the current state: a backup leaves out what named snapshots keep."""
    return {name: content for name, content in observe(engine).items() if "@" not in name}


class Source:
    """A database with two states, and a folder that holds a backup of the first."""

    def __init__(self):
        self.directory = MemoryDirectory()
        run_workload(self.directory, sequence=operations()[:12])
        self.engine = DatabaseEngine(self.directory)
        self.first = now(self.engine)
        self.second = None

    def go_on(self):
        """Write more, so that a second backup has new and old files."""
        collection = self.engine.open("papers")
        collection.upsert(papers(5, first=70))
        collection.flush()
        collection.delete([1, 71])
        self.second = now(self.engine)
        assert self.second != self.first


@pytest.fixture(scope="module")
def source():
    made = Source()
    made.target = MemoryDirectory()
    back_up(made.directory, made.target)
    made.go_on()
    yield made
    made.engine.close()


def copy_of(directory):
    """Return the same files in a new directory."""
    made = MemoryDirectory()

    def copy(path):
        for name in directory.list_names(path):
            child = f"{path}/{name}" if path else name
            if directory.is_dir(child):
                made.make_dir(child)
                copy(child)
            else:
                made.create_append(child).write([bytes(directory.read(child))])

    copy("")
    return made


def restored(target, number=None):
    """Restore into a new place and return what is there."""
    place = MemoryDirectory()
    restore_backup(target, place, number=number)
    return opened(place)


def opened(directory):
    engine = DatabaseEngine(directory)
    try:
        return now(engine)
    finally:
        engine.close()


def test_backup_that_fails_at_any_step(source):
    for step in itertools.count(0, STRIDE):
        inner = copy_of(source.target)
        directory = FaultDirectory(inner)
        number = step // STRIDE
        error = (errno.EIO, errno.ENOSPC)[number % 2]
        directory.fail_after(step, error=error, lasting=number % 4 > 1, torn=number % 8 > 3)
        try:
            back_up(source.directory, directory)
        except StorageError:
            count("failing steps survived")
        if not directory.injected:
            break
        directory.stop_failing()
        assert restored(inner, number=1) == source.first, f"step {step}"
        made = back_up(source.directory, directory)
        assert restored(inner, number=made.number) == source.second, f"step {step}"
    assert step > 20


def test_power_loss_during_a_backup(source):
    whole = FaultDirectory(MemoryDirectory())
    back_up(source.directory, whole)
    first_steps = len(whole.steps)
    source.engine.open("papers").upsert(papers(1, first=90))
    back_up(source.directory, whole)
    disk = DiskModel()
    latest = now(source.engine)
    for done, step in enumerate(whole.steps, 1):
        disk.apply(step)
        if done % STRIDE and done not in (first_steps, len(whole.steps)):
            continue
        for survival in (STRICTEST, SURVIVALS[done % len(SURVIVALS)]):
            where = f"after step {done} ({step}), {survival}"
            survivors = disk.survivors(survival, seed=done)
            count("power losses survived")
            if done >= first_steps:
                assert restored(survivors, number=1) == source.second, where
            if done == len(whole.steps):
                assert restored(survivors) == latest, where
            # The same folder takes the next backup.
            made = back_up(source.directory, survivors)
            assert restored(survivors, number=made.number) == latest, where
    source.second = latest


def test_backups_that_are_listed_are_whole_while_others_are_deleted(source):
    target = FaultDirectory(MemoryDirectory())
    back_up(source.directory, target)
    back_up(source.directory, target)
    first = len(target.steps)
    back_up(source.directory, target, keep=1)
    disk = DiskModel(target.steps[:first])
    for done, step in enumerate(target.steps[first:], 1):
        disk.apply(step)
        if done % STRIDE and step.kind != "delete":
            continue
        for survival in (STRICTEST, *SURVIVALS):
            survivors = disk.survivors(survival, seed=done)
            count("power losses survived")
            for backup in verify_backups(survivors):
                assert not backup.findings, f"after step {done} ({step}), {survival}"
    assert [b.number for b in verify_backups(survivors)] == [3]


def test_restore_that_fails_at_any_step(source):
    for step in itertools.count(0, STRIDE):
        inner = MemoryDirectory()
        directory = FaultDirectory(inner)
        number = step // STRIDE
        directory.fail_after(step, lasting=number % 2 == 1, torn=number % 4 > 1)
        try:
            restore_backup(source.target, directory, number=1)
        except StorageError:
            count("failing steps survived")
            directory.stop_failing()
            check_not_half(inner, source.first, f"step {step}")
        if not directory.injected:
            break
        place = MemoryDirectory()
        restore_backup(source.target, place, number=1)
        assert opened(place) == source.first
    assert step > 20


def test_power_loss_during_a_restore(source):
    whole = FaultDirectory(MemoryDirectory())
    restore_backup(source.target, whole, number=1)
    disk = DiskModel()
    for done, step in enumerate(whole.steps, 1):
        disk.apply(step)
        for survival in (STRICTEST, SURVIVALS[done % len(SURVIVALS)]):
            survivors = disk.survivors(survival, seed=done)
            count("power losses survived")
            check_not_half(survivors, source.first, f"after step {done} ({step}), {survival}")
    for survival in SURVIVALS:
        survivors = disk.survivors(survival)
        assert opened(survivors) == source.first
        assert not survivors.exists(RESTORE_MARKER)


def check_not_half(directory, expected, where):
    """What a restore left is whole, refused, or as if there was never anything."""
    copy = copy_of(directory)
    try:
        found = opened(copy)
    except ElanusError:
        return
    assert found in (expected, {}), where
