"""Hybrid searches for several queries at once; each is answered as if it were asked alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import DBSF, MMR, RRF, Boost, Highlighter, Leg, Rerank, Weighted
from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from support.builders import paper_schema, papers

COUNT = 5
VECTORS = np.random.default_rng(3).normal(size=(COUNT, 4)).astype(np.float32)
TEXTS = ["graph index", "vector", "query filter score", "no such word", "token token segment"]
SPARSE = [{1: 1.0, 3: 0.4}, {2: 1.0}, {0: 0.5, 7: 0.1}, {19: 2.0}, {4: 1.0, 5: 1.0, 6: 1.0}]


class Words:
    """Scores texts by how many words they share with the query."""

    info = RerankerInfo("words", ScoreKind.RELEVANCE)

    def score(self, query: str, documents: Sequence[str]) -> np.ndarray[Any, Any]:
        wanted = set(query.split())
        return np.array([len(wanted & set(d.split())) for d in documents], dtype=np.float32)


@pytest.fixture(scope="module")
def collection():
    made = elanus.connect(":memory:").create_collection("papers", paper_schema())
    made.insert(papers(150))
    made.compact()
    made.insert(papers(30, first=150))
    return made


def legs(place: Any) -> list[Leg]:
    return [
        Leg("dense", VECTORS[place], limit=20),
        Leg("bm25", TEXTS[place], filter="year > 1995"),
        Leg("sparse", SPARSE[place], ranker=Boost("year > 2010", 2.0)),
    ]


def shown(result: elanus.SearchResult) -> list[Any]:
    return [(hit.id, hit.score, hit.entity, hit.explanation.legs) for hit in result]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fusion": Weighted(weights=(0.2, 0.5, 0.3)), "filter": "year < 2015"},
        {"fusion": DBSF(), "offset": 2},
        {"group_by": "year", "group_size": 2},
        {"ranker": [RRF(), MMR(0.4)], "round_decimal": 3},
        {"order_by": "year desc", "output": ["title"]},
        {"explain": True},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_each_query_is_answered_as_if_it_were_asked_alone(collection, options):
    for _ in range(3):  # what is asked again takes a shorter way
        together = collection.hybrid_search(legs(slice(None)), limit=6, **options)
        alone = [collection.hybrid_search(legs(i), limit=6, **options) for i in range(COUNT)]
        assert [shown(result) for result in together] == [shown(result) for result in alone]
        assert any(together)


def test_plain_legs_of_several_queries(collection):
    for _ in range(3):
        asked = [Leg("dense", VECTORS), Leg("bm25", TEXTS)]
        together = collection.hybrid_search(asked, limit=7)
        for found, vector, text in zip(together, VECTORS, TEXTS, strict=True):
            alone = collection.hybrid_search([Leg("dense", vector), Leg("bm25", text)], limit=7)
            assert shown(found) == shown(alone)


def test_words_are_marked_and_texts_ranked_by_the_query_they_belong_to(collection):
    asked = [Leg("dense", VECTORS), Leg("bm25", TEXTS)]
    options = {"highlight": Highlighter(), "ranker": [RRF(), Rerank(Words(), field="title")]}
    together = collection.hybrid_search(asked, limit=5, **options)
    for found, vector, text in zip(together, VECTORS, TEXTS, strict=True):
        wanted = set(text.split())
        shares = [float(len(wanted & set(hit.entity["title"].split()))) for hit in found]
        assert [hit.score for hit in found] == shares == sorted(shares, reverse=True)
        alone = [Leg("dense", vector), Leg("bm25", text)]
        single = collection.hybrid_search(alone, limit=5, **options)
        assert [(h.id, h.highlights) for h in found] == [(h.id, h.highlights) for h in single]
    assert any(hit.highlights for hit in together[0])


def test_a_list_of_one_query_has_a_list_of_one_result(collection):
    single = collection.hybrid_search([Leg("dense", VECTORS[0]), Leg("bm25", TEXTS[0])], limit=4)
    assert isinstance(single, elanus.SearchResult)
    for dense, text in [
        (VECTORS[:1], TEXTS[:1]),
        (VECTORS[:1], TEXTS[0]),
        (VECTORS[0], TEXTS[:1]),
    ]:
        for _ in range(3):
            (found,) = collection.hybrid_search([Leg("dense", dense), Leg("bm25", text)], limit=4)
            assert shown(found) == shown(single)


@pytest.mark.parametrize(
    ("dense", "text", "message"),
    [
        (VECTORS, TEXTS[:2], "legs: expected as many queries in each, got 5 for 'dense' and 2"),
        (VECTORS, TEXTS[0], "got 5 for 'dense' and 1 for 'bm25'"),
        (VECTORS[:0], [], "leg 'dense': expected a query, got none"),
        (VECTORS, [], "leg 'bm25': expected a query, got none"),
    ],
)
def test_legs_hold_as_many_queries_as_each_other(collection, dense, text, message):
    with pytest.raises(InvalidArgumentError) as caught:
        collection.hybrid_search([Leg("dense", dense), Leg("bm25", text)])
    assert message in str(caught.value)


def test_why_not_explains_a_single_query(collection):
    with pytest.raises(InvalidArgumentError, match="expected one query, got 5"):
        collection.why_not(1, legs=[Leg("dense", VECTORS), Leg("bm25", TEXTS)])
