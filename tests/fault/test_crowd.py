"""Many processes and threads read while one writes: no answer is ever wrong."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import elanus
from elanus.kernels.file_map import wait_until_unmapped
from support.crowd_process import ROWS, Reader, rows_of, schema
from support.tally import count

TESTS = Path(__file__).resolve().parent.parent


def start(role, folder, seconds, seed, threads=1):
    paths = [str(TESTS), *(p for p in sys.path if p)]
    options = map(str, (seconds, seed, threads))
    return subprocess.Popen(
        [sys.executable, "-m", "support.crowd_process", role, folder, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def result_of(process):
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


def crowd(folder, *, seconds, processes, threads):
    """Run a writer and its readers; return what they did."""
    writer = start("writer", folder, seconds + 2, seed=1)
    assert writer.stdout.readline() == "ready\n"
    readers = [start("reader", folder, seconds, seed, threads) for seed in range(processes)]
    answers = sum(result_of(reader)["answers"] for reader in readers)
    written = result_of(writer)
    count("answers checked beside a writer", answers)
    return answers, written


@pytest.mark.slow
def test_readers_beside_a_writer(tmp_path):
    answers, written = crowd(tmp_path / "kb", seconds=8, processes=4, threads=4)
    assert answers > 200
    assert written["batches"] > 20


@pytest.mark.soak
def test_many_readers_beside_a_writer(tmp_path):
    answers, written = crowd(tmp_path / "kb", seconds=180, processes=8, threads=16)
    assert answers > 2000
    assert written["merges"] > 3


def test_paused_reader_sees_its_snapshot_and_then_the_present(tmp_path):
    """A reader that sleeps through a flush, a merge and a drop finds nothing wrong afterwards."""
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("crowd", schema())
        db.create_collection("fleeting", schema()).insert(rows_of(0, 1))
        for batch in range(10):
            collection.upsert(rows_of(batch, 1))
        reader = start("reader", tmp_path / "kb", 6, seed=1, threads=4)
        time.sleep(2)
        os.kill(reader.pid, signal.SIGSTOP)
        try:
            for version in range(2, 12):
                for batch in range(10):
                    collection.upsert(rows_of(batch, version))
                collection.flush()
            collection.compact()
            db.drop_collection("fleeting")
        finally:
            os.kill(reader.pid, signal.SIGCONT)
        assert result_of(reader)["answers"] > 0


def test_reader_in_this_process_follows_every_write(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("crowd", schema())
        with elanus.connect(tmp_path / "kb", read_only=True) as following:
            reader = Reader(following, seed=3)
            for version in range(1, 30):
                collection.upsert(rows_of(version % 7, version))
                assert reader.collection.count(f"version == {version}") == ROWS
                if version % 5 == 0:
                    collection.flush()
                if version % 11 == 0:
                    collection.compact()
                for look in (reader.whole_batches, reader.near, reader.text, reader.one_batch):
                    look()


def test_hundreds_of_openings_leave_nothing_open(tmp_path):
    folder = tmp_path / "kb"
    with elanus.connect(folder) as db:
        db.create_collection("crowd", schema()).insert(rows_of(1, 1))
        db.collection("crowd").flush()
    descriptors = Path("/proc/self/fd")
    maps = Path("/proc/self/maps")
    sizes = []
    for number in range(300):
        with elanus.connect(folder, read_only=number % 2 == 0) as db:
            assert db.collection("crowd").count() == ROWS
        if number in (20, 299) and descriptors.exists():
            gc.collect()
            wait_until_unmapped()
            named = [line for line in maps.read_text().splitlines() if str(folder) in line]
            sizes.append((len(list(descriptors.iterdir())), len(named)))
    if sizes:
        assert sizes[1][0] <= sizes[0][0] + 2, f"descriptors: {sizes}"
        assert sizes[1][1] <= sizes[0][1] + 20, f"maps: {sizes}"
    logs = list(folder.glob("c/*/wal/*"))
    assert len(logs) <= 2
