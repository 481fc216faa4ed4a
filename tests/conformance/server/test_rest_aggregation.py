"""Search aggregations and function chains over REST: buckets and orders worked out by hand."""

from __future__ import annotations

import pytest

from support.rest_client import RestClient

NAME = "shelf"
# By their inner products with (1, 0): 10, 9, ... of row 1 to row 8.
ROWS = [
    {"id": 1, "kind": "a", "maker": "x", "price": 30, "weight": 1.5},
    {"id": 2, "kind": "b", "maker": "x", "price": 10, "weight": 0.1},
    {"id": 3, "kind": "a", "maker": "y", "price": 20, "weight": 2.5},
    {"id": 4, "kind": "a", "maker": "x", "price": 5, "weight": 0.5},
    {"id": 5, "kind": "c", "maker": "z", "price": 50, "weight": 3.5},
    {"id": 6, "kind": None, "maker": "z", "price": 7, "weight": 0.0},
    {"id": 7, "kind": "b", "maker": "y", "price": 40, "weight": 4.5},
    {"id": 8, "kind": "a", "maker": "y", "price": 60, "weight": 5.5},
]


@pytest.fixture(scope="module")
def rest(uri):
    made = RestClient(uri)
    fields = [
        {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
        {
            "fieldName": "kind",
            "dataType": "VarChar",
            "nullable": True,
            "elementTypeParams": {"max_length": 9},
        },
        {"fieldName": "maker", "dataType": "VarChar", "elementTypeParams": {"max_length": 9}},
        {"fieldName": "price", "dataType": "Int32"},
        {"fieldName": "weight", "dataType": "Float"},
        {"fieldName": "notes", "dataType": "JSON"},
        {
            "fieldName": "tags",
            "dataType": "Array",
            "elementDataType": "Int64",
            "elementTypeParams": {"max_capacity": 9},
        },
        {"fieldName": "vector", "dataType": "FloatVector", "elementTypeParams": {"dim": 2}},
    ]
    index = {"fieldName": "vector", "metricType": "IP", "indexType": "FLAT"}
    made.data(
        "collections/create",
        collectionName=NAME,
        schema={"fields": fields},
        indexParams=[index],
    )
    rows = [
        {**row, "vector": [11 - row["id"], 0.0], "notes": {"n": row["id"]}, "tags": [row["id"]]}
        for row in ROWS
    ]
    made.data("entities/insert", collectionName=NAME, data=rows)
    yield made
    made.data("collections/drop", collectionName=NAME)


def asked(**more):
    return {"collectionName": NAME, "data": [[1.0, 0.0]], "annsField": "vector", **more}


def keys(buckets):
    return [tuple(part["value"] for part in bucket["key"]) for bucket in buckets]


def test_buckets_with_metrics_an_order_and_hits(rest):
    told = rest.post(
        "entities/search",
        **asked(
            # As with Milvus, it bounds no buckets.
            limit=1,
            outputFields=["maker", "price", "weight", "notes", "tags"],
            searchAggregation={
                "fields": ["kind"],
                "size": 3,
                "searchSize": 4,
                "metrics": {
                    "all": {"op": "count", "fieldName": "*"},
                    "mean": {"op": "avg", "fieldName": "price"},
                    "best": {"op": "max", "fieldName": "_score"},
                },
                "order": [{"key": "mean", "direction": "desc"}],
                "topHits": {"size": 2, "sort": [{"fieldName": "price", "direction": "asc"}]},
            },
        ),
    )
    assert (told["code"], told["cost"], told["aggTopks"]) == (0, 0, [3])
    (found,) = told["data"]
    # Two rows of each kind count, the nearest ones: 1 and 3, 2 and 7.
    assert keys(found["buckets"]) == [("c",), ("a",), ("b",)]
    assert [one["count"] for one in found["buckets"]] == [1, 2, 2]
    assert [one["metrics"] for one in found["buckets"]] == [
        {"all": 1, "mean": 50.0, "best": 6.0},
        {"all": 2, "mean": 25.0, "best": 10.0},
        {"all": 2, "mean": 25.0, "best": 9.0},
    ]
    hits = found["buckets"][1]["hits"]
    assert hits == [
        {
            "id": 3,
            "distance": 8.0,
            "maker": "y",
            "price": 20,
            "weight": 2.5,
            "notes": '{"n":3}',
            "tags": [3],
        },
        {
            "id": 1,
            "distance": 10.0,
            "maker": "x",
            "price": 30,
            "weight": 1.5,
            "notes": '{"n":1}',
            "tags": [1],
        },
    ]
    assert [part["fieldName"] for part in found["buckets"][0]["key"]] == ["kind"]
    assert found["buckets"][0]["subGroups"] == []


def test_levels_and_keys_that_are_null(rest):
    told = rest.post(
        "entities/search",
        **asked(
            data=[[1.0, 0.0], [-1.0, 0.0]],
            searchAggregation={
                "fields": ["maker"],
                "size": 3,
                "order": [{"key": "_key", "direction": "asc"}],
                "subAggregation": {
                    "fields": ["kind"],
                    "size": 3,
                    "order": [{"key": "_key", "direction": "asc", "nullFirst": True}],
                    "metrics": {"price": {"op": "sum", "fieldName": "price"}},
                    "topHits": {"size": 3},
                },
            },
        ),
    )
    assert told["aggTopks"] == [3, 3]
    for found in told["data"]:
        assert keys(found["buckets"]) == [("x",), ("y",), ("z",)]
        below = [one["subGroups"] for one in found["buckets"]]
        assert [keys(one) for one in below] == [
            [("a",), ("b",)],
            [("a",), ("b",)],
            [(None,), ("c",)],
        ]
        assert [sub["metrics"]["price"] for one in below for sub in one] == [35, 10, 80, 40, 7, 50]
        assert below[2][0]["hits"][0].keys() == {"id", "distance"}
    order = [hit["id"] for hit in told["data"][0]["buckets"][0]["subGroups"][0]["hits"]]
    assert order == [1, 4]


def test_long_numbers_are_texts_where_they_have_to_be(rest):
    told = rest.post(
        "entities/search",
        {"Accept-Type-Allow-Int64": "false"},
        **asked(
            outputFields=["price"],
            searchAggregation={
                "fields": ["price"],
                "size": 1,
                "metrics": {"sum": {"op": "sum", "fieldName": "price"}},
                "topHits": {"size": 1},
            },
        ),
    )
    bucket = told["data"][0]["buckets"][0]
    assert (told["aggTopks"], bucket["count"], bucket["metrics"]) == (["1"], "1", {"sum": "30"})
    assert keys([bucket]) == [(30,)]
    assert bucket["hits"] == [{"id": "1", "distance": 10.0, "price": 30}]


_BY_KIND = {"fields": ["kind"], "size": 2}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"data": [], "ids": [1]}, "ids and searchAggregation cannot be used"),
        ({"offset": 1}, "offset is not supported with searchAggregation"),
        ({"searchParams": {"offset": 1}}, "searchParams.offset is not supported"),
        ({"searchParams": {"params": {"offset": 1}}}, "searchParams.offset is not supported"),
        ({"groupingField": "kind"}, "groupingField/groupSize/strictGroupSize and"),
        ({"groupSize": 1}, "groupingField/groupSize/strictGroupSize and"),
        ({"searchParams": {"group_by_field": "kind"}}, "searchParams.group_by_field(s) and"),
        ({"orderByFields": ["price:asc"]}, "orderByFields and searchAggregation cannot"),
        ({"searchAggregation": {"fields": ["kind"]}}, "size: expected 1 to 10000, got 0"),
        ({"searchAggregation": {"size": 1}}, "fields is empty"),
        (
            {"searchAggregation": {**_BY_KIND, "metrics": {"a": {"op": "sum"}}}},
            "metrics['a']: expected _score, or a field",
        ),
        (
            {"searchAggregation": {**_BY_KIND, "order": [{"key": "_key", "direction": "up"}]}},
            "expected asc or desc, got 'up'",
        ),
    ],
)
def test_what_does_not_go_with_an_aggregation(rest, more, told):
    found = rest.post("entities/search", **asked(**{"searchAggregation": _BY_KIND, **more}))
    assert found["code"] == 1100
    assert told in found["message"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "searchAggregation: expected an object"),
        ({"fields": "kind"}, "searchAggregation.fields: expected an array of strings"),
        ({**_BY_KIND, "metrics": {"a": "sum"}}, "metrics.a: expected an object"),
        ({**_BY_KIND, "topHits": {"size": "1"}}, "topHits.size: expected a whole number"),
        ({**_BY_KIND, "subAggregation": {"size": 1.5}}, "subAggregation.size: expected a whole"),
    ],
)
def test_an_aggregation_of_another_shape(rest, given, told):
    found = rest.post("entities/search", **asked(searchAggregation=given))
    assert found["code"] == 1801
    assert told in found["message"]


