"""Decays, boosts and chains of rankers against a look at every row in Python."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import elanus
from elanus import MMR, RRF, Boost, Decay, Field, FunctionScore, Leg, RandomScore, Schema
from elanus.errors import FilterError, InvalidArgumentError
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 300


def filled(tmp_path, where, schema, rows):
    """Return a collection whose rows lie in memory, in segments, or in both."""
    db = elanus.connect(":memory:" if where == "memory" else tmp_path / "db")
    made = db.create_collection("rows", schema)
    made.insert(rows[:130])
    if where != "memory":
        made.flush()
    made.insert(rows[130:])
    if where == "segments":
        made.flush()
    return made


@pytest.fixture(params=["memory", "segments", "both"])
def where(request):
    return request.param


@pytest.fixture
def collection(tmp_path, where):
    return filled(tmp_path, where, paper_schema(metric="COSINE"), papers(ROWS))


def factor(decay, value):
    """Return the factor of a decay as its docstring says it, in plain Python."""
    if value is None:
        return decay.missing
    x = max(0.0, abs(value - decay.origin) - decay.offset)
    if decay.function == "gauss":
        return math.exp(math.log(decay.decay) * x * x / decay.scale**2)
    if decay.function == "exp":
        return math.exp(math.log(decay.decay) * x / decay.scale)
    return max(decay.decay, 1 - (1 - decay.decay) * x / decay.scale)


def all_scores(collection, field, query, **options):
    """Return {id: score} and {id: entity} of every row."""
    hits = collection.search(query, field, 10_000, recall=1.0, output=["*"], **options)
    return {h.id: h.score for h in hits}, {h.id: h.entity for h in hits}


def best(scores, limit, offset=0):
    """Return (id, score), the largest score first, equals by id."""
    ranked = sorted(scores.items(), key=lambda s: (-s[1], s[0]))
    return ranked[offset : offset + limit]


def check(found, wanted):
    assert [h.id for h in found] == [pk for pk, _ in wanted]
    assert [h.score for h in found] == pytest.approx([score for _, score in wanted], abs=1e-9)


# --- decay ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        ("gauss", 10, 1.0),
        ("gauss", 15, 0.5),
        ("gauss", 5, 0.5),
        ("gauss", 20, 0.0625),
        ("exp", 15, 0.5),
        ("exp", 20, 0.25),
        ("linear", 12.5, 0.75),
        ("linear", 15, 0.5),
        ("linear", 100, 0.5),
    ],
)
def test_values_of_decays_worked_out_by_hand(function, value, expected):
    db = elanus.connect(":memory:")
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("x", elanus.DOUBLE),
        Field("v", elanus.FLOAT_VECTOR, dim=2, metric="IP"),
    ]
    made = db.create_collection("rows", Schema(fields))
    made.insert([{"id": 1, "x": value, "v": [2, 0]}, {"id": 2, "x": value + 3, "v": [0, 0]}])
    decay = Decay("x", function, origin=10, scale=5)
    (hit, _) = made.search([1, 0], "v", 2, ranker=decay)
    assert (hit.id, hit.score) == (1, pytest.approx(2 * expected))
    shifted = Decay("x", function, origin=10, scale=5, offset=3)
    assert made.search([0, 0], "v", 2, ranker=shifted)[0].score == 0.0
    # An offset moves the curve outwards on either side.
    moved = Decay("x", function, origin=10 - 3 if value >= 10 else 10 + 3, scale=5, offset=3)
    assert made.search([1, 0], "v", 2, ranker=moved)[0].score == pytest.approx(2 * expected)


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
@pytest.mark.parametrize("function", ["gauss", "exp", "linear"])
def test_decay_of_every_row(tmp_path, where, metric, function):
    collection = filled(tmp_path, where, paper_schema(metric=metric), papers(ROWS))
    decay = Decay("year", function, origin=2005, scale=4, offset=1, decay=0.3)
    scores, entities = all_scores(collection, "dense", QUERY)
    if metric == "L2":
        scores = {pk: 1 - 2 * math.atan(score) / math.pi for pk, score in scores.items()}
    wanted = {pk: s * factor(decay, entities[pk]["year"]) for pk, s in scores.items()}
    options = {"ranker": decay, "recall": 1.0}
    found = collection.search(QUERY, "dense", 7, candidates="exact", **options)
    check(found, best(wanted, 7))
    assert found.is_exact
    found = collection.search(QUERY, "dense", 7, offset=5, candidates="exact", **options)
    check(found, best(wanted, 7, offset=5))
    # By default the 100 nearest are ranked anew.
    nearest = [h.id for h in collection.search(QUERY, "dense", 100, recall=1.0)]
    found = collection.search(QUERY, "dense", 7, **options)
    check(found, best({pk: wanted[pk] for pk in nearest}, 7))
    assert found.explanation.ranking.num_candidates == 100
    found = collection.search(QUERY, "dense", 7, candidates=20, **options)
    check(found, best({pk: wanted[pk] for pk in nearest[:20]}, 7))


def test_a_small_candidate_list_says_whether_it_was_enough(collection):
    sharp = Decay("year", origin=2005, scale=1)
    mild = Decay("year", "linear", origin=2005, scale=1000, decay=0.99)
    scores, entities = all_scores(collection, "dense", QUERY)
    for decay, is_enough in ((sharp, False), (mild, True)):
        found = collection.search(QUERY, "dense", 3, ranker=decay, candidates=30, recall=1.0)
        assert (found.explanation.ranking.is_exact, found.is_exact) == (is_enough, is_enough)
        wanted = {pk: s * factor(decay, entities[pk]["year"]) for pk, s in scores.items()}
        assert (found.ids == [pk for pk, _ in best(wanted, 3)]) or not is_enough
    assert "another row may score" in str(
        collection.search(QUERY, "dense", 3, ranker=sharp, candidates=30).explanation
    )


def test_exact_goes_on_as_far_as_it_has_to(collection):
    scores, _ = all_scores(collection, "dense", QUERY)
    far = sorted(scores, key=lambda pk: -scores[pk])[120]
    assert scores[far] > 0
    decay = Decay('meta["page"]', "exp", origin=far, scale=1, decay=0.01)
    wanted = best({pk: s * factor(decay, pk) for pk, s in scores.items()}, 4)
    given = {"ranker": decay, "recall": 1.0}
    found = collection.search(QUERY, "dense", 4, candidates="exact", **given)
    check(found, wanted)
    assert (found.is_exact, found.explanation.ranking.num_candidates) == (True, ROWS)
    assert [leg.limit for leg in found.explanation.legs] == [400]
    assert found[0].id == far
    assert far not in collection.search(QUERY, "dense", 4, **given).ids


def test_decay_by_a_path_of_json_and_rows_without_a_number(tmp_path, where):
    rows = papers(ROWS)
    for row in rows:
        if row["id"] % 3 == 0:
            row["meta"] = [None, {"page": "many"}, {"page": True}, {}][row["id"] % 4]
    collection = filled(tmp_path, where, paper_schema(metric="IP"), rows)
    scores, _ = all_scores(collection, "dense", QUERY)
    for missing in (1.0, 0.25):
        decay = Decay('meta["page"]', "exp", origin=100, scale=30, missing=missing)
        wanted = {pk: s * factor(decay, None if pk % 3 == 0 else pk) for pk, s in scores.items()}
        found = collection.search(QUERY, "dense", 20, ranker=decay, candidates="exact", recall=1.0)
        check(found, best(wanted, 20))


def test_decay_of_moments():
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("at", elanus.TIMESTAMPTZ, nullable=True, timezone="Europe/Berlin"),
        Field("v", elanus.FLOAT_VECTOR, dim=1, metric="IP"),
    ]
    made = elanus.connect(":memory:").create_collection("rows", Schema(fields))
    noon = datetime(2025, 3, 1, 12, tzinfo=UTC)
    moments = [noon, noon - timedelta(days=7), noon - timedelta(days=21), None]
    made.insert([{"id": i, "at": at, "v": [1]} for i, at in enumerate(moments)])
    day = timedelta(days=1)
    micros = 86_400_000_000
    for origin, scale, offset in (
        (noon, 7 * day, 0),
        (noon.timestamp() * 1e6, 7 * micros, 0.0),
        # Without an offset from UTC it is the field's own time.
        (datetime(2025, 3, 1, 13), 7 * day, timedelta()),
    ):
        decay = Decay("at", "exp", origin=origin, scale=scale, offset=offset, missing=0.2)
        found = made.search([1], "v", ranker=decay)
        check(found, [(0, 1.0), (1, 0.5), (3, 0.2), (2, 0.125)])
    wide = Decay("at", "linear", origin=noon, scale=14 * day, offset=7 * day)
    check(made.search([1], "v", 3, ranker=wide), [(0, 1.0), (1, 1.0), (3, 1.0)])
    assert str(wide) == (
        "Decay(at, linear, origin=2025-03-01T12:00:00+00:00, scale=14 days, 0:00:00, "
        "offset=7 days, 0:00:00, decay=0.5)"
    )
    with pytest.raises(InvalidArgumentError, match="'id', which holds no moments"):
        made.search([1], "v", ranker=Decay("id", origin=noon, scale=day))
    with pytest.raises(InvalidArgumentError, match="scale must be more than 0"):
        Decay("at", origin=noon, scale=timedelta())


def test_decay_of_texts_sparse_vectors_filters_and_ranges(collection):
    decay = Decay("year", "exp", origin=2000, scale=7)
    for field, query in (("bm25", "graph index token"), ("sparse", {1: 0.5, 2: 1.0, 7: 0.3})):
        for options in ({}, {"filter": "year < 2010"}, {"radius": 0.4, "range_filter": 1.5}):
            scores, entities = all_scores(collection, field, query, **options)
            wanted = {pk: s * factor(decay, entities[pk]["year"]) for pk, s in scores.items()}
            found = collection.search(query, field, 9, ranker=decay, candidates="exact", **options)
            check(found, best(wanted, 9))


def test_each_query_of_a_batch_is_ranked_by_itself(collection):
    queries = np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32)
    for options in ({}, {"offset": 4}, {"candidates": "exact"}):
        given = {"ranker": [Decay("year", origin=2000, scale=3), Boost("year > 2010", 1.1)]}
        given |= options
        together = collection.search(queries, "dense", 6, **given)
        alone = [collection.search(query, "dense", 6, **given) for query in queries]
        assert [[(h.id, h.score) for h in one] for one in together] == [
            [(h.id, h.score) for h in one] for one in alone
        ]
        assert [str(h.explanation) for one in together for h in one] == [
            str(h.explanation) for one in alone for h in one
        ]


# --- boost ------------------------------------------------------------------------------------

MODES = ("multiply", "sum")


@pytest.mark.parametrize("boost_mode", MODES)
@pytest.mark.parametrize("function_mode", MODES)
@pytest.mark.parametrize("metric", ["COSINE", "L2"])
def test_boosts_together(tmp_path, where, metric, boost_mode, function_mode):
    collection = filled(tmp_path, where, paper_schema(metric=metric), papers(ROWS))
    boosts = [Boost("year > 2010", 1.5), Boost({"year": {"$lt": 2015}}, 0.6), Boost("id == 7", 0.2)]
    scores, entities = all_scores(collection, "dense", QUERY)
    wanted = {}
    for pk, score in scores.items():
        year = entities[pk]["year"]
        weights = [1.5] * (year > 2010) + [0.6] * (year < 2015) + [0.2] * (pk == 7)
        if weights:
            weight = sum(weights) if function_mode == "sum" else math.prod(weights)
            added = -weight if metric == "L2" else weight
            score = score + added if boost_mode == "sum" else score * weight
        wanted[pk] = -score if metric == "L2" else score
    ranker = FunctionScore(boosts, boost_mode, function_mode)
    found = collection.search(QUERY, "dense", 12, ranker=ranker, candidates="exact", recall=1.0)
    check(found, [(pk, -s if metric == "L2" else s) for pk, s in best(wanted, 12)])
    assert found.is_exact
    # Without a filter every entity is boosted.
    everything = collection.search(QUERY, "dense", 5, ranker=Boost(weight=0.5), recall=1.0)
    plain = collection.search(QUERY, "dense", 5, recall=1.0)
    check(everything, [(h.id, h.score * 0.5) for h in plain])


@pytest.mark.parametrize("metric", ["L2", "IP"])
def test_exact_finds_what_an_added_weight_brings_up_from_far_away(metric):
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("v", elanus.FLOAT_VECTOR, dim=1, metric=metric),
    ]
    made = elanus.connect(":memory:").create_collection("rows", Schema(fields))
    # From [1]: squared distances of 0, 1, 4 and so on; inner products of 1, 0, -1 and so on.
    made.insert([{"id": i, "v": [1 - i]} for i in range(ROWS)])
    far = Boost("id == 250", 250.0**2 + 1 if metric == "L2" else 251.0)
    ranker = FunctionScore([far, Boost("id == 0", -0.5)], boost_mode="sum")
    found = made.search([1], "v", 2, ranker=ranker, candidates="exact")
    check(found, [(250, -1.0), (0, 0.5)] if metric == "L2" else [(250, 2.0), (0, 0.5)])
    assert found.is_exact
    assert 250 not in made.search([1], "v", 2, ranker=ranker).ids


def test_random_weights_stay_the_same_wherever_rows_lie(tmp_path):
    answers = {}
    for where in ("memory", "segments", "both"):
        collection = filled(tmp_path / where, where, paper_schema(metric="IP"), papers(ROWS))
        for seed, field in ((1, None), (2, None), (1, "year"), (-5, None)):
            drawn = Boost(weight=2.0, random_score=RandomScore(seed, field))
            hits = collection.search(QUERY, "dense", ROWS, ranker=drawn, candidates="exact")
            plain = {h.id: h.score for h in collection.search(QUERY, "dense", ROWS, recall=1.0)}
            factors = {h.id: h.score / plain[h.id] / 2 for h in hits if plain[h.id]}
            assert all(0 <= f < 1 for f in factors.values())
            assert 0.4 < sum(factors.values()) / len(factors) < 0.6
            answers.setdefault((seed, field), []).append(hits.ids)
            if field == "year":
                by_year = {}
                for hit in hits:
                    by_year.setdefault(hit.entity["year"], set()).add(round(factors[hit.id], 9))
                assert all(len(same) == 1 for same in by_year.values())
    assert all(found[0] == found[1] == found[2] for found in answers.values())
    assert len({tuple(found[0]) for found in answers.values()}) == 4


def test_boosts_with_parameters_and_a_root(collection):
    plain = collection.search(QUERY, "dense", 100, recall=1.0)
    given = {"params": {"least": 100}, "root": "meta", "candidates": 100, "recall": 1.0}
    found = collection.search(QUERY, "dense", 100, ranker=Boost("page >= {least}", 3.0), **given)
    wanted = {h.id: h.score * (3 if h.id >= 100 else 1) for h in plain}
    check(found, best(wanted, 100))


# --- chains -----------------------------------------------------------------------------------


def test_a_chain_is_applied_in_order(collection):
    decay, boost = Decay("year", origin=2010, scale=5), Boost("year > 2010", 0.3)
    add = FunctionScore([Boost("year > 2000", 0.2)], boost_mode="sum")
    scores, entities = all_scores(collection, "dense", QUERY)

    def decayed(pk, score):
        return score * factor(decay, entities[pk]["year"])

    def added(pk, score):
        return score + 0.2 * (entities[pk]["year"] > 2000)

    def boosted(pk, score):
        return score * (0.3 if entities[pk]["year"] > 2010 else 1.0)

    orders = (
        ([decay, add, boost], (decayed, added, boosted)),
        ([add, boost, decay], (added, boosted, decayed)),
    )
    for rankers, steps in orders:
        wanted = {}
        for pk, score in scores.items():
            for step in steps:
                score = step(pk, score)
            wanted[pk] = score
        given = {"ranker": rankers, "candidates": "exact", "recall": 1.0}
        check(collection.search(QUERY, "dense", 15, **given), best(wanted, 15))


def test_rankers_after_the_fusion_of_a_hybrid_search(collection):
    legs = [Leg("dense", QUERY), Leg("bm25", "graph index", filter="year > 1995")]
    decay = Decay("year", "exp", origin=2003, scale=6)
    fused = collection.hybrid_search(legs, RRF(20), limit=500, ranker=None, candidates=None)
    short = collection.hybrid_search(
        [Leg(leg.field, leg.data, limit=40, filter=leg.filter) for leg in legs], RRF(20), limit=500
    )
    for given, hits in (({}, None), ({"candidates": 40}, short)):
        if hits is None:
            depth = [Leg(leg.field, leg.data, limit=100, filter=leg.filter) for leg in legs]
            hits = collection.hybrid_search(depth, RRF(20), limit=500)
        wanted = {h.id: h.score * factor(decay, h.entity["year"]) for h in hits}
        for how in ({"fusion": RRF(20), "ranker": decay}, {"ranker": [RRF(20), decay]}):
            found = collection.hybrid_search(legs, limit=10, offset=3, **how, **given)
            check(found, best(wanted, 10, offset=3))
    assert len(fused) > 100


def test_equal_scores_come_by_primary_key(collection):
    found = collection.search(QUERY, "dense", 50, ranker=Boost(weight=0.0), candidates=60)
    nearest = sorted(h.id for h in collection.search(QUERY, "dense", 60))
    assert found.ids == nearest[:50]


def test_deleted_rows_and_rows_of_the_past(collection):
    decay = Decay("year", origin=2005, scale=3)
    before = collection.search(QUERY, "dense", 5, ranker=decay)
    collection.delete([before[0].id, before[2].id])
    after = collection.search(QUERY, "dense", 3, ranker=decay)
    assert after.ids == [before[1].id, before[3].id, before[4].id]


def test_an_empty_collection_has_no_hits():
    db = elanus.connect(":memory:")
    made = db.create_collection("rows", paper_schema())
    found = made.search(QUERY, "dense", 3, ranker=[Decay("year"), MMR()])
    assert (found.ids, found.is_exact) == ([], True)
    found = made.search([QUERY, QUERY], "dense", 3, ranker=Decay("year"), candidates="exact")
    assert [one.ids for one in found] == [[], []]
    assert made.search(np.empty((0, 4)), "dense", ranker=Decay("year")) == []


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decay("year", "cubic"), "Decay: function must be one of gauss, exp, linear"),
        (lambda: Decay("year", scale=0), "Decay: scale must be more than 0, got 0"),
        (lambda: Decay("year", offset=-1), "Decay: offset must be 0 or more, got -1"),
        (lambda: Decay("year", decay=1), "Decay: decay must lie between 0 and 1"),
        (lambda: Decay("year", origin="now"), "Decay: origin must be a finite number"),
        (lambda: Decay("year", origin=math.nan), "Decay: origin must be a finite number"),
        (lambda: Decay("year", missing=-1), "Decay: missing must be 0 or more"),
        (lambda: Boost(weight=True), "Boost: weight must be a finite number"),
        (lambda: Boost(random_score=7), "expected random_score=RandomScore"),
        (lambda: RandomScore(0.5), "expected a whole seed"),
        (lambda: FunctionScore([]), "expected at least one Boost"),
        (lambda: FunctionScore([Decay("year")]), "expected Boost(...), got Decay"),
        (lambda: FunctionScore([Boost()], "max"), "boost_mode must be one of multiply, sum"),
        (lambda: MMR(1.5), "lambda_mult must lie in [0, 1]"),
        (lambda: MMR(fetch_k=0), "fetch_k must be an integer >= 1"),
    ],
)
def test_rankers_that_cannot_be(make, message):
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranker": Decay("title")}, "expected a numeric field or a path of a JSON field"),
        ({"ranker": Decay("nothing")}, "Decay: "),
        ({"ranker": Decay("dense")}, "expected a numeric field"),
        ({"ranker": 5}, "ranker: expected Decay, Boost, FunctionScore, Rerank or MMR, got int"),
        ({"ranker": RRF()}, "a search over one field has nothing to join, got RRF"),
        ({"ranker": [Decay("year"), RRF()]}, "RRF joins the legs of a hybrid search"),
        ({"ranker": [MMR(), Decay("year")]}, "MMR chooses among the hits; it comes last"),
        ({"ranker": Decay("year"), "candidates": 4}, "candidates: expected 10 to 16384"),
        ({"ranker": Decay("year"), "candidates": "all"}, "or 'exact', got 'all'"),
        ({"candidates": 100}, "candidates: expected a ranker"),
        ({"ranker": MMR(fetch_k=5)}, "at least limit + offset = 10 hits"),
        ({"ranker": Boost(random_score=RandomScore(field="title"))}, "field of whole numbers"),
        ({"round_decimal": 1.5}, "round_decimal: expected 0 to 15"),
        ({"round_decimal": -2}, "round_decimal: expected 0 to 15"),
    ],
)
def test_options_that_do_not_fit(collection, options, message):
    with pytest.raises(InvalidArgumentError) as caught:
        collection.search(QUERY, "dense", **options)
    assert message in str(caught.value)


def test_what_hybrid_searches_and_iterators_refuse(collection):
    legs = [Leg("dense", QUERY), Leg("bm25", "graph")]
    with pytest.raises(InvalidArgumentError, match="expected one fusion"):
        collection.hybrid_search(legs, RRF(), ranker=[RRF(), Decay("year")])
    with pytest.raises(InvalidArgumentError, match="candidates='exact': a hybrid search"):
        collection.hybrid_search(legs, ranker=Decay("year"), candidates="exact")
    with pytest.raises(InvalidArgumentError, match=r"fusion: expected RRF\(...\), Weighted"):
        collection.hybrid_search(legs, "rrf")
    with pytest.raises(InvalidArgumentError, match="ranker cannot be given"):
        collection.search_iterator(QUERY, "dense", ranker=Decay("year"))
    with pytest.raises(FilterError):
        collection.search(QUERY, "dense", ranker=Boost("year >"))


# --- rounding ---------------------------------------------------------------------------------


def test_scores_are_rounded_as_in_milvus(collection):
    plain = collection.search(QUERY, "dense", 8)
    for decimals in (0, 2, 4):
        wanted = [math.floor(h.score * 10**decimals + 0.5) / 10**decimals for h in plain]
        found = collection.search(QUERY, "dense", 8, round_decimal=decimals)
        assert ([h.id for h in found], [h.score for h in found]) == (plain.ids, wanted)
        batch = collection.search([QUERY, QUERY], "dense", 8, round_decimal=decimals)
        assert [[h.score for h in one] for one in batch] == [wanted, wanted]
    assert collection.search(QUERY, "dense", 8, round_decimal=-1)[0].score == plain[0].score
    legs = [Leg("dense", QUERY), Leg("bm25", "graph")]
    found = collection.hybrid_search(legs, round_decimal=3, ranker=Decay("year", origin=2000))
    assert all(round(h.score, 3) == h.score for h in found)
    grouped = collection.search(QUERY, "dense", 3, group_by="year", round_decimal=1)
    assert all(round(h.score, 1) == h.score for h in grouped)


def test_groups_are_filled_strict_or_not(collection):
    given = {"group_by": "year", "group_size": 3}
    plain = collection.search(QUERY, "dense", 4, **given)
    for strict in (True, False):
        found = collection.search(QUERY, "dense", 4, strict_group_size=strict, **given)
        assert found.ids == plain.ids
    assert [len(group.hits) for group in plain.groups] == [3] * 4
