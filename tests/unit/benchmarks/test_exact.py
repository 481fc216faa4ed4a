"""The right answers that benchmarks measure against, worked out by hand."""

import math

import numpy as np
import pytest

from benchmarks.macro.exact import (
    ExhaustiveBM25,
    best,
    dense_scores,
    fused_scores,
    mean_recall,
    only_allowed,
)

NEVER = -np.inf


def test_answer_holds_every_row_that_ties_at_the_last_place():
    answer = best(np.array([0.5, 0.9, 0.5, 0.1]), 2)
    assert (answer.wanted, answer.acceptable) == (2, {0, 1, 2})
    assert answer.recall([1, 2]) == 1.0
    assert answer.recall([1, 0, 2]) == 1.0
    assert answer.recall([1, 3]) == 0.5
    assert answer.recall([]) == 0.0


def test_answer_wants_no_more_rows_than_are_allowed():
    answer = best(np.array([NEVER, 0.2, NEVER]), 10)
    assert (answer.wanted, answer.acceptable) == (1, {1})
    assert best(np.array([NEVER]), 10).recall([]) == 1.0


def test_negative_scores_tie_within_single_precision():
    assert best(np.array([-1.0, -1.0 - 1e-9, -2.0]), 1).acceptable == {0, 1}


def test_mean_recall_is_over_queries():
    answers = [best(np.array([1.0, 0.0]), 1), best(np.array([0.0, 1.0]), 1)]
    assert mean_recall(answers, [[0], [0]]) == 0.5


def test_dense_scores_are_cosines_of_unit_vectors_and_filtered_rows_never_count():
    vectors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    scores = dense_scores(vectors, np.array([[0, 1]], dtype=np.float32))
    np.testing.assert_allclose(scores, [[0.0, 0.8]], rtol=1e-6)
    assert only_allowed(scores[0], np.array([True, False])).tolist() == [0.0, NEVER]


def test_bm25_score_of_three_texts_worked_out_by_hand():
    bm25 = ExhaustiveBM25(["graph index", "graph graph search", "token"])
    # Two of three rows hold "graph": idf = ln(1 + 1.5 / 2.5). Mean length 2; k1 = 1.2, b = 0.75.
    idf = math.log(1.6)
    short = idf * 2.2 / (1 + 1.2)
    long = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5))
    assert bm25.scores("graphs unknown").tolist() == pytest.approx([short, long, NEVER])
    assert bm25.scores("graph graph")[0] == pytest.approx(2 * short)
    assert bm25.scores("unknown").tolist() == [NEVER] * 3


def test_fused_scores_are_sums_of_reciprocal_ranks():
    dense = np.array([0.9, 0.8, 0.7, 0.6])
    lexical = np.array([NEVER, 5.0, 7.0, NEVER])
    fused = fused_scores([dense, lexical], leg_limit=3)
    assert fused.tolist() == pytest.approx([1 / 61, 1 / 62 + 1 / 62, 1 / 63 + 1 / 61, NEVER])
