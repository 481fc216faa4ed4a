"""Relevance of every mode, by hand."""

import math

import pytest

from elanus.documents import SearchMode, reranker_relevance
from elanus.documents.scores import fused_relevance, relevance, sigmoid
from elanus.plugins import ScoreKind
from elanus.query.requests import RRF, Weighted
from elanus.types import MetricType


@pytest.mark.parametrize(
    ("metric", "score", "expected"),
    [
        (MetricType.COSINE, 1.0000001, 1.0),
        (MetricType.COSINE, 0.0, 0.5),
        (MetricType.COSINE, -1.0000001, 0.0),
        (MetricType.IP, 1.0, 0.75),
        (MetricType.IP, -1e30, 0.0),
        (MetricType.L2, 0.0, 1.0),
        (MetricType.L2, 1.0, 0.5),
        (MetricType.L2, 1e30, 0.0),
    ],
)
def test_dense(metric: MetricType, score: float, expected: float) -> None:
    assert relevance(score, SearchMode.DENSE, metric) == pytest.approx(expected)


@pytest.mark.parametrize("mode", [SearchMode.BM25, SearchMode.SPARSE])
def test_sparse(mode: SearchMode) -> None:
    assert relevance(0.0, mode, MetricType.L2) == 0.0
    assert relevance(1.0, mode, MetricType.L2) == pytest.approx(0.5)
    assert relevance(-5.0, mode, MetricType.L2) == 0.0


def test_fused() -> None:
    assert fused_relevance(2 / 61, RRF(), [1.0, 1.0]) == pytest.approx(1.0)
    assert fused_relevance(0.5 / 11, RRF(k=10), [0.5, 1.5]) == pytest.approx(0.25)
    assert fused_relevance(0.6, Weighted(), [0.5, 0.7]) == pytest.approx(0.5)


def test_reranked() -> None:
    assert reranker_relevance(0.0, ScoreKind.LOGIT) == 0.5
    assert reranker_relevance(2.0, ScoreKind.LOGIT) == pytest.approx(1 / (1 + math.exp(-2)))
    assert reranker_relevance(0.3, ScoreKind.PROBABILITY) == 0.3
    assert reranker_relevance(1.0, ScoreKind.RELEVANCE) == pytest.approx(0.5)


def test_sigmoid_never_overflows() -> None:
    assert (sigmoid(-1e6), sigmoid(1e6)) == (0.0, 1.0)
