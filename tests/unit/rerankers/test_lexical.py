"""BM25 over the candidates, against the formula worked out by hand."""

import math

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.plugins import ScoreKind
from elanus_rerankers import LexicalReranker


def test_scores_are_those_of_the_formula() -> None:
    # Lengths 2, 4 and 3: mean 3. "rotate" is in two of three documents, "key" in one.
    documents = ["Rotate keys", "the key, the rotate", "mild Paris weather"]
    k1, b = 1.2, 0.75
    rotate, key = math.log(4 / 2), math.log(4 / 1)
    norm_short = k1 * (1 - b + b * 2 / 3)
    norm_long = k1 * (1 - b + b * 4 / 3)
    expected = [
        rotate * (k1 + 1) / (1 + norm_short),
        (rotate + key) * (k1 + 1) / (1 + norm_long),
        0.0,
    ]
    scores = LexicalReranker().score("ROTATE key", documents)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_a_word_that_most_candidates_have_still_counts_for_them(count: int) -> None:
    scores = LexicalReranker().score("key", ["the key"] * count + ["the lock"])
    assert (scores[:-1] > 0).all()
    assert scores[-1] == 0.0


def test_a_single_candidate_scores_above_zero() -> None:
    assert LexicalReranker().score("key", ["the key"])[0] > 0


@pytest.mark.parametrize(
    ("query", "documents"),
    [
        ("", ["a key", ""]),
        ("?!", ["a key"]),
        ("key", ["", " ", "?!"]),
        ("key", []),
        ("zebra", ["a key", "the lock"]),
    ],
)
def test_nothing_in_common_scores_zero(query: str, documents: list[str]) -> None:
    assert LexicalReranker().score(query, documents).tolist() == [0.0] * len(documents)


@pytest.mark.parametrize(("k1", "b"), [(0.0, 0.0), (0.0, 1.0), (1.2, 1.0), (50.0, 0.0)])
def test_scores_stay_finite_at_the_limits(k1: float, b: float) -> None:
    scores = LexicalReranker(k1=k1, b=b).score("key", ["key key", "", "lock"])
    assert np.isfinite(scores).all()
    assert scores[0] > 0
    assert scores[1:].tolist() == [0.0, 0.0]


def test_info_and_configuration() -> None:
    reranker = LexicalReranker(k1=0.9)
    assert reranker.info.score_kind is ScoreKind.RELEVANCE
    assert reranker.config == {"name": "lexical", "params": {"k1": 0.9, "b": 0.75}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": -0.1}, "k1 must be finite and 0 or larger, got -0.1"),
        ({"k1": math.inf}, "k1 must be finite"),
        ({"k1": math.nan}, "k1 must be finite"),
        ({"b": 1.5}, r"b must lie in \[0, 1\], got 1.5"),
        ({"b": math.nan}, "b must lie in"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        LexicalReranker(**options)
