"""An embedder plug-in of elanus as a LlamaIndex embedding."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from elanus.plugins import Embedder, Role, embed_texts, get_embedder


class ElanusEmbedding(BaseEmbedding):
    """Embeddings by an elanus plug-in.

    Args:
        model_name: Name of the plug-in, with the model after a colon when it takes one
            (``"sentence-transformers:BAAI/bge-m3"``).
        embedder: An object that fulfils ``elanus.plugins.Embedder``, instead of a name.
        model_kwargs: Keyword arguments of the plug-in's factory.

    Raises:
        PluginNotInstalledError: Nothing installed has this name.
    """

    model_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the plug-in's factory."
    )
    _embedder: Embedder = PrivateAttr()

    def __init__(
        self,
        model_name: str = "minilm",
        *,
        embedder: Embedder | None = None,
        model_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        params = model_kwargs or {}
        plugin = get_embedder(model_name if embedder is None else embedder, **params)
        name = model_name if embedder is None else plugin.info.name
        super().__init__(**{"model_name": name, "model_kwargs": params, **kwargs})
        self._embedder = plugin

    @classmethod
    def class_name(cls) -> str:
        return "ElanusEmbedding"

    @property
    def embedder(self) -> Embedder:
        """The plug-in."""
        return self._embedder

    def _get_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = embed_texts(self._embedder, [query], role=Role.QUERY)[0].tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = embed_texts(self._embedder, texts).tolist()
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
