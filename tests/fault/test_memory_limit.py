"""A collection four times the limit loads, searches, deletes, merges and opens again within it.

The limit is kept by the kernel: a process that takes more private memory than what it had when it
was set up, plus the limit, gets MemoryError or dies.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.oracle import bm25_scores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux'")

SUPPORT = Path(__file__).parents[1]
DIM = 768
BATCH = 250
NUM_ROWS = 40_000
LIMIT = 32 << 20
WORDS = ("graph", "index", "vector", "segment", "query", "filter", "score", "token", "log", "page")

CHILD = """
import json, re, resource, sys
sys.path[:0] = [sys.argv[1] + "/fault", sys.argv[1]]
import elanus
from test_memory_limit import BATCH, LIMIT, NUM_ROWS, batch, questions, schema

folder = sys.argv[2]

def private_bytes():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmData:\\s+(\\d+) kB", file.read())[1]) << 10

def answers(collection):
    found = {"count": collection.count()}
    for i, (vector, words) in enumerate(questions()):
        found[f"dense {i}"] = collection.search(vector, field="dense", limit=10).ids
        found[f"text {i}"] = collection.search(words, field="bm25", limit=10).ids
        found[f"filter {i}"] = collection.search(
            vector, field="dense", limit=10, filter=f"meta['group'] == {i} and title like 'graph%'"
        ).ids
    return found

# The first rows start threads and load modules, which is not what is limited.
with elanus.connect(folder + "/warm", memory_limit=LIMIT) as db:
    warm = db.create_collection("c", schema())
    for first in range(0, 4 * BATCH, BATCH):
        warm.insert(batch(first))
        warm.flush()
    warm.wait_indexed()
    answers(warm)
    baseline = private_bytes()
resource.setrlimit(resource.RLIMIT_DATA, (baseline + LIMIT,) * 2)

with elanus.connect(folder + "/kb", memory_limit=LIMIT) as db:
    collection = db.create_collection("c", schema())
    for first in range(0, NUM_ROWS, BATCH):
        collection.insert(batch(first))
    print(json.dumps(answers(collection)), flush=True)
    collection.delete("id % 10 != 3")
    collection.wait_indexed()
    collection.compact()
    print(json.dumps(answers(collection)), flush=True)
with elanus.connect(folder + "/kb", memory_limit=LIMIT) as db:
    print(json.dumps(answers(db.collection("c"))), flush=True)
"""


def schema():
    import elanus

    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("meta", elanus.JSON),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=DIM, metric="COSINE"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ]
    )


def batch(first):
    rng = np.random.default_rng(first)
    return {
        "id": np.arange(first, first + BATCH),
        "title": [" ".join(rng.choice(WORDS, rng.integers(2, 6))) for _ in range(BATCH)],
        "meta": [{"group": int(g), "page": first} for g in rng.integers(0, 5, BATCH)],
        "dense": rng.normal(size=(BATCH, DIM)).astype(np.float32),
    }


def questions():
    rng = np.random.default_rng(9_999_999)
    for i in range(3):
        yield rng.normal(size=DIM).astype(np.float32).tolist(), f"{WORDS[i]} {WORDS[i + 3]}"


def expected(keep):
    titles, groups, keys, vectors = {}, {}, [], []
    for first in range(0, NUM_ROWS, BATCH):
        rows = batch(first)
        for place, pk in enumerate(rows["id"].tolist()):
            if keep(pk):
                titles[pk] = rows["title"][place]
                groups[pk] = rows["meta"][place]["group"]
                keys.append(pk)
                vectors.append(rows["dense"][place])
    table, ids = np.array(vectors), np.array(keys)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    found = {"count": len(ids)}
    for i, (vector, words) in enumerate(questions()):
        order = ids[np.argsort(-(table @ np.array(vector, dtype=np.float32)), kind="stable")]
        found[f"dense {i}"] = order[:10].tolist()
        allowed = [
            pk for pk in order.tolist() if groups[pk] == i and titles[pk].startswith("graph")
        ]
        found[f"filter {i}"] = allowed[:10]
        scores = bm25_scores(words.split(), {pk: t.split() for pk, t in titles.items()})
        found[f"text {i}"] = sorted(scores, key=lambda pk: (-np.float32(scores[pk]), pk))[:10]
    return found


@pytest.mark.slow
def test_a_quarter_of_the_data_is_enough_memory(tmp_path):
    assert NUM_ROWS * DIM * 4 >= 3.6 * LIMIT
    arguments = [sys.executable, "-c", CHILD, str(SUPPORT), str(tmp_path)]
    child = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    loaded, merged, reopened = map(json.loads, child.stdout.splitlines())
    assert loaded == expected(lambda pk: True)
    left = expected(lambda pk: pk % 10 == 3)
    assert merged == left
    assert reopened == left
