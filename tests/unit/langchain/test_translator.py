"""Structured queries become filters."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
)

from langchain_elanus import ElanusTranslator, ElanusVectorStore

C = Comparator


def compare(comparator: Comparator, attribute: str, value: Any) -> Comparison:
    return Comparison(comparator=comparator, attribute=attribute, value=value)


@pytest.mark.parametrize(
    ("directive", "expected", "found"),
    [
        (compare(C.EQ, "n", 2), {"n": {"$eq": 2}}, ["b"]),
        (compare(C.NE, "n", 2), {"n": {"$ne": 2}}, ["a", "c"]),
        (compare(C.GT, "n", 2), {"n": {"$gt": 2}}, ["c"]),
        (compare(C.GTE, "n", 2), {"n": {"$gte": 2}}, ["b", "c"]),
        (compare(C.LT, "n", 2), {"n": {"$lt": 2}}, ["a"]),
        (compare(C.LTE, "n", 2), {"n": {"$lte": 2}}, ["a", "b"]),
        (compare(C.CONTAIN, "tags", "eu"), {"tags": {"$contains": "eu"}}, ["a"]),
        (compare(C.LIKE, "s", "two%"), {"s": {"$like": "two%"}}, ["b"]),
        (compare(C.LIKE, "s", "hre"), {"s": {"$text_match": "hre"}}, ["c"]),
        (compare(C.IN, "n", [1, 3]), {"n": {"$in": [1, 3]}}, ["a", "c"]),
        (compare(C.IN, "n", 1), {"n": {"$in": [1]}}, ["a"]),
        (compare(C.NIN, "n", [1, 3]), {"n": {"$nin": [1, 3]}}, ["b"]),
        (
            compare(C.GTE, "day", {"type": "date", "date": "2024-02-01"}),
            {"day": {"$gte": "2024-02-01"}},
            ["b", "c"],
        ),
        (
            compare(C.IN, "day", [{"type": "datetime", "datetime": "2024-01-31"}]),
            {"day": {"$in": ["2024-01-31"]}},
            ["a"],
        ),
        (
            Operation(
                operator=Operator.AND, arguments=[compare(C.GT, "n", 1), compare(C.LT, "n", 3)]
            ),
            {"$and": [{"n": {"$gt": 1}}, {"n": {"$lt": 3}}]},
            ["b"],
        ),
        (
            Operation(
                operator=Operator.OR, arguments=[compare(C.EQ, "n", 1), compare(C.EQ, "n", 3)]
            ),
            {"$or": [{"n": {"$eq": 1}}, {"n": {"$eq": 3}}]},
            ["a", "c"],
        ),
        (
            Operation(
                operator=Operator.NOT,
                arguments=[compare(C.EQ, "n", 1)],
            ),
            {"$not": {"n": {"$eq": 1}}},
            ["b", "c"],
        ),
        (
            Operation(
                operator=Operator.NOT, arguments=[compare(C.EQ, "n", 1), compare(C.EQ, "n", 2)]
            ),
            {"$not": {"$or": [{"n": {"$eq": 1}}, {"n": {"$eq": 2}}]}},
            ["c"],
        ),
    ],
)
def test_translator_table(directive: Any, expected: dict[str, Any], found: list[str]) -> None:
    query = StructuredQuery(query="what", filter=directive)
    text, options = ElanusTranslator().visit_structured_query(query)
    assert (text, options) == ("what", {"filter": expected})
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=2), uri=":memory:")
    rows: list[tuple[str, dict[str, Any]]] = [
        ("a", {"n": 1, "s": "one", "tags": ["eu"], "day": "2024-01-31"}),
        ("b", {"n": 2, "s": "two", "tags": [], "day": "2024-02-29"}),
        ("c", {"n": 3, "s": "three", "day": "2024-03-31"}),
    ]
    store.add_documents([Document(id=i, page_content=i, metadata=m) for i, m in rows])
    assert sorted(d.id or "" for d in store.similarity_search(text, **options)) == found


def test_no_filter() -> None:
    query = StructuredQuery(query="what", filter=None)
    assert ElanusTranslator().visit_structured_query(query) == ("what", {})
