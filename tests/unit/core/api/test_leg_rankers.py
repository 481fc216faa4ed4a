"""Rankers of single legs, and rankers in place of a fusion, with a plain look at what legs find."""

import math

import numpy as np
import pytest

import elanus
from elanus import (
    DBSF,
    MMR,
    RRF,
    Boost,
    ByScore,
    Decay,
    Field,
    Leg,
    Rerank,
    Schema,
    Weighted,
)
from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
RECENT = Decay("year", "exp", origin=2005, scale=4)
EVEN = Boost("id % 2 == 0", weight=1.5)


@pytest.fixture(params=["L2", "COSINE"])
def collection(request):
    db = elanus.connect(":memory:")
    made = db.create_collection("papers", paper_schema(metric=request.param))
    made.insert(papers(120)[:50])
    made.insert(papers(120)[50:])
    return made


def legs(limit=30, **own):
    return [
        Leg("dense", QUERY, limit=limit, recall=1.0, **own),
        Leg("bm25", "graph index", limit=limit),
    ]


def found_by(collection, ranker=None, limit=30):
    """Return {id: score} of both legs, each as a search of its own."""
    dense = collection.search(QUERY, "dense", limit, ranker=ranker, recall=1.0)
    text = collection.search("graph index", "bm25", limit)
    return {h.id: h.score for h in dense}, {h.id: h.score for h in text}


def check(found, scores):
    wanted = sorted(scores.items(), key=lambda s: (-round(s[1], 9), s[0]))[: len(found)]
    assert [h.id for h in found] == [pk for pk, _ in wanted]
    assert [h.score for h in found] == pytest.approx([score for _, score in wanted])


def sums(*parts):
    made = {}
    for part in parts:
        for pk, value in part.items():
            made[pk] = made.get(pk, 0.0) + value
    return made


def ranks(scores):
    return {pk: 1 / (60 + rank) for rank, pk in enumerate(scores, 1)}


@pytest.mark.parametrize("ranker", [RECENT, EVEN, [EVEN, RECENT], MMR(0.3, fetch_k=60)])
def test_a_leg_is_a_search_with_its_ranker(collection, ranker):
    dense, text = found_by(collection, ranker)
    found = collection.hybrid_search(legs(ranker=ranker), RRF(), limit=40)
    check(found, sums(ranks(dense), ranks(text)))
    for hit in found:
        leg = hit.explanation.legs[0]
        assert leg.rank == ([*dense].index(hit.id) + 1 if hit.id in dense else None)
        assert bool(leg.steps) == (hit.id in dense)
        if leg.steps:
            assert leg.steps[-1].score_after == pytest.approx(dense[hit.id])
            assert leg.steps[0].score_before == leg.score


def test_scores_of_ranked_legs_in_other_fusions(collection):
    is_l2 = collection.schema.field("dense").metric == "L2"
    for ranker in (RECENT, EVEN):
        dense, text = found_by(collection, ranker)
        if is_l2 and ranker is EVEN:
            unit = {pk: 1 - 2 * math.atan(s) / math.pi for pk, s in dense.items()}
        else:
            unit = dense if is_l2 else {pk: (1 + s) / 2 for pk, s in dense.items()}
        texts = {pk: 2 * math.atan(s) / math.pi for pk, s in text.items()}
        found = collection.hybrid_search(legs(ranker=ranker), Weighted(1.0, 1.0), limit=40)
        check(found, sums(unit, texts))
        sign = -1 if is_l2 and ranker is EVEN else 1
        parts = []
        for scores in ({pk: sign * s for pk, s in dense.items()}, text):
            values = np.array([*scores.values()])
            parts.append(
                {
                    pk: 0.5 + (s - values.mean()) / (6 * values.std(ddof=1))
                    for pk, s in scores.items()
                }
            )
        check(collection.hybrid_search(legs(ranker=ranker), DBSF(), limit=40), sums(*parts))


class Lengths:
    info = RerankerInfo("lengths", ScoreKind.LOGIT)

    def score(self, query, documents):
        return np.array([len(text) % 7 - 3 for text in documents], dtype=np.float32)


def test_scores_of_a_model_count_as_inner_products(collection):
    ranker = Rerank(Lengths(), "title", query="q")
    dense, text = found_by(collection, ranker)
    unit = {pk: 0.5 + math.atan(s) / math.pi for pk, s in dense.items()}
    texts = {pk: 2 * math.atan(s) / math.pi for pk, s in text.items()}
    found = collection.hybrid_search(legs(ranker=ranker), Weighted(1.0, 1.0), limit=40)
    check(found, sums(unit, texts))


def nearness(collection, dense):
    if collection.schema.field("dense").metric == "COSINE":
        return dense
    return {pk: 1 - 2 * math.atan(s) / math.pi for pk, s in dense.items()}


