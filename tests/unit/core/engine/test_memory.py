"""A limit on memory is divided, kept, and given back."""

import gc

import numpy as np
import pytest

import elanus
from elanus.engine import growing
from elanus.engine.background.merge_policy import SegmentSize, plan_everything, plan_merge
from elanus.engine.indexing import index_choice
from elanus.engine.memory import GRAPHS_PART, MemoryBudget, parse_limit
from elanus.errors import InvalidArgumentError
from elanus.filter.columns import ColumnCache
from elanus.schema.batches import slice_column, strings_to_column
from support.builders import paper_schema, papers

MB = 1 << 20


@pytest.mark.parametrize(
    ("given", "size"),
    [
        (None, None),
        (64 * MB, 64 * MB),
        ("512MB", 512 * MB),
        ("512 mb", 512 * MB),
        ("1.5GiB", 1536 * MB),
        ("20000000", 20_000_000),
        ("2G", 2048 * MB),
    ],
)
def test_limits_are_bytes_or_text(given, size):
    assert parse_limit(given) == size


@pytest.mark.parametrize("wrong", ["many", "5 apples", -1, 0, True, 3.5, "1MB", "-5GB"])
def test_wrong_limits_are_refused_by_name(wrong):
    with pytest.raises(InvalidArgumentError, match="memory_limit must be"):
        elanus.connect(":memory:", memory_limit=wrong)


def test_graphs_share_what_there_is():
    budget = MemoryBudget(100 * GRAPHS_PART)
    first = budget.lease(60)
    assert budget.lease(41) is None
    second = budget.lease(40)
    assert budget.graph_bytes == 100
    first.shrink(10)
    first.release()
    first.release()
    assert budget.graph_bytes == 40
    owner = ColumnCache(lambda name, start, stop: None)
    budget.hold(500, owner)
    assert budget.graph_bytes == 540
    del owner
    gc.collect()
    second.release()
    assert budget.graph_bytes == 0
    assert MemoryBudget().lease(1 << 60) is not None


def test_a_graph_that_dies_while_memory_is_shared_out_waits_for_nobody():
    """The collector runs destructors at any allocation, in a thread that holds the lock too."""
    budget = MemoryBudget(100 * GRAPHS_PART)
    owner = ColumnCache(lambda name, start, stop: None)
    budget.hold(30, owner)
    with budget._lock:
        del owner
        gc.collect()
    assert budget.graph_bytes == 0


def test_a_forked_child_shares_no_lock_with_its_parent():
    budget = MemoryBudget(100 * GRAPHS_PART)
    budget.lease(60)
    with budget._lock:
        child = budget.for_child()
        assert (child.limit, child.graph_bytes) == (budget.limit, 0)


def text_cache(budget, words):
    column = strings_to_column(words)
    return ColumnCache(lambda name, a, b: slice_column(column, a, b), budget.touch)


def test_decoded_columns_are_dropped_least_recently_used_first():
    words = [f"word {i}" for i in range(1_000)]
    budget = MemoryBudget(10 * MB)
    caches = [text_cache(budget, words) for _ in range(30)]
    sizes = []
    for cache in caches:
        assert len(cache.strings("t").strings(1_000).codes) == 1_000
        sizes.append(cache.size_bytes)
    assert min(sizes) > 60_000
    kept = [cache for cache in caches if cache.size_bytes]
    # An eighth of the limit holds sixteen of these.
    assert kept == caches[-len(kept) :]
    assert 10 <= len(kept) <= 20
    assert len(caches[0].strings("t").strings(1_000).codes) == 1_000


def test_merged_segments_stay_small_enough_for_the_limit():
    sizes = [SegmentSize(1_000, 0, 100_000)] * 4
    assert plan_merge(sizes, max_bytes=400_000).positions == (0, 1, 2, 3)
    assert plan_merge(sizes, max_bytes=200_000).positions == (0, 1)
    assert plan_merge(sizes, max_bytes=199_999) is None
    # A segment that is too large already is rewritten when it has to be.
    assert plan_merge([SegmentSize(10, 90, 10_000)], max_bytes=10).positions == (0,)


