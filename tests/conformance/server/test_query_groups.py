"""Groups of a query, their pages and their order, as Milvus has them."""

from __future__ import annotations

from typing import Any

import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException

from support.rest_client import RestClient

INVALID = 1100
YEARS = [None, 2003, 2001, None, 2002, 2001, 2000, 2003, None, 2002]
"""Of ten entities, whose groups are c0 to c4."""


@pytest.fixture
def grouped(client: MilvusClient) -> MilvusClient:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("cat", DataType.VARCHAR, max_length=9)
    schema.add_field("year", DataType.INT32, nullable=True)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("share", DataType.FLOAT)
    schema.add_field("flag", DataType.BOOL)
    params = client.prepare_index_params()
    params.add_index("dense", index_type="FLAT", metric_type="L2")
    client.create_collection("groups", schema=schema, index_params=params)
    client.insert(
        "groups",
        [
            {
                "id": i,
                "dense": [float(i), 1.0],
                "cat": f"c{i % 5}",
                "year": year,
                "price": i / 4,
                "share": i / 8,
                "flag": i > 4,
            }
            for i, year in enumerate(YEARS)
        ],
    )
    return client


@pytest.fixture
def rest(grouped: MilvusClient, uri: str) -> RestClient:
    return RestClient(uri)


def ask(client: MilvusClient, **options: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in client.query("groups", **{"filter": "id >= 0", **options})]


def years(client: MilvusClient, order: list[str]) -> list[Any]:
    found = ask(client, output_fields=["year"], order_by_fields=order, limit=10)
    return [row["year"] for row in found]


GROUPS = {"output_fields": ["cat", "count(*)"], "group_by_fields": ["cat"]}


def cats(names: str) -> list[dict[str, Any]]:
    return [{"cat": f"c{name}", "count(*)": 2} for name in names]


def test_groups_come_in_the_order_and_the_page_asked_for(grouped: MilvusClient) -> None:
    assert ask(grouped, **GROUPS, order_by_fields=["cat:desc"], limit=2, offset=1) == cats("32")
    assert ask(grouped, **GROUPS, order_by_fields=["cat:desc"], limit=9) == cats("43210")
    assert ask(grouped, **GROUPS, limit=2) == cats("01")
    assert ask(grouped, **GROUPS, limit=9, offset=4) == cats("4")
    assert ask(grouped, **GROUPS) == cats("01234")
    assert ask(grouped, **{**GROUPS, "filter": ""}) == cats("01234")
    found = ask(
        grouped,
        output_fields=["year", "max(id)"],
        group_by_fields=["year"],
        order_by_fields=["year:desc"],
        limit=3,
    )
    assert found == [
        {"year": None, "max(id)": 8},
        {"year": 2003, "max(id)": 7},
        {"year": 2002, "max(id)": 9},
    ]


def test_groups_over_rest_have_pages_and_an_order(rest: RestClient) -> None:
    asked = {"outputFields": ["cat", "count(*)"], "groupByFields": ["cat"], "filter": "id >= 0"}
    page = {"orderByFields": ["cat:desc"], "limit": 2, "offset": 1}
    assert rest.data("entities/query", collectionName="groups", **asked, **page) == cats("32")
    for names in (["count(*)"], ["count(*)", "max(id)"]):
        (found,) = rest.data("entities/query", collectionName="groups", outputFields=names)
        assert (found["count(*)"], sorted(found)) == (10, names)


def test_rows_have_the_fields_asked_for(grouped: MilvusClient) -> None:
    assert ask(grouped, output_fields=["count(*)"], group_by_fields=["cat"]) == [
        {"count(*)": 2} for _ in range(5)
    ]
    both = {"group_by_fields": ["cat", "id"], "limit": 2}
    assert ask(grouped, output_fields=["max(id)", "cat"], **both) == [
        {"max(id)": 0, "cat": "c0"},
        {"max(id)": 5, "cat": "c0"},
    ]


