"""From answers and times to figures."""

import numpy as np
import pytest

from benchmarks.macro.exact import best
from benchmarks.macro.measures import Samples, latency


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
