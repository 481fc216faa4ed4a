"""Groups of a query, their pages and their order, as Milvus has them."""

from __future__ import annotations

from typing import Any

import pytest
from pymilvus import DataType, MilvusClient, MilvusException

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
        ({"order_by_fields": ["year:up"], "limit": 3}, "expected asc or desc, got 'up'"),
        ({"order_by_fields": ["year:asc:first"], "limit": 3}, "invalid null ordering 'first'"),
    ],
)
def test_what_milvus_refuses(grouped: MilvusClient, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MilvusException) as caught:
        ask(grouped, **options)
    assert caught.value.code == INVALID
    assert message in caught.value.message


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


def test_hits_are_ordered_by_long_names_of_directions(grouped: MilvusClient) -> None:
    asked = {"anns_field": "dense", "limit": 10, "output_fields": ["cat"]}
    for said, wanted in (("Ascending", 0), ("descending", 4)):
        order = [{"field": "cat", "order": said}]
        (hits,) = grouped.search("groups", [[0.0, 1.0]], order_by_fields=order, **asked)
        assert hits[0]["entity"]["cat"] == f"c{wanted}"
