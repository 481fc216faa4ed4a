"""Statistics add up to what the operating system reports."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import elanus
from elanus.engine.stats import resident_bytes
from support.builders import paper_schema, papers

SUPPORT = Path(__file__).parents[3]
NUM_ROWS = 20_000

PRELUDE = """
import gc, json, re, sys
sys.path.insert(0, sys.argv[2])
import numpy as np
import elanus
from support.builders import paper_schema

def kilobytes(name):
    with open("/proc/self/status") as file:
        return int(re.search(name + r":\\s+(\\d+) kB", file.read())[1]) << 10

def rows(first, count):
    rng = np.random.default_rng(first)
    words = np.array([f"word{i}" for i in range(5_000)])
    return {
        "id": np.arange(first, first + count),
        "title": [" ".join(rng.choice(words, 12)) for _ in range(count)],
        "year": rng.integers(1990, 2020, count),
        "meta": [{"source": f"file{i % 97}.md", "page": i} for i in range(count)],
        "dense": rng.normal(size=(count, 128)).astype(np.float32),
        "sparse": [{int(d): 1.0 for d in rng.integers(0, 3_000, 8)} for _ in range(count)],
    }

def warm_up(db):
    # What the first rows and searches load is no part of a collection.
    collection = db.create_collection("warm", paper_schema(dim=128))
    collection.insert(rows(0, 500))
    collection.search(rows(0, 1)["dense"][0].tolist(), field="dense", limit=5)
    collection.search("word1", field="bm25", limit=5)
    collection.query("meta['page'] % 1000 == 3 or title like 'word1%9'")
    collection.query("title >= 'word5'", limit=1)
    collection.insert(rows(500, 1_000))
    collection.create_index("dense", "GRAPH")
    collection.compact()
    collection.wait_indexed()
    collection.query("meta['page'] % 1000 == 3 or title like 'word1%9'")
    collection.query("title >= 'word5'", limit=1)
    for recall in (0.9, 1.0):
        collection.search(rows(0, 1)["dense"][0].tolist(), "dense", limit=5, recall=recall)
    db.drop_collection("warm")
"""

MEMTABLE = (
    PRELUDE
    + """
from elanus.engine import growing
growing.FLUSH_ROWS = growing.FLUSH_BYTES = 1 << 40
with elanus.connect(sys.argv[1]) as db:
    warm_up(db)
    collection = db.create_collection("papers", paper_schema(dim=128))
    gc.collect()
    before = kilobytes("RssAnon")
    for first in range(0, 20_000, 500):
        collection.insert(rows(first, 500))
    gc.collect()
    print(json.dumps([kilobytes("RssAnon") - before, collection.stats().memory_bytes]))
"""
)

GRAPH = (
    PRELUDE
    + """
with elanus.connect(sys.argv[1]) as db:
    collection = db.collection("papers")
    warm_up(db)
    gc.collect()
    mapped = kilobytes("RssFile")
    query = rows(0, 1)["dense"][0].tolist()
    for _ in range(3):
        collection.search(query, field="dense", limit=5)
        collection.wait_indexed()
    gc.collect()
    # What the first searches of a graph load is no part of it either.
    anonymous = kilobytes("RssAnon")
    collection.query("meta['page'] % 1000 == 3 or title like 'word1%9'")
    collection.query("title >= 'word5'", limit=1)
    collection.search(query, field="dense", limit=5, recall=1.0)
    gc.collect()
    memory = collection.stats().memory
    grown = [kilobytes("RssAnon") - anonymous, kilobytes("RssFile") - mapped]
    print(json.dumps([*grown, memory.private, memory.resident, memory.graphs, memory.caches]))
"""
)


def in_fresh_process(script, folder):
    arguments = [sys.executable, "-c", script, str(folder), str(SUPPORT)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def folder_bytes(folder):
    return sum(
        os.path.getsize(os.path.join(root, name))
        for root, _, names in os.walk(folder)
        for name in names
    )


def test_disk_bytes_are_those_of_the_folder(tmp_path):
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("papers", paper_schema())
        for first in range(0, 400, 100):
            collection.insert(papers(100, first=first))
            collection.flush()
        collection.delete(list(range(30)))
        collection.create_index("dense", "HNSW")
        # Ends by deleting what nobody needs, so that nothing goes away while this looks.
        collection.compact()
        collection.insert(papers(10, first=1_000))
        stats = db.stats()
        assert stats.disk_bytes == folder_bytes(tmp_path)
        (folder,) = (tmp_path / "c").iterdir()
        assert stats.collections["papers"].disk_bytes == folder_bytes(folder)
        assert stats.collections["papers"] == collection.stats()
        assert stats.memory_bytes == collection.stats().memory_bytes > 0


def test_a_database_in_memory_maps_no_files():
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("papers", paper_schema())
        collection.insert(papers(50))
        collection.flush()
        stats = collection.stats()
        assert stats.memory.resident is None
        assert stats.memory.memtables < 1_000
        assert stats.disk_bytes > 50 * 30


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_only_maps_of_the_folder_count(tmp_path):
    assert resident_bytes(":memory:", "c") is None
    assert resident_bytes(str(tmp_path), "c") == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_memory_is_what_the_process_grew_by(tmp_path):
    grown, told = in_fresh_process(MEMTABLE, tmp_path)
    assert told == pytest.approx(grown, rel=0.2)
    with elanus.connect(tmp_path) as db:
        db.collection("papers").compact()
    anonymous, mapped, private, resident, graphs, caches = in_fresh_process(GRAPH, tmp_path)
    assert graphs == 0  # mapped
    assert caches > NUM_ROWS * 20
    # The allocator keeps about a megabyte of what was needed for a moment.
    assert private == pytest.approx(anonymous, rel=0.2, abs=1_500_000)
    assert resident == pytest.approx(mapped, rel=0.2)
