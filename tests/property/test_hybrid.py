"""A hybrid search is what plain Python makes of the lists of its legs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus import RRF, Field, Leg, Weighted

ROWS = 60
WORDS = ["cat", "dog", "fog", "mat", "box"]
FIELDS = ("cosine", "ip", "l2", "bm25", "sparse")


def made_rows():
    """Rows with few distinct vectors and texts, so that ranks and scores are often equal."""
    rng = np.random.default_rng(5)
    rows = []
    for pk in rng.permutation(ROWS).tolist():
        vectors = {n: rng.integers(1, 4, 3).astype(np.float32) for n in FIELDS[:3]}
        sparse = {int(i): float(rng.integers(1, 3)) for i in rng.choice(6, 2, replace=False)}
        text = " ".join(rng.choice(WORDS, 3))
        rows.append({"id": pk, "year": 2000 + pk % 5, "text": text, "sparse": sparse, **vectors})
    return rows


@pytest.fixture(scope="module")
def collection():
    schema = elanus.Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("year", elanus.INT64),
            Field("text", elanus.VARCHAR, analyzer="standard"),
            *(Field(n, elanus.FLOAT_VECTOR, dim=3, metric=n.upper()) for n in FIELDS[:3]),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            Field("sparse", elanus.SPARSE_FLOAT_VECTOR),
        ]
    )
    with elanus.connect(":memory:") as db:
        made = db.create_collection("texts", schema)
        rows = made_rows()
        made.insert(rows[:25])
        made.flush()
        made.insert(rows[25:])
        made.delete([1, 2])
        made.upsert([row for row in rows if row["id"] == 7])
        yield made


FILTERS = st.sampled_from([None, "year > 2001", "id % 2 == 0", "text_match(text, 'cat')", "id < 0"])
DENSE = st.lists(st.integers(1, 4), min_size=3, max_size=3)
QUERIES = {
    **{name: DENSE.map(lambda v: np.array(v, dtype=np.float32)) for name in FIELDS[:3]},
    "bm25": st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    "sparse": st.dictionaries(st.integers(0, 6), st.sampled_from([1.0, 2.0]), min_size=1),
}
LEG = st.sampled_from(FIELDS).flatmap(
    lambda name: st.builds(
        Leg, st.just(name), QUERIES[name], limit=st.none() | st.integers(1, 20), filter=FILTERS
    )
)
LEGS = st.lists(LEG, min_size=2, max_size=4)
WEIGHT = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])


def lists_of(collection, legs, limit, where):
    """Return (id, score) of each leg, by a search of its own."""
    found = []
    for leg in legs:
        filters = " and ".join(f"({f})" for f in (leg.filter, where) if f is not None) or None
        exact = {} if leg.field in ("bm25", "sparse") else {"recall": 1.0}
        depth = leg.limit or max(4 * limit, 100)
        hits = collection.search(leg.data, leg.field, depth, filter=filters, **exact)
        found.append([(hit.id, hit.score) for hit in hits])
    return found


def mapped(field, score):
    """A score in [0, 1], as the documentation has it."""
    return {
        "cosine": lambda s: (1 + s) / 2,
        "ip": lambda s: 0.5 + math.atan(s) / math.pi,
        "l2": lambda s: 1 - 2 * math.atan(s) / math.pi,
        "sparse": lambda s: 0.5 + math.atan(s) / math.pi,
    }.get(field, lambda s: 2 * math.atan(s) / math.pi)(score)


def total(lists):
    """Return the sum of what each list gives to each id."""
    scores = {}
    for one in lists:
        for pk, part in one:
            scores[pk] = scores.get(pk, 0.0) + part
    return scores


def check_page(found, scores, limit, offset):
    """The hits are a page of all scores in order, ties by key; sums differ in the last digits."""
    hits = [(hit.id, hit.score) for hit in found]
    assert len(hits) == max(min(limit, len(scores) - offset), 0)
    for pk, score in hits:
        assert score == pytest.approx(scores[pk], rel=1e-6, abs=1e-7)
    assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))
    best = sorted(scores.values(), reverse=True)[offset : offset + limit]
    assert [score for _, score in hits] == pytest.approx(best, rel=1e-6, abs=1e-7)
    assert len({pk for pk, _ in hits}) == len(hits)


LIMITS, OFFSETS = st.integers(1, 30), st.integers(0, 10)


@given(LEG, LIMITS, OFFSETS, FILTERS)
def test_one_leg_alone_keeps_its_scores(collection, leg, limit, offset, where):
    (wanted,) = lists_of(collection, [leg], limit + offset, where)
    found = collection.hybrid_search([leg], limit=limit, offset=offset, filter=where, recall=1.0)
    assert [(hit.id, hit.score) for hit in found] == wanted[offset : offset + limit]


@given(LEGS, st.sampled_from([0, 1, 60]), LIMITS, OFFSETS, FILTERS, st.data())
def test_rrf_is_the_sum_of_reciprocal_ranks(collection, legs, k, limit, offset, where, data):
    weights = data.draw(st.none() | st.lists(WEIGHT, min_size=len(legs), max_size=len(legs)))
    lists = lists_of(collection, legs, limit + offset, where)
    given_to = [1.0] * len(legs) if weights is None else weights
    parts = [
        [(pk, weight / (k + rank)) for rank, (pk, _) in enumerate(one, 1)]
        for one, weight in zip(lists, given_to, strict=True)
    ]
    scores = total(parts)
    found = collection.hybrid_search(
        legs, limit=limit, offset=offset, filter=where, fusion=RRF(k, weights), recall=1.0
    )
    check_page(found, scores, limit, offset)
    # These sums are the same to the last digit, so ties are, and their order with them.
    wanted = sorted(scores.items(), key=lambda one: (-one[1], one[0]))[offset : offset + limit]
    assert [hit.id for hit in found] == [pk for pk, _ in wanted]


@given(LEGS, st.booleans(), LIMITS, OFFSETS, FILTERS, st.data())
def test_weighted_is_the_weighted_sum_of_mapped_scores(
    collection, legs, norm, limit, offset, where, data
):
    weights = data.draw(st.lists(WEIGHT, min_size=len(legs), max_size=len(legs)))
    lists = lists_of(collection, legs, limit + offset, where)
    parts = [
        [(pk, weight * (mapped(leg.field, s) if norm or leg.field == "l2" else s)) for pk, s in one]
        for leg, one, weight in zip(legs, lists, weights, strict=True)
    ]
    fusion = Weighted(weights=weights, norm_score=norm)
    found = collection.hybrid_search(
        legs, limit=limit, offset=offset, filter=where, fusion=fusion, recall=1.0
    )
    check_page(found, total(parts), limit, offset)