@pytest.mark.parametrize("name", ["count(*)", " count(*)", "COUNT(*)", " Count(*) "])
def test_a_count_is_named_as_milvus_names_it(grouped: MilvusClient, name: str) -> None:
    assert ask(grouped, filter="", output_fields=[name]) == [{"count(*)": 10}]
    found = ask(grouped, output_fields=["cat", name], group_by_fields=["cat"], limit=1)
    assert found == cats("0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_fields": ["count(*)"], "limit": 3}, "count entities with pagination"),
        ({"output_fields": ["COUNT(*)", "max(id)"], "limit": 3}, "count entities with pagination"),
        (
            {"output_fields": ["count(*)"], "order_by_fields": ["cat"], "limit": 3},
            "ORDER BY field 'cat' is not valid",
        ),
        (
            {**GROUPS, "order_by_fields": ["year:desc"], "limit": 3},
            "ORDER BY field 'year' is not valid",
        ),
        (
            {**GROUPS, "order_by_fields": ["count(*):desc"], "limit": 3},
            "ORDER BY on aggregate expression 'count(*)' is not yet supported",
        ),
        (
            {"output_fields": ["count(*)"], "group_by_fields": ["price"]},
            "group by field price has unsupported data type DOUBLE",
        ),
        (
            {"output_fields": ["share"], "group_by_fields": ["share"]},
            "group by field share has unsupported data type FLOAT",
        ),
        (
            {"output_fields": ["flag"], "group_by_fields": ["flag"]},
            "group by field flag has unsupported data type BOOL",
        ),
        ({**GROUPS, "limit": 0}, "limit [0] is invalid"),
        ({**GROUPS, "limit": 3, "offset": -1}, "offset [-1] is invalid"),
        (
            {"order_by_fields": ["year:up"], "limit": 3},
            "invalid order direction 'up' for field 'year', must be 'asc' or 'desc'",
        ),
        ({"order_by_fields": ["none"], "limit": 3}, "order_by field 'none' does not exist"),
        ({"order_by_fields": ["year"]}, "ORDER BY requires explicit limit"),
        ({"order_by_fields": [":asc"], "limit": 3}, "order_by field '' does not exist"),
        (
            {"order_by_fields": ["dense"], "limit": 3},
            "order_by field 'dense' has type FloatVector which is not sortable",
        ),
        ({"order_by_fields": ["year:asc:first"], "limit": 3}, "invalid null ordering 'first'"),
    ],
)
def test_what_milvus_refuses(grouped: MilvusClient, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MilvusException) as caught:
        ask(grouped, **options)
    assert caught.value.code == INVALID
    assert message in caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        {"output_fields": ["sum(extra)"]},
        {"output_fields": ["extra", "count(*)"], "group_by_fields": ["extra"]},
    ],
)
def test_groups_and_sums_are_of_declared_fields(
    client: MilvusClient, options: dict[str, Any]
) -> None:
    client.create_collection("loose", dimension=2)
    client.insert("loose", [{"id": 1, "vector": [0.0, 1.0], "extra": 3}])
    with pytest.raises(MilvusException, match="field extra not exist") as caught:
        client.query("loose", filter="", **options)
    assert caught.value.code == INVALID


def test_iterators_have_no_order_of_fields(grouped: MilvusClient) -> None:
    with pytest.raises(MilvusException, match="ORDER BY with iterator is not supported") as caught:
        grouped.query_iterator("groups", batch_size=3, order_by_fields=["year"])
    assert caught.value.code == INVALID