@pytest.mark.parametrize("mode", ["max", "sum", "avg"])
def test_legs_joined_by_score(collection, mode):
    dense, text = found_by(collection)
    parts = [nearness(collection, dense), text]
    join = {"max": max, "sum": sum, "avg": lambda values: sum(values) / len(values)}[mode]
    scores = {pk: join([part[pk] for part in parts if pk in part]) for pk in {**dense, **text}}
    found = collection.hybrid_search(legs(), ByScore(mode), limit=50)
    check(found, scores)
    for hit in found:
        assert math.fsum(leg.contribution for leg in hit.explanation.legs) == hit.score
    weighted = collection.hybrid_search(legs(), ByScore("max", (1.0, 0.0)), limit=50)
    assert [h.score for h in weighted] == sorted((h.score for h in weighted), reverse=True)


def test_a_decay_in_place_of_a_fusion_is_that_of_milvus(collection):
    dense, text = found_by(collection)
    parts = [nearness(collection, dense), text]
    years = {row["id"]: row["year"] for row in papers(120)}
    scores = {
        pk: max(part[pk] for part in parts if pk in part)
        * math.exp(math.log(0.5) * abs(years[pk] - 2005) / 4)
        for pk in {**dense, **text}
    }
    found = collection.hybrid_search(legs(), RECENT, limit=20)
    check(found, scores)
    same = collection.hybrid_search(legs(), limit=20, ranker=[ByScore(), RECENT])
    assert [(h.id, h.score) for h in same] == [(h.id, h.score) for h in found]
    boosted = collection.hybrid_search(legs(), EVEN, limit=20, ranker=RECENT)
    check(boosted, {pk: s * (1.5 if pk % 2 == 0 else 1.0) for pk, s in scores.items()})


def test_legs_with_rankers_in_groups_and_explanations(collection):
    deep = collection.hybrid_search(legs(500, ranker=RECENT), limit=500, output=["year"])
    found = collection.hybrid_search(legs(5, ranker=RECENT), limit=100, group_by="year")
    firsts = {}
    for hit in deep:
        firsts.setdefault(hit.entity["year"], hit.id)
    assert [(g.value, g.hits[0].id) for g in found.groups] == list(firsts.items())
    text = str(deep[0].explanation)
    assert "\n  Decay(year, exp" in text
    cut = collection.search(QUERY, "dense", 120, ranker=RECENT, recall=1.0, candidates=121).ids
    plain = collection.search(QUERY, "dense", 100, recall=1.0).ids
    lost = next(pk for pk in reversed(cut) if pk in plain)
    said = collection.why_not(
        lost, legs=[Leg("dense", QUERY, limit=3, ranker=RECENT), Leg("bm25", "nowhere")]
    )
    assert (said.cause, said.legs[0].cause) == ("cut", "cut")
    assert "the rankers of the leg leave others" in str(said)


def test_a_single_leg_with_a_ranker(collection):
    for ranker in (None, EVEN):
        chain = [RECENT] if ranker is None else [RECENT, ranker]
        wanted = collection.search(QUERY, "dense", 10, ranker=chain, recall=1.0)
        only = [Leg("dense", QUERY, recall=1.0, limit=25, ranker=RECENT)]
        found = collection.hybrid_search(only, limit=10, ranker=ranker)
        assert [(h.id, h.score) for h in found] == [(h.id, h.score) for h in wanted]


def test_what_does_not_fit(collection):
    with pytest.raises(InvalidArgumentError, match="one leg has nothing to join, got RRF"):
        collection.hybrid_search(legs(ranker=RRF()))
    with pytest.raises(InvalidArgumentError, match="mode must be one of max, sum, avg, got 'min'"):
        ByScore("min")
    with pytest.raises(InvalidArgumentError, match=r"ByScore\(\.\.\.\) or a ranker, got str"):
        collection.hybrid_search(legs(), "decay")
    with pytest.raises(InvalidArgumentError, match="expected one fusion"):
        collection.hybrid_search(legs(), RECENT, ranker=RRF())


def test_weighted_sums_of_lists_of_vectors():
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("v", elanus.FLOAT_VECTOR, dim=2, metric="IP"),
        Field("tokens", elanus.ARRAY, element_type=elanus.FLOAT_VECTOR, dim=2, metric="MAX_SIM_IP"),
    ]
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", Schema(fields))
        made.insert([{"id": 1, "v": [1, 0], "tokens": [[1, 0], [0, 1]]}])
        both = [Leg("v", [2.0, 0.0]), Leg("tokens", [[1.0, 0.0], [0.0, 1.0]])]
        (hit,) = made.hybrid_search(both, Weighted(weights=(1.0, 1.0)))
        assert hit.score == pytest.approx(2 * (0.5 + math.atan(2) / math.pi))


def test_searches_that_come_again_keep_their_rankers(collection):
    seen = []
    for asked in (
        {"legs": legs(), "fusion": None},
        {"legs": legs(ranker=RECENT), "fusion": None},
        {"legs": legs(), "fusion": RECENT},
        {"legs": legs(), "fusion": ByScore("sum")},
    ):
        first = collection.hybrid_search(**asked, limit=8)
        seen.append(first.ids)
        for _ in range(4):
            again = collection.hybrid_search(**asked, limit=8)
            assert [(h.id, h.score) for h in again] == [(h.id, h.score) for h in first]
    assert all(ids != seen[0] for ids in seen[1:])
