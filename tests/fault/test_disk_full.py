"""On a full disk nothing acknowledged is lost, reads and deletes go on, space comes back."""

import contextlib
import errno
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import elanus
from elanus.engine.database import DatabaseEngine
from elanus.errors import DiskFullError, StorageError
from elanus.storage import reserve
from elanus.storage.lock import LOCK_FILE
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers
from support.small_disk import free_bytes, small_disk
from support.storage_workload import observe

DIM = 96
BATCH = 300


def vector_schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("n", elanus.INT64),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
        ]
    )


def vectors_of(keys):
    """Every key has a vector of its own."""
    phases = np.asarray(keys, dtype=np.float64)[:, None] * np.sqrt(np.arange(1.0, DIM + 1))
    return np.cos(phases).astype(np.float32)


def batch_of(first, count=BATCH):
    keys = np.arange(first, first + count)
    return {"id": keys, "n": keys * 3, "v": vectors_of(keys)}


def fill(collection, first=0):
    """Insert until refused; return the keys that were acknowledged."""
    acknowledged = []
    try:
        for _ in range(100_000):
            collection.insert(batch_of(first))
            acknowledged += range(first, first + BATCH)
            first += BATCH
    except DiskFullError:
        return acknowledged
    raise AssertionError("the disk was never full")


def upsert_until_refused(collection):
    """Write the same rows again and again: a merge that ends now may give a little space back."""
    for _ in range(100_000):
        collection.upsert(batch_of(0))


