"""Asynchronous methods: native embedding, no blocked loop, no bound loop."""

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import VectorStore

from elanus.plugins import RerankerInfo, ScoreKind
from langchain_elanus import BM25, ElanusReranker, ElanusVectorStore, SparseVector
from support.langchain_models import AsyncOnlyEmbeddings, WordSparse


async def test_async_uses_async_embedder() -> None:
    store = ElanusVectorStore(AsyncOnlyEmbeddings(), uri=":memory:", sparse=BM25())
    assert await store.aadd_texts(["a", "bb"], ids=["1", "2"]) == ["1", "2"]
    assert await store.aadd_documents([Document(id="3", page_content="ccc")]) == ["3"]
    assert len(await store.asimilarity_search("a")) == 3
    assert len(await store.asimilarity_search_with_score("a")) == 3
    assert len(await store.asimilarity_search_with_relevance_scores("a")) == 3
    assert len(await store.amax_marginal_relevance_search("a")) == 3
    for search_type in ("similarity", "mmr", "dense", "hybrid", "bm25"):
        assert len(await store.asearch("a", search_type)) >= 1
    assert len(await store.as_retriever(search_type="hybrid").ainvoke("a")) == 3
    other = await ElanusVectorStore.afrom_texts(["x"], AsyncOnlyEmbeddings(), uri=":memory:")
    assert len(await other.asimilarity_search("x")) == 1


def test_every_async_method_is_overridden() -> None:
    inherited = {
        name
        for name in dir(VectorStore)
        if name.startswith("a") and asyncio.iscoroutinefunction(getattr(VectorStore, name))
    }
    # afrom_documents ends in afrom_texts, the thresholding wrapper in the overridden method below.
    inherited -= {"afrom_documents", "asimilarity_search_with_relevance_scores"}
    inherited |= {"_asimilarity_search_with_relevance_scores"}
    same = {n for n in inherited if getattr(ElanusVectorStore, n) is getattr(VectorStore, n)}
    assert len(inherited) >= 12
    assert same == set()


async def test_async_is_concurrent() -> None:
    embeddings = AsyncOnlyEmbeddings(wait_s=0.05)
    store = ElanusVectorStore(embeddings, uri=":memory:")
    await store.aadd_texts(["a"])
    embeddings.most_running = 0
    await asyncio.gather(*(store.asimilarity_search("q") for _ in range(8)))
    assert embeddings.most_running == 8


async def test_dense_and_sparse_queries_are_embedded_at_once() -> None:
    both = asyncio.Barrier(2)

    class Dense(AsyncOnlyEmbeddings):
        async def aembed_query(self, text: str) -> list[float]:
            await asyncio.wait_for(both.wait(), timeout=5)
            return [1.0, 0.0]

        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            await asyncio.wait_for(both.wait(), timeout=5)
            return [[1.0, 0.0] for _ in texts]

    class Sparse(WordSparse):
        async def aembed_query(self, text: str) -> SparseVector:
            await asyncio.wait_for(both.wait(), timeout=5)
            return self.embed_query(text)

        async def aembed_documents(self, texts: list[str]) -> list[SparseVector]:
            await asyncio.wait_for(both.wait(), timeout=5)
            return self.embed_documents(texts)

    store = ElanusVectorStore(Dense(), uri=":memory:", sparse=Sparse())
    await store.aadd_texts(["one", "two"], ids=["a", "b"])
    assert [d.id for d in await store.asimilarity_search("two", k=1)] == ["b"]


async def test_the_engine_never_runs_on_the_event_loop() -> None:
    seen: list[threading.Thread] = []

    def relevance(score: float) -> float:
        seen.append(threading.current_thread())
        return score

    store = ElanusVectorStore(AsyncOnlyEmbeddings(), uri=":memory:", relevance_score_fn=relevance)
    await store.aadd_texts(["a"])
    await store.asimilarity_search("a")
    await store.amax_marginal_relevance_search("a")
    assert len(seen) == 2
    assert threading.current_thread() not in seen


async def test_context_variables_reach_the_worker_thread() -> None:
    request = contextvars.ContextVar("request", default="none")
    seen: list[str] = []

    def relevance(score: float) -> float:
        seen.append(request.get())
        return score

    store = ElanusVectorStore(AsyncOnlyEmbeddings(), uri=":memory:", relevance_score_fn=relevance)
    await store.aadd_texts(["a"])
    request.set("mine")
    await store.asimilarity_search("a")
    assert seen == ["mine"]


def test_many_loops_many_threads() -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=4), uri=":memory:", sparse=BM25())
    store.add_texts([f"text {i}" for i in range(50)], ids=[str(i) for i in range(50)])
    expected = store.similarity_search("text 7", k=5)

    def in_own_loop(number: int) -> list[Any]:
        async def work() -> list[Any]:
            await store.aadd_texts([f"more {number}"], ids=[f"more-{number}"])
            return await asyncio.gather(
                *(store.asimilarity_search("text 7", k=5, filter={"no": None}) for _ in range(4))
            )

        return asyncio.run(work())

    def in_thread(number: int) -> list[Any]:
        return [store.get_by_ids([str(number)])[0].page_content, store.count({}) >= 50]

    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(in_own_loop, i) for i in range(4)]
        threads = [pool.submit(in_thread, i) for i in range(20)]
        assert [t.result() for t in threads] == [[f"text {i}", True] for i in range(20)]
        results = [r for loop in loops for r in loop.result()]
    assert len(results) == 16
    assert all(len(r) == 5 for r in results)
    assert store.count() == 54
    assert expected[0] == store.similarity_search("text 7", k=1)[0]


async def test_async_context_manager_closes() -> None:
    async with ElanusVectorStore(DeterministicFakeEmbedding(size=4), uri=":memory:") as store:
        await store.aadd_texts(["a"])
    with pytest.raises(Exception, match="closed"):
        await store.asimilarity_search("a")


async def test_a_blocking_reranker_does_not_block_the_loop() -> None:

    class Slow:
        info = RerankerInfo(name="slow", score_kind=ScoreKind.LOGIT)

        def score(self, query: str, documents: Any) -> Any:
            time.sleep(0.2)
            return np.zeros(len(documents), dtype=np.float32)

    store = ElanusVectorStore(
        AsyncOnlyEmbeddings(), uri=":memory:", reranker=ElanusReranker(model=Slow())
    )
    await store.aadd_texts(["a"])
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await store.asimilarity_search("a")
    ticking.cancel()
    assert ticks >= 5
