"""Each reason for which an entity is not among the hits, and what would bring it in."""

import numpy as np
import pytest

import elanus
from elanus import (
    DBSF,
    MMR,
    RRF,
    Boost,
    DataType,
    Decay,
    Field,
    Leg,
    Rerank,
    Schema,
)
from elanus.errors import EntityError, InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 300


@pytest.fixture(params=["memory", "both"])
def collection(request, tmp_path):
    with elanus.connect(":memory:" if request.param == "memory" else tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema())
        made.insert(papers(ROWS)[:120])
        if request.param == "both":
            made.flush()
        made.insert(papers(ROWS)[120:])
        yield made


def ranked(collection, **options):
    return collection.search(QUERY, "dense", ROWS, recall=1.0, **options)


def test_hits_have_their_rank(collection):
    hits = ranked(collection)
    for place in (0, 4, 9):
        said = collection.why_not(hits[place].id, QUERY, "dense")
        assert (said.cause, said.rank, said.score) == ("hit", place + 1, hits[place].score)
        assert said.last_score == hits[9].score
        assert said.explanation == hits[place].explanation
    left_out = collection.why_not(hits[2].id, QUERY, "dense", 5, offset=3)
    assert (left_out.cause, left_out.rank) == ("offset", 3)
    assert collection.why_not(hits[7].id, QUERY, "dense", 5, offset=3).cause == "hit"


def test_others_are_nearer(collection):
    hits = ranked(collection)
    for place, offset in ((10, 0), (57, 0), (299, 0), (40, 7)):
        said = collection.why_not(hits[place].id, QUERY, "dense", offset=offset)
        assert (said.cause, said.rank, said.explanation) == ("limit", None, None)
        (leg,) = said.legs
        assert (leg.rank, leg.limit) == (place + 1, 10 + offset)
        assert leg.score == pytest.approx(hits[place].score)
        limit = place + 1 - offset
        assert leg.remedy == f"limit={limit} reaches it"
        assert hits[place].id in collection.search(QUERY, "dense", limit, offset=offset).ids
        assert hits[place].id not in collection.search(
            QUERY, "dense", limit - 1, offset=offset, recall=1.0
        )


def test_the_parts_of_a_filter_that_say_no(collection):
    (row,) = collection.get(7)
    condition = (
        f"year == {row['year']} and (meta['page'] > 100 and title like 'zzz%') "
        f"and (id == 1 or id == 2)"
    )
    said = collection.why_not(7, QUERY, "dense", filter=condition)
    assert said.cause == "filter"
    (leg,) = said.legs
    assert leg.rank is None
    shown = repr(row["meta"])
    assert leg.failed == (
        f'meta["page"] > 100 (meta is {shown})',
        f'title like "zzz%" (title is {row["title"]!r})',
        "id == 1 or id == 2 (id is 7)",
    )
    text = str(said)
    assert "7: not a hit, the filter excludes it" in text
    assert 'dense: fails meta["page"] > 100' in text
    rooted = collection.why_not(
        7, QUERY, "dense", filter="page > {n}", root="meta", params={"n": 8}
    )
    assert rooted.legs[0].failed == (f'meta["page"] > 8 (meta is {shown})',)
    assert collection.why_not(7, QUERY, "dense", ROWS, filter="id < 8").cause == "hit"


def test_keys_that_nothing_has(collection):
    assert collection.why_not(999, QUERY, "dense").cause == "unknown_key"
    collection.delete([5, 200])
    for pk in (5, 200):
        said = collection.why_not(pk, QUERY, "dense")
        assert (said.cause, str(said)) == ("deleted", f"{pk}: not a hit, it was deleted")
    # A new version hides the old one, and is what is explained.
    collection.upsert([{**papers(1)[0], "id": 200, "dense": QUERY}])
    assert collection.why_not(200, QUERY, "dense").rank == 1
    with pytest.raises(EntityError):
        collection.why_not("five", QUERY, "dense")


def test_a_state_of_the_past(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema())
        made.insert(papers(20))
        db.snapshot("then")
        made.delete([3])
        made.insert(papers(1, first=20))
        assert made.why_not(20, QUERY, "dense", 50, as_of="then").cause == "later"
        assert made.why_not(3, QUERY, "dense", 50, as_of="then").cause == "hit"
        assert made.why_not(3, QUERY, "dense", 50).cause == "deleted"
        assert made.why_not(20, QUERY, "dense", 50).cause == "hit"


