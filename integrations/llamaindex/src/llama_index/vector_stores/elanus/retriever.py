"""A retriever over ``ElanusVectorStore`` that needs no index object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llama_index.core import Settings
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from elanus.documents import SearchMode
from llama_index.vector_stores.elanus.base import ElanusVectorStore
from llama_index.vector_stores.elanus.querying import SUPPORTED_MODES

_TEXT_MODES = (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH)


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """How a retriever asks.

    Attributes:
        mode: Query mode, or its name.
        top_k: Nodes wanted.
        alpha: 1 is dense, 0 is sparse; None takes the store's fusion.
        filters: On metadata.
        tenant: Search only this tenant.
        query_kwargs: Further keyword arguments of ``ElanusVectorStore.query``.
    """

    mode: VectorStoreQueryMode | str = VectorStoreQueryMode.DEFAULT
    top_k: int = 2
    alpha: float | None = None
    filters: MetadataFilters | None = None
    tenant: str | None = None
    query_kwargs: Mapping[str, Any] = field(default_factory=dict)


class ElanusRetriever(BaseRetriever):
    """Finds nodes in an ``ElanusVectorStore``.

    Args:
        vector_store: The store.
        embed_model: Embeds queries; None takes ``Settings.embed_model`` when one is needed.
        reranker: Orders what was found.
        **options: Fields of ``RetrievalOptions``: ``mode``, ``top_k``, ``alpha``, ``filters``,
            ``tenant``, ``query_kwargs``.
    """

    def __init__(
        self,
        vector_store: ElanusVectorStore,
        *,
        embed_model: BaseEmbedding | None = None,
        reranker: BaseNodePostprocessor | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._vector_store = vector_store
        self._embed_model = embed_model
        self._reranker = reranker
        self._options = RetrievalOptions(**options)
        try:
            self._mode = VectorStoreQueryMode(self._options.mode)
        except ValueError:
            names = ", ".join(repr(mode.value) for mode in SUPPORTED_MODES)
            raise ValueError(f"mode {self._options.mode!r}: expected one of {names}") from None

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        embedding = query_bundle.embedding
        if embedding is None and self._embeds:
            embedding = self._model.get_agg_embedding_from_queries(query_bundle.embedding_strs)
        query, arguments = self._request(query_bundle, embedding)
        found = _scored(self._vector_store.query(query, **arguments))
        if self._reranker is None:
            return found
        return self._reranker.postprocess_nodes(found, query_bundle=query_bundle)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query, arguments = self._request(query_bundle, query_bundle.embedding)
        if query_bundle.embedding is None and self._embeds:
            embed = partial(
                self._model.aget_agg_embedding_from_queries, query_bundle.embedding_strs
            )
            result = await self._vector_store.aquery_embedding(query, embed, **arguments)
        else:
            result = await self._vector_store.aquery(query, **arguments)
        found = _scored(result)
        if self._reranker is None:
            return found
        return await self._reranker.apostprocess_nodes(found, query_bundle=query_bundle)

    @property
    def _embeds(self) -> bool:
        """Whether what is searched needs the embedding of a query."""
        if self._mode is VectorStoreQueryMode.DEFAULT:
            return SearchMode(self._vector_store.search_mode) in (
                SearchMode.DENSE,
                SearchMode.HYBRID,
            )
        return self._mode not in _TEXT_MODES

    @property
    def _model(self) -> BaseEmbedding:
        return self._embed_model or Settings.embed_model

    def _request(
        self, bundle: QueryBundle, embedding: list[float] | None
    ) -> tuple[VectorStoreQuery, dict[str, Any]]:
        options = self._options
        query = VectorStoreQuery(
            query_embedding=embedding,
            query_str=bundle.query_str,
            similarity_top_k=options.top_k,
            mode=self._mode,
            alpha=options.alpha,
            filters=options.filters,
        )
        tenant = {} if options.tenant is None else {"tenant": options.tenant}
        return query, {**tenant, **options.query_kwargs}


def _scored(result: VectorStoreQueryResult) -> list[NodeWithScore]:
    scores = result.similarities or []
    return [NodeWithScore(node=n, score=s) for n, s in zip(result.nodes or [], scores, strict=True)]