def test_an_order_among_the_parameters_is_passed_over_as_by_milvus(rest):
    given = asked(searchParams={"order_by_fields": "price:asc"}, searchAggregation=_BY_KIND)
    found = rest.data("entities/search", **given)
    assert keys(found[0]["buckets"]) == [("a",), ("b",)]


@pytest.mark.parametrize("place", ["whole", "part"])
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"searchAggregation": _BY_KIND}, "searchAggregation is not supported for hybrid search"),
        ({"functionChains": [{}]}, "functionChains is not supported for hybrid search yet"),
    ],
)
def test_hybrid_searches_have_neither(rest, place, more, told):
    leg = {"data": [[1.0, 0.0]], "annsField": "vector", **(more if place == "part" else {})}
    body = {"collectionName": NAME, "search": [leg], "rerank": {"strategy": "rrf"}}
    found = rest.post("entities/hybrid_search", **body, **(more if place == "whole" else {}))
    assert (found["code"], told in found["message"]) == (1100, True)


def chain(*ops, stage="FunctionChainStageL2Rerank"):
    return [{"name": "made here", "stage": stage, "ops": list(ops)}]


def plus(*args, output="$score", **params):
    expr = {"name": "num_combine", "args": list(args), "params": {"mode": "sum", **params}}
    return {"op": "map", "outputs": [output], "expr": expr}


