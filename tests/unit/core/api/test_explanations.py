"""What a hit says about its place, as a user reads it."""

import math

import pytest

import elanus
from elanus import DBSF, MMR, RRF, Boost, Decay, Field, FunctionScore, Leg, Schema

ROWS = [
    {"id": 1, "title": "graph index", "year": 2020, "v": [1.0, 0.0]},
    {"id": 2, "title": "graph of graph", "year": 2010, "v": [0.8, 0.6]},
    {"id": 3, "title": "list", "year": 2015, "v": [0.0, 1.0]},
]


@pytest.fixture(params=["COSINE", "L2"])
def metric(request):
    return request.param


def filled(metric):
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("title", elanus.VARCHAR, analyzer="standard"),
        Field("year", elanus.INT64),
        Field("v", elanus.FLOAT_VECTOR, dim=2, metric=metric),
        Field("words", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
    ]
    made = elanus.connect(":memory:").create_collection("rows", Schema(fields))
    made.insert(ROWS)
    return made


def test_a_plain_hit():
    (hit,) = filled("COSINE").search([1, 0], "v", 1)
    assert str(hit.explanation) == "v: rank 1, COSINE 1.0000"
    assert (hit.explanation.fusion, hit.explanation.steps) == ("", ())


def test_every_step_of_a_chain():
    chain = [
        Decay("year", "linear", origin=2020, scale=20),
        Boost("year == 2010", 2.0),
        FunctionScore([Boost("id > 1", 0.5)], boost_mode="sum"),
        MMR(1.0),
    ]
    found = filled("COSINE").search([1, 0], "v", 3, ranker=chain)
    assert [str(hit.explanation).splitlines() for hit in found] == [
        [
            "v: rank 1, COSINE 1.0000",
            "Decay(year, linear, origin=2020, scale=20, decay=0.5): score 1.0000, rank 1 → 1",
            "Boost(x 2 if year == 2010): score 1.0000, rank 1 → 2",
            "Boost(+ 0.5 if id > 1): score 1.0000, rank 2 → 2",
            "MMR(v, lambda_mult=1): score 1.0000, rank 2 → 1",
        ],
        [
            "v: rank 2, COSINE 0.8000",
            "Decay(year, linear, origin=2020, scale=20, decay=0.5): "
            "0.8000 x 0.7500 = 0.6000, rank 2 → 2",
            "Boost(x 2 if year == 2010): 0.6000 x 2.0000 = 1.2000, rank 2 → 1",
            "Boost(+ 0.5 if id > 1): 1.2000 + 0.5000 = 1.7000, rank 1 → 1",
            "MMR(v, lambda_mult=1): score 1.7000, rank 1 → 2",
        ],
        [
            "v: rank 3, COSINE 0.0000",
            "Decay(year, linear, origin=2020, scale=20, decay=0.5): score 0.0000, rank 3 → 3",
            "Boost(x 2 if year == 2010): score 0.0000, rank 3 → 3",
            "Boost(+ 0.5 if id > 1): 0.0000 + 0.5000 = 0.5000, rank 3 → 3",
            "MMR(v, lambda_mult=1): score 0.5000, rank 3 → 3",
        ],
    ]
    step = found[1].explanation.steps[0]
    assert (step.rank_before, step.rank_after, step.is_sum) == (2, 2, False)
    assert (step.score_before, step.factor, step.score_after) == pytest.approx((0.8, 0.75, 0.6))


def test_a_distance_that_is_mapped():
    decay = Decay("year", "exp", origin=2020, scale=10)
    found = filled("L2").search([1, 0], "v", 3, ranker=decay)
    near = 1 - 2 * math.atan(0.4) / math.pi
    assert str(found[1].explanation).splitlines()[1] == (
        f"Decay(year, exp, origin=2020, scale=10, decay=0.5): "
        f"0.4000 as {near:.4f} x 0.5000 = {near / 2:.4f}, rank 2 → 2"
    )


def test_legs_terms_fusion_and_rankers(metric):
    legs = [Leg("v", [1, 0]), Leg("words", "graph")]
    made = filled(metric)
    found = made.hybrid_search(
        legs, RRF(), ranker=Decay("year", "linear", origin=2010, scale=10), explain=True
    )
    best, text = found[0], made.search("graph", "words", explain=True)[0]
    assert (best.id, text.id) == (2, 2)
    term = text.explanation.terms[0]
    shown = "COSINE 0.8000" if metric == "COSINE" else "L2 0.4000"
    assert str(best.explanation).splitlines() == [
        f"v: rank 2, {shown}, adds {1 / 62:.4f}",
        f"words: rank 1, BM25 {text.score:.4f}, adds {1 / 61:.4f}",
        f"  graph: {term.contribution:.3f} (idf {term.idf:.3f}, 2 times)",
        f"RRF(k=60, weights=None): {1 / 61 + 1 / 62:.4f}",
        f"Decay(year, linear, origin=2010, scale=10, decay=0.5): "
        f"score {1 / 61 + 1 / 62:.4f}, rank 2 → 1",
    ]
    assert str(found[-1].explanation).splitlines()[1] == "words: not found"
    assert "all that the legs found" in str(found.explanation)
    assert "fused by RRF(k=60, weights=None)" in str(found.explanation)


def test_contributions_make_the_fused_score():
    legs = [Leg("v", [1, 0.2]), Leg("words", "graph index")]
    for hit in filled("L2").hybrid_search(legs, DBSF((1, 3))):
        assert hit.explanation.fusion == "DBSF(weights=(1, 3))"
        assert sum(leg.contribution for leg in hit.explanation.legs) == pytest.approx(hit.score)


def test_what_rankers_saw():
    made = filled("COSINE")
    found = made.search([1, 0], "v", 1, ranker=Decay("year", origin=2020, scale=1), candidates=2)
    ranking = found.explanation.ranking
    assert (ranking.num_candidates, ranking.is_exact) == (2, True)
    assert str(ranking) == (
        "ranked by Decay(year, gauss, origin=2020, scale=1, decay=0.5): 2 candidates, "
        "no other row can be a hit"
    )
    found = made.search([0, 1], "v", 1, ranker=Decay("year", origin=2017, scale=2), candidates=1)
    assert not found.is_exact
    assert str(found.explanation).splitlines()[2] == (
        "ranked by Decay(year, gauss, origin=2017, scale=2, decay=0.5): 1 candidates; another row "
        "may score 1.0000, the last that counts has 0.5000, candidates= looks at more"
    )
    stages = ["filter", "candidates", "merge", "rank", "project", "total"]
    assert list(found.explanation.timings_ms) == stages


def test_a_weight_that_is_taken_from_a_distance():
    nearer = FunctionScore([Boost("id == 2", 0.3)], boost_mode="sum")
    found = filled("L2").search([1, 0], "v", 3, ranker=nearer)
    step = next(hit for hit in found if hit.id == 2).explanation.steps[0]
    assert (step.is_sum, step.factor) == (True, pytest.approx(-0.3))
    assert str(step) == "Boost(+ 0.3 if id == 2): 0.4000 - 0.3000 = 0.1000, rank 2 → 2"
