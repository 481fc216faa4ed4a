"""Searches and queries give over gRPC what they give embedded."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pymilvus import (
    AnnSearchRequest,
    DataType,
    Function,
    FunctionScore,
    FunctionType,
    LexicalHighlighter,
    MilvusException,
    RRFRanker,
    WeightedRanker,
)

import elanus

RNG = np.random.default_rng(11)
ROWS = 600
VECTORS = RNG.normal(size=(ROWS, 8)).astype(np.float32)
WORDS = ["red", "fox", "blue", "dog", "graph", "index", "tree", "river"]
QUERY = VECTORS[5] + 0.1


def entity(i: int) -> dict[str, Any]:
    return {
        "id": i,
        "dense": VECTORS[i].tolist(),
        "text": " ".join(WORDS[(i * k) % 8] for k in range(1, 5)),
        "year": 2000 + i % 25,
        "source": f"s{i % 7}",
        "meta": {"lang": "en" if i % 3 else "de", "tags": [WORDS[i % 8]]},
        "extra": i % 11,
    }


@pytest.fixture(scope="module")
def papers(client):
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=8)
    schema.add_field("text", DataType.VARCHAR, max_length=200, enable_analyzer=True)
    schema.add_field("year", DataType.INT64)
    schema.add_field("source", DataType.VARCHAR, max_length=9)
    schema.add_field("meta", DataType.JSON)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="words",
            function_type=FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["words"],
        )
    )
    params = client.prepare_index_params()
    params.add_index("dense", index_type="AUTOINDEX", metric_type="COSINE")
    params.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")

    def make() -> str:
        if not client.has_collection("papers"):
            client.create_collection("papers", schema=schema, index_params=params)
            client.insert("papers", [entity(i) for i in range(ROWS)])
        return "papers"

    return make


@pytest.fixture
def own(papers, embedded) -> elanus.Collection:
    return embedded.collection(papers())


def pairs(found: Any) -> list[tuple[int, float]]:
    return [(hit["id"], pytest.approx(hit["distance"], rel=1e-5)) for hit in found]


def own_pairs(result: elanus.SearchResult) -> list[tuple[Any, float]]:
    return list(zip(result.ids, [hit.score for hit in result], strict=True))


FILTERS = [
    "",
    "year > 2010",
    'source in ["s1", "s2"] and year < 2020',
    'meta["lang"] == "de"',
    "extra == 3",
    'text like "red%"',
    'json_contains(meta["tags"], "fox")',
    "not (year == 2001)",
]


@pytest.mark.parametrize("expression", FILTERS)
def test_dense_searches(client, own, expression):
    found = client.search(
        "papers",
        [QUERY.tolist(), VECTORS[9].tolist()],
        anns_field="dense",
        filter=expression,
        limit=12,
        output_fields=["year", "meta", "extra"],
    )
    asked = own.search(
        np.stack([QUERY, VECTORS[9]]),
        "dense",
        12,
        filter=expression or None,
        output=["year", "meta", "extra"],
    )
    for hits, result in zip(found, asked, strict=True):
        assert pairs(hits) == own_pairs(result)
        assert [hit["entity"] for hit in hits] == [hit.entity for hit in result]


@pytest.mark.parametrize("expression", FILTERS)
def test_queries(client, own, expression):
    got = client.query(
        "papers", filter=expression, output_fields=["year", "source", "extra"], limit=1000
    )
    asked = own.query(expression or None, ["year", "source", "extra"], limit=1000)
    assert [dict(row) for row in got] == asked
    (count,) = client.query("papers", filter=expression, output_fields=["count(*)"])
    assert count["count(*)"] == len(asked)


def test_templates_are_values(client, own):
    params = {"names": ["s1", 's"2'], "year": 2005}
    expression = "source in {names} and year >= {year}"
    got = client.query("papers", filter=expression, filter_params=params, output_fields=["id"])
    asked = own.query(expression, ["id"], params=params)
    assert [dict(row) for row in got] == asked
    assert asked
    found = client.search(
        "papers",
        [QUERY.tolist()],
        anns_field="dense",
        filter=expression,
        filter_params=params,
    )[0]
    assert pairs(found) == own_pairs(
        own.search(QUERY, "dense", 10, filter=expression, params=params)
    )


def test_pages_and_rounding(client, own):
    found = client.search(
        "papers",
        [QUERY.tolist()],
        anns_field="dense",
        limit=5,
        search_params={"offset": 10, "params": {}},
        round_decimal=2,
    )[0]
    asked = own.search(QUERY, "dense", 5, offset=10, round_decimal=2)
    assert pairs(found) == own_pairs(asked)
    got = client.query("papers", filter="id >= 0", limit=5, offset=20, output_fields=["id"])
    assert [row["id"] for row in got] == [20, 21, 22, 23, 24]


def test_ranges(client, own):
    params = {"params": {"radius": 0.2, "range_filter": 0.8}}
    found = client.search(
        "papers", [QUERY.tolist()], anns_field="dense", limit=50, search_params=params
    )[0]
    asked = own.search(QUERY, "dense", 50, radius=0.2, range_filter=0.8)
    assert pairs(found) == own_pairs(asked)
    assert all(0.2 < hit["distance"] <= 0.8 for hit in found)
    assert len(found) > 3


@pytest.mark.parametrize("size", [1, 3])
def test_groups(client, own, size):
    found = client.search(
        "papers",
        [QUERY.tolist()],
        anns_field="dense",
        limit=4,
        group_by_field="source",
        group_size=size,
        strict_group_size=True,
        output_fields=["source"],
    )[0]
    asked = own.search(QUERY, "dense", 4, group_by="source", group_size=size, output=["source"])
    assert pairs(found) == own_pairs(asked)
    assert len(found) == 4 * size


def test_groups_of_whole_json_values(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("meta", DataType.JSON, nullable=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection("grouped", schema=schema, index_params=index)
    values = [{"n": 1}, {"n": 2}, None, [1]]
    rows = [{"id": i, "meta": values[i % 4], "v": [i, 0]} for i in range(12)]
    client.insert("grouped", rows)
    options = {"limit": 4, "group_by_field": "meta", "group_size": 2, "output_fields": ["meta"]}
    found = client.search("grouped", [[0.0, 0.0]], **options)[0]
    assert [(hit["id"], hit["entity"]["meta"]) for hit in found] == [
        (i + k, value) for i, value in enumerate(values) for k in (0, 4)
    ]
    client.drop_collection("grouped")


def test_full_text_and_highlights(client, own):
    found = client.search(
        "papers",
        ["fox graph"],
        anns_field="words",
        limit=7,
        output_fields=["text"],
        highlighter=LexicalHighlighter(pre_tags=["<b>"], post_tags=["</b>"]),
    )[0]
    asked = own.search(
        "fox graph",
        "words",
        7,
        output=["text"],
        highlight={"pre_tags": ["<b>"], "post_tags": ["</b>"]},
    )
    assert pairs(found) == own_pairs(asked)
    marked = [hit["highlight"]["text"]["fragments"] for hit in found]
    assert marked == [hit.highlights["text"] for hit in asked]
    assert "<b>" in marked[0][0]


def test_hybrid_searches(client, own):
    requests = [
        AnnSearchRequest(
            [QUERY.tolist()], "dense", {}, 30, expr="year > {low}", expr_params={"low": 2005}
        ),
        AnnSearchRequest(
            ["fox graph"], "words", {}, 20, expr="year < {low}", expr_params={"low": 2020}
        ),
    ]
    legs = [
        elanus.Leg("dense", QUERY, limit=30, filter="year > 2005"),
        elanus.Leg("words", "fox graph", limit=20, filter="year < 2020"),
    ]
    for ranker, fusion in [
        (RRFRanker(40), elanus.RRF(40)),
        (WeightedRanker(0.4, 0.9), elanus.Weighted(weights=(0.4, 0.9))),
        (
            WeightedRanker(0.4, 0.9, norm_score=False),
            elanus.Weighted(weights=(0.4, 0.9), norm_score=False),
        ),
        (
            Function(
                name="rrf",
                function_type=FunctionType.RERANK,
                input_field_names=[],
                params={"reranker": "rrf", "k": 10},
            ),
            elanus.RRF(10),
        ),
    ]:
        found = client.hybrid_search("papers", requests, ranker, limit=9, output_fields=["year"])[0]
        asked = own.hybrid_search(legs, fusion, 9, output=["year"])
        assert pairs(found) == own_pairs(asked)
        assert [hit["entity"] for hit in found] == [hit.entity for hit in asked]
    several = [
        AnnSearchRequest([QUERY.tolist(), (-QUERY).tolist()], "dense", {}, 30),
        AnnSearchRequest(["fox graph", "index"], "words", {}, 20),
    ]
    found = client.hybrid_search("papers", several, RRFRanker(), limit=9)
    asked = own.hybrid_search(
        [
            elanus.Leg("dense", np.stack([QUERY, -QUERY]), limit=30),
            elanus.Leg("words", ["fox graph", "index"], limit=20),
        ],
        limit=9,
    )
    assert [pairs(one) for one in found] == [own_pairs(one) for one in asked]
    assert len(found) == 2
    grouped = client.hybrid_search(
        "papers", requests, RRFRanker(), limit=3, group_by_field="source", group_size=2
    )[0]
    asked = own.hybrid_search(legs, elanus.RRF(), 3, group_by="source", group_size=2)
    assert pairs(grouped) == own_pairs(asked)


def test_a_hybrid_search_of_one_request_is_fused_as_of_several(client, own):
    one = [AnnSearchRequest([QUERY.tolist()], "dense", {}, 30)]
    alone = own.search(QUERY, "dense", 9)
    found = client.hybrid_search("papers", one, RRFRanker(40), limit=9)[0]
    fused = [(hit.id, pytest.approx(1 / (40 + rank))) for rank, hit in enumerate(alone, 1)]
    assert pairs(found) == fused
    found = client.hybrid_search("papers", one, WeightedRanker(0.5), limit=9)[0]
    asked = own.hybrid_search(
        [elanus.Leg("dense", QUERY, limit=30)], elanus.Weighted(weights=(0.5,)), 9
    )
    assert pairs(found) == own_pairs(asked)
    assert max(hit.score for hit in asked) <= 0.5


def test_rankers(client, own):
    decay = Function(
        name="recent",
        function_type=FunctionType.RERANK,
        input_field_names=["year"],
        params={
            "reranker": "decay",
            "function": "gauss",
            "origin": 2020,
            "scale": 5,
            "offset": 1,
            "decay": 0.3,
        },
    )
    found = client.search("papers", [QUERY.tolist()], anns_field="dense", limit=6, ranker=decay)[0]
    asked = own.search(
        QUERY,
        "dense",
        6,
        ranker=elanus.Decay("year", "gauss", origin=2020, scale=5, offset=1, decay=0.3),
    )
    assert pairs(found) == own_pairs(asked)
    boosts = FunctionScore(
        functions=[
            Function(
                name="b",
                function_type=FunctionType.RERANK,
                input_field_names=[],
                params={"reranker": "boost", "filter": "year > 2015", "weight": 1.5},
            ),
        ],
        params={"boost_mode": "multiply"},
    )
    found = client.search("papers", [QUERY.tolist()], anns_field="dense", limit=6, ranker=boosts)[0]
    asked = own.search(
        QUERY,
        "dense",
        6,
        ranker=elanus.FunctionScore([elanus.Boost("year > 2015", 1.5)]),
    )
    assert pairs(found) == own_pairs(asked)


def test_search_by_ids_and_order(client, own):
    found = client.search("papers", ids=[3, 8], anns_field="dense", limit=4)
    asked = own.search(ids=[3, 8], field="dense", limit=4)
    assert [pairs(hits) for hits in found] == [own_pairs(result) for result in asked]
    with pytest.raises(MilvusException, match="no entity"):
        client.search("papers", ids=[3, 10**9], anns_field="dense", limit=4)
    ordered = client.search(
        "papers",
        [QUERY.tolist()],
        anns_field="dense",
        limit=8,
        order_by_fields=[{"field": "year", "order": "desc"}],
        output_fields=["source"],
    )[0]
    best = own.search(QUERY, "dense", 8, output=["year"])
    wanted = [hit.id for hit in sorted(best, key=lambda hit: -hit.entity["year"])]
    assert [hit["id"] for hit in ordered] == wanted
    got = client.query(
        "papers",
        filter="id < 50",
        output_fields=["year"],
        order_by_fields=[{"field": "year", "order": "desc"}],
        limit=9,
    )
    assert [row["id"] for row in got] == [
        row["id"] for row in own.query("id < 50", ["id"], order_by="year desc", limit=9)
    ]


def test_aggregates(client, own):
    got = client.query(
        "papers",
        filter="year > 2010",
        output_fields=["source", "count(*)", "max(year)", "avg(year)"],
        group_by_fields=["source"],
    )
    asked = own.aggregate(
        ["count(*)", "max(year)", "avg(year)"], group_by="source", filter="year > 2010"
    )
    assert [dict(row) for row in got] == asked
    assert len(asked) == 7


@pytest.mark.parametrize("batch", [7, 100])
def test_iterators_go_through_everything_once(client, own, batch):
    iterator = client.search_iterator(
        "papers",
        [QUERY.tolist()],
        batch_size=batch,
        anns_field="dense",
        filter="year > 2010",
        output_fields=["year"],
        search_params={"metric_type": "COSINE"},
    )
    found: list[Any] = []
    while batch_of := iterator.next():
        found += [(hit["id"], hit["distance"]) for hit in batch_of]
    iterator.close()
    wanted = own.search(QUERY, "dense", ROWS, filter="year > 2010", recall=1.0)
    assert sorted(pk for pk, _ in found) == sorted(wanted.ids)
    assert [pk for pk, _ in found[:50]] == wanted.ids[:50]
    rows: list[Any] = []
    queried = client.query_iterator(
        "papers", batch_size=batch, filter="year > 2010", output_fields=["id"]
    )
    while batch_of := queried.next():
        rows += [row["id"] for row in batch_of]
    queried.close()
    assert rows == [row["id"] for row in own.query("year > 2010", ["id"])]


def test_writes_are_seen_at_once(client, own):
    client.upsert("papers", [{**entity(3), "year": 1900}])
    assert own.get([3], ["year"]) == [{"id": 3, "year": 1900}]
    client.upsert("papers", [{"id": 3, "source": "new"}], partial_update=True)
    (row,) = client.get("papers", [3], output_fields=["year", "source", "extra"])
    assert dict(row) == {"id": 3, "year": 1900, "source": "new", "extra": 3}
    assert client.delete("papers", ids=[3, 10**9])["delete_count"] == 1
    assert client.get("papers", [3]) == []
    gone = client.delete("papers", filter="extra == {n}", filter_params={"n": 4})
    assert gone["delete_count"] == len([i for i in range(ROWS) if i % 11 == 4])
    client.insert("papers", [entity(3)])
    client.insert("papers", [{**entity(3), "source": "again"}])
    assert [dict(r) for r in client.get("papers", [3], output_fields=["source"])] == [
        {"id": 3, "source": "again"}
    ]


DENSE = {"data": [QUERY.tolist()], "anns_field": "dense"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"data": [[1.0, 2.0]], "anns_field": "dense"}, "vector dimension mismatch"),
    ({"data": [QUERY.tolist()], "anns_field": "none"}, "fieldName(none) not found"),
    ({"data": [QUERY.tolist()], "anns_field": "year"}, "is not of vector data type"),
    ({"data": [QUERY.tolist()], "anns_field": ""}, "multiple anns_fields exist"),
    ({"data": ["fox"], "anns_field": "dense"}, "only fields that a function fills"),
    ({"data": [QUERY.tolist()], "anns_field": "words"}, "please provide varchar/text"),
    ({**DENSE, "limit": 20_000}, "topk [20000] is invalid"),
    ({**DENSE, "filter": "year >"}, "cannot parse expr"),
    ({**DENSE, "output_fields": ["words"]}, "raw data"),
    ({**DENSE, "search_params": {"metric_type": "L2"}}, "metric type not match"),
    ({**DENSE, "search_params": {"params": {"ef": 3}}}, "ef(3) should be larger than k(10)"),
    ({**DENSE, "partition_names": ["none"]}, "partition name none not found"),
]


@pytest.mark.parametrize(("options", "text"), WRONG, ids=[text for _, text in WRONG])
def test_wrong_searches_say_what_is_wrong(client, own, options, text):
    assert own.name == "papers"
    with pytest.raises(MilvusException) as raised:
        client.search("papers", **options)
    assert text in raised.value.message
    assert raised.value.code in (1100, 200)


def test_wrong_writes_change_nothing(client, own):
    before = own.last_seq
    for rows, text in [
        ([{**entity(1), "dense": [1.0]}], "dim"),
        ([{**entity(1), "text": "x" * 300}], "exceeds max length"),
        ([{**entity(1), "source": "longer than nine"}], "exceeds max length"),
    ]:
        with pytest.raises(Exception, match=text):
            client.insert("papers", rows)
    with pytest.raises(MilvusException, match="delete plan can't be empty"):
        client._get_connection().delete("papers", " ")
    assert own.last_seq == before


def test_answers_are_json(client, own):
    """Numbers and texts come back as plain Python values."""
    assert own.name == "papers"
    found = client.search("papers", [QUERY.tolist()], anns_field="dense", output_fields=["*"])
    assert json.loads(json.dumps(found[0][0]["entity"]))["meta"]["lang"] in ("en", "de")
