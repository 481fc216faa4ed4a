"""Deleting, reading, lifecycle, tenants and asynchronous use of the store."""

import inspect
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

import elanus
from elanus.errors import ClosedError, InvalidArgumentError, SchemaError, StateError
from llama_index.vector_stores.elanus import BM25, ElanusVectorStore, Weighted
from support.llamaindex_models import WordSparse, make_node, use_from_loops_and_threads

HARD_IDS = ["it's", 'quo"te', "back\\slash", "a b", "ключ"]


def filled(**options: Any) -> ElanusVectorStore:
    store = ElanusVectorStore(":memory:", **options)
    store.add([make_node(i, f"text {i}", source=f"doc {i}", n=k) for k, i in enumerate(HARD_IDS)])
    return store


def above(n: int) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key="n", value=n, operator=">")])


def ids(nodes: list[BaseNode]) -> list[str]:
    return [node.node_id for node in nodes]


def test_class() -> None:
    names = [c.__name__ for c in ElanusVectorStore.__mro__]
    assert BasePydanticVectorStore.__name__ in names
    store = ElanusVectorStore(":memory:")
    assert store.class_name() == "ElanusVectorStore"
    assert (store.stores_text, store.is_embedding_query, store.flat_metadata) == (True, True, False)
    assert isinstance(store.client, elanus.Database)
    assert store.aclient is store.client


def test_delete_and_get_combinations() -> None:
    store = filled()
    assert sorted(ids(store.get_nodes())) == sorted(HARD_IDS)
    assert ids(store.get_nodes(["a b", "missing", "it's", "a b"])) == ["a b", "it's"]
    assert sorted(ids(store.get_nodes(filters=above(2)))) == ["a b", "ключ"]
    assert ids(store.get_nodes(["ключ", "it's", "a b"], above(2))) == ["ключ", "a b"]
    assert store.get_nodes([]) == []
    assert store.get_nodes(["it's"])[0].embedding == [1.0, 0.0]

    store.delete("doc it's")
    store.delete("doc nobody")
    store.delete_nodes(['quo"te', "missing"])
    store.delete_nodes([])
    store.delete_nodes(["back\\slash", "ключ"], above(2))
    assert sorted(ids(store.get_nodes())) == ["a b", "back\\slash"]
    with pytest.raises(ValueError, match="clear"):
        store.delete_nodes()
    store.delete_nodes(filters=above(2))
    assert ids(store.get_nodes()) == ["back\\slash"]
    with pytest.raises(ValueError, match="clear"):
        store.delete_nodes(filters=MetadataFilters(filters=[]))
    assert ids(store.get_nodes()) == ["back\\slash"]
    store.clear()
    assert store.get_nodes() == []


def test_nodes_without_a_source_belong_to_no_document() -> None:
    store = ElanusVectorStore(":memory:")
    store.add([make_node("a")])
    store.delete("None")
    assert ids(store.get_nodes()) == ["a"]
    assert store.collection is not None
    assert store.collection.query(output=["ref_doc_id"]) == [{"id": "a", "ref_doc_id": None}]


def test_add_replaces_a_node_with_the_same_id() -> None:
    store = filled(sparse=BM25())
    changed = make_node("a b", "other words", [0.0, 1.0], k=1)
    assert store.add([make_node("a b", "first"), changed]) == ["a b", "a b"]
    assert store.get_nodes(["a b"]) == [changed]
    assert len(store.get_nodes()) == len(HARD_IDS)


def test_clear_keeps_the_collection() -> None:
    store = filled()
    store.clear()
    assert store.collection is not None
    query = VectorStoreQuery(query_embedding=[1.0, 0.0])
    assert store.query(query).ids == []
    store.add([make_node("new")])
    assert store.query(query).ids == ["new"]
    store.drop()
    assert store.collection is None
    assert store.query(query).ids == []


def test_sparse_vectors_are_made_in_batches() -> None:
    sparse = WordSparse()
    store = ElanusVectorStore(":memory:", sparse=sparse, batch_size=4)
    store.add([make_node(str(i), f"word{i}") for i in range(10)])
    assert sparse.batches == [4, 4, 2]


