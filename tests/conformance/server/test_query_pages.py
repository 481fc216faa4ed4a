"""Which pages of queries and names of outputs Milvus takes."""

from __future__ import annotations

from typing import Any

import pytest
from pymilvus import MilvusException


@pytest.fixture
def rows(client) -> str:
    if not client.has_collection("rows"):
        client.create_collection("rows", 2)
        client.insert("rows", [{"id": i, "vector": [1.0, i]} for i in range(9)])
    return "rows"


WRONG_QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"output_fields": ["**"]}, "parse output field name failed: **"),
    ({"output_fields": ["*", "@"]}, "parse output field name failed: @"),
    ({"output_fields": ['$meta["a"]["b"]']}, 'parse output field name failed: $meta["a"]["b"]'),
    ({"ignore_growing": 2.3}, "parse ignore growing field failed"),
    ({"limit": -1}, "limit [-1] is invalid, should be greater than 0"),
]


@pytest.mark.parametrize(("options", "text"), WRONG_QUERIES)
def test_wrong_queries_say_what_is_wrong(client, rows, options, text):
    with pytest.raises(MilvusException) as raised:
        client.query(rows, filter="id >= 0", **options)
    assert text in raised.value.message
    assert raised.value.code == 1100


def test_an_offset_counts_with_a_limit_only(client, rows):
    asked = {"filter": "id in [1, 2, 5]", "output_fields": ["id"]}
    assert [row["id"] for row in client.query(rows, offset=2, **asked)] == [1, 2, 5]
    assert [row["id"] for row in client.query(rows, offset=2, limit=9, **asked)] == [5]
