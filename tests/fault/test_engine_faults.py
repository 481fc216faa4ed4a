"""Whatever step fails, or wherever the power goes: what was acknowledged is there, nothing is half.

A fixed sequence of everything that writes runs on a directory that fails at its n-th step. The
process goes on as a program would; then the database is opened again from what the medium holds.
"""

import errno
import itertools

import pytest

from elanus.engine.context import Durability
from elanus.engine.database import DatabaseEngine
from elanus.errors import CorruptionError, ElanusError, StorageError
from elanus.storage.memory_directory import MemoryDirectory
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.storage_workload import (
    Allowed,
    check_goes_on,
    observe,
    reopened,
    run_workload,
)
from support.tally import count

VARIANTS = [
    {"error": error, "lasting": lasting, "torn": torn}
    for error, lasting, torn in itertools.product(
        (errno.EIO, errno.ENOSPC), (False, True), (False, True)
    )
]
STRIDE = 5
"""The default run takes every fifth step, with the variants in turn; the soak run takes all."""


def test_the_sequence_itself():
    inner = MemoryDirectory()
    directory = FaultDirectory(inner)
    run = run_workload(directory)
    assert run.errors == []
    (papers,) = run.allowed.options["papers"]
    assert list(dict(papers.rows)) == [1, 2, 4, 21, 22, 23, 30, 32]
    (late,) = run.allowed.options["papers@late"]
    assert reopened(inner) == {"papers": papers, "papers@late": late}
    kinds = {step.kind for step in directory.steps}
    assert kinds >= {"create", "write", "sync", "link", "rename", "delete", "create_dir"}
    check_goes_on(inner)


def fail_and_reopen(step, variant, *, with_power_loss):
    """Return whether the step was reached."""
    inner = MemoryDirectory()
    directory = FaultDirectory(inner)
    directory.fail_after(step, **variant)
    where = f"step {step}, {variant}"
    # Up to the failure this is the sequence itself, which another test looks at.
    run = run_workload(directory, looks=lambda: directory.injected > 0)
    if not directory.injected:
        return False
    count("failing steps survived", directory.injected)
    directory.stop_failing()
    if with_power_loss:
        disk = DiskModel(directory.steps)
        for seed, survival in enumerate((STRICTEST, SURVIVALS[step % len(SURVIVALS)])):
            count("power losses survived")
            run.allowed.check(found_after(disk.survivors(survival, seed), where), where)
    run.allowed.check(found_after(inner, where), where)
    if step % 3 == 0:
        check_goes_on(inner)
    return True


def found_after(directory, where):
    try:
        return reopened(directory)
    except ElanusError as failure:
        raise AssertionError(f"{where}: cannot be opened again: {failure!r}") from failure


def test_failing_step():
    for step in itertools.count(0, STRIDE):
        variant = VARIANTS[step // STRIDE % len(VARIANTS)]
        if not fail_and_reopen(step, variant, with_power_loss=False):
            break
    assert step > 1000


@pytest.mark.soak
@pytest.mark.parametrize("variant", VARIANTS[:6], ids=str)
def test_every_failing_step_then_power_loss(variant):
    step = 0
    while fail_and_reopen(step, variant, with_power_loss=True):
        step += 1
    assert step > 1000


def power_losses(stride, survivals):
    """Run once; at every step build what may survive and look at it."""
    directory = FaultDirectory(MemoryDirectory())
    run = run_workload(directory, steps_done=lambda: len(directory.steps))
    assert run.errors == []
    disk = DiskModel()
    timeline = [(0, Allowed()), *run.timeline]
    current = 0
    for done, step in enumerate([None, *directory.steps]):
        if step is not None:
            disk.apply(step)
        while current + 1 < len(timeline) and timeline[current + 1][0] <= done:
            current += 1
        if done % stride:
            continue
        for survival in survivals(done):
            where = f"power lost after step {done} ({step}), {survival}"
            survivors = disk.survivors(survival, seed=done)
            found = found_after(survivors, where)
            timeline[current][1].check(found, where)
            count("power losses survived")
            if done % 5 == 0:
                check_goes_on(survivors)


def test_power_loss():
    power_losses(3, lambda done: [SURVIVALS[done // 3 % len(SURVIVALS)]])


@pytest.mark.soak
def test_power_loss_at_every_step():
    power_losses(1, lambda done: SURVIVALS)


def weak_power_losses(stride, survivals):
    """With durability "os" a power loss takes the last writes, but only the last ones."""
    directory = FaultDirectory(MemoryDirectory())
    run = run_workload(
        directory, steps_done=lambda: len(directory.steps), durability=Durability("os")
    )
    assert run.errors == []
    disk = DiskModel()
    lost = 0
    for done, step in enumerate(directory.steps, 1):
        disk.apply(step)
        if done % stride:
            continue
        for survival in survivals(done):
            where = f"power lost after step {done} ({step}), {survival}"
            found = found_after(disk.survivors(survival, seed=done), where)
            for name in {"papers", "notes", *found}:
                since = max(
                    (at for at, what in run.settled if what == name and at <= done), default=0
                )
                # Any acknowledged state since then, never one with a hole in it.
                steps = [at for at, _ in run.timeline if at <= since]
                first = len(steps) - 1 if steps else 0
                reached = [a for at, a in run.timeline[first:] if at <= done] or [Allowed()]
                allowed = {option for a in reached for option in a.options.get(name, {None})}
                assert found.get(name) in allowed, f"{where}: {name}: {found.get(name)}"
                lost += found.get(name) not in reached[-1].options.get(name, {None})
            count("power losses survived")
    return lost


def test_power_loss_with_weak_durability():
    assert weak_power_losses(7, lambda done: [STRICTEST, SURVIVALS[done % len(SURVIVALS)]]) > 0


@pytest.mark.soak
def test_power_loss_at_every_step_with_weak_durability():
    assert weak_power_losses(1, lambda done: SURVIVALS) > 0


def failing_reads(stride):
    """Every n-th read fails while the database is opened and looked at; nothing is lost by it."""
    inner = MemoryDirectory()
    directory = FaultDirectory(inner)
    # Without the last operations there are logs to replay as well as segments.
    run_workload(directory)
    expected = reopened(inner)
    for reads in itertools.count(0, stride):
        injected = 0
        for read_only in (False, True):
            directory = FaultDirectory(inner)
            directory.fail_reading_after(reads)
            engine = None
            try:
                engine = DatabaseEngine(directory, read_only=read_only)
                assert observe(engine) == expected
            except CorruptionError:
                raise  # a medium that fails is no damage
            except StorageError:
                pass
            finally:
                if engine is not None:
                    engine.close()
            assert reopened(inner) == expected, f"read {reads}, read_only={read_only}"
            injected += directory.injected
        if not injected:
            return reads
        count("failing reads survived", injected)
    return 0


def test_failing_read():
    assert failing_reads(1) > 20