def test_everything_is_merged_as_far_as_the_limit_allows():
    sizes = [SegmentSize(10, 0, 100), SegmentSize(10, 0, 300), SegmentSize(10, 0, 100)]
    assert plan_everything(sizes) == (0, 1, 2)
    assert plan_everything(sizes, 400) == (0, 1)
    assert plan_everything(sizes, 399) == ()
    assert plan_everything([*sizes, SegmentSize(10, 0, 100)], 399) == (2, 3)
    assert plan_everything([SegmentSize(10, 0, 100)]) == ()
    assert plan_everything([SegmentSize(10, 1, 100)], 10) == (0,)


def test_a_graph_without_room_is_scanned_and_found_again_with_room(tmp_path, monkeypatch):
    pytest.importorskip("hnswlib", reason="hnswlib is not installed")
    monkeypatch.setattr(index_choice, "MIN_INDEXED_ROWS", 500)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=16),
        ]
    )
    rows = np.random.default_rng(0).normal(size=(2_000, 16)).astype(np.float32)

    def is_exact(**options):
        with elanus.connect(tmp_path, **options) as db:
            if "c" not in db.list_collections():
                db.create_collection("c", schema).insert({"id": np.arange(2_000), "v": rows})
            collection = db.collection("c")
            collection.flush()
            collection.wait_indexed()
            assert collection.search(rows[7], limit=1).ids == [7]
            collection.wait_indexed()
            return collection.search(rows[7], limit=5, ef=50).is_exact

    monkeypatch.setattr("elanus.engine.memory.GRAPHS_PART", 1 << 10)
    assert is_exact(memory_limit="64MB")  # not built
    assert not is_exact()
    assert is_exact(memory_limit="64MB")  # not loaded
    assert not is_exact(memory_limit="1GB")


def test_a_small_limit_flushes_early_and_answers_the_same(monkeypatch):
    monkeypatch.setattr(growing, "FLUSH_ROWS", 1 << 20)
    rows = papers(3_000, dim=200)
    with elanus.connect(":memory:") as one, elanus.connect(":memory:", memory_limit=16 * MB) as two:
        for db in (one, two):
            collection = db.create_collection("papers", paper_schema(dim=200))
            for start in range(0, 3_000, 100):
                collection.insert(rows[start : start + 100])
            collection.delete("year < 2000")
            collection.wait_indexed()
        large, small = one.collection("papers"), two.collection("papers")
        assert len(small.stats().segments) > len(large.stats().segments)
        assert small.stats().memory_bytes < 16 * MB // 16 * 2
        query = rows[17]["dense"]
        for asked in (query, "graph index", {"sparse": {3: 1.0}}):
            if isinstance(asked, dict):
                found = [
                    c.search(asked["sparse"], field="sparse", limit=50) for c in (large, small)
                ]
            else:
                found = [c.search(asked, limit=50) for c in (large, small)]
            assert found[0].ids == found[1].ids
        assert small.count() == large.count()
        small.compact()
        assert small.search(query, limit=50).ids == large.search(query, limit=50).ids


def test_what_is_released_is_read_again(tmp_path):
    """Hints change what is in memory, never what is found."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(600, 8)).astype(np.float32)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=8),
            elanus.Field("meta", elanus.JSON),
        ]
    )
    with elanus.connect(tmp_path / "kb") as database:
        collection = database.create_collection("kb", schema)
        collection.create_index("v", "HNSW")
        collection.insert({"id": range(600), "v": vectors, "meta": [{"n": n} for n in range(600)]})
        collection.compact()
        collection.wait_indexed()
        collection.load()
        found = collection.search(vectors[3], "v", 5, filter='meta["n"] < 300').ids
        held = collection.stats().memory.graphs
        assert held > 0
        collection.release()
        # The next search begins to load what it needs.
        assert collection.stats().memory.graphs == 0
        assert collection.search(vectors[3], "v", 5, filter='meta["n"] < 300').ids == found
        collection.load()
        assert collection.stats().memory.graphs == held
