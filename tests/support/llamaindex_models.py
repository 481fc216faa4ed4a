"""Small LlamaIndex models and nodes whose vectors a test can work out by hand."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.embeddings.base_sparse import BaseSparseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery

from llama_index.vector_stores.elanus import ElanusVectorStore


def make_node(
    id_: str,
    text: str = "text",
    embedding: list[float] | None = None,
    source: str | None = None,
    **metadata: Any,
) -> TextNode:
    """Return a text node, with a source document when one is named."""
    relationships = {}
    if source is not None:
        relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=source)
    return TextNode(
        id_=id_,
        text=text,
        embedding=[1.0, 0.0] if embedding is None else embedding,
        metadata=metadata,
        relationships=relationships,
    )


class LengthEmbedding(BaseEmbedding):
    """A text's vector is its length and 1."""

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(len(query)), 1.0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_query_embedding(text)


class WordSparse(BaseSparseEmbedding):
    """One dimension for each distinct word seen; the value is the word's count."""

    _words: dict[str, int] = PrivateAttr(default_factory=dict)
    batches: list[int] = []  # noqa: RUF012 - a pydantic field, copied for each object

    def _get_query_embedding(self, query: str) -> dict[int, float]:
        counts: dict[int, float] = {}
        for word in query.lower().split():
            place = self._words.setdefault(word, len(self._words))
            counts[place] = counts.get(place, 0.0) + 1.0
        return counts

    async def _aget_query_embedding(self, query: str) -> dict[int, float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> dict[int, float]:
        return self._get_query_embedding(text)

    async def _aget_text_embedding(self, text: str) -> dict[int, float]:
        return self._get_query_embedding(text)

    def _get_text_embeddings(self, texts: list[str]) -> list[dict[int, float]]:
        self.batches.append(len(texts))
        return [self._get_query_embedding(text) for text in texts]


def use_from_loops_and_threads(store: ElanusVectorStore) -> None:
    """Add and search from eight threads with a loop each; every row has to come through."""
    store.add([make_node(str(i), f"text {i}") for i in range(20)])
    query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=3)

    def in_own_loop(number: int) -> int:
        async def work() -> int:
            await store.async_add([make_node(f"more-{number}")])
            results = await asyncio.gather(*(store.aquery(query) for _ in range(4)))
            return sum(len(r.ids or []) for r in results)

        return asyncio.run(work())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(in_own_loop, range(8))) == [12] * 8
    assert len(store.get_nodes()) == 28
