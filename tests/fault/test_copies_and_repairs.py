"""Whatever step of a backup, restore or repair fails, or wherever the power goes: nothing that was
whole before is worse afterwards, and the next try succeeds."""

import errno
import itertools

import pytest

from elanus.engine.database import DatabaseEngine
from elanus.errors import NotFoundError, StorageError
from elanus.storage.backup.record import list_backups
from elanus.storage.backup.restore import restore_backup, verify_backups
from elanus.storage.backup.writer import back_up
from elanus.storage.catalog import FORMAT_FILE
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.repair.run import repair_database
from elanus.storage.verification import verify_database
from support.fault_directory import FaultDirectory
from support.stored_files import contents, damage_in, first_path, in_memory, make_papers

STRIDE = 3
"""Each parameter takes every third step, from another first one: together all of them."""

FAILURES = [(errno.EIO, False), (errno.ENOSPC, True), (errno.EIO, True)]


@pytest.fixture(scope="module")
def kb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "kb"
    make_papers(folder)
    return folder


@pytest.fixture
def source(kb):
    return in_memory(kb)


def restored(target, number):
    database = MemoryDirectory()
    restore_backup(target, database, number=number)
    return contents(database)


def change(source):
    """Write to the database between two backups; return what it holds."""
    engine = DatabaseEngine(source)
    collection = engine.open("papers")
    collection.delete([0, 1])
    collection.flush()
    engine.close()
    return contents(source)


@pytest.mark.parametrize("first", range(STRIDE))
def test_backup_that_fails_at_any_step_leaves_the_older_one(source, first):
    old = contents(source)
    inner = MemoryDirectory()
    back_up(source, inner)
    new = change(source)
    whole = inner
    for step in itertools.count(first, STRIDE):
        inner = _copy(whole)
        target = FaultDirectory(inner)
        error, lasting = FAILURES[step // STRIDE % len(FAILURES)]
        target.fail_after(step, error=error, lasting=lasting, torn=step % 2 == 1)
        try:
            back_up(source, target, keep=2)
            failed = False
        except StorageError:
            failed = True
        where = f"step {step}"
        assert restored(inner, 1) == old, where
        if list_backups(inner)[-1] != 1:
            assert restored(inner, 2) == new, where
        result = back_up(source, inner, keep=2)
        assert restored(inner, result.number) == new, where
        assert not any(v.findings for v in verify_backups(inner)), where
        if not failed and len(target.steps) < step:
            break
    assert step > 40


@pytest.mark.parametrize("seed", range(STRIDE))
def test_power_loss_during_a_backup_leaves_whole_ones_only(source, seed):
    target = FaultDirectory(MemoryDirectory())
    old = contents(source)
    back_up(source, target)
    done = len(target.steps)
    new = change(source)
    back_up(source, target)
    for step in range(done + seed, len(target.steps) + 1, STRIDE):
        survivor = target.after_power_loss(steps=step, chance=0.5, seed=seed)
        assert restored(survivor, 1) == old, f"step {step}"
        for verified in verify_backups(survivor):
            assert verified.findings == (), f"step {step}"
        result = back_up(source, survivor)
        assert restored(survivor, result.number) == new, f"step {step}"


@pytest.mark.parametrize("first", range(STRIDE))
def test_restore_is_all_or_nothing(source, first):
    target = MemoryDirectory()
    back_up(source, target)
    expected = contents(source)
    for step in itertools.count(first, STRIDE):
        inner = MemoryDirectory()
        database = FaultDirectory(inner)
        error, lasting = FAILURES[step // STRIDE % len(FAILURES)]
        database.fail_after(step, error=error, lasting=lasting, torn=step % 2 == 1)
        try:
            restore_backup(target, database)
            failed = False
        except StorageError:
            failed = True
        where = f"step {step}"
        if failed and not inner.exists(FORMAT_FILE):
            with pytest.raises(NotFoundError):
                list(verify_database(inner))
            restore_backup(target, inner)
        assert contents(inner) == expected, where
        if not failed and len(database.steps) < step:
            break
    assert step > 60


def test_power_loss_during_a_restore(source):
    target = MemoryDirectory()
    back_up(source, target)
    expected = contents(source)
    database = FaultDirectory(MemoryDirectory())
    restore_backup(target, database)
    for step in range(len(database.steps) + 1):
        survivor = database.after_power_loss(steps=step, chance=0.5, seed=step)
        if not survivor.exists(FORMAT_FILE):
            restore_backup(target, survivor)
        assert contents(survivor) == expected, f"step {step}"


def damaged(source):
    """Damage one file of each kind that can be salvaged."""
    segment = first_path(source, "c/*/seg/*/001-title.col")
    for path in (
        segment,
        first_path(source, "c/*/idx/*/bm25/*"),
        first_path(source, "c/*/wal/*"),
        first_path(source, "catalog/*"),
        first_path(source, "c/*/manifest/*3.man"),
    ):
        damage_in(source, path, "middle")
    return source


@pytest.mark.slow
@pytest.mark.parametrize("first", range(STRIDE))
def test_repair_that_fails_at_any_step_can_be_run_again(source, first):
    broken = damaged(source)
    whole = _copy(broken)
    repair_database(whole, salvage=True)
    expected = contents(whole)
    for step in itertools.count(first, STRIDE):
        inner = _copy(broken)
        directory = FaultDirectory(inner)
        error, lasting = FAILURES[step // STRIDE % len(FAILURES)]
        directory.fail_after(step, error=error, lasting=lasting, torn=step % 2 == 1)
        try:
            repair_database(directory, salvage=True)
            failed = False
        except StorageError:
            failed = True
        where = f"step {step}"
        report = repair_database(inner, salvage=True)
        assert report.is_complete, where
        assert all(part.is_whole for part in verify_database(inner)), where
        assert contents(inner) == expected, where
        if not failed and len(directory.steps) < step:
            break
    assert step > 60


def _copy(directory):
    made = MemoryDirectory()

    def walk(path):
        for name in directory.list_names(path):
            child = f"{path}/{name}" if path else name
            if directory.is_dir(child):
                made.make_dir(child)
                walk(child)
            else:
                made.create_append(child).write([bytes(directory.read(child))])

    walk("")
    return made
