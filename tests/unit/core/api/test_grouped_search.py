"""Hits in groups against grouping the whole ranking in Python."""

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import InvalidArgumentError
from support.builders import paper_schema, papers

QUERY = [0.3, -1.0, 0.5, 0.2]
ROWS = 90


def rows_with_sources():
    """Return rows of which some have no metadata, no source, or a source that is no text."""
    rows = papers(ROWS)
    for row in rows:
        pk = row["id"]
        if pk % 11 == 3:
            row["meta"] = None
        elif pk % 13 == 5:
            row["meta"] = {"page": pk}
        elif pk % 17 == 2:
            row["meta"]["source"] = [pk % 2]
        elif pk % 5 == 1:
            row["meta"]["source"] = [1, True, 1.0, False][pk % 4]
    return rows


@pytest.fixture(params=["memory", "segments", "both"])
def collection(request, tmp_path):
    rows = rows_with_sources()
    with elanus.connect(":memory:" if request.param == "memory" else tmp_path / "db") as db:
        made = db.create_collection("papers", paper_schema(metric="L2"))
        made.insert(rows[:40])
        if request.param != "memory":
            made.flush()
        made.insert(rows[40:])
        if request.param == "segments":
            made.flush()
        yield made


def year(entity):
    return entity["year"]


def source(entity):
    meta = entity["meta"] or {}
    return meta.get("source")


def grouped(hits, key_of, limit, size, offset=0):
    """Return the groups of a whole ranking: value and ids."""
    groups = {}
    for hit in hits:
        value = key_of(hit.entity)
        key = repr(value) if not isinstance(value, float) else repr(int(value))
        if key in groups or len(groups) < limit + offset:
            groups.setdefault(key, (value, []))[1].append(hit.id)
    return [(value, ids[:size]) for value, ids in list(groups.values())[offset:]]


def shown(result):
    assert [hit.id for group in result.groups for hit in group.hits] == result.ids
    return [(group.value, [hit.id for hit in group.hits]) for group in result.groups]


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (3, 2), (60, 0)])
@pytest.mark.parametrize(("name", "key_of"), [("year", year), ('meta["source"]', source)])
def test_groups_of_the_nearest(collection, name, key_of, limit, offset, size):
    for field, query in (("dense", QUERY), ("bm25", "graph index score"), ("sparse", {3: 1.0})):
        everything = collection.search(query, field, 1000, recall=1.0)
        found = collection.search(
            query, field, limit, offset=offset, recall=1.0, group_by=name, group_size=size
        )
        assert shown(found) == grouped(everything, key_of, limit, size, offset)


def test_scores_entities_and_explanations_are_those_of_the_hits(collection):
    alone = {hit.id: hit for hit in collection.search(QUERY, "dense", 1000, output=["year"])}
    found = collection.search(
        QUERY, "dense", 5, group_by="year", group_size=3, output=["year"], recall=1.0
    )
    for hit in found:
        assert (hit.score, hit.entity) == (alone[hit.id].score, alone[hit.id].entity)
        assert hit.explanation.legs[0].score == hit.score
    assert all(hit.entity["year"] == group.value for group in found.groups for hit in group.hits)


def test_filters_and_bounds_hold_for_every_hit(collection):
    given = {"filter": "id % 2 == 0", "radius": 9.0, "range_filter": 1.0, "recall": 1.0}
    everything = collection.search(QUERY, "dense", 1000, **given)
    found = collection.search(QUERY, "dense", 6, group_by="year", group_size=4, **given)
    assert shown(found) == grouped(everything, year, 6, 4)
    assert 6 < len(found) < len(everything)


def test_each_query_of_a_batch_has_its_own_groups(collection):
    queries = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    given = {"group_by": "year", "group_size": 2, "recall": 1.0}
    many = collection.search(queries, "dense", 4, **given)
    assert [shown(one) for one in many] == [
        shown(collection.search(query, "dense", 4, **given)) for query in queries
    ]
    texts = ["graph", "token filter"]
    assert [shown(one) for one in collection.search(texts, "bm25", 3, **given)] == [
        shown(collection.search(text, "bm25", 3, **given)) for text in texts
    ]


@pytest.mark.parametrize("size", [1, 3])
def test_groups_of_a_fused_list(collection, size):
    # Small legs have to go deeper; in the end each holds every row.
    legs = [
        elanus.Leg("dense", QUERY, limit=5, recall=1.0),
        elanus.Leg("bm25", "graph index", limit=5),
    ]
    deep = [
        elanus.Leg("dense", QUERY, limit=1000, recall=1.0),
        elanus.Leg("bm25", "graph index", limit=1000),
    ]
    everything = collection.hybrid_search(deep, limit=1000)
    found = collection.hybrid_search(legs, limit=100, group_by="year", group_size=size)
    assert shown(found) == grouped(everything, year, 100, size)
    scores = {hit.id: hit.score for hit in everything}
    assert [hit.score for hit in found] == [scores[pk] for pk in found.ids]


