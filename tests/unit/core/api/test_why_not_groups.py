"""Why an entity is no hit of a search for groups, or by stored keys, and what brings it in."""

import pytest

import elanus
from elanus import MMR, Decay, Leg
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 300
RECENT = Decay("year", "exp", origin=2005, scale=4)


@pytest.fixture(scope="module", params=["memory", "both"])
def collection(request, tmp_path_factory):
    path = ":memory:" if request.param == "memory" else tmp_path_factory.mktemp("db") / "db"
    with elanus.connect(path) as db:
        made = db.create_collection("papers", paper_schema())
        made.insert(papers(ROWS)[:120])
        if request.param == "both":
            made.flush()
        made.insert(papers(ROWS)[120:])
        yield made


def groups_of(hits):
    made = {}
    for hit in hits:
        made.setdefault(hit.entity["year"], []).append(hit)
    return [*made.items()]


@pytest.mark.parametrize("ranker", [None, RECENT])
def test_a_row_of_each_kind(collection, ranker):
    options = {"recall": 1.0} if ranker is None else {"recall": 1.0, "ranker": ranker}
    deep = {} if ranker is None else {"candidates": ROWS + 1}
    exact = {} if ranker is None else {"candidates": "exact"}
    hits = collection.search(QUERY, "dense", ROWS, output=["year"], **options, **deep)
    groups = groups_of(hits)
    given = {"limit": 3, "offset": 1, "group_by": "year", "group_size": 2, **options, **exact}

    def asked(hit, **other):
        return collection.why_not(hit.id, QUERY, "dense", **{**given, **other})

    for number, (year, rows) in enumerate(groups, 1):
        for place, hit in enumerate(rows[:4], 1):
            said = asked(hit)
            group = said.group
            assert (group.value, group.rank, group.place) == (year, number, place)
            if number > 4:
                assert said.cause == "group_limit"
                assert f"limit={number - 1}" in said.summary
                assert (f"group_size={place}" in said.summary) == (place > 2)
                fixed = asked(hit, limit=number - 1, group_size=max(2, place))
                assert fixed.cause == "hit"
            elif place > 2:
                assert said.cause == "group_full"
                assert f"group_size={place} reaches it" in said.summary
                assert group.kept == tuple((h.id, h.score) for h in rows[:2])
                expected = "offset" if number == 1 else "hit"
                assert asked(hit, group_size=place).cause == expected
            else:
                assert said.cause == ("offset" if number == 1 else "hit")
                assert (said.rank, said.score) == (place, hit.score)
    year, rows = groups[1]
    text = str(asked(rows[2]))
    assert "not a hit, its group has better ones; group_size=3 reaches it" in text
    assert f"group {year!r}: number 2 of 4 wanted, with {rows[0].id!r} (" in text


def test_what_the_legs_say_comes_first(collection):
    hits = collection.search(QUERY, "dense", ROWS, recall=1.0)
    said = collection.why_not(hits[0].id, QUERY, "dense", group_by="year", filter="id < 0")
    assert (said.cause, said.group) == ("filter", None)
    bound = hits[20].score
    said = collection.why_not(hits[40].id, QUERY, "dense", group_by="year", radius=bound)
    assert said.cause == "range"


def test_groups_of_fused_lists_and_of_what_mmr_leaves(collection):
    legs = [Leg("dense", QUERY, recall=1.0), Leg("bm25", "graph index")]
    found = collection.hybrid_search(legs, limit=3, group_by="year")
    for group in found.groups:
        assert collection.why_not(group.hits[0].id, legs=legs, limit=3, group_by="year").cause == (
            "hit"
        )
    whole = collection.hybrid_search(legs, limit=60, output=["year"])
    years = [group.value for group in found.groups]
    full = next(h for h in whole if h.entity["year"] in years and h.id not in found.ids)
    said = collection.why_not(full.id, legs=legs, limit=3, group_by="year")
    assert said.cause == "group_full"
    other = next(h for h in whole if h.entity["year"] not in years)
    assert collection.why_not(other.id, legs=legs, limit=3, group_by="year").cause == "group_limit"
    mmr = {"ranker": MMR(0.4, fetch_k=30), "group_by": "year", "limit": 3, "recall": 1.0}
    chosen = collection.search(QUERY, "dense", **mmr)
    assert collection.why_not(chosen[1].id, QUERY, "dense", **mmr).cause == "hit"


def test_a_search_by_key(collection):
    found = collection.search(field="dense", ids=8, limit=5, recall=1.0)
    whole = collection.search(field="dense", ids=8, limit=ROWS, recall=1.0)
    said = collection.why_not(found[2].id, field="dense", ids=8, limit=5, recall=1.0)
    assert (said.cause, said.rank, said.score) == ("hit", 3, found[2].score)
    said = collection.why_not(whole[9].id, field="dense", ids=8, limit=5, recall=1.0)
    assert (said.cause, said.legs[0].rank) == ("limit", 10)
