"""A load that is killed loses no acknowledged row, and no batch is half there."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import elanus
from support.builders import paper_schema, papers

BATCH = 7
LOADER = """
import sys
sys.path.insert(0, sys.argv[3])
import elanus
from elanus.engine import growing
from support.builders import papers
growing.FLUSH_ROWS = 150  # flushes and merges happen while the process is killed
collection = elanus.connect(sys.argv[1]).collection("papers")
start = int(sys.argv[2])
print("ready", flush=True)
while True:
    collection.insert(papers(7, first=start))
    if start % 5 == 0:
        collection.delete([start])
    print(start, flush=True)
    start += 7
"""


def load_until_killed(folder, start, delay_s):
    """Return the first keys of the acknowledged batches."""
    support = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, str(folder), str(start), support],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    # A last line without its end was cut by the kill.
    return [int(line) for line in output.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.slow
def test_killed_load_loses_no_acknowledged_row(tmp_path):
    seed = 20261122
    rng = random.Random(seed)
    folder = tmp_path / "kb"
    with elanus.connect(folder) as db:
        db.create_collection("papers", paper_schema())
    expected = set()
    start = 0
    for round_ in range(12):
        acked = load_until_killed(folder, start, rng.uniform(0.02, 0.6))
        for first in acked:
            expected |= set(range(first, first + BATCH))
            if first % 5 == 0:
                expected.discard(first)
        pending = (acked[-1] + BATCH) if acked else start
        with elanus.connect(folder) as db:
            collection = db.collection("papers")
            found = {row["id"] for row in collection.query(output=["id"])}
            assert expected <= found, f"seed {seed}, round {round_}"
            # The batch in flight was never acknowledged: all of it or nothing, deleted row aside.
            extra = found - expected
            whole = set(range(pending, pending + BATCH))
            assert extra in (set(), whole, whole - {pending} if pending % 5 == 0 else set())
            for row in collection.get(sorted(found)[-3:], ["title", "year"]):
                want = papers(1, first=row["id"])[0]
                assert row == {name: want[name] for name in ("id", "title", "year")}
            assert len(collection.search("graph", limit=50)) > 0 or not found
        expected = found
        start = max(found, default=-1) + 1 + BATCH
    assert len(expected) > 200