def test_a_group_that_fills_the_front_hides_no_other():
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("tenant", DataType.VARCHAR),
        Field("dense", DataType.FLOAT_VECTOR, dim=2, metric="L2"),
    ]
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", Schema(fields))
        near = [{"id": i, "tenant": "large", "dense": [0.0, i / 1000]} for i in range(900)]
        far = [{"id": 900 + i, "tenant": f"t{i % 3}", "dense": [9.0, i]} for i in range(6)]
        made.insert(near + far)
        found = made.search([0.0, 0.0], "dense", 4, group_by="tenant", group_size=2)
        assert shown(found) == [
            ("large", [0, 1]),
            ("t0", [900, 903]),
            ("t1", [901, 904]),
            ("t2", [902, 905]),
        ]
        # 8 nearest, the rest without that group, and what filled the groups.
        searches = [leg.limit for leg in found.explanation.legs]
        assert searches == [8, 16]


@pytest.mark.parametrize("is_flushed", [True, False])
def test_groups_of_whole_json_values(is_flushed):
    values = [{"n": 1, "t": "a"}, {"t": "a", "n": 2}, None, [1, 2], "a", 1, True]
    rows = [
        {"id": 10 * copy + i, "meta": value, "v": [copy + i / 10]}
        for copy in range(4)
        for i, value in enumerate(values)
    ]
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("meta", DataType.JSON, nullable=True),
        Field("v", DataType.FLOAT_VECTOR, dim=1, metric="L2"),
    ]
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", Schema(fields))
        made.insert(rows)
        # The order of keys makes no other value.
        made.insert([{"id": 70, "meta": {"t": "a", "n": 1}, "v": [0.05]}])
        if is_flushed:
            made.flush()
        asked = {"group_by": "meta", "group_size": 2, "recall": 1.0}
        for limit, offset in ((3, 0), (3, 2), (10, 0)):
            found = made.search([0.0], "v", limit, offset=offset, **asked)
            expected = [(v, [i, 70 if i == 0 else 10 + i]) for i, v in enumerate(values)]
            assert shown(found) == expected[offset : offset + limit]


@pytest.mark.parametrize("front", [True, 1, False, 0, None, "a", [1], 2])
def test_no_value_hides_one_that_filters_take_for_the_same(front):
    """``true`` and 1 are two groups, though ``meta["k"] == 1`` is true of both."""
    values = [True, 1, False, 0, None, "a", [1], 2, "1", {"x": 1}]
    values.sort(key=lambda value: repr(value) != repr(front))
    rows = []
    for place, value in enumerate(values):
        first, count = 100 * place, 40 if place == 0 else 3
        rows += [{"id": first + i, "meta": {"k": value}, "v": [first + i]} for i in range(count)]
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("meta", DataType.JSON),
        Field("v", DataType.FLOAT_VECTOR, dim=1, metric="L2"),
    ]
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", Schema(fields))
        made.insert(rows)
        asked = {"group_by": 'meta["k"]', "group_size": 2, "recall": 1.0}
        for limit in (1, 2, 3, len(values), 20):
            found = made.search([0.0], "v", limit, **asked)
            expected = [(v, [100 * i, 100 * i + 1]) for i, v in enumerate(values[:limit])]
            assert repr(shown(found)) == repr(expected)
        for place, value in enumerate(values):
            said = made.why_not(100 * place + 2, [0.0], "v", 2, **asked)
            assert said.cause == ("group_full" if place < 2 else "group_limit")
            assert repr(said.group.value) == repr(value)
            assert (said.group.rank, said.group.place) == (place + 1, 3)


def test_undeclared_keys_of_a_dynamic_schema():
    with elanus.connect(":memory:") as db:
        made = db.create_collection("papers", paper_schema(metric="IP", dynamic=True))
        made.insert([{**row, "owner": f"u{row['id'] % 4}"} for row in papers(30)])
        everything = made.search(QUERY, "dense", 1000, output=["owner"])
        found = made.search(QUERY, "dense", 3, group_by="owner", group_size=2, output=["owner"])
        assert shown(found) == grouped(everything, lambda entity: entity["owner"], 3, 2)


def test_nothing_found_has_no_groups(collection):
    assert collection.search(QUERY, "dense", filter="id < 0", group_by="year").groups == ()
    assert collection.search(QUERY, "dense").groups == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_by": "yaer"}, "group_by: .*no field 'yaer'"),
        ({"group_by": "dense"}, "group_by: "),
        ({"group_by": "year is null or id"}, "group_by: "),
        ({"group_by": 3}, "group_by: expected a field, a path, or a list of 1 to 10 .*, got 3"),
        ({"group_by": "year", "group_size": 0}, "group_size: expected 1 to 16384, got 0"),
        ({"group_by": "year", "group_size": True}, "group_size: expected 1 to 16384, got True"),
    ],
)
def test_what_cannot_be_grouped_by_is_refused(options, message):
    with elanus.connect(":memory:") as db:
        made = db.create_collection("papers", paper_schema())
        with pytest.raises(InvalidArgumentError, match=message):
            made.search(QUERY, "dense", **options)


def test_fractions_cannot_be_grouped_by():
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("share", DataType.DOUBLE),
        Field("v", DataType.FLOAT_VECTOR, dim=1),
    ]
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", Schema(fields))
        with pytest.raises(
            InvalidArgumentError, match="group_by: expected a field of whole numbers"
        ):
            made.search([1.0], "v", 3, group_by="share")
