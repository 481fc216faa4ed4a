"""The store against LlamaIndex's own ``SimpleVectorStore``, wherever that one can take part."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from llama_index.vector_stores.elanus import BM25, ElanusVectorStore
from support.llamaindex_models import make_node

Op = FilterOperator
ROWS: list[tuple[str, str | None, dict[str, Any]]] = [
    ("a", "doc-1", {"n": 5, "s": "Graph index", "tags": ["eu", "us"], "x": "only a"}),
    ("b", "doc-1", {"n": 7.5, "s": "graph", "tags": ["eu"]}),
    ("c", "doc-2", {"n": -1, "s": "", "tags": []}),
    ("d", None, {"n": 0, "s": "index it's", "tags": ["it's", 'quo"te']}),
    ("e", "doc-2", {"n": None, "s": None, "tags": None}),
    ("f", "doc 'q'", {}),
]


def nodes() -> list[TextNode]:
    rng = np.random.default_rng(7)
    return [
        make_node(i, f"text {i}", rng.normal(size=4).tolist(), source, **metadata)
        for i, source, metadata in ROWS
    ]


@pytest.fixture(scope="module")
def stores() -> Iterator[tuple[ElanusVectorStore, SimpleVectorStore]]:
    with ElanusVectorStore(":memory:", sparse=BM25()) as store:
        store.add(nodes())
        oracle = SimpleVectorStore()
        oracle.add(nodes())
        yield store, oracle


def ask(
    store: ElanusVectorStore | SimpleVectorStore, query: VectorStoreQuery, **kwargs: Any
) -> VectorStoreQueryResult:
    return store.query(query, **kwargs)


def compare(
    stores: tuple[ElanusVectorStore, SimpleVectorStore], query: VectorStoreQuery, **kwargs: Any
) -> list[str]:
    """Assert that both stores answer alike, and return the ids."""
    found, expected = (ask(store, query, **kwargs) for store in stores)
    assert found.ids == expected.ids
    assert found.similarities == pytest.approx(expected.similarities, abs=1e-6)
    assert [node.node_id for node in found.nodes or []] == found.ids
    return found.ids or []


def query_with(filters: MetadataFilters | None = None, **arguments: Any) -> VectorStoreQuery:
    settings: dict[str, Any] = {"similarity_top_k": 10, **arguments}
    return VectorStoreQuery(query_embedding=[0.3, -1.0, 0.5, 2.0], filters=filters, **settings)


OPERATORS: list[tuple[str, Any, FilterOperator]] = [
    ("s", "graph", Op.EQ),
    ("n", 5, Op.NE),
    ("n", 0, Op.GT),
    ("n", 0, Op.GTE),
    ("n", 5, Op.LT),
    ("n", 5, Op.LTE),
    ("n", [5, 7.5], Op.IN),
    ("s", ["graph", "x"], Op.NIN),
    ("tags", ["us", "it's"], Op.ANY),
    ("tags", ["eu", "us"], Op.ALL),
    ("s", "raph", Op.TEXT_MATCH),
    ("s", "GRAPH", Op.TEXT_MATCH_INSENSITIVE),
    ("tags", "eu", Op.CONTAINS),
    ("s", "index", Op.CONTAINS),
    ("tags", None, Op.IS_EMPTY),
    ("s", None, Op.IS_EMPTY),
    ("missing", None, Op.IS_EMPTY),
    ("x", "only a", Op.EQ),
    ("missing", 1, Op.NE),
    ("missing", [1], Op.NIN),
    ("tags", 'quo"te', Op.CONTAINS),
    ("n", 5.0, Op.EQ),
    ("s", "5", Op.EQ),
]


def metadata_filter(key: str, value: Any, operator: FilterOperator) -> MetadataFilter:
    # Lists of ints and floats together pass no validation of MetadataFilter.
    if isinstance(value, list) and {type(v) for v in value} == {int, float}:
        value = [float(v) for v in value]
    return MetadataFilter(key=key, value=value, operator=operator)


def is_current_reference() -> bool:
    """Whether a missing key is different from a value, as all but old versions have it."""
    store = SimpleVectorStore()
    store.add([make_node("a")])
    other = MetadataFilters(filters=[MetadataFilter(key="k", value=1, operator=Op.NE)])
    return store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], filters=other)).ids == ["a"]


@pytest.mark.skipif(
    not is_current_reference(),
    reason="filters of this SimpleVectorStore mean something else; test_filters.py compares ours "
    "with plain Python",
)
@pytest.mark.parametrize(("key", "value", "operator"), OPERATORS)
@pytest.mark.parametrize("condition", [*FilterCondition, None])
def test_filters_match_simple_vector_store(
    stores: tuple[ElanusVectorStore, SimpleVectorStore],
    key: str,
    value: Any,
    operator: FilterOperator,
    condition: FilterCondition | None,
) -> None:
    one = metadata_filter(key, value, operator)
    compare(stores, query_with(MetadataFilters(filters=[one], condition=condition)))
    other = MetadataFilter(key="n", value=5, operator=Op.EQ)
    both = MetadataFilters(filters=[one, other], condition=condition)
    compare(stores, query_with(both))


def test_every_operator_takes_part() -> None:
    assert {operator for _, _, operator in OPERATORS} == set(FilterOperator)


@pytest.mark.parametrize("filters", [None, MetadataFilters(filters=[])])
def test_no_filter(
    stores: tuple[ElanusVectorStore, SimpleVectorStore], filters: MetadataFilters | None
) -> None:
    assert len(compare(stores, query_with(filters))) == len(ROWS)


@pytest.mark.parametrize("node_ids", [None, ["a", "e", "missing"], ["it's"]])
@pytest.mark.parametrize("top_k", [1, 3, 10])
def test_default_queries_match_simple_vector_store(
    stores: tuple[ElanusVectorStore, SimpleVectorStore], node_ids: list[str] | None, top_k: int
) -> None:
    compare(stores, query_with(node_ids=node_ids, similarity_top_k=top_k))


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("top_k", [1, 3, 6])
def test_mmr_matches_simple_vector_store(
    stores: tuple[ElanusVectorStore, SimpleVectorStore], threshold: float, top_k: int
) -> None:
    query = query_with(mode=VectorStoreQueryMode.MMR, similarity_top_k=top_k)
    expected = compare(stores, query, mmr_threshold=threshold)
    # The threshold of the query counts when the call has none.
    store, _ = stores
    by_query = query_with(
        mode=VectorStoreQueryMode.MMR, similarity_top_k=top_k, mmr_threshold=threshold
    )
    assert store.query(by_query, mmr_prefetch_k=6).ids == expected


def test_mmr_of_diversity_alone_starts_with_the_nearest(
    stores: tuple[ElanusVectorStore, SimpleVectorStore],
) -> None:
    # LlamaIndex's function then starts with whichever candidate comes first; here that is the
    # nearest one, not the one that was added first.
    store, _ = stores
    nearest = store.query(query_with())
    embeddings = {node.node_id: node.get_embedding() for node in store.get_nodes()}
    scores, expected = get_top_k_mmr_embeddings(
        query_with().query_embedding or [],
        [embeddings[i] for i in nearest.ids or []],
        similarity_top_k=4,
        embedding_ids=nearest.ids,
        mmr_threshold=0.0,
    )
    query = query_with(mode=VectorStoreQueryMode.MMR, similarity_top_k=4)
    found = store.query(query, mmr_threshold=0.0)
    assert found.ids == expected
    assert found.ids[0] == (nearest.ids or [])[0]
    assert found.similarities == pytest.approx(scores)


@pytest.mark.parametrize("key", ["doc_id", "document_id", "ref_doc_id"])
@pytest.mark.parametrize(
    ("value", "operator"),
    [
        ("doc-1", Op.EQ),
        ("doc-1", Op.NE),
        ("doc 'q'", Op.EQ),
        (["doc-1", "doc-2"], Op.IN),
        (["doc-1"], Op.NIN),
        ("doc", Op.TEXT_MATCH),
        ("doc-2", Op.GTE),
    ],
)
def test_source_keys_match_simple_vector_store(
    stores: tuple[ElanusVectorStore, SimpleVectorStore],
    key: str,
    value: Any,
    operator: FilterOperator,
) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])
    compare(stores, query_with(filters))


def test_deletes_match_simple_vector_store() -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=0, operator=Op.GTE)])
    calls: list[tuple[str, dict[str, Any]]] = [
        ("delete", {"ref_doc_id": "doc-2"}),
        ("delete", {"ref_doc_id": "missing"}),
        ("delete_nodes", {"node_ids": ["f", "missing"]}),
        ("delete_nodes", {"node_ids": []}),
        ("delete_nodes", {"node_ids": ["a", "c"], "filters": filters}),
        ("delete_nodes", {"filters": filters}),
    ]
    store, oracle = ElanusVectorStore(":memory:"), SimpleVectorStore()
    store.add(nodes())
    oracle.add(nodes())
    for name, arguments in calls:
        for one in (store, oracle):
            getattr(one, name)(**arguments)
        compare((store, oracle), query_with())
    assert store.get_nodes() == []
