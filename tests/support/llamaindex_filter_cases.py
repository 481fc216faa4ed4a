"""The 17 metadata filters by which LlamaIndex' stores of several databases were compared."""

from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

Op = FilterOperator


def one(key: str, value: Any, operator: FilterOperator = Op.EQ) -> MetadataFilters:
    """Return a filter of one key."""
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


NODES: dict[str, dict[str, Any]] = {
    "a": {"n": 5, "s": "Graph index", "tags": ["eu", "us"]},
    "b": {"n": 7.5, "s": "graph", "tags": ["eu"]},
    "c": {"n": -1, "s": "", "tags": []},
    "d": {"n": 0, "s": "index it's", "tags": ["it's"]},
    "e": {},
}
"""Metadata of the nodes that are asked, by id."""

SEVENTEEN: list[tuple[str, MetadataFilters]] = [
    ("==", one("s", "graph")),
    ("!=", one("n", 5, Op.NE)),
    (">", one("n", 0, Op.GT)),
    (">=", one("n", 0, Op.GTE)),
    ("<", one("n", 5, Op.LT)),
    ("<=", one("n", 5, Op.LTE)),
    ("in", one("s", ["graph", "x"], Op.IN)),
    ("nin", one("s", ["graph", "x"], Op.NIN)),
    ("any", one("tags", ["us", "it's"], Op.ANY)),
    ("all", one("tags", ["eu", "us"], Op.ALL)),
    ("text_match", one("s", "raph", Op.TEXT_MATCH)),
    ("text_match_insensitive", one("s", "GRAPH", Op.TEXT_MATCH_INSENSITIVE)),
    ("contains", one("tags", "eu", Op.CONTAINS)),
    ("is_empty of a list", one("tags", None, Op.IS_EMPTY)),
    ("is_empty of a text", one("s", None, Op.IS_EMPTY)),
    (
        "not",
        MetadataFilters(filters=[MetadataFilter(key="n", value=5)], condition=FilterCondition.NOT),
    ),
    (
        "or",
        MetadataFilters(
            filters=[MetadataFilter(key="n", value=5), MetadataFilter(key="s", value="graph")],
            condition=FilterCondition.OR,
        ),
    ),
]
"""Names and filters; none lets all nodes through, or none."""
