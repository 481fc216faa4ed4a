"""Whatever step of a sync fails, or wherever the power goes or the process is killed: a reader
finds the state before or the one after, the same call finishes it, and nothing is paid twice."""

import errno
import itertools
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import elanus
from elanus import BM25, VARCHAR, Embedding, Field, Schema
from elanus.api.collection import Collection
from elanus.engine.database import DatabaseEngine
from elanus.engine.writing import bulk_load
from elanus.errors import ElanusError
from elanus.storage.memory_directory import MemoryDirectory
from elanus.sync import run
from elanus_embeddings import CachedEmbedder, HashEmbedder
from support.disk_model import STRICTEST, SURVIVALS, DiskModel
from support.fault_directory import FaultDirectory
from support.tally import count

OLD = {f"d{n}": [f"old {n}", f"kept {n}"] for n in range(6)}
NEW = {f"d{n}": [f"new {n}", f"kept {n}"] for n in range(3, 12)}
VARIANTS = [
    {"error": error, "lasting": lasting, "torn": torn}
    for error, lasting, torn in itertools.product(
        (errno.EIO, errno.ENOSPC), (False, True), (False, True)
    )
]
STRIDE = 9


def schema():
    return Schema(
        [
            Field("id", VARCHAR, primary=True),
            Field("text", VARCHAR, analyzer="standard"),
            Field("dense", elanus.FLOAT_VECTOR, embedding=Embedding("text", "hash")),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
    )


def documents(texts):
    return [{"id": id_, "chunks": chunks} for id_, chunks in texts.items()]


def stored(collection):
    found = {}
    for entity in collection.query(output=["text", "lineage"]):
        lineage = entity["lineage"]
        found.setdefault(lineage["document"], {})[lineage["place"]] = entity["text"]
    return {id_: [texts[n] for n in sorted(texts)] for id_, texts in found.items()}


def prepare():
    inner = MemoryDirectory()
    directory = FaultDirectory(inner)
    engine = DatabaseEngine(directory)
    collection = Collection(engine.create("made", schema(), {}))
    collection.sync(documents(OLD), source="s")
    return inner, directory, engine, collection


def check(directory, where, *, is_done):
    """Look at what is there, finish the sync and look for leftovers."""
    engine = DatabaseEngine(directory)
    collection = Collection(engine.open("made"))
    assert stored(collection) in ([NEW] if is_done else [OLD, NEW]), where
    collection.sync(documents(NEW), source="s")
    assert stored(collection) == NEW, where
    hits = collection.search("new", field="bm25", limit=50)
    assert sorted(hit.entity["text"] for hit in hits) == sorted(t[0] for t in NEW.values()), where
    collection.compact()
    path = engine.open("made").path
    engine.close()
    engine = DatabaseEngine(directory)
    live = [str(s.uuid) for s in engine.open("made").state.manifest.segments]
    assert directory.list_names(f"{path}/seg") == live, where
    engine.close()


def test_every_failing_step(monkeypatch):
    monkeypatch.setattr(bulk_load, "SEGMENT_ROWS", 8)
    monkeypatch.setattr(run, "BATCH_CHUNKS", 4)
    for step in itertools.count(0, STRIDE):
        variant = VARIANTS[step // STRIDE % len(VARIANTS)]
        where = f"step {step}, {variant}"
        inner, directory, engine, collection = prepare()
        directory.fail_after(step, **variant)
        is_done = False
        try:
            collection.sync(documents(NEW), source="s")
            is_done = True
        except ElanusError:
            pass
        injected = directory.injected
        directory.fail_after(0, lasting=True)
        engine.close()
        if not injected:
            break
        count("failing steps of syncs survived")
        for seed, survival in enumerate((STRICTEST, SURVIVALS[step % len(SURVIVALS)])):
            disk = DiskModel(directory.steps).survivors(survival, seed)
            check(disk, where, is_done=is_done)
            count("power losses during syncs survived")
        check(inner, where, is_done=is_done)
    assert step > 40


class Paid:
    """An embedder that keeps count and can fail."""

    def __init__(self, fails_after=None):
        self._inner = HashEmbedder()
        self.info = self._inner.info
        self.paid = 0
        self._fails_after = fails_after

    def embed_documents(self, texts):
        if self._fails_after is not None and self.paid >= self._fails_after:
            raise ElanusError("the service is down")
        self.paid += len(texts)
        return self._inner.embed_documents(texts)

    embed_queries = embed_documents


def test_a_cached_embedder_is_paid_once(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BATCH_CHUNKS", 4)
    texts = {f"d{n}": [f"text {n}"] for n in range(40)}
    probes = 4  # what a fingerprint costs
    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("made", schema())
        first, second = Paid(fails_after=20), Paid()
        with CachedEmbedder(first, tmp_path / "cache") as cached, pytest.raises(ElanusError):
            collection.sync(documents(texts), source="s", embedder=cached)
        assert len(collection) == 0
        with CachedEmbedder(second, tmp_path / "cache") as cached:
            collection.sync(documents(texts), source="s", embedder=cached)
        assert stored(collection) == texts
    spent = first.paid + second.paid
    assert 40 <= spent <= 40 + 4 * probes
    assert second.paid < 40


SYNCER = """
import sys
import elanus
from elanus.engine.writing import bulk_load
from elanus.sync import run
bulk_load.SEGMENT_ROWS = 100
run.BATCH_CHUNKS = 50
with elanus.connect(sys.argv[1]) as db:
    collection = db.collection("made")
    print("ready", flush=True)
    round_ = int(sys.argv[2])
    while True:
        round_ += 1
        collection.sync(
            [{"id": f"d{n}", "chunks": [f"round {round_} chunk {c}" for c in range(3)]}
             for n in range(round_ % 7, 200)],
            source="s",
        )
        print(round_, flush=True)
"""
"""Every document of a round says the number of it; some vanish and come back."""


def round_of(collection):
    """Return the round that is stored, after a look at every entity."""
    if "lineage" not in collection.schema:
        return 0  # before the first sync
    found = stored(collection)
    if not found:
        return 0
    rounds = {text.split()[1] for texts in found.values() for text in texts}
    assert len(rounds) == 1, rounds
    number = int(rounds.pop())
    assert set(found) == {f"d{n}" for n in range(number % 7, 200)}
    assert all(texts == [f"round {number} chunk {c}" for c in range(3)] for texts in found.values())
    return number


def start_syncer(folder, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SYNCER, str(folder), str(number)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_kills_and_readers(tmp_path):
    """Another process reads while one syncs, which is killed at any moment."""
    rng = random.Random(7)
    folder = tmp_path / "db"
    with elanus.connect(folder) as db:
        db.create_collection("made", schema())
    reached = 0
    for _ in range(4):
        process = start_syncer(folder, reached)
        with elanus.connect(folder, read_only=True) as reader:
            collection = reader.collection("made")
            last, left = reached, rng.uniform(0.0, 0.5)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                number = round_of(collection)
                assert number >= last
                if last == reached < number:
                    deadline = time.monotonic() + left
                last = number
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        told = [int(line) for line in output.split()]
        with elanus.connect(folder) as db:
            reached = round_of(db.collection("made"))
        assert reached >= max([last, *told])
        count("kills of syncs survived")