def check(collection, keys):
    """Compare everything that can be asked with the keys that have to be there."""
    assert collection.count() == len(keys)
    found = collection.query(output=["n"])
    assert found == [{"n": 3 * pk, "id": pk} for pk in sorted(keys)]
    for pk in sorted(keys)[:: max(1, len(keys) // 5)]:
        (hit, *_) = collection.search(vectors_of([pk])[0], limit=1, recall=1.0)
        assert (hit.id, hit.score) == (pk, 0.0)


@pytest.mark.parametrize("megabytes", [8, 64])
def test_full_disk_refuses_rows_and_gives_space_back(tmp_path, megabytes):
    with small_disk(tmp_path / "disk", megabytes) as disk:
        with elanus.connect(disk / "kb") as db:
            collection = db.create_collection("points", vector_schema())
            keys = fill(collection)
            assert len(keys) * DIM * 4 > megabytes * 1_000_000 / 4
            check(collection, keys)
            with pytest.raises(DiskFullError, match="Free some space"):
                upsert_until_refused(collection)
            gone = [pk for pk in keys if pk % 5]
            assert collection.delete(gone) == len(gone)
            keys = [pk for pk in keys if pk % 5 == 0]
            check(collection, keys)
            collection.compact()
            check(collection, keys)
            live = len(keys) * (DIM * 4 + 16)
            assert free_bytes(disk) > megabytes * (1 << 20) - 3 * live - (4 << 20)
            keys += fill(collection, first=10_000_000)
            check(collection, keys)
        with elanus.connect(disk / "kb") as db:
            check(db.collection("points"), keys)
        with elanus.connect(disk / "kb", read_only=True) as db:
            check(db.collection("points"), keys)


@pytest.mark.parametrize("megabytes", [8])
def test_disk_filled_by_others_to_the_last_byte(tmp_path, megabytes, monkeypatch):
    # An answer of the file system that is still believed would let the insert take the ballast.
    monkeypatch.setattr(reserve, "RECHECK_S", 0.0)
    with small_disk(tmp_path / "disk", megabytes) as disk:
        with elanus.connect(disk / "kb") as db:
            collection = db.create_collection("points", vector_schema())
            keys = [pk for first in (0, 300, 600) for pk in collection.insert(batch_of(first))]
            collection.flush()
            fill_up(disk / "other")
            check(collection, keys)
            with pytest.raises(DiskFullError):
                collection.insert(batch_of(5000))
            # The ballast makes room for this, and for the manifest and tombstones of a flush.
            assert collection.delete(keys[:100]) == 100
            assert collection.delete("id < 200") == 100
            collection.flush()
            keys = keys[200:]
            check(collection, keys)
        (disk / "kb" / LOCK_FILE).unlink()  # as in a copy; not even its content fits now
        fill_up(disk / "more")
        with elanus.connect(disk / "kb") as db:
            check(db.collection("points"), keys)
        with elanus.connect(disk / "kb", read_only=True) as db:
            check(db.collection("points"), keys)
        (disk / "other").unlink()
        (disk / "more").unlink()
        with elanus.connect(disk / "kb") as db:
            collection = db.collection("points")
            collection.compact()
            keys += collection.insert(batch_of(7000))
            check(collection, keys)
            assert (disk / "kb" / reserve.BALLAST_FILE).exists()


def fill_up(path):
    """Take every byte that is left."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@pytest.mark.parametrize("megabytes", [4, 8])
def test_without_a_floor_every_step_meets_the_full_disk(tmp_path, megabytes, monkeypatch):
    """Flushes, merges, manifests and index builds hit ENOSPC for real, and lose nothing."""
    monkeypatch.setattr(reserve.SpaceReserve, "check_room", lambda *_, **__: None)
    with small_disk(tmp_path / "disk", megabytes) as disk:
        keys = []
        for life in range(4):
            with elanus.connect(disk / "kb") as db:
                if life == 0:
                    db.create_collection("points", vector_schema())
                collection = db.collection("points")
                check(collection, keys)
                with contextlib.suppress(DiskFullError):
                    collection.create_index("v", "HNSW", {"M": 2, "ef_construction": 8 + life})
                keys += until_full(collection, first=1_000_000 * life)
                check(collection, keys)
        fill_up(disk / "other")
        with elanus.connect(disk / "kb", read_only=True) as db:
            check(db.collection("points"), keys)
        with elanus.connect(disk / "kb") as db:
            check(db.collection("points"), keys)
        (disk / "other").unlink()
        with elanus.connect(disk / "kb") as db:
            check(db.collection("points"), keys)


def until_full(collection, first):
    """Insert and flush until something fails; return what was acknowledged."""
    acknowledged = []
    try:
        for number in range(100_000):
            collection.insert(batch_of(first))
            acknowledged += range(first, first + BATCH)
            first += BATCH
            if number % 6 == 5:
                collection.flush()
            if number % 20 == 19:
                collection.compact()
    except StorageError:
        return acknowledged
    raise AssertionError("the disk was never full")


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
import importlib.util
spec = importlib.util.spec_from_file_location("test_disk_full", sys.argv[3])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
import elanus, os, signal
db = elanus.connect(sys.argv[1])
collection = db.create_collection("points", test.vector_schema())
keys = test.fill(collection)
print(len(keys), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_while_full(tmp_path):
    tests = Path(__file__).resolve().parent.parent
    with small_disk(tmp_path / "disk", 8) as disk:
        program = [sys.executable, "-c", KILLED, str(disk / "kb"), str(tests), __file__]
        killed = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=False)
        assert killed.returncode == -signal.SIGKILL
        keys = list(range(int(killed.stdout)))
        fill_up(disk / "other")
        for read_only in (True, False):
            with elanus.connect(disk / "kb", read_only=read_only) as db:
                check(db.collection("points"), keys)
        with elanus.connect(disk / "kb") as db:
            collection = db.collection("points")
            assert collection.delete(keys[::2]) == len(keys[::2])
            check(collection, keys[1::2])


def insert_until_refused(collection):
    accepted = 0
    try:
        for _ in range(1000):
            collection.insert(papers(200, first=accepted))
            accepted += 200
    except DiskFullError:
        return accepted
    raise AssertionError("the disk was never full")


def test_full_memory_directory_refuses_rows_first():
    directory = MemoryDirectory(capacity=4 << 20)
    engine = DatabaseEngine(directory)
    collection = engine.create("papers", paper_schema(), {})
    directory.allocate("other", directory.room().free - (600 << 10))
    accepted = insert_until_refused(collection)
    assert directory.room().free >= 512 << 10
    collection.flush()
    assert collection.delete(list(range(100))) == min(100, accepted)
    left = observe(engine)["papers"].rows
    engine.close()
    engine = DatabaseEngine(directory)
    assert observe(engine)["papers"].rows == left
    engine.close()
