"""The writing and the reading process of ``storage_lag.py``."""

from __future__ import annotations

import json
import sys
import threading
import time

import numpy as np

import elanus

_DIM = 384
_LOAD_BATCH = 1_000
_LOAD_FIRST_ID = 1_000_000_000
_NAME = "rows"


def write(folder: str, commits: str, pause_s: str, load_pause_s: str) -> None:
    """Commit rows one by one when told to; answer with the times of the acknowledgements."""
    database = elanus.connect(folder)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=_DIM),
        ]
    )
    rows = database.create_collection(_NAME, schema)
    _say("created")
    sys.stdin.readline()
    over = threading.Event()
    inserter = threading.Thread(target=_insert_until, args=(rows, over, float(load_pause_s)))
    if float(load_pause_s):
        inserter.start()
    vectors = np.random.default_rng(0).random((int(commits), _DIM), dtype=np.float32)
    acknowledged = []
    for number in range(int(commits)):
        rows.insert({"id": [number], "vector": vectors[number : number + 1]})
        acknowledged.append(time.monotonic_ns())
        time.sleep(float(pause_s))
    over.set()
    if float(load_pause_s):
        inserter.join()
    _say(json.dumps({"ns": acknowledged, "rows": rows.count()}))
    database.close()


def _insert_until(rows: elanus.Collection, over: threading.Event, pause_s: float) -> None:
    vectors = np.random.default_rng(1).random((_LOAD_BATCH, _DIM), dtype=np.float32)
    first = _LOAD_FIRST_ID
    while not over.wait(pause_s):
        rows.insert({"id": np.arange(first, first + _LOAD_BATCH), "vector": vectors})
        first += _LOAD_BATCH


def read(folder: str, commits: str) -> None:
    """Look for one key after the other; answer with the times at which they were found."""
    database = elanus.connect(folder, read_only=True)
    rows = database.collection(_NAME)
    rows.get([0])
    _say("opened")
    seen, polls = [], []
    for number in range(int(commits)):
        asked = time.monotonic_ns()
        while not rows.get([number], output=["id"]):
            now = time.monotonic_ns()
            polls.append(now - asked)
            asked = now
        seen.append(time.monotonic_ns())
    _say(json.dumps({"seen_ns": seen, "poll_ns": polls or [0]}))
    database.close()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:])
    else:
        read(*sys.argv[2:])
