"""Indexes are compared at equal recall, against exact neighbours."""

import json
import math
import sys

import numpy as np
import pytest

from benchmarks.graph import datasets
from benchmarks.graph.contestants import has_stalled, own_names, selected, worth_timing
from benchmarks.graph.curves import Reading, value_at
from benchmarks.graph.datasets import acceptable_ids
from benchmarks.graph.libraries.base import LIMIT
from benchmarks.graph_report import GRAPH_RENDERERS
from benchmarks.macro.worker_process import WorkerProcess


def points(*pairs):
    return [{"recall": recall, "qps": qps} for recall, qps in pairs]


def test_rate_is_read_from_the_line_of_its_logarithm():
    measured = points((0.90, 1000.0), (0.98, 10.0))
    assert value_at(measured, 0.94) == Reading(pytest.approx(100.0))
    assert value_at(measured, 0.92) == Reading(pytest.approx(10**2.5))
    assert value_at(measured, 0.90) == Reading(1000.0)


def test_rate_below_the_first_point_is_marked_and_beyond_the_last_missing():
    measured = points((0.92, 500.0), (0.98, 100.0))
    assert value_at(measured, 0.90) == Reading(500.0, beyond=True)
    assert value_at(measured, 0.99) is None
    assert value_at([], 0.9) is None


def test_points_that_another_beats_in_both_do_not_count():
    measured = points((0.90, 100.0), (0.92, 20.0), (0.95, 50.0), (0.96, 10.0))
    expected = math.exp((math.log(100.0) + math.log(50.0)) / 2)
    assert value_at(measured, 0.925) == Reading(pytest.approx(expected))


def test_other_figures_are_read_between_the_same_points():
    measured = [
        {"recall": 0.9, "qps": 100.0, "p50_us": 10.0, "batch_qps": None},
        {"recall": 1.0, "qps": 10.0, "p50_us": 1000.0, "batch_qps": None},
    ]
    assert value_at(measured, 0.95, "p50_us") == Reading(pytest.approx(100.0))
    assert value_at(measured, 0.95, "batch_qps", rate="batch_qps") is None


def test_efforts_far_below_the_first_target_are_not_timed():
    tried = [{"recall": recall} for recall in (0.5, 0.7, 0.86, 0.96)]
    assert worth_timing(tried) == tried[1:]
    assert worth_timing(tried[:2]) == tried[:2]
    assert has_stalled([{"recall": r} for r in (0.9, 0.9004, 0.9009)])
    assert not has_stalled([{"recall": r} for r in (0.1, 0.1, 0.1)])


def test_contestants_are_chosen_by_library_or_variant():
    assert own_names(["AUTO"], ["auto", "avx2"]) == ["elanus/AUTO", "elanus/AUTO@avx2"]
    names = ["elanus/AUTO", "faiss/a", "faiss/b"]
    assert selected(names, []) == names
    assert selected(names, ["faiss/b", "elanus"]) == ["elanus/AUTO", "faiss/b"]
    with pytest.raises(ValueError, match="no library or variant 'fais'"):
        selected(names, ["fais"])


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_acceptable_ids_are_those_of_a_full_sort(metric, monkeypatch):
    monkeypatch.setattr(datasets, "BLOCK_ROWS", 70)
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((200, 8)).astype(np.float32)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[:5] + np.float32(0.1)
    for query, found in zip(queries, acceptable_ids(vectors, queries, metric), strict=True):
        scores = -((vectors - query) ** 2).sum(axis=1) if metric == "l2" else vectors @ query
        assert set(found[found >= 0]) == set(np.argsort(-scores)[:LIMIT])


def test_rows_that_tie_at_the_last_place_are_all_acceptable():
    vectors = np.zeros((15, 2), dtype=np.float32)
    vectors[:9, 0] = np.arange(9, 0, -1)
    found = acceptable_ids(vectors, np.array([[1.0, 0.0]], dtype=np.float32), "ip")[0]
    assert sorted(found[found >= 0]) == list(range(15))


@pytest.mark.parametrize("name", ["clustered128", "factors100"])
def test_synthetic_vectors_are_repeatable(name):
    chosen = datasets.DATA_SETS[name]
    first, asked = chosen.make(30, 4)
    again, _ = chosen.make(30, 4)
    vectors = np.concatenate(list(first))
    assert (len(vectors), len(asked)) == (30, 4)
    np.testing.assert_array_equal(vectors, np.concatenate(list(again)))


def test_worker_builds_and_searches_our_index(tmp_path):
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((300, 16)).astype(np.float32)
    queries = vectors[:7] + np.float32(0.05)
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "queries.npy", queries)
    np.save(tmp_path / "acceptable.npy", acceptable_ids(vectors, queries, "l2"))
    (tmp_path / "about.json").write_text(json.dumps({"metric": "l2"}))
    with WorkerProcess(
        sys.executable,
        "elanus/FLAT@generic",
        tmp_path,
        core=0,
        log=tmp_path / "log",
        module="benchmarks.graph.worker",
    ) as worker:
        described = worker.call("describe")
        build = worker.call("build")
        single = worker.call("single", effort={"ef": 10}, queries=7, budget_s=60)
        batch = worker.call("batch", effort={"ef": 10}, queries=7)
    assert described["supported"]
    assert described["settings"].startswith("FLAT")
    assert build["cpu_s"] >= 0
    assert (single["recall"], single["short"], single["answered"]) == (1.0, 0, 7)
    assert single["qps"] > 0 < batch["qps"]


def test_table_shows_marks_and_missing_figures():
    point = {"recall": 0.96, "qps": 500.0, "p50_us": 20.0, "p99_us": 40.0, "batch_qps": None}
    build = {"cpu_s": 1.0, "rss_bytes": 2e6, "size_bytes": None}
    result = {
        "data": {"rows": 1000},
        "about": "points",
        "queries": 10,
        "rounds": 1,
        "missing": {"other/x": "it broke"},
        "indexes": [
            {"name": "a/b", "settings": "s", "build": build, "points": [{**point, "short": 2}]}
        ],
    }
    parts = GRAPH_RENDERERS["graph"](result)
    assert parts[1] == "other/x is missing: it broke"
    row = "| a/b | 1.0 | 2 | - | >500 | >500 | - | - | <20 | <40 | 2 |"
    assert parts[2].splitlines()[2] == row
