"""Candidates of lists of vectors: what an index of the vectors finds is what a scan finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import ARRAY, DataType, Field, Schema
from elanus.index.vector_lists import moved_vectors
from elanus.query import late_interaction

DIM = 12


@pytest.fixture(autouse=True)
def _small_sources_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_interaction, "LEAST_VECTORS", 1)
    monkeypatch.setattr(late_interaction, "FIRST_VECTORS", 16)
    monkeypatch.setattr(late_interaction, "FIRST_ROWS", 8)


def _documents(count: int, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Return token vectors of texts about a few topics; some texts are empty."""
    rng = np.random.default_rng(seed)
    words = rng.standard_normal((300, DIM)).astype(np.float32)
    topics = rng.integers(0, 300, (30, 12))
    documents = []
    for i in range(count):
        length = 0 if i % 50 == 7 else int(rng.integers(3, 12))
        chosen = rng.choice(topics[rng.integers(30)], length)
        noise = rng.standard_normal((length, DIM)).astype(np.float32)
        documents.append(words[chosen] + np.float32(0.3) * noise)
    return documents


def _filled(path: Path, metric: str, documents: Any, **options: Any) -> Any:
    database = elanus.connect(path)
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("tokens", ARRAY, element_type="FLOAT_VECTOR", dim=DIM, metric=metric, **options),
        ]
    )
    collection = database.create_collection("c", schema)
    collection.create_index("tokens", "GRAPH")
    half = len(documents) // 2
    for first, last in ((0, half), (half, len(documents))):
        rows = range(first, last)
        collection.insert([{"id": i, "tokens": documents[i]} for i in rows])
        collection.flush()
    collection.wait_indexed()
    return database, collection


@pytest.mark.parametrize(
    "metric",
    [
        "MAX_SIM_COSINE",
        *(pytest.param(m, marks=pytest.mark.slow) for m in ("MAX_SIM_IP", "MAX_SIM_L2", "COSINE")),
    ],
)
def test_candidates_are_what_a_scan_finds(tmp_path: Path, metric: str) -> None:
    documents = _documents(700)
    queries = [one[:4] for one in _documents(16, seed=1) if len(one)]
    if metric == "COSINE":
        queries = [query[0] for query in queries]
    database, collection = _filled(tmp_path, metric, documents)
    with database:
        for _ in range(2):
            shared = 0
            for query in queries:
                exact = collection.search(query, limit=5, recall=1.0)
                assert exact.is_exact
                found = collection.search(query, limit=5, recall=0.95)
                methods = {s.method for leg in found.explanation.legs for s in leg.steps}
                assert methods <= {"graph", "codes"}
                assert found.recall_estimate >= 0.9
                shared += len(set(found.ids) & set(exact.ids))
                scores = {hit.id: hit.score for hit in exact}
                for hit in found:
                    if hit.id in scores:
                        assert hit.score == pytest.approx(scores[hit.id], rel=1e-5, abs=1e-5)
            assert shared / (5 * len(queries)) >= 0.95
            # The merged segment takes over the larger graph, whose vectors have moved.
            collection.delete([3, 400, 600])
            collection.compact()
            collection.wait_indexed()
        assert len(collection.search(queries[0], limit=2).explanation.legs[0].steps) == 1


def test_candidates_pass_the_filter(tmp_path: Path) -> None:
    documents = _documents(400)
    database, collection = _filled(tmp_path, "MAX_SIM_IP", documents, nullable=True)
    with database:
        collection.upsert([{"id": i, "tokens": None} for i in range(40)])
        query = documents[100][:3]
        for condition in ("id % 2 == 0", "id < 150", "id in [100, 200, 300]", "id < 0"):
            exact = collection.search(query, limit=4, filter=condition, recall=1.0)
            found = collection.search(query, limit=4, filter=condition)
            assert found.ids == exact.ids


def test_more_hits_than_candidates(tmp_path: Path) -> None:
    documents = _documents(250)
    database, collection = _filled(tmp_path, "MAX_SIM_COSINE", documents)
    with database:
        query = documents[0][:2]
        assert len(collection.search(query, limit=1000)) == sum(1 for one in documents if len(one))
        found = collection.search(query, limit=50)
        exact = collection.search(query, limit=50, recall=1.0)
        assert len(set(found.ids) & set(exact.ids)) >= 45


def test_vectors_move_with_their_rows() -> None:
    before = np.array([0, 2, 2, 5, 6])
    after = np.array([0, 4, 5, 7, 7])
    # Rows 0 and 3 become 2 and 1, row 1 becomes 3, row 2 is gone.
    moved = moved_vectors(before, after, np.array([2, 3, -1, 1]))
    assert moved.tolist() == [5, 6, -1, -1, -1, 4]


def test_a_segment_of_empty_lists_gets_no_graph(tmp_path: Path) -> None:
    database, collection = _filled(tmp_path, "MAX_SIM_IP", [[], []], nullable=True)
    with database:
        collection.compact()
        assert collection.search(np.ones((2, DIM), dtype=np.float32), limit=3).ids == []
        collection.insert([{"id": 9, "tokens": np.ones((2, DIM), dtype=np.float32)}])
        collection.compact()
        assert collection.search(np.ones((2, DIM), dtype=np.float32), limit=3).ids == [9]
