"""Segments get the index that was asked for, and searches use it."""

import numpy as np
import pytest

import elanus
from elanus.engine.database import DatabaseEngine
from elanus.engine.indexing import index_choice
from elanus.errors import InvalidArgumentError, SchemaError
from elanus.storage.directory import Room
from elanus.storage.memory_directory import MemoryDirectory

pytest.importorskip("hnswlib", reason="hnswlib is not installed")

ROWS = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)


@pytest.fixture
def collection():
    with elanus.connect(":memory:") as db:
        schema = elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("v", elanus.FLOAT_VECTOR, dim=16),
            ]
        )
        made = db.create_collection("c", schema)
        made.insert({"id": np.arange(600), "v": ROWS})
        yield made


def index_of(collection):
    return [s.indexes for s in collection.stats().segments if s.rows]


def test_small_segments_are_scanned_and_large_ones_get_a_graph(collection, monkeypatch):
    collection.compact()
    assert index_of(collection) == [{}]
    monkeypatch.setattr(index_choice, "MIN_INDEXED_ROWS", 500)
    collection.insert({"id": np.arange(600, 1200), "v": ROWS + 1})
    collection.compact()
    assert index_of(collection) == [{"v": "GRAPH"}]


def test_choice_of_index_is_carried_out_in_the_background(collection):
    collection.flush()
    collection.create_index("v", "HNSW", {"M": 4, "efConstruction": 20})
    collection.wait_indexed()
    assert index_of(collection) == [{"v": "HNSW"}]
    result = collection.search(ROWS[5], limit=5, ef=50)
    assert not result.is_exact
    assert "graph ef=50" in str(result.explanation)
    assert collection.describe().indexes == {"v": "HNSW"}
    collection.create_index("v", "FLAT")
    collection.wait_indexed()
    assert index_of(collection) == [{}]
    assert collection.search(ROWS[5], limit=5, ef=50).is_exact


def test_no_graph_is_built_into_the_reserve_of_a_full_disk():
    """What is left of it belongs to deletes and merges; with room again the graph is built."""
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=16),
        ]
    )
    room = [Room(64 << 20, 64 << 20)]
    directory = MemoryDirectory()
    directory.room = lambda: room[0]
    engine = DatabaseEngine(directory)
    made = engine.create("c", schema, {})
    made.insert({"id": np.arange(600), "v": ROWS})
    made.create_index("v", "HNSW", {"M": 4})
    made.wait_idle()
    room[0] = Room((8 << 20) + 10_000, 64 << 20)  # an eighth is the floor
    made.flush()
    made.wait_idle()
    assert [s.indexes for s in made.stats().segments if s.rows] == [{}]
    room[0] = Room(64 << 20, 64 << 20)
    made.compact()
    assert [s.indexes for s in made.stats().segments if s.rows] == [{"v": "HNSW"}]
    engine.close()


def test_new_parameters_build_the_index_again(collection):
    collection.create_index("v", "HNSW", {"M": 4})
    collection.compact()
    before = collection.stats().disk_bytes
    collection.create_index("v", "HNSW", {"M": 40})
    collection.wait_indexed()
    assert collection.stats().disk_bytes > before + 600 * 30


def test_graph_search_finds_what_a_scan_finds(collection):
    exact = [collection.search(q, limit=10).ids for q in ROWS[:40]]
    collection.create_index("v", "HNSW")
    collection.compact()
    found = [collection.search(q, limit=10, ef=200).ids for q in ROWS[:40]]
    same = sum(len(set(a) & set(b)) for a, b in zip(exact, found, strict=True))
    assert same >= 390
    assert collection.search(ROWS[0], limit=10, recall=1.0).ids == exact[0]


def test_rows_in_every_state_are_found_together(collection):
    collection.create_index("v", "HNSW")
    collection.compact()
    collection.insert([{"id": 1000, "v": ROWS[3] * 2}])
    collection.flush()
    collection.insert([{"id": 1001, "v": ROWS[3] * 3}])
    collection.delete([3])
    # The same direction three times: deleted from the graph, sealed, and in the memtable.
    assert collection.search(ROWS[3], limit=2).ids == [1000, 1001]
    assert collection.search(ROWS[3], limit=3, ef=100).ids[:2] == [1000, 1001]


def test_dropping_during_background_work_is_no_failure():
    with elanus.connect(":memory:") as db:
        for round_ in range(5):
            schema = elanus.Schema(
                [
                    elanus.Field("id", elanus.INT64, primary=True),
                    elanus.Field("v", elanus.FLOAT_VECTOR, dim=16),
                ]
            )
            made = db.create_collection(f"c{round_}", schema)
            made.create_index("v", "HNSW")
            made.insert({"id": np.arange(600), "v": ROWS})
            made.flush()
            made.drop()
        other = db.create_collection("other", schema)
        other.wait_indexed()
        assert db.list_collections() == ["other"]


def test_default_that_does_not_fit_is_refused_with_the_collection():
    with elanus.connect(":memory:") as db:
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("n", elanus.INT8, default=300),
        ]
        with pytest.raises(SchemaError, match="default of field 'n': 300 does not fit into INT8"):
            db.create_collection("c", elanus.Schema(fields))
        assert db.list_collections() == []


def test_graph_parameters_are_remembered(collection):
    collection.create_index("v", "HNSW", {"M": 4})
    with pytest.raises(InvalidArgumentError, match="AUTO takes no parameters"):
        collection.create_index("v", "AUTO", {"M": 4})
    collection.create_index("v", "AUTOINDEX")
    assert collection.describe().indexes == {"v": "AUTO"}
