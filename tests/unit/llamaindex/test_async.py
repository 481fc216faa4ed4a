"""Asynchronous queries: they run beside each other, and ask models asynchronously."""

import asyncio
import threading
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.embeddings.base_sparse import BaseSparseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from llama_index.vector_stores.elanus import BM25, ElanusRetriever, ElanusVectorStore
from support.llamaindex_models import WordSparse, make_node

Mode = VectorStoreQueryMode
ROWS = {"a": [1.0, 0.0], "b": [0.0, 1.0]}


class OnlyAsync(BaseEmbedding):
    """A model of queries that cannot be asked synchronously."""

    _asked: list[str] = PrivateAttr(default_factory=list)

    def _get_query_embedding(self, query: str) -> list[float]:
        raise AssertionError("asked synchronously")

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self._asked.append(query)
        return [1.0, 0.0]

    def _get_text_embedding(self, text: str) -> list[float]:
        raise AssertionError("asked synchronously")


class OnlyAsyncSparse(BaseSparseEmbedding):
    """A sparse model that cannot be asked synchronously."""

    _asked: list[str] = PrivateAttr(default_factory=list)

    def _get_query_embedding(self, query: str) -> dict[int, float]:
        raise AssertionError("asked synchronously")

    async def _aget_query_embedding(self, query: str) -> dict[int, float]:
        self._asked.append(query)
        return {0: 1.0}

    def _get_text_embedding(self, text: str) -> dict[int, float]:
        raise AssertionError("asked synchronously")

    async def _aget_text_embedding(self, text: str) -> dict[int, float]:
        self._asked.append(text)
        return {0: float(len(text))}


def add(store: ElanusVectorStore) -> None:
    store.add([make_node(i, f"text {i}", v) for i, v in ROWS.items()])


async def test_async_uses_async_embedder() -> None:
    dense, sparse = OnlyAsync(), OnlyAsyncSparse()
    store = ElanusVectorStore(":memory:", sparse=sparse)
    await store.async_add([make_node(i, f"text {i}", v) for i, v in ROWS.items()])
    retriever = ElanusRetriever(store, mode="hybrid", top_k=2, embed_model=dense)
    found = await retriever.aretrieve("question")
    assert [n.node.node_id for n in found] == ["a", "b"]
    assert dense._asked == ["question"]
    assert sorted(sparse._asked) == ["question", "text a", "text b"]


async def test_dense_and_sparse_models_are_asked_together() -> None:
    # Each model answers only after the other one was asked.
    asked = {"dense": asyncio.Event(), "sparse": asyncio.Event()}

    class Dense(OnlyAsync):
        async def _aget_query_embedding(self, query: str) -> list[float]:
            asked["dense"].set()
            await asyncio.wait_for(asked["sparse"].wait(), 30)
            return [1.0, 0.0]

    class Sparse(WordSparse):
        async def _aget_query_embedding(self, query: str) -> dict[int, float]:
            asked["sparse"].set()
            await asyncio.wait_for(asked["dense"].wait(), 30)
            return await super()._aget_query_embedding(query)

    store = ElanusVectorStore(":memory:", sparse=Sparse())
    add(store)
    retriever = ElanusRetriever(store, mode="hybrid", top_k=1, embed_model=Dense())
    assert [n.node.node_id for n in await retriever.aretrieve("a")] == ["a"]


async def test_async_is_concurrent() -> None:
    # Four queries meet at a barrier, which only queries that run at the same time can pass.
    barrier = threading.Barrier(4, timeout=30)

    def encode(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        return [[0] for _ in texts], [[1.0] for _ in texts]

    def meet(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        barrier.wait()
        return encode(texts)

    store = ElanusVectorStore(":memory:", sparse=(encode, meet))
    add(store)
    query = VectorStoreQuery(query_str="x", mode=Mode.SPARSE, similarity_top_k=2)
    results = await asyncio.gather(*(store.aquery(query) for _ in range(4)))
    assert [r.ids for r in results] == [["a", "b"]] * 4


async def test_unusable_query_asks_no_model() -> None:
    dense = OnlyAsync()
    store = ElanusVectorStore(":memory:")
    retriever = ElanusRetriever(store, mode="hybrid", embed_model=dense)
    with pytest.raises(ValueError, match="query mode 'hybrid'"):
        await retriever.aretrieve("question")
    assert dense._asked == []


@pytest.mark.parametrize("mode", ["default", "text_search"])
async def test_text_search_asks_no_embedding(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_embed_model", OnlyAsync())
    store = ElanusVectorStore(":memory:", sparse=BM25(), search_mode="bm25")
    add(store)
    retriever = ElanusRetriever(store, mode=mode, top_k=1)
    assert [n.node.node_id for n in retriever.retrieve("b")] == ["b"]
    assert [n.node.node_id for n in await retriever.aretrieve("b")] == ["b"]


@pytest.mark.parametrize("mode", ["simple", "reciprocal_rerank", "relative_score"])
async def test_works_inside_query_fusion_retriever(mode: Any) -> None:
    store = ElanusVectorStore(":memory:", sparse=BM25())
    add(store)
    legs: list[Any] = [
        ElanusRetriever(store, mode=leg, top_k=2, embed_model=OnlyAsync())
        for leg in ("default", "text_search", "hybrid")
    ]
    fusion = QueryFusionRetriever(legs, llm=MockLLM(), num_queries=1, similarity_top_k=2, mode=mode)
    found = await fusion.aretrieve("a")
    assert [n.node.node_id for n in found] == ["a", "b"]
