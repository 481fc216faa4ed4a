"""Whatever step fails, or wherever the power goes: what was acknowledged is there, nothing is half.

A fixed sequence of writes, flushes and a merge runs on a directory that fails at its n-th step, for
every n; then the database is opened again from what the medium holds.
"""

import errno

import pytest

from elanus.engine.database import DatabaseEngine
from elanus.errors import ElanusError, StorageError
from elanus.query.entities import EntityRequest, query_entities
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers
from support.fault_directory import FaultDirectory

STRIDE = 4
"""Each of the runs below takes every fourth step, from another first one: together all of them."""


def operations():
    """Yield (name, what to do with the engine, what it does to a dict)."""

    def put(rows):
        return lambda model: model.update({row["id"]: row["title"] for row in rows})

    def drop(keys):
        return lambda model: [model.pop(key, None) for key in keys]

    first, again, more = papers(6), papers(3, first=2, seed=5), papers(4, first=20)
    yield "insert", lambda c: c.insert(first), put(first)
    yield "delete", lambda c: c.delete([0]), drop([0])
    yield "flush", lambda c: c.flush(), lambda model: None
    yield "upsert", lambda c: c.upsert(again), put(again)
    yield "delete", lambda c: c.delete([3, 5]), drop([3, 5])
    yield "flush", lambda c: c.flush(), lambda model: None
    yield "insert", lambda c: c.insert(more), put(more)
    yield "compact", lambda c: c.compact(), lambda model: None
    yield "delete", lambda c: c.delete([20]), drop([20])


def contents(directory):
    """Open the database and return what it holds; None when the collection was never made."""
    engine = DatabaseEngine(directory, read_only=False)
    try:
        if "papers" not in engine.names():
            return None
        collection = engine.open("papers")
        request = EntityRequest(("id", "title"))
        rows = query_entities(collection.schema, collection.snapshot().sources, request)
        return {row["id"]: row["title"] for row in rows}
    finally:
        engine.close()


def run(directory):
    """Run until something fails; return the acknowledged state and the one with the last write."""
    model: dict[int, str] | None = None
    maybe: dict[int, str] | None = None
    engine = None
    try:
        engine = DatabaseEngine(directory, read_only=False)
        maybe = {}
        collection = engine.create("papers", paper_schema(), {})
        model = {}
        for _, act, change in operations():
            maybe = dict(model)
            change(maybe)
            act(collection)
            model = maybe
        return model, model, True
    except StorageError:
        return model, maybe, False
    finally:
        if engine is not None:
            engine.close()


def test_the_sequence_itself():
    directory = FaultDirectory(MemoryDirectory())
    model, _, finished = run(directory)
    assert finished
    assert sorted(model) == [1, 2, 4, 21, 22, 23]
    assert contents(directory) == model
    assert {step.kind for step in directory.steps} >= {"write", "sync", "link", "rename", "delete"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "error", "lasting"),
    [
        (0, errno.EIO, False),
        (1, errno.EIO, True),
        (2, errno.ENOSPC, False),
        (3, errno.ENOSPC, True),
    ],
)
def test_every_failing_step(first, error, lasting):
    step, finished = first, False
    while not finished:
        inner = MemoryDirectory()
        directory = FaultDirectory(inner)
        directory.fail_after(step, error=error, lasting=lasting, torn=step % 8 >= STRIDE)
        model, maybe, _ = run(directory)
        finished = len(directory.steps) < step
        directory.stop_failing()
        assert contents(inner) in (model, maybe), f"step {step}"
        step += STRIDE
    assert step > 400


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STRIDE))
def test_power_loss_at_every_step(seed):
    whole = FaultDirectory(MemoryDirectory())
    run(whole)
    for step in range(seed, len(whole.steps) + 1, STRIDE):
        directory = FaultDirectory(MemoryDirectory())
        directory.fail_after(step, lasting=True)
        model, maybe, _ = run(directory)
        survivor = directory.after_power_loss(chance=0.5, seed=seed)
        try:
            found = contents(survivor)
        except ElanusError as failure:
            pytest.fail(f"seed {seed}, step {step}: {failure}")
        assert found in (model, maybe), f"seed {seed}, step {step}"
