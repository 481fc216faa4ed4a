"""An embedder plug-in of elanus as LangChain embeddings."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor
from langchain_core.utils import from_env
from pydantic import BaseModel, ConfigDict, Field, SkipValidation

from elanus.plugins import Embedder, Role, embed_texts, get_embedder


class ElanusEmbeddings(BaseModel, Embeddings):
    """Embeddings by an elanus plug-in, loaded when it is first used.

    Attributes:
        model: Name of the plug-in, with the model after a colon when it takes one
            (``"sentence-transformers:BAAI/bge-m3"``), or an object that fulfils
            ``elanus.plugins.Embedder``. The default is the environment variable
            ``ELANUS_EMBEDDING_MODEL``, or ``"minilm"``.
        model_kwargs: Keyword arguments of the plug-in's factory.
        batch_size: Texts per call of the model.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=(), extra="forbid", frozen=True
    )

    model: str | Annotated[Embedder, SkipValidation] = Field(
        default_factory=from_env("ELANUS_EMBEDDING_MODEL", default="minilm")
    )
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    batch_size: int = Field(default=128, ge=1)

    @cached_property
    def embedder(self) -> Embedder:
        """The plug-in."""
        return get_embedder(self.model, **self.model_kwargs)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors = embed_texts(self.embedder, texts, batch_size=self.batch_size)
        return _to_lists(vectors)

    def embed_query(self, text: str) -> list[float]:
        return _to_lists(embed_texts(self.embedder, [text], role=Role.QUERY))[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await run_in_executor(None, self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        return await run_in_executor(None, self.embed_query, text)


def _to_lists(vectors: Any) -> list[list[float]]:
    lists: list[list[float]] = vectors.tolist()
    return lists