def test_entities_that_have_expired(tmp_path):
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("until", DataType.INT64, nullable=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=2, metric="IP"),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("rows", Schema(fields))
        made.insert([{"id": i, "until": [None, 1][i], "dense": [i, 1]} for i in range(2)])
        made.flush()
        made.insert([{"id": 2, "until": 1, "dense": [2, 1]}])
        made.set_ttl(field="until")
        said = made.why_not(1, [1, 0], "dense")
        assert (said.cause, str(said)) == ("expired", "1: not a hit, it has expired")
        # Nothing of this part is left to look at.
        assert "no entity has this key, or it has expired" in str(made.why_not(2, [1, 0], "dense"))
        assert made.why_not(0, [1, 0], "dense").cause == "hit"


def test_partitions_and_fields_without_a_vector(tmp_path):
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=2, metric="IP", nullable=True),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("rows", Schema(fields, partitioned=True))
        for name in ("one", "two"):
            made.create_partition(name)
        made.insert([{"id": 1, "dense": [1, 0]}, {"id": 2, "dense": None}], partition="one")
        made.insert([{"id": 3, "dense": [0, 1]}], partition="two")
        said = made.why_not(2, [1, 0], "dense")
        assert (said.cause, said.legs[0].score) == ("null", None)
        assert "dense: holds no vector" in str(said)
        said = made.why_not(3, [1, 0], "dense", partitions=["one"])
        assert (said.cause, said.legs[0].failed) == (
            "filter",
            ("partitions (it is in another one)",),
        )
        assert made.why_not(1, [1, 0], "dense", partitions="one").rank == 1


def test_scores_outside_of_the_bounds(collection):
    hits = ranked(collection)
    given = {"radius": hits[50].score, "range_filter": hits[10].score}
    for place, cause in ((3, "range"), (10, "hit"), (30, "limit"), (50, "range"), (80, "range")):
        said = collection.why_not(hits[place].id, QUERY, "dense", **given)
        assert said.cause == cause
        assert said.legs[0].score == pytest.approx(hits[place].score)
    assert said.legs[0].remedy.startswith("asked for is <= ")
    # The rank is that among the rows inside.
    assert collection.why_not(hits[30].id, QUERY, "dense", **given).legs[0].rank == 21


def test_nothing_in_common_with_the_query(collection):
    hits = collection.search("graph index", "bm25", ROWS)
    other = next(pk for pk in range(ROWS) if pk not in hits.ids)
    said = collection.why_not(other, "graph index", "bm25")
    assert (said.cause, said.legs[0].score, said.legs[0].rank) == ("no_match", None, None)
    assert "shares no term with the query" in str(said)
    far = collection.why_not(hits[33].id, "graph index", "bm25")
    assert (far.cause, far.legs[0].rank) == ("limit", 34)
    vector = {1: 0.5, 2: 1.0}
    known = collection.search(vector, "sparse", ROWS)
    other = next(pk for pk in range(ROWS) if pk not in known.ids)
    assert "shares no dimension" in str(collection.why_not(other, vector, "sparse"))
    assert collection.why_not(known[0].id, vector, "sparse").cause == "hit"


def test_what_dropped_weights_hide(collection):
    vector = {1: 0.1, 2: 5.0, 3: 4.0, 4: 4.0}
    given = {"drop_ratio_search": 0.5, "limit": 250}
    found = collection.search(vector, "sparse", **given).ids
    lost = next(h.id for h in collection.search(vector, "sparse", 250) if h.id not in found)
    said = collection.why_not(lost, vector, "sparse", **given)
    assert (said.cause, said.legs[0].remedy) == ("missed", "drop_ratio_search=0 finds it")


def test_what_an_approximate_search_misses(tmp_path):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(6000, 24)).astype(np.float32)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("dense", DataType.FLOAT_VECTOR, dim=24, metric="L2"),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("rows", Schema(fields))
        made.create_index("dense", "IVF_FLAT", {"nlist": 64})
        made.insert({"id": np.arange(6000), "dense": vectors})
        made.flush()
        made.wait_indexed()
        for query in rng.normal(size=(20, 24)).astype(np.float32):
            found = made.search(query, "dense", 20, ef=1)
            exact = made.search(query, "dense", 20, recall=1.0)
            lost = [pk for pk in exact.ids if pk not in found.ids]
            if lost:
                break
        for pk in lost:
            said = made.why_not(pk, query, "dense", 20, ef=1)
            assert said.cause == "missed"
            (leg,) = said.legs
            assert leg.rank == exact.ids.index(pk) + 1
            options = leg.remedy.removesuffix(" finds it").split(" or ")
            assert [option.split("=")[0] for option in options] == ["recall", "ef"]
            for option in options:
                name, value = option.split("=")
                given = {name: float(value) if name == "recall" else int(value)}
                assert pk in made.search(query, "dense", 20, **given).ids
            assert "missed by the approximate search" in str(said)


# --- several legs, and rankers ----------------------------------------------------------------


