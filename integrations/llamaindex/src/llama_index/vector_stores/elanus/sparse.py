"""How do learned sparse vectors come in?

A store takes a ``BaseSparseEmbedding``, an object with ``encode_documents`` and ``encode_queries``
(as for Milvus), or a pair of callables from texts to indices and values (as for Qdrant). Inside,
all of them are a ``SparseEncoder``.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from llama_index.core.base.embeddings.base_sparse import BaseSparseEmbedding, SparseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from elanus.plugins import SparseEmbedder, get_sparse_embedder
from elanus.plugins.asynchronous import aembed_documents, aembed_queries

SparseFunction = Callable[[list[str]], tuple[Sequence[Sequence[int]], Sequence[Sequence[float]]]]
"""Texts → indices and values, one list of each per text."""


class SparseEncoder(Protocol):
    """Texts → ``{index: value}``, in batches."""

    def encode_documents(self, texts: list[str]) -> list[SparseEmbedding]: ...

    async def aencode_documents(self, texts: list[str]) -> list[SparseEmbedding]: ...

    def encode_query(self, text: str) -> SparseEmbedding: ...

    async def aencode_query(self, text: str) -> SparseEmbedding: ...


class ElanusSparseEmbedding(BaseSparseEmbedding):
    """A sparse embedder plug-in of elanus as a LlamaIndex sparse embedding.

    Args:
        model_name: Name of the plug-in, with the model after a colon when it takes one.
        embedder: An object that fulfils ``elanus.plugins.SparseEmbedder``, instead of a name.
        model_kwargs: Keyword arguments of the plug-in's factory.

    Raises:
        PluginNotInstalledError: Nothing installed has this name.
    """

    model_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the plug-in's factory."
    )
    _embedder: SparseEmbedder = PrivateAttr()

    def __init__(
        self,
        model_name: str = "",
        *,
        embedder: SparseEmbedder | None = None,
        model_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        params = model_kwargs or {}
        plugin = get_sparse_embedder(model_name if embedder is None else embedder, **params)
        name = model_name or plugin.info.name
        super().__init__(**{"model_name": name, "model_kwargs": params, **kwargs})
        self._embedder = plugin

    @classmethod
    def class_name(cls) -> str:
        return "ElanusSparseEmbedding"

    @property
    def embedder(self) -> SparseEmbedder:
        """The plug-in."""
        return self._embedder

    def _get_query_embedding(self, query: str) -> SparseEmbedding:
        return self._embedder.embed_queries([query]).to_dicts()[0]

    async def _aget_query_embedding(self, query: str) -> SparseEmbedding:
        return (await aembed_queries(self._embedder, [query])).to_dicts()[0]

    def _get_text_embedding(self, text: str) -> SparseEmbedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> SparseEmbedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[SparseEmbedding]:
        return self._embedder.embed_documents(texts).to_dicts()

    async def _aget_text_embeddings(self, texts: list[str]) -> list[SparseEmbedding]:
        return (await aembed_documents(self._embedder, texts)).to_dicts()


def sparse_encoder(source: Any) -> SparseEncoder:
    """Return any kind of sparse model as an encoder.

    Raises:
        TypeError: It is none of the known kinds.
    """
    if isinstance(source, BaseSparseEmbedding):
        return _FromEmbedding(source)
    if hasattr(source, "encode_documents") and hasattr(source, "encode_queries"):
        return _FromBatches(
            lambda texts: _rows(source.encode_documents(texts)),
            lambda texts: _rows(source.encode_queries(texts)),
        )
    if isinstance(source, tuple | list) and len(source) == 2 and all(map(callable, source)):
        documents, queries = source
        return _FromBatches(
            lambda texts: _pairs(*documents(texts)), lambda texts: _pairs(*queries(texts))
        )
    raise TypeError(
        f"sparse: expected BM25(...), a BaseSparseEmbedding, an object with encode_documents and "
        f"encode_queries, or a pair of functions, got {type(source).__name__}"
    )


class _FromEmbedding:
    def __init__(self, embedding: BaseSparseEmbedding) -> None:
        self._embedding = embedding

    def encode_documents(self, texts: list[str]) -> list[SparseEmbedding]:
        return self._embedding.get_text_embedding_batch(texts)

    async def aencode_documents(self, texts: list[str]) -> list[SparseEmbedding]:
        return await self._embedding.aget_text_embedding_batch(texts)

    def encode_query(self, text: str) -> SparseEmbedding:
        return self._embedding.get_query_embedding(text)

    async def aencode_query(self, text: str) -> SparseEmbedding:
        return await self._embedding.aget_query_embedding(text)


_Batch = Callable[[list[str]], list[SparseEmbedding]]


class _FromBatches:
    def __init__(self, documents: _Batch, queries: _Batch) -> None:
        self._documents = documents
        self._queries = queries

    def encode_documents(self, texts: list[str]) -> list[SparseEmbedding]:
        return self._documents(texts)

    async def aencode_documents(self, texts: list[str]) -> list[SparseEmbedding]:
        return await asyncio.to_thread(self._documents, texts)

    def encode_query(self, text: str) -> SparseEmbedding:
        return self._queries([text])[0]

    async def aencode_query(self, text: str) -> SparseEmbedding:
        return await asyncio.to_thread(self.encode_query, text)


def _rows(vectors: Any) -> list[SparseEmbedding]:
    """Return a list of mappings, or the rows of a SciPy CSR matrix or array."""
    if hasattr(vectors, "indptr"):
        ends = vectors.indptr.tolist()
        indices, values = vectors.indices.tolist(), vectors.data.tolist()
        return _pairs(
            [indices[a:b] for a, b in itertools.pairwise(ends)],
            [values[a:b] for a, b in itertools.pairwise(ends)],
        )
    return [_plain(v) for v in vectors]


def _plain(vector: Any) -> SparseEmbedding:
    if hasattr(vector, "indptr"):
        return _rows(vector)[0]
    items: Mapping[Any, Any] = vector
    return {int(index): float(value) for index, value in items.items()}


def _pairs(
    indices: Sequence[Sequence[int]], values: Sequence[Sequence[float]]
) -> list[SparseEmbedding]:
    return [
        {int(i): float(v) for i, v in zip(row, weights, strict=True)}
        for row, weights in zip(indices, values, strict=True)
    ]
