"""How the legs of a hybrid search are joined, with values worked out by hand."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import DBSF, RRF, ByScore, Decay, Field, Leg, Schema, Weighted
from elanus.errors import InvalidArgumentError
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]


@pytest.fixture
def collection():
    db = elanus.connect(":memory:")
    made = db.create_collection("papers", paper_schema(metric="L2"))
    made.insert(papers(120))
    return made


def legs(limit=30):
    return [
        Leg("dense", QUERY, limit=limit),
        Leg("bm25", "graph index", limit=limit),
        Leg("sparse", {1: 1.0, 3: 0.4}, limit=limit),
    ]


def lists(collection, limit=30):
    """Return {id: score} of each leg."""
    asked = ((QUERY, "dense"), ("graph index", "bm25"), ({1: 1.0, 3: 0.4}, "sparse"))
    return [{h.id: h.score for h in collection.search(q, f, limit)} for q, f in asked]


def check(found, parts):
    """Compare hits with the sums of what each leg gives, {id: part}."""
    sums = {}
    for part in parts:
        for pk, value in part.items():
            sums[pk] = sums.get(pk, 0.0) + value
    wanted = sorted(sums.items(), key=lambda s: (-round(s[1], 9), s[0]))
    assert [h.id for h in found] == [pk for pk, _ in wanted[: len(found)]]
    assert [h.score for h in found] == pytest.approx([s for _, s in wanted[: len(found)]])


def by_distribution(scores):
    mean, deviation = statistics.mean(scores.values()), statistics.stdev(scores.values())
    return {pk: (s - (mean - 3 * deviation)) / (6 * deviation) for pk, s in scores.items()}


def test_a_fusion_that_is_given_makes_the_scores_of_a_single_leg(collection):
    dense, _, _ = lists(collection)
    one = legs()[:1]
    asked = {"limit": 30}
    check(
        collection.hybrid_search(one, RRF(9), **asked),
        [{pk: 1 / (9 + rank) for rank, pk in enumerate(dense, 1)}],
    )
    halved = {pk: 0.5 * (1 - 2 * math.atan(d) / math.pi) for pk, d in dense.items()}
    check(collection.hybrid_search(one, Weighted(weights=(0.5,)), **asked), [halved])
    check(
        collection.hybrid_search(one, ranker=[DBSF()], **asked),
        [by_distribution({pk: -d for pk, d in dense.items()})],
    )
    for fusion in (None, ByScore()):
        found = collection.hybrid_search(one, fusion, **asked)
        assert {hit.id: hit.score for hit in found} == dense
    grouped = collection.hybrid_search(one, RRF(9), group_by="year", **asked)
    best = collection.hybrid_search(one, RRF(9), **asked)
    assert [h.id for h in grouped][:1] == [h.id for h in best][:1]
    assert grouped[0].score == pytest.approx(1 / 10)
    boosted = collection.hybrid_search(one, ranker=[RRF(9), elanus.Boost("id >= 0", 3.0)], **asked)
    assert [h.score for h in boosted] == pytest.approx([3 * h.score for h in best])
    with pytest.raises(InvalidArgumentError, match="candidates='exact': a hybrid search"):
        collection.hybrid_search(
            one, ranker=[RRF(9), elanus.Boost("id >= 0", 3.0)], candidates="exact", **asked
        )
    reason = collection.why_not(best[3].id, legs=one, fusion=RRF(9), limit=2)
    assert reason.rank == 4
    assert reason.score == pytest.approx(1 / 13)


def test_dbsf_places_scores_by_mean_and_deviation(collection):
    dense, text, sparse = lists(collection)
    parts = [by_distribution({pk: -d for pk, d in dense.items()})]
    parts += [by_distribution(text), by_distribution(sparse)]
    check(collection.hybrid_search(legs(), DBSF(), limit=40), parts)
    weighted = [{pk: w * v for pk, v in p.items()} for p, w in zip(parts, (2, 0.5, 1), strict=True)]
    for weights in ((2, 0.5, 1), {"dense": 2, "bm25": 0.5, "sparse": 1}):
        check(collection.hybrid_search(legs(), DBSF(weights), limit=40), weighted)


def test_dbsf_worked_out_by_hand():
    db = elanus.connect(":memory:")
    vectors = [Field(name, elanus.FLOAT_VECTOR, dim=1, metric="IP") for name in ("a", "b")]
    made = db.create_collection("rows", Schema([Field("id", elanus.INT64, primary=True), *vectors]))
    made.insert([{"id": i, "a": [a], "b": [7]} for i, a in enumerate((1.0, 2.0, 3.0))])
    found = made.hybrid_search([Leg("a", [1]), Leg("b", [1])], DBSF())
    # a: mean 2, deviation 1: (3 - (2 - 3)) / 6 and so on; b: all are equal.
    assert [(h.id, h.score) for h in found] == [
        (2, pytest.approx(4 / 6 + 0.5)),
        (1, pytest.approx(3 / 6 + 0.5)),
        (0, pytest.approx(2 / 6 + 0.5)),
    ]
    one = made.hybrid_search([Leg("a", [1], limit=1), Leg("b", [1], limit=1)], DBSF())
    assert [(h.id, h.score) for h in one] == [(0, 0.5), (2, 0.5)]


@pytest.fixture(params=["one source", "two sources"])
def six(request, tmp_path):
    """Row i: a similarity of i + 1, one of 6 - i, and a distance of i."""
    vectors = [Field(name, elanus.FLOAT_VECTOR, dim=1, metric="IP") for name in ("a", "b")]
    vectors.append(Field("c", elanus.FLOAT_VECTOR, dim=1, metric="L2"))
    with elanus.connect(tmp_path / "kb") as db:
        key = Field("id", elanus.INT64, primary=True)
        made = db.create_collection("rows", Schema([key, *vectors]))
        rows = [{"id": i, "a": [i + 1.0], "b": [6.0 - i], "c": [i**0.5]} for i in range(6)]
        made.insert(rows[::2])
        if request.param == "two sources":
            made.flush()
        made.insert(rows[1::2])
        yield made


def test_rrf_and_pages_that_cut_between_equals(six):
    both = [Leg("a", [1.0]), Leg("b", [1.0])]
    # Row i is number 6 - i of one leg and number i + 1 of the other; 0 and 5 are equal, and so on.
    scores = [1 / (10 + 6 - i) + 1 / (10 + i + 1) for i in range(6)]
    order = [0, 5, 1, 4, 2, 3]
    for offset in range(7):
        for limit in range(1, 7):
            found = six.hybrid_search(both, RRF(10), limit, offset=offset)
            wanted = order[offset : offset + limit]
            assert found.ids == wanted
            assert [hit.score for hit in found] == pytest.approx([scores[i] for i in wanted])


@pytest.mark.parametrize("weights", [None, (2.0, 1.0, 30.0)])
@pytest.mark.parametrize("mode", ["max", "sum", "avg"])
def test_scores_as_they_are(six, mode, weights):
    legs = [Leg("a", [1.0], limit=4), Leg("b", [1.0], limit=4), Leg("c", [0.0], limit=4)]
    a, b, c = weights or (1.0, 1.0, 1.0)
    parts = {i: [] for i in range(6)}
    for i in range(2, 6):
        parts[i].append(a * (i + 1))
    for i in range(4):
        parts[i] += [b * (6 - i), c * (1 - 2 * math.atan(i) / math.pi)]
    joins = {"max": max, "sum": sum, "avg": statistics.mean}
    joined = {i: joins[mode](found) for i, found in parts.items()}
    wanted = sorted(joined, key=lambda i: (-round(joined[i], 6), i))
    found = six.hybrid_search(legs, ByScore(mode, weights), 6)
    assert found.ids == wanted
    assert [hit.score for hit in found] == pytest.approx([joined[i] for i in wanted], rel=1e-6)


def test_weighted_with_and_without_normalisation(collection):
    dense, text, sparse = lists(collection)
    near = {pk: 1 - 2 * math.atan(d) / math.pi for pk, d in dense.items()}
    weights = (0.5, 0.2, 0.3)
    raw = [
        {pk: w * v for pk, v in part.items()}
        for part, w in zip((near, text, sparse), weights, strict=True)
    ]
    check(collection.hybrid_search(legs(), Weighted(weights=weights, norm_score=False)), raw)
    unit = [
        raw[0],
        {pk: 0.2 * 2 * math.atan(s) / math.pi for pk, s in text.items()},
        {pk: 0.3 * (0.5 + math.atan(s) / math.pi) for pk, s in sparse.items()},
    ]
    check(collection.hybrid_search(legs(), Weighted(weights=weights)), unit)
    check(collection.hybrid_search(legs(), Weighted(weights=weights, norm_score=True)), unit)


def test_scores_are_mapped_before_they_are_joined_and_decay(collection):
    mapped = dict(
        zip(
            ("dense", "bm25", "sparse"),
            (
                lambda d: 1 - 2 * math.atan(d) / math.pi,
                lambda s: 2 * math.atan(s) / math.pi,
                lambda s: 0.5 + math.atan(s) / math.pi,
            ),
            strict=True,
        )
    )
    units = [
        {pk: unit(s) for pk, s in part.items()}
        for part, unit in zip(lists(collection), mapped.values(), strict=True)
    ]
    best = {pk: max(p.get(pk, -1) for p in units) for part in units for pk in part}
    check(collection.hybrid_search(legs(), ByScore(norm_score=True)), [best])
    mean = {pk: statistics.mean(p[pk] for p in units if pk in p) for pk in best}
    check(collection.hybrid_search(legs(), ByScore("avg", norm_score=True)), [mean])
    years = {e["id"]: e["year"] for e in collection.query(output=["id", "year"])}
    decay = Decay("year", "linear", origin=2000, scale=50, norm_score=True)

    def decayed(scores):
        return {pk: s * max(0.5, 1 - 0.01 * abs(years[pk] - 2000)) for pk, s in scores.items()}

    check(collection.hybrid_search(legs(), decay), [decayed(best)])
    for leg, unit in zip(legs(), units, strict=True):
        check(
            collection.search(leg.data, leg.field, 10, ranker=decay, candidates=30), [decayed(unit)]
        )
        check(collection.hybrid_search([leg], decay, 10), [decayed(unit)])
    with pytest.raises(InvalidArgumentError, match=r"take ByScore\(norm_score=True\)"):
        collection.hybrid_search(legs(), RRF(), ranker=decay)


def test_dbsf_wants_as_many_weights_as_legs(collection):
    with pytest.raises(InvalidArgumentError, match="expected 3 weights, one per leg, got 2"):
        collection.hybrid_search(legs(), DBSF((1, 2)))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: elanus.Weighted([0.3, 0.7]), r"one weight per leg is Weighted\(weights="),
        (lambda: elanus.Weighted(sparse=math.nan), "Weighted: sparse is the weight of the legs"),
        (lambda: elanus.RRF("x"), "RRF: k must be 0 or larger, got 'x'"),
        (lambda: elanus.RRF(weights="ab"), "RRF: weights are one number per leg, .* got 'ab'"),
        (lambda: elanus.DBSF(3), "DBSF: weights are one number per leg, .* got 3"),
        (lambda: elanus.ByScore(weights={"a": None}), "ByScore: weights are one number per leg"),
    ],
)
def test_weights_that_are_no_numbers(made: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        made()


@pytest.mark.parametrize("weights", [[0.25, 2], np.array([0.25, 2])])
def test_weights_of_any_sequence_are_those_of_a_tuple(weights: Any) -> None:
    assert elanus.RRF(weights=weights) == elanus.RRF(weights=(0.25, 2))
    assert hash(elanus.RRF(weights=weights)) == hash(elanus.RRF(weights=(0.25, 2)))