UP = sorted(year for year in YEARS if year)
NULLS = [None] * 3


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("year", UP + NULLS),
        ("year:asc", UP + NULLS),
        ("year:Ascending", UP + NULLS),
        ("year::nulls_first", NULLS + UP),
        ("year:asc:NULLS_FIRST", NULLS + UP),
        ("year:asc:nulls_last", UP + NULLS),
        ("year:desc", NULLS + UP[::-1]),
        ("year:DESCENDING", NULLS + UP[::-1]),
        ("year:desc:nulls_last", UP[::-1] + NULLS),
        (" year : desc : nulls_first ", NULLS + UP[::-1]),
    ],
)
def test_nulls_stand_where_milvus_puts_them(
    grouped: MilvusClient, order: str, wanted: list[Any]
) -> None:
    assert years(grouped, [order]) == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("asc", UP + NULLS),
        ("descending", NULLS + UP[::-1]),
        ("asc:nulls_first", NULLS + UP),
        ("DESC:nulls_last", UP[::-1] + NULLS),
    ],
)
def test_hits_come_in_order_before_their_pages_are_cut(
    grouped: MilvusClient, said: str, wanted: list[Any]
) -> None:
    asked = {"anns_field": "dense", "order_by_fields": [{"field": "year", "order": said}]}
    for offset, limit in ((0, 10), (2, 8), (7, 3)):
        (hits,) = grouped.search(
            "groups", [[0.0, 1.0]], limit=limit, search_params={"offset": offset}, **asked
        )
        found = grouped.query("groups", ids=[hit["id"] for hit in hits], output_fields=["year"])
        by_id = {row["id"]: row["year"] for row in found}
        assert [by_id[hit["id"]] for hit in hits] == wanted[offset : offset + limit]


def test_groups_of_hits_are_ordered_by_their_first_and_stay_together(
    grouped: MilvusClient,
) -> None:
    asked = {"anns_field": "dense", "group_by_field": "cat", "group_size": 2}
    order = [{"field": "id", "order": "desc"}]
    asked |= {"strict_group_size": True, "output_fields": ["cat"]}
    (plain,) = grouped.search("groups", [[0.0, 1.0]], limit=5, **asked)
    groups = [plain[place : place + 2] for place in range(0, 10, 2)]
    wanted = sorted(groups, key=lambda group: -group[0]["id"])
    (found,) = grouped.search(
        "groups", [[0.0, 1.0]], limit=4, offset=1, order_by_fields=order, **asked
    )
    shown = [(hit["id"], hit["entity"]["cat"]) for hit in found]
    assert shown == [(h["id"], h["entity"]["cat"]) for group in wanted[1:] for h in group]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("none", "order_by field 'none' does not exist in collection schema"),
        ("doc[x", "order_by field 'doc[x:asc' does not exist in collection schema"),
        ("dense", "order_by field 'dense' has unsortable type FloatVector; supported types: bool,"),
        ("cat['x']", "order_by field 'cat['x']' has brackets but is not a JSON type"),
        ("none['x']", "order_by field 'none' not found in schema and no dynamic field available"),
    ],
)
def test_hits_are_not_ordered_by_what_has_no_order(
    grouped: MilvusClient, field: str, message: str
) -> None:
    with pytest.raises(MilvusException) as caught:
        grouped.search(
            "groups", [[0.0, 1.0]], limit=1, order_by_fields=[{"field": field, "order": "asc"}]
        )
    assert caught.value.code == INVALID
    assert message in caught.value.message


def test_orders_of_hits_go_with_nothing_that_has_its_own(
    grouped: MilvusClient, rest: RestClient
) -> None:
    order = [{"field": "cat", "order": "up"}]
    boost = Function("b", FunctionType.RERANK, [], params={"reranker": "boost", "weight": 2})
    for options, message in (
        ({}, "invalid order direction 'up' for field 'cat', expected 'asc' or 'desc'"),
        ({"ranker": boost}, "order_by and function_score cannot be used together"),
    ):
        with pytest.raises(MilvusException, match=message):
            grouped.search("groups", [[0.0, 1.0]], limit=1, order_by_fields=order, **options)
        order = [{"field": "cat", "order": "asc"}]
    body = {"collectionName": "groups", "data": [[0.0, 1.0]], "orderByFields": ["cat"]}
    for params in ({"order_by_fields": "id"}, {"params": {"order_by_fields": "id"}}):
        told = rest.post("entities/search", **body, searchParams=params)
        assert told["code"] == INVALID
        assert "ambiguous order by" in told["message"]