class MilvusSparse:
    """As a sparse function for Milvus looks."""

    def encode_documents(self, texts: list[str]) -> list[dict[int, float]]:
        return [{0: float(len(t))} for t in texts]

    def encode_queries(self, texts: list[str]) -> list[dict[int, float]]:
        return [{0: 1.0} for _ in texts]


def pair_for_qdrant(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    return [[0] for _ in texts], [[float(len(t))] for t in texts]


@pytest.mark.parametrize("sparse", [MilvusSparse(), (pair_for_qdrant, pair_for_qdrant)])
async def test_kinds_of_sparse_models(sparse: Any) -> None:
    store = ElanusVectorStore(":memory:", sparse=sparse)
    store.add([make_node("a", "xx")])
    await store.async_add([make_node("b", "xxxx")])
    query = VectorStoreQuery(query_str="x", mode=VectorStoreQueryMode.SPARSE, similarity_top_k=5)
    for result in (store.query(query), await store.aquery(query)):
        assert (result.ids, result.similarities) == (["b", "a"], [4.0, 2.0])


def test_sparse_model_that_is_none() -> None:
    with pytest.raises(TypeError, match="sparse: expected BM25"):
        ElanusVectorStore(":memory:", sparse="splade")
    with pytest.raises(ValueError, match="at most one"):
        ElanusVectorStore(":memory:", sparse=[BM25(), BM25()])


# --- opening and closing ----------------------------------------------------------------------


def test_reopen_and_share_a_path(tmp_path: Path) -> None:
    first = ElanusVectorStore(tmp_path, sparse=BM25("english"))
    first.add([make_node("a", "rotating keys", n=1)])
    second = ElanusVectorStore(str(tmp_path), sparse=BM25("english"))
    assert ids(second.get_nodes()) == ["a"]
    first.close()
    second.add([make_node("b", "apples")])
    second.close()
    with pytest.raises(ClosedError):
        second.get_nodes()
    with ElanusVectorStore(tmp_path, sparse=BM25("english")) as again:
        query = VectorStoreQuery(query_str="rotate", mode=VectorStoreQueryMode.TEXT_SEARCH)
        assert again.query(query).ids == ["a"]
        assert len(again.get_nodes()) == 2
    with ElanusVectorStore(tmp_path, overwrite=True) as new:
        assert new.get_nodes() == []


def test_persist_writes_no_file(tmp_path: Path) -> None:
    with ElanusVectorStore(tmp_path / "db") as store:
        store.add([make_node("a")])
        store.persist(str(tmp_path / "out" / "vector_store.json"))
    assert not (tmp_path / "out").exists()


def test_dim_mismatch_message(tmp_path: Path) -> None:
    with ElanusVectorStore(tmp_path, dim=2) as store:
        with pytest.raises(ValueError, match=r"dim 2, got 3 \(row 0\)"):
            store.add([make_node("a", embedding=[1.0, 2.0, 3.0])])
        assert store.collection is None
        store.add([make_node("a")])
        with pytest.raises(SchemaError, match="dim is 2, but the store was opened with 3"):
            ElanusVectorStore(tmp_path, dim=3)
        with pytest.raises(ValueError, match=r"dim 2, got shape \(3,\)"):
            store.query(VectorStoreQuery(query_embedding=[1.0, 2.0, 3.0]))


def test_dict_and_pickle_reopen(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "sparse": BM25("english", k1=1.5),
        "search_mode": "hybrid",
        "fusion": Weighted(0.3, 0.7),
        "partition_key": "tenant",
    }
    with ElanusVectorStore(tmp_path, "kb", **options) as store:
        view = store.for_tenant("acme")
        view.add([make_node("a", "rotating keys")])
        data = view.to_dict()
        assert json.loads(json.dumps(data)) == data
        with ElanusVectorStore.from_dict(data) as again:
            assert ids(again.get_nodes()) == ["a"]
            assert again.to_dict() == data
        with pickle.loads(pickle.dumps(view)) as again:
            assert ids(again.get_nodes()) == ["a"]
            assert again.to_dict() == data
    shared = ElanusVectorStore(database=elanus.connect(":memory:"))
    with pytest.raises(StateError, match="cannot be pickled"):
        pickle.dumps(shared)


def test_learned_sparse_model_survives_pickling(tmp_path: Path) -> None:
    with ElanusVectorStore(tmp_path, sparse=MilvusSparse()) as store:
        store.add([make_node("a", "xx")])
        with pickle.loads(pickle.dumps(store)) as again:
            query = VectorStoreQuery(query_str="x", mode=VectorStoreQueryMode.SPARSE)
            assert again.query(query).ids == ["a"]


def test_token_is_not_serialised(tmp_path: Path) -> None:
    with pytest.raises(elanus.ElanusError) as failed:
        ElanusVectorStore(tmp_path, token="hunter2")
    assert "hunter2" not in str(failed.value)
    with ElanusVectorStore(tmp_path) as store:
        assert "token" not in store.to_dict()
        assert "token" not in store.__getstate__()["arguments"]


# --- tenants ----------------------------------------------------------------------------------


def test_tenant_isolation() -> None:
    store = ElanusVectorStore(":memory:", partition_key="tenant", sparse=BM25())
    acme, other = store.for_tenant("acme"), store.for_tenant("other")
    assert acme.add([make_node("1", "acme text", source="d")]) == ["1"]
    other.add([make_node("1", "other text", source="d"), make_node("2", "more", source="d")])
    for mode in (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.HYBRID):
        query = VectorStoreQuery(
            query_embedding=[1.0, 0.0], query_str="text", similarity_top_k=9, mode=mode
        )
        assert acme.query(query).ids == ["1"]
        assert [n.get_content() for n in acme.query(query).nodes or []] == ["acme text"]
        assert sorted(store.query(query, tenant="other").ids or []) == ["1", "2"]
        with pytest.raises(InvalidArgumentError, match="bound to 'acme'"):
            acme.query(query, tenant="other")
    acme.delete_nodes(["2"])
    acme.delete("d")
    assert acme.get_nodes() == []
    assert sorted(ids(other.get_nodes())) == ["1", "2"]
    acme.clear()
    assert len(other.get_nodes()) == 2
    with pytest.raises(InvalidArgumentError, match="bound to tenant"):
        acme.drop()


# --- asynchronous use -------------------------------------------------------------------------


def test_every_async_method_is_overridden() -> None:
    inherited = {
        name for name, _ in inspect.getmembers(BasePydanticVectorStore, inspect.iscoroutinefunction)
    }
    assert inherited == {
        "aclear", "adelete", "adelete_nodes", "aget_nodes", "aquery", "async_add"
    }  # fmt: skip
    assert all(
        getattr(ElanusVectorStore, n) is not getattr(BasePydanticVectorStore, n) for n in inherited
    )


async def test_async_methods_do_what_the_others_do() -> None:
    store = ElanusVectorStore(":memory:")
    assert await store.async_add([make_node("a", source="d", n=1), make_node("b", n=2)]) == [
        "a",
        "b",
    ]
    assert ids(await store.aget_nodes(["b"])) == ["b"]
    result = await store.aquery(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=5))
    assert result.ids == ["a", "b"]
    await store.adelete("d")
    await store.adelete_nodes(filters=above(5))
    assert ids(await store.aget_nodes()) == ["b"]
    with pytest.raises(TypeError, match="delete_nodes has no option"):
        await store.adelete_nodes(["b"], unknown=1)
    await store.aclear()
    assert await store.aget_nodes() == []


async def test_the_engine_never_runs_on_the_event_loop() -> None:
    threads: list[threading.Thread] = []

    class Watching(MilvusSparse):
        def encode_queries(self, texts: list[str]) -> list[dict[int, float]]:
            threads.append(threading.current_thread())
            return super().encode_queries(texts)

        def encode_documents(self, texts: list[str]) -> list[dict[int, float]]:
            threads.append(threading.current_thread())
            return super().encode_documents(texts)

    store = ElanusVectorStore(":memory:", sparse=Watching())
    await store.async_add([make_node("a")])
    await store.aquery(VectorStoreQuery(query_str="x", mode=VectorStoreQueryMode.SPARSE))
    assert len(threads) == 2
    assert threading.current_thread() not in threads


def test_many_loops_many_threads() -> None:
    with ElanusVectorStore(":memory:", sparse=BM25()) as store:
        use_from_loops_and_threads(store)
