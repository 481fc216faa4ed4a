"""Every operator, condition and nesting of metadata filters against plain Python."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from elanus.documents import FieldNames
from llama_index.vector_stores.elanus import ElanusVectorStore
from llama_index.vector_stores.elanus.filters import metadata_filters_to_tree
from support.llamaindex_filter_cases import NODES, SEVENTEEN, one
from support.llamaindex_filter_oracle import matches
from support.llamaindex_models import make_node

Op = FilterOperator
KEYS = ["n", "s", "tags", "it's", 'quo"te', "a.b", "missing"]
VALUES: list[Any] = [
    5, 5.0, -1, 7.5, True, None, "", "5", "Graph index", "graph", "it's", "ключ", [], ["eu"],
    ["eu", "us"], ["it's", "ключ"], [5, -1], [1.5], {"k": "graph"},
]  # fmt: skip


def rows() -> dict[str, dict[str, Any]]:
    """Return metadata by id: values of every type under every key, drawn with a fixed seed."""
    rng = np.random.default_rng(11)
    found = {}
    for number in range(60):
        keys = [key for key in KEYS[:-1] if rng.random() < 0.6]
        found[f"r{number:02}"] = {key: VALUES[rng.integers(len(VALUES))] for key in keys}
    return found


ROWS = rows()


@pytest.fixture(scope="module")
def store() -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(":memory:") as opened:
        opened.add([make_node(i, **metadata) for i, metadata in ROWS.items()])
        yield opened


def found(store: ElanusVectorStore, filters: MetadataFilters) -> list[str]:
    return sorted(node.node_id for node in store.get_nodes(filters=filters))


def allowed(store: ElanusVectorStore, filters: MetadataFilters) -> list[str]:
    """Return what ``found`` does, without making nodes of the rows."""
    assert store.collection is not None
    tree = metadata_filters_to_tree(filters, FieldNames())
    return sorted(row["id"] for row in store.collection.query(tree, ["id"]))


def expected(filters: MetadataFilters) -> list[str]:
    return sorted(i for i, metadata in ROWS.items() if matches(filters, metadata))


SCALARS: list[Any] = [5, 5.0, -1, 7.5, "", "5", "graph", "GRAPH", "it's", "ключ", "1 or true"]
LISTS: list[Any] = [["eu"], ["us", "eu"], ["it's"], [5, -1], [1.5, 5.0], ["graph", "x"]]
OPERATORS = [
    (operator, value)
    for operator in Op
    for value in (LISTS if operator in (Op.IN, Op.NIN, Op.ANY, Op.ALL) else SCALARS)
]


@pytest.mark.parametrize("condition", [*FilterCondition, None])
@pytest.mark.parametrize("operator", [*Op])
def test_every_operator_and_condition(
    store: ElanusVectorStore, operator: FilterOperator, condition: FilterCondition | None
) -> None:
    other = MetadataFilter(key="n", value=5, operator=Op.EQ)
    answers = set()
    for value in [v for o, v in OPERATORS if o is operator]:
        for key in ("n", "s", "tags", "missing"):
            one = MetadataFilter(key=key, value=value, operator=operator)
            for members in ([one], [one, other]) if key == "s" else ([one],):
                filters = MetadataFilters(filters=list(members), condition=condition)
                answer = allowed(store, filters)
                assert answer == expected(filters), filters
                answers.add(tuple(answer))
    # The table says something: not every filter allows the same rows.
    assert len(answers) > 1


FILTERS = st.builds(
    lambda key, pair: MetadataFilter(key=key, value=pair[1], operator=pair[0]),
    st.sampled_from(KEYS),
    st.sampled_from(OPERATORS),
)
NESTED = st.recursive(
    st.builds(
        MetadataFilters,
        filters=st.lists(FILTERS, max_size=3),
        condition=st.sampled_from([*FilterCondition, None]),
    ),
    lambda inner: st.builds(
        MetadataFilters,
        filters=st.lists(inner | FILTERS, max_size=3),
        condition=st.sampled_from([*FilterCondition, None]),
    ),
    max_leaves=8,
)


@given(NESTED)
def test_any_nesting(store: ElanusVectorStore, filters: MetadataFilters) -> None:
    assert allowed(store, filters) == expected(filters)


TABLE: list[tuple[MetadataFilters, dict[str, Any], str]] = [
    (one("n", 5), {"n": 5}, "n == 5"),
    (one("s", "it's"), {"s": "it's"}, 's == "it\'s"'),
    (one("n", 5, Op.NE), {"n": {"$ne": 5}}, "not (n == 5)"),
    (one("n", 0, Op.GT), {"n": {"$gt": 0}}, "n > 0"),
    (one("n", 5, Op.GTE), {"n": {"$gte": 5}}, "n >= 5"),
    (one("n", 5, Op.LT), {"n": {"$lt": 5}}, "n < 5"),
    (one("n", 5, Op.LTE), {"n": {"$lte": 5}}, "n <= 5"),
    (one("n", [5, -1], Op.IN), {"n": {"$in": [5, -1]}}, "n in [5, -1]"),
    (one("n", [5, -1], Op.NIN), {"n": {"$nin": [5, -1]}}, "not (n in [5, -1])"),
    (one("tags", "eu", Op.CONTAINS), {"tags": {"$contains": "eu"}}, 'contains(tags, "eu")'),
    (
        one("tags", ["eu", "it's"], Op.ANY),
        {"tags": {"$contains_any": ["eu", "it's"]}},
        'contains_any(tags, ["eu", "it\'s"])',
    ),
    (
        one("tags", ["eu", "us"], Op.ALL),
        {"tags": {"$contains_all": ["eu", "us"]}},
        'contains_all(tags, ["eu", "us"])',
    ),
    (one("s", "raph", Op.TEXT_MATCH), {"s": {"$text_match": "raph"}}, 's like "%raph%"'),
    (
        one("s", "GRAPH", Op.TEXT_MATCH_INSENSITIVE),
        {"s": {"$itext_match": "GRAPH"}},
        's ilike "%GRAPH%"',
    ),
    (one("s", None, Op.IS_EMPTY), {"s": {"$empty": True}}, "is_empty(s)"),
]


@pytest.mark.parametrize(("filters", "as_dict", "as_text"), TABLE, ids=lambda v: str(v)[:24])
def test_filter_table(
    store: ElanusVectorStore, filters: MetadataFilters, as_dict: dict[str, Any], as_text: str
) -> None:
    answers = [
        sorted(store.query(everything(), filter=spelling).ids or [])
        for spelling in (as_dict, as_text)
    ]
    assert answers == [expected(filters)] * 2
    assert found(store, filters) == expected(filters)
    negated = MetadataFilters(filters=[filters], condition=FilterCondition.NOT)
    assert sorted(store.query(everything(filters=negated)).ids or []) == expected(negated)
    assert sorted(store.query(everything(), filter={"$not": [as_dict]}).ids or []) == expected(
        negated
    )


def everything(**arguments: Any) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=len(ROWS), **arguments)


INJECTIONS = [
    '" or true or "" == "', "' or 1 == 1 or '' == '", "%", "_", "\\", "{x}", "$ne", "x\x00y", "\n",
    "a'b\"c", "metadata['n']", "node", ") or (1 == 1",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_filter_values_are_data(text: str) -> None:
    metadatas: dict[str, dict[str, Any]] = {
        "value": {"k": text, "list": [text]},
        "key": {text: "v"},
        "neither": {"k": "other", "list": ["other"]},
    }
    with ElanusVectorStore(":memory:") as store:
        store.add([make_node(i, i, source=f"doc {text} {i}", **m) for i, m in metadatas.items()])
        for operator in (Op.EQ, Op.CONTAINS, Op.TEXT_MATCH, Op.TEXT_MATCH_INSENSITIVE):
            assert found(store, one("k", text, operator)) == ["value"]
        for operator in (Op.ANY, Op.ALL):
            assert found(store, one("list", [text], operator)) == ["value"]
        assert found(store, one("k", [text], Op.IN)) == ["value"]
        assert found(store, one("k", text, Op.NE)) == ["key", "neither"]
        assert found(store, one(text, "v")) == ["key"]
        assert found(store, one(text, None, Op.IS_EMPTY)) == ["neither", "value"]
        assert found(store, one("ref_doc_id", f"doc {text} key")) == ["key"]
        query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=9)
        query.doc_ids = [f"doc {text} key"]
        assert store.query(query).ids == ["key"]
        assert store.query(everything(), filter={"k": text}).ids == ["value"]
        store.delete(f"doc {text} key")
        store.delete_nodes(filters=one("k", text))
        assert [n.node_id for n in store.get_nodes()] == ["neither"]


@pytest.mark.parametrize(("name", "filters"), SEVENTEEN, ids=[n for n, _ in SEVENTEEN])
def test_cases_that_stores_were_compared_by(name: str, filters: MetadataFilters) -> None:
    with ElanusVectorStore(":memory:") as store:
        store.add([make_node(i, **m) for i, m in NODES.items()])
        answer = found(store, filters)
        assert answer == [i for i, m in NODES.items() if matches(filters, m)]
        assert answer not in ([], ["a", "b", "c", "d", "e"])