SCORE, PRICE = {"column": "$score"}, {"column": "price"}
BY_SCORE = {"op": "sort", "inputs": ["$score"], "params": {"column": "$score", "desc": True}}


def test_a_chain_computes_orders_and_cuts(rest):
    ops = (
        plus(PRICE, {"literal": 0.5}, output="dear"),
        plus(SCORE, {"column": "dear"}, mode="weighted", weights=[1, 2.0]),
        BY_SCORE,
        {"op": "limit", "params": {"limit": 3}},
    )
    told = rest.post("entities/search", **asked(outputFields=["id"], functionChains=chain(*ops)))
    # 11 - id + 2 * (price + 0.5)
    assert [(hit["id"], hit["distance"]) for hit in told["data"]] == [
        (8, 124.0),
        (5, 107.0),
        (7, 85.0),
    ]
    assert all(hit.keys() == {"id", "distance"} for hit in told["data"])
    assert told["topks"] == [3]


@pytest.mark.parametrize(
    ("chains", "code", "told"),
    [
        (chain(plus(SCORE, PRICE, output="$id")), 1100, "'$id' cannot be written"),
        (chain(plus(SCORE, PRICE, output="$other")), 1100, "'$other' cannot be written"),
        (chain(plus({"column": "$other"}, PRICE)), 1100, "'$other' is no numeric column"),
        (chain(plus(SCORE, {"literal": "text"})), 1100, "expected a number as a literal"),
        (chain(plus(SCORE), stage="Third"), 1100, "functionChains.stage: expected one of"),
        (chain(plus(SCORE), stage="FunctionChainStageIngestion"), 1100, "is not supported"),
        (chain(plus(SCORE, {})), 1801, "expected one of column and literal"),
        (chain(plus(SCORE, {"column": "a", "literal": 1})), 1801, "one of column and literal"),
        (chain({"op": "limit", "params": {"limit": {}}}), 1801, "params.limit: expected numbers"),
    ],
)
def test_chains_that_cannot_be_applied(rest, chains, code, told):
    found = rest.post("entities/search", **asked(functionChains=chains))
    assert (found["code"], told in found["message"]) == (code, True), found
