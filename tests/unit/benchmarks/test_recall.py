"""The recall that was asked for is held against the recall that came back."""

import numpy as np
import pytest

from benchmarks.datasets import Passages
from benchmarks.macro import recall
from benchmarks.macro.exact import best, dense_scores, only_allowed
from benchmarks.recall_report import RECALL_RENDERERS, is_broken

ROW = {"filter": "none", "matches": 50, "limit": 10, "methods": {"graph": 4}, "short": 0}


@pytest.fixture
def passages():
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Passages(
        texts=["text"] * 60,
        sources=["python/peps" if i % 3 == 0 else "manual" for i in range(60)],
        buckets=np.zeros(60, dtype=np.int64),
        fine_buckets=np.arange(60) * 100,
        vectors=vectors,
        queries=["question"] * 4,
        query_vectors=vectors[:4],
    )


def test_every_condition_is_answered_in_full(passages, tmp_path):
    conditions = recall.conditions(passages)
    assert [int(c.allowed.sum()) for c in conditions] == [60, 50, 10, 1, 1, 1, 20, 0, 0, 40]
    cosines = dense_scores(passages.vectors, passages.query_vectors)
    with recall.load(tmp_path / "db", passages) as database:
        for condition in conditions:
            answers = [best(only_allowed(one, condition.allowed), 10) for one in cosines]
            figures = recall.measure(
                database.collection("passages"), condition, 10, 0.9, passages.query_vectors, answers
            )
            assert figures["recall"] == figures["estimated"] == 1.0
            assert figures["short"] == 0
            expected = "scan" if condition.allowed.any() else "skip"
            assert figures["methods"] == {expected: 4}


def test_recall_within_chance_of_what_was_asked_is_kept():
    assert not is_broken({"recall": 0.94, "asked": 0.95, "standard_error": 0.006})
    assert is_broken({"recall": 0.93, "asked": 0.95, "standard_error": 0.006})


def test_table_has_a_column_per_recall_and_names_exact_rows_below():
    figures = {"rows": 1000, "standard_error": 0.01}
    rows = [
        {**ROW, **figures, "asked": 0.8, "recall": 0.7, "estimated": 0.85},
        {**ROW, **figures, "asked": 0.9, "recall": 0.95, "estimated": 0.91, "short": 1},
    ]
    exact = {"filter": "random 1 %", "methods": {"scan": 4}, "recall": 1.0, "estimated": 1.0}
    rows += [{**row, **exact, "short": 0} for row in rows]
    parts = RECALL_RENDERERS["recall"]({"queries": 4, "rows": rows})
    assert "1 of 4 combinations are; 1 answers were shorter" in parts[0]
    table, note = parts[1].split("\n\n")
    assert table.splitlines()[0].endswith("| recall=0.8 | recall=0.9 |")
    assert table.splitlines()[2:] == [
        "| none | 50 | 10 | graph | 1 | 0.700! (0.850) | 0.950 (0.910) |"
    ]
    assert note.endswith("random 1 % (50) at 10.")
