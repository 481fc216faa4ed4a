"""An import whose process is killed shows nothing, goes on when it is called again, and ends with
exactly the rows of its source."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import elanus
from support.tally import count

ROWS = 9_000
DIM = 32
IMPORTER = """
import sys
import elanus
from elanus.engine.writing import bulk_load
bulk_load.SEGMENT_ROWS = 600
collection = elanus.connect(sys.argv[1]).collection("made")
print("ready", flush=True)
result = collection.import_data(sys.argv[2], batch_rows=200, on_conflict="replace")
print(result.resumed_from, flush=True)
"""


def schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=DIM),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def write_source(path):
    rng = np.random.default_rng(5)
    columns = {
        "id": np.arange(ROWS, dtype=np.int64)[::-1],
        "text": np.array([f"word{i % 97} number {i}" for i in range(ROWS)]),
        "dense": rng.normal(size=(ROWS, DIM)).astype(np.float32),
    }
    np.savez(path, **columns)
    return columns


def run_importer(folder, source, delay_s=None):
    """Return what the importer printed after ``ready``, None when it was killed before, and how
    long it took from then on. Without ``delay_s`` it is not killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORTER, str(folder), str(source)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    started = time.monotonic()
    if delay_s is not None:
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    return output.strip() or None, time.monotonic() - started


def check_complete(folder, columns):
    with elanus.connect(folder) as db:
        collection = db.collection("made")
        table = collection.to_arrow(output=["id", "text", "dense"]).sort_by("id")
        assert table.column("id").to_pylist() == list(range(ROWS))
        assert table.column("text").to_pylist() == columns["text"][::-1].tolist()
        dense = table.column("dense").combine_chunks().flatten().to_numpy()
        assert np.array_equal(dense.reshape(ROWS, DIM), columns["dense"][::-1])
        (hit,) = collection.search("number 17", "bm25", limit=1)
        assert collection.get([hit.id], ["text"])[0]["text"].endswith("number 17")


def create(folder):
    with elanus.connect(folder) as db:
        db.create_collection("made", schema())


def kill_often(tmp_path, *, imports, seed):
    rng = random.Random(seed)
    columns = write_source(tmp_path / "in.npz")
    source = tmp_path / "in.npz"
    kills = 0
    # Kills have to hit the import, however fast this machine is.
    create(tmp_path / "timed")
    _, longest_s = run_importer(tmp_path / "timed", source)
    for number in range(imports):
        folder = tmp_path / f"kb{number}"
        create(folder)
        done = None
        while done is None:
            done, _ = run_importer(folder, source, rng.uniform(0.0, 0.5 * longest_s))
            kills += done is None
            with elanus.connect(folder) as db:
                found = db.collection("made").count()
                assert found in ((0, ROWS) if done is None else (ROWS,)), f"seed {seed}"
                if found:
                    db.collection("made").import_data(source, batch_rows=200, on_conflict="replace")
                    break
        check_complete(folder, columns)
    count("kills of an importing process survived", kills)
    return kills


def test_killed_import_resumes_and_is_complete(tmp_path):
    assert kill_often(tmp_path, imports=1, seed=1) > 0


@pytest.mark.slow
def test_import_killed_many_times(tmp_path):
    assert kill_often(tmp_path, imports=4, seed=20261122) >= 5
