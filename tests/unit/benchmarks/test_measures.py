"""From answers and times to figures."""

import numpy as np
import pytest

from benchmarks.macro.exact import best
from benchmarks.macro.measures import Samples, latency
from benchmarks.macro.retrieval_quality import ndcg, recall


def test_latency_is_in_milliseconds():
    figures = latency([1_000_000, 3_000_000, 2_000_000])
    assert figures["p50_ms"] == 2.0
    assert figures["mean_ms"] == 2.0
    assert figures["p99_ms"] == pytest.approx(2.98)


def test_samples_keep_the_queries_that_were_answered_before_the_budget_ended():
    answers = [best(np.array([1.0, 0.5, 0.2]), 2)] * 3
    samples = Samples()
    samples.add([0, 1, 2], [[0, 1], [0]], [10, 20])
    assert samples.queries == [0, 1]
    assert samples.recall(answers) == 0.75
    assert samples.short(answers) == 1


def test_ndcg_and_recall_worked_out_by_hand():
    gains = {"a": 2, "b": 1, "c": 0}
    ideal = 2 + 1 / np.log2(3)
    assert ndcg(["b", "a"], gains) == pytest.approx((1 + 2 / np.log2(3)) / ideal)
    assert ndcg(["c"], gains) == 0.0
    assert ndcg(["a"], {"a": 0}) == 0.0
    assert recall(["b", "c"], gains) == 0.5
