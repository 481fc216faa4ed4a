"""Whatever step of an import fails, or wherever the power goes: all of it is visible or nothing,
the same call finishes it, and no file is left over."""

import errno
import itertools
import json

import pytest

import elanus
from elanus.api.collection import Collection
from elanus.engine.database import DatabaseEngine
from elanus.engine.writing import bulk_load
from elanus.errors import ElanusError
from elanus.storage.memory_directory import MemoryDirectory
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.tally import count

OLD = {i: f"old {i}" for i in range(6)}
NEW = {i: f"new {i}" for i in range(3, 26)}
VARIANTS = [
    {"error": error, "lasting": lasting, "torn": torn}
    for error, lasting, torn in itertools.product(
        (errno.EIO, errno.ENOSPC), (False, True), (False, True)
    )
]
STRIDE = 5


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk_load, "SEGMENT_ROWS", 8)
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(NEW)), "utf-8")
    return file


def schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def rows(texts):
    return [{"id": pk, "text": text} for pk, text in texts.items()]


def prepare():
    """Return a database with rows in a segment and in the log."""
    inner = MemoryDirectory()
    directory = FaultDirectory(inner)
    engine = DatabaseEngine(directory)
    collection = Collection(engine.create("made", schema(), {}))
    collection.insert(rows({pk: OLD[pk] for pk in range(4)}))
    collection.flush()
    collection.insert(rows({pk: OLD[pk] for pk in range(4, 6)}))
    return inner, directory, engine, collection


def load(collection, source):
    return collection.import_data(source, on_conflict="replace", batch_rows=4)


def check(directory, source, where, *, must_be_loaded):
    """Look at what is there, finish the import and look for leftovers."""
    engine = DatabaseEngine(directory)
    collection = Collection(engine.open("made"))
    found = {row["id"]: row["text"] for row in collection.query()}
    assert found in ([OLD | NEW] if must_be_loaded else [OLD, OLD | NEW]), where
    result = load(collection, source)
    assert result.rows == len(NEW), where
    assert {row["id"]: row["text"] for row in collection.query()} == OLD | NEW, where
    assert sorted(h.id for h in collection.search("new", limit=50)) == sorted(NEW), where
    collection.compact()
    path = engine.open("made").path
    assert directory.list_names(f"{path}/import") == [], where
    engine.close()
    engine = DatabaseEngine(directory)
    engine.open("made")
    live = [str(s.uuid) for s in engine.open("made").state.manifest.segments]
    assert directory.list_names(f"{path}/seg") == live, where
    engine.close()
    return result.resumed_from


def test_every_failing_step(source):
    resumed = set()
    for step in itertools.count(0, STRIDE):
        variant = VARIANTS[step // STRIDE % len(VARIANTS)]
        where = f"step {step}, {variant}"
        inner, directory, engine, collection = prepare()
        directory.fail_after(step, **variant)
        is_loaded = False
        try:
            load(collection, source)
            is_loaded = True
        except ElanusError:
            pass
        injected = directory.injected
        directory.fail_after(0, lasting=True)
        engine.close()
        if not injected:
            break
        count("failing steps of imports survived")
        for seed, survival in enumerate((STRICTEST, SURVIVALS[step % len(SURVIVALS)])):
            disk = DiskModel(directory.steps).survivors(survival, seed)
            resumed.add(check(disk, source, where, must_be_loaded=is_loaded))
            count("power losses during imports survived")
        resumed.add(check(inner, source, where, must_be_loaded=is_loaded))
    assert step > 60
    # It began anew, went on after each segment, and found that all had been done.
    assert resumed >= {None, 8, 16, len(NEW)}
