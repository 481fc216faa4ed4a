"""Who turns texts into vectors, at once or without blocking the event loop?

The synchronous and the asynchronous half do the same and differ only in how they call the models;
dense and sparse models of one asynchronous call run side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.embeddings import Embeddings

from elanus.documents import BM25, DocumentBatch, SearchMode, StoreOptions
from elanus.errors import InvalidArgumentError
from elanus.plugins import Embedder, SparseEmbedder
from langchain_elanus.embeddings import ElanusEmbeddings
from langchain_elanus.options import StoreSettings
from langchain_elanus.sparse import ElanusSparseEmbeddings, SparseEmbeddings, sparse_to_dict

SparseSource = SparseEmbeddings | BM25
"""Where the sparse half of a hybrid search comes from: a model, or BM25 over the text."""


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """What the models made of a query; None where none was asked for."""

    dense: Sequence[float] | None = None
    sparse: dict[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Encoders:
    """The models of a store.

    Attributes:
        embedding: Makes dense vectors, or None.
        sparse: Makes learned sparse vectors, or None.
        bm25: Full-text search was asked for, or None.
    """

    embedding: Embeddings | None
    sparse: SparseEmbeddings | None
    bm25: BM25 | None

    @classmethod
    def parse(
        cls,
        embedding: Embeddings | None,
        sparse: SparseSource | Sequence[SparseSource] | None,
    ) -> Encoders:
        """Return the encoders that a user gave.

        Raises:
            TypeError: One of them is not a model and not ``BM25(...)``.
            ValueError: Two learned sparse models, or ``BM25`` twice.
        """
        if embedding is not None and not hasattr(embedding, "embed_query"):
            advice = (
                f" {embedding!r}; write ElanusEmbeddings(model={embedding!r})"
                if isinstance(embedding, str)
                else ""
            )
            raise TypeError(
                f"embedding: expected Embeddings, got {type(embedding).__name__}{advice}"
            )
        sources = list(sparse) if isinstance(sparse, list | tuple) else [sparse]
        models: list[Any] = []
        texts: list[BM25] = []
        for source in sources:
            if isinstance(source, BM25):
                texts.append(source)
            elif hasattr(source, "embed_query") and hasattr(source, "embed_documents"):
                models.append(source)
            elif source is not None:
                raise TypeError(
                    f"sparse: expected SparseEmbeddings or langchain_elanus.BM25(...), "
                    f"got {type(source).__name__}"
                )
        if len(models) > 1 or len(texts) > 1:
            raise ValueError(
                f"sparse: at most one model and one BM25, got {len(models)} and {len(texts)}"
            )
        return cls(embedding, models[0] if models else None, texts[0] if texts else None)

    def store_options(self, settings: StoreSettings) -> StoreOptions:
        """Return what the collection must offer."""
        return StoreOptions(
            metric=settings.metric,
            index=settings.index,
            bm25=self.bm25,
            sparse=self.sparse is not None,
            fusion=settings.fusion,
            partition_key=settings.partition_key,
            metadata_indexes=settings.metadata_indexes,
            model=model_name(self.embedding),
            embedder=plugin_of(self.embedding),
            sparse_embedder=_sparse_plugin(self.sparse),
            fields=settings.field_names,
        )

    def can_query(self, mode: SearchMode) -> bool:
        """Whether there is a model for the queries of a mode over one field."""
        if mode is SearchMode.DENSE:
            return self.embedding is not None
        return mode is SearchMode.BM25 or self.sparse is not None

    # --- documents --------------------------------------------------------------------------

    def encode_batch(self, batch: DocumentBatch, batch_size: int) -> DocumentBatch:
        """Return ``batch`` with its vectors."""
        dense: list[list[float]] = []
        sparse: list[dict[int, float]] = []
        for texts in _parts(batch.texts, batch_size):
            if self.embedding is not None:
                dense += self.embedding.embed_documents(texts)
            if self.sparse is not None:
                sparse += map(sparse_to_dict, self.sparse.embed_documents(texts))
        return self._with_vectors(batch, dense, sparse)

    async def aencode_batch(self, batch: DocumentBatch, batch_size: int) -> DocumentBatch:
        """Return ``batch`` with its vectors, by the models' asynchronous methods."""
        dense: list[list[float]] = []
        sparse: list[dict[int, float]] = []
        for texts in _parts(batch.texts, batch_size):
            more_dense, more_sparse = await asyncio.gather(
                self._adense_documents(texts), self._asparse_documents(texts)
            )
            dense += more_dense
            sparse += more_sparse
        return self._with_vectors(batch, dense, sparse)

    def _with_vectors(
        self,
        batch: DocumentBatch,
        dense: list[list[float]],
        sparse: list[dict[int, float]],
    ) -> DocumentBatch:
        return replace(
            batch,
            dense=dense if self.embedding is not None else None,
            sparse=sparse if self.sparse is not None else None,
        )

    async def _adense_documents(self, texts: list[str]) -> list[list[float]]:
        return [] if self.embedding is None else await self.embedding.aembed_documents(texts)

    async def _asparse_documents(self, texts: list[str]) -> list[dict[int, float]]:
        if self.sparse is None:
            return []
        return [sparse_to_dict(v) for v in await self.sparse.aembed_documents(texts)]

    # --- queries ----------------------------------------------------------------------------

    def encode_query(self, query: str, legs: Sequence[SearchMode]) -> QueryVectors:
        """Return the vectors that a search over ``legs`` needs."""
        _check_query(query)
        dense = sparse = None
        if SearchMode.DENSE in legs and self.embedding is not None:
            dense = self.embedding.embed_query(query)
        if SearchMode.SPARSE in legs and self.sparse is not None:
            sparse = sparse_to_dict(self.sparse.embed_query(query))
        return QueryVectors(dense, sparse)

    async def aencode_query(self, query: str, legs: Sequence[SearchMode]) -> QueryVectors:
        """Return the vectors that a search over ``legs`` needs, by the asynchronous methods."""
        _check_query(query)
        dense, sparse = await asyncio.gather(
            self._adense_query(query, legs), self._asparse_query(query, legs)
        )
        return QueryVectors(dense, sparse)

    async def _adense_query(self, query: str, legs: Sequence[SearchMode]) -> list[float] | None:
        if SearchMode.DENSE not in legs or self.embedding is None:
            return None
        return await self.embedding.aembed_query(query)

    async def _asparse_query(
        self, query: str, legs: Sequence[SearchMode]
    ) -> dict[int, float] | None:
        if SearchMode.SPARSE not in legs or self.sparse is None:
            return None
        return sparse_to_dict(await self.sparse.aembed_query(query))


def _check_query(query: object) -> None:
    if not isinstance(query, str):
        raise InvalidArgumentError(f"query: expected a str, got {type(query).__name__}")


def _parts(texts: Sequence[str], batch_size: int) -> Iterator[list[str]]:
    for start in range(0, len(texts), batch_size):
        yield list(texts[start : start + batch_size])


def model_name(embedding: Embeddings | None) -> str:
    """Return what a model is called, as far as it says so."""
    for attribute in ("model", "model_name"):
        name = getattr(embedding, attribute, None)
        if isinstance(name, str):
            return name
    return ""


def plugin_of(embedding: Embeddings | None) -> Embedder | None:
    """Return the plug-in that a model is, or None."""
    return embedding.embedder if isinstance(embedding, ElanusEmbeddings) else None


def _sparse_plugin(sparse: SparseEmbeddings | None) -> SparseEmbedder | None:
    return sparse.embedder if isinstance(sparse, ElanusSparseEmbeddings) else None
