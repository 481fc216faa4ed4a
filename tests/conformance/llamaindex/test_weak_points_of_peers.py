"""Where the LlamaIndex stores of Milvus, Qdrant and Chroma go wrong: each line is a case of ours.

Versions that were looked at: Milvus 1.2.0, Qdrant 0.10.4, Chroma 0.6.0.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from llama_index.vector_stores.elanus import BM25, ElanusVectorStore
from support.llamaindex_models import WordSparse, make_node

Mode = VectorStoreQueryMode
ROWS: dict[str, tuple[str, list[float]]] = {
    "a": ("alpha beta", [1.0, 0.0]),
    "b": ("beta gamma", [0.8, 0.6]),
    "c": ("gamma delta", [0.0, 1.0]),
    "d": ("delta delta", [-1.0, 0.0]),
}


def make_store(**options: Any) -> ElanusVectorStore:
    store = ElanusVectorStore(":memory:", **options)
    store.add(
        [make_node(i, t, v, f"it's {i}", s=t, n=k) for k, (i, (t, v)) in enumerate(ROWS.items())]
    )
    return store


def ask(mode: VectorStoreQueryMode = Mode.DEFAULT, **arguments: Any) -> VectorStoreQuery:
    settings: dict[str, Any] = {"query_embedding": [2.0, 0.0], "similarity_top_k": 4}
    return VectorStoreQuery(query_str="delta", mode=mode, **(settings | arguments))


def where(key: str, value: Any, operator: str, condition: Any = "and") -> MetadataFilters:
    one = MetadataFilter(key=key, value=value, operator=operator)
    return MetadataFilters(filters=[one], condition=condition)


# --- Milvus -----------------------------------------------------------------------------------


def test_alpha_and_both_limits_reach_the_legs() -> None:
    store = make_store(sparse=BM25())
    dense = store.query(ask(Mode.HYBRID, alpha=1.0)).ids
    sparse = store.query(ask(Mode.HYBRID, alpha=0.0)).ids
    assert (dense, sparse) == (["a", "b", "c", "d"], ["d", "c"])
    narrow = ask(Mode.HYBRID, similarity_top_k=1, sparse_top_k=2, hybrid_top_k=3)
    assert set(store.query(narrow).ids or []) == {"a", "d", "c"}
    assert len(store.query(ask(Mode.HYBRID, similarity_top_k=1, sparse_top_k=2)).ids or []) == 1


@pytest.mark.parametrize("mode", [Mode.SPARSE, Mode.TEXT_SEARCH])
@pytest.mark.parametrize("sparse", [BM25(), WordSparse(), [BM25(), WordSparse()]])
def test_text_modes_work_embedded_and_need_no_embedding(mode: Any, sparse: Any) -> None:
    store = make_store(sparse=sparse)
    assert store.query(ask(mode, query_embedding=None)).ids == ["d", "c"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (where("n", 1, "==", FilterCondition.NOT), ["a", "c", "d"]),
        (where("s", "mma", "text_match"), ["b", "c"]),
        (where("s", "GAMMA", "text_match_insensitive"), ["b", "c"]),
        (where("missing", 1, "!="), ["a", "b", "c", "d"]),
        (where("s", None, "is_empty"), []),
        (where("with a space", 1, "nin"), ["a", "b", "c", "d"]),
    ],
)
def test_filters_mean_what_they_say(filters: MetadataFilters, expected: list[str]) -> None:
    assert sorted(make_store().query(ask(filters=filters)).ids or []) == expected


def test_quotes_are_data() -> None:
    store = make_store()
    assert store.query(ask(doc_ids=["it's b"])).ids == ["b"]
    store.delete('it\'s" or "" == "')
    store.delete("it's c")
    assert sorted(n.node_id for n in store.get_nodes()) == ["a", "b", "d"]


def test_a_cleared_store_goes_on() -> None:
    store = make_store()
    store.clear()
    assert store.query(ask()).ids == []
    store.add([make_node("new")])
    assert store.query(ask()).ids == ["new"]


def test_nodes_by_ids_and_filters_at_once() -> None:
    store = make_store()
    some = where("n", 2, ">=")
    assert [n.node_id for n in store.get_nodes(["d", "a", "c"], some)] == ["d", "c"]
    assert len(store.get_nodes()) == 4
    with pytest.raises(ValueError, match=r"delete_nodes: expected node_ids or filters; clear\(\)"):
        store.delete_nodes()
    assert store.add([make_node("a", "again")]) == ["a"]
    assert len(store.get_nodes()) == 4


def test_mmr_reads_whatever_the_field_is_called() -> None:
    store = make_store(dense_field="vec", sparse=BM25())
    query = ask(Mode.MMR, similarity_top_k=2, mmr_threshold=0.3)
    assert store.query(query).ids == ["a", "d"]
    assert store.query(query, mmr_threshold=1.0).ids == ["a", "b"]
    assert all(n.embedding is None for n in store.query(query).nodes or [])


def test_cut_offs_work_for_distances() -> None:
    result = make_store(metric="L2").query(ask())
    assert result.ids == ["a", "b", "c", "d"]
    assert result.similarities == sorted(result.similarities or [], reverse=True)
    assert all(0 <= s <= 1 for s in result.similarities or [])
    found = [
        NodeWithScore(node=n, score=s)
        for n, s in zip(result.nodes or [], result.similarities or [], strict=True)
    ]
    cut = (result.similarities or [])[1]
    kept = SimilarityPostprocessor(similarity_cutoff=cut).postprocess_nodes(found)
    assert [n.node.node_id for n in kept] == ["a", "b"]


def test_async_needs_no_loop_at_construction_and_no_dim() -> None:
    batches: list[int] = []

    def encode(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        batches.append(len(texts))
        return [[0] for _ in texts], [[float(t.count("delta"))] for t in texts]

    store = ElanusVectorStore(":memory:", sparse=(encode, encode), batch_size=3)
    nodes = [make_node(i, t, v) for i, (t, v) in ROWS.items()]
    assert asyncio.run(store.async_add(nodes)) == list(ROWS)
    assert batches == [3, 1]
    # Another loop than the one that added.
    assert (asyncio.run(store.aquery(ask(Mode.SPARSE))).ids or [])[:2] == ["d", "c"]
    assert store.query(ask()).ids == ["a", "b", "c", "d"]


# --- Qdrant -----------------------------------------------------------------------------------


def test_alpha_of_zero_is_a_value_in_async_too() -> None:
    store = make_store(sparse=BM25())
    assert asyncio.run(store.aquery(ask(Mode.HYBRID, alpha=0.0))).ids == ["d", "c"]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [("any", ["eu", "x"], ["1", "2"]), ("all", ["eu", "us"], ["1"]), ("contains", "us", ["1"])],
)
def test_operators_on_lists(operator: str, value: Any, expected: list[str]) -> None:
    store = ElanusVectorStore(":memory:")
    store.add([make_node("1", tags=["eu", "us"]), make_node("2", tags=["eu"]), make_node("3")])
    assert store.query(ask(filters=where("tags", value, operator))).ids == expected


def test_metadata_is_what_was_stored() -> None:
    store = ElanusVectorStore(":memory:")
    store.add([make_node("1", k=1)])
    (found,) = store.query(ask()).nodes or []
    assert found.metadata == {"k": 1}
    (read,) = store.get_nodes()
    assert read.metadata == {"k": 1}


@pytest.mark.parametrize("mode", [Mode.SPARSE, Mode.TEXT_SEARCH, Mode.HYBRID, Mode.SVM])
def test_a_mode_that_is_not_there_is_not_answered_by_another(mode: Any) -> None:
    with pytest.raises(ValueError, match=f"query mode '{mode.value}'"):
        make_store().query(ask(mode))


# --- Chroma -----------------------------------------------------------------------------------


def test_nested_metadata_and_generators() -> None:
    nested = {"deep": {"list": [1, {"k": None}], "empty": {}}}
    nodes: Iterator[Any] = (make_node(str(i), **nested) for i in range(3))
    store = ElanusVectorStore(":memory:", sparse=BM25())
    assert store.add(nodes) == ["0", "1", "2"]  # type: ignore[arg-type]
    assert [n.metadata for n in store.get_nodes()] == [nested] * 3


def test_restrictions_by_ids_are_kept() -> None:
    store = make_store()
    assert store.query(ask(node_ids=["c", "d"])).ids == ["c", "d"]
    assert store.query(ask(doc_ids=["it's d"])).ids == ["d"]
    assert store.query(ask(node_ids=["c"], doc_ids=["it's d"])).ids == []