def test_legs_of_a_hybrid_search(collection):
    legs = [
        Leg("dense", QUERY, limit=40),
        Leg("bm25", "graph index", limit=30, filter="year > 2000"),
    ]
    for fusion in (RRF(), DBSF()):
        whole = collection.hybrid_search(legs, fusion, limit=70)
        for place in (0, 9, 10, 45):
            said = collection.why_not(whole[place].id, legs=legs, fusion=fusion)
            assert said.cause == ("hit" if place < 10 else "cut")
            assert (said.rank, said.score) == (place + 1, pytest.approx(whole[place].score))
            assert said.explanation == whole[place].explanation
            assert said.last_score == whole[9].score
            if place >= 10:
                assert f"limit={place + 1} reaches it" in said.summary
                near = collection.hybrid_search(legs, fusion, limit=place + 1).ids
                assert near[-1] == whole[place].id
    dense = {h.id: i + 1 for i, h in enumerate(ranked(collection))}
    text = {h.id for h in collection.search("graph index", "bm25", ROWS)}
    years = {e["id"]: e["year"] for e in collection.query(output=["year"])}
    for pk in range(ROWS):
        if pk in whole.ids:
            continue
        said = collection.why_not(pk, legs=legs)
        near, keyword = said.legs
        assert (near.cause, near.rank) == ("limit", dense[pk])
        assert near.remedy == f"Leg(limit={dense[pk]}) reaches it"
        expected = "filter" if years[pk] <= 2000 else "limit" if pk in text else "no_match"
        assert keyword.cause == expected
        assert said.cause == "limit"


def test_candidates_of_a_ranker(collection):
    hits = ranked(collection)
    decay = Decay("year", origin=2005, scale=2)
    whole = collection.search(QUERY, "dense", 100, ranker=decay, recall=1.0, candidates=100)
    for place in (0, 9, 10, 60):
        said = collection.why_not(whole[place].id, QUERY, "dense", ranker=decay, recall=1.0)
        assert (said.cause, said.rank) == ("hit" if place < 10 else "cut", place + 1)
        assert said.score == pytest.approx(whole[place].score)
        assert said.last_score == pytest.approx(whole[9].score)
    said = collection.why_not(hits[150].id, QUERY, "dense", ranker=decay)
    assert (said.cause, said.legs[0].limit) == ("limit", 100)
    assert said.legs[0].remedy == "candidates=151 reaches it"
    given = {"ranker": decay, "candidates": "exact", "recall": 1.0}
    exact = collection.search(QUERY, "dense", ROWS, **given)
    assert collection.why_not(exact[3].id, QUERY, "dense", **given).rank == 4


class Words:
    info = RerankerInfo("words", ScoreKind.RELEVANCE)

    def score(self, query, documents):
        return np.array([len(text) for text in documents], dtype=np.float32)


def test_rankers_that_leave_entities_out(collection):
    hits = ranked(collection)
    chain = [Boost("id >= 0", 2.0), Rerank(Words(), "title", query="x", top=20)]
    said = collection.why_not(hits[24].id, QUERY, "dense", ranker=chain, recall=1.0)
    assert (said.cause, said.rank) == ("cut", None)
    assert "Rerank(words) takes the best 20, it is number 25" in said.summary
    read = collection.search(QUERY, "dense", 20, ranker=chain, recall=1.0)
    said = collection.why_not(read[15].id, QUERY, "dense", ranker=chain, recall=1.0)
    assert (said.cause, said.rank) == ("cut", 16)
    chosen = collection.search(QUERY, "dense", 5, ranker=MMR(0.3, 30), recall=1.0)
    other = next(h.id for h in hits[:30] if h.id not in chosen.ids)
    said = collection.why_not(other, QUERY, "dense", 5, ranker=MMR(0.3, 30), recall=1.0)
    assert "MMR(dense, lambda_mult=0.3) chose others" in said.summary
    said = collection.why_not(chosen[3].id, QUERY, "dense", 5, ranker=MMR(0.3, 30), recall=1.0)
    assert (said.cause, said.rank) == ("hit", 4)


def test_what_why_not_refuses(collection):
    with pytest.raises(InvalidArgumentError, match="ids or legs, got both"):
        collection.why_not(1, ids=3, legs=[Leg("dense", QUERY)])
    with pytest.raises(InvalidArgumentError, match="expected data or ids, got both"):
        collection.why_not(1, QUERY, "dense", ids=3)
    with pytest.raises(InvalidArgumentError, match="expected one query, got 2"):
        collection.why_not(1, field="dense", ids=[3, 4])
    with pytest.raises(InvalidArgumentError, match="expected one query, got 2"):
        collection.why_not(1, [QUERY, QUERY], "dense")
    with pytest.raises(InvalidArgumentError, match="data and field or legs, got both"):
        collection.why_not(1, QUERY, legs=[Leg("dense", QUERY)])
    with pytest.raises(TypeError, match="no option 'limits'"):
        collection.why_not(1, QUERY, "dense", limits=3)
