"""Metrics beside values worked out by hand and beside a twin that takes one ranking at a time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus.evaluation.judgements import join
from elanus.evaluation.metrics import parse_metric
from support.ir_metrics import ndcg

RANKING = ["a", "x", "b", "y", "c"]
GAINS = {"a": 2, "b": 1, "c": 3, "d": 1}
ALL = ("ndcg", "mrr", "recall", "precision", "map", "success")


def value(metric, ranking, gains):
    """Return what one ranking is worth."""
    judged = join({"q": "?"}, {"q": gains}, str)
    parsed = parse_metric(metric)
    return float(parsed.score(judged.gains_of([ranking], parsed.k), judged.relevance)[0])


def test_values_worked_out_by_hand():
    log = math.log2
    found, best = 2 + 1 / log(4), 3 + 2 / log(3) + 1 / log(4)
    assert value("ndcg@3", RANKING, GAINS) == pytest.approx(found / best)
    ideal = best + 1 / log(5)
    assert value("ndcg@5", RANKING, GAINS) == pytest.approx((found + 3 / log(6)) / ideal)
    assert value("mrr@5", RANKING, GAINS) == 1.0
    assert value("mrr@5", ["x", "y", "b"], GAINS) == pytest.approx(1 / 3)
    assert value("mrr@2", ["x", "y", "b"], GAINS) == 0.0
    assert value("recall@3", RANKING, GAINS) == 0.5
    assert value("recall@5", RANKING, GAINS) == 0.75
    assert value("precision@3", RANKING, GAINS) == pytest.approx(2 / 3)
    assert value("precision@5", ["a"], GAINS) == 0.2
    assert value("map@5", RANKING, GAINS) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    assert value("success@1", RANKING, GAINS) == 1.0
    assert value("success@2", ["x", "y", "a"], GAINS) == 0.0


def test_nothing_found_is_worth_nothing_and_everything_one():
    for kind in ALL:
        assert value(f"{kind}@5", [], GAINS) == 0.0
        assert value(f"{kind}@5", ["x"], GAINS) == 0.0
        assert value(f"{kind}@4", ["c", "a", "b", "d"], GAINS) == pytest.approx(1.0)


def test_a_gain_of_zero_or_less_is_not_relevant():
    gains = {"a": 1, "b": 0, "c": -1}
    assert value("ndcg@3", ["b", "c", "a"], gains) == pytest.approx(1 / math.log2(4))
    assert value("recall@3", ["b", "a"], gains) == 1.0
    assert value("success@1", ["b"], gains) == 0.0


@given(
    st.lists(st.lists(st.integers(0, 40), unique=True, max_size=30), min_size=1, max_size=8),
    st.dictionaries(st.integers(0, 40), st.integers(1, 4), min_size=1, max_size=12),
    st.integers(1, 25),
)
def test_ndcg_of_many_rankings_is_that_of_each(rankings, gains, k):
    queries = {str(i): "?" for i in range(len(rankings))}
    judged = join(queries, dict.fromkeys(queries, gains), int)
    metric = parse_metric(f"ndcg@{k}")
    found = metric.score(judged.gains_of(rankings, k), judged.relevance)
    assert found == pytest.approx([ndcg(ranking, gains, k) for ranking in rankings])
    assert np.all((found >= 0) & (found <= 1 + 1e-12))


@pytest.mark.parametrize("name", ["ndcg", "ndcg@", "ndcg@0", "ndcg@-1", "ndcg@x", "dcg@10", "", 7])
def test_a_name_that_is_no_metric_is_refused(name):
    with pytest.raises(InvalidArgumentError, match="expected one of ndcg, mrr"):
        parse_metric(name)
