"""How do learned sparse vectors come in?

``SparseEmbeddings`` has the shape of langchain-qdrant's class, so that what implements one can be
passed as the other; models that return dicts, as for langchain-milvus, are taken as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import run_in_executor
from pydantic import BaseModel, Field

from elanus.plugins import SparseEmbedder, get_sparse_embedder
from elanus.plugins.asynchronous import aembed_documents, aembed_queries


class SparseVector(BaseModel, extra="forbid"):
    """A sparse vector: ``values[i]`` stands at place ``indices[i]``."""

    indices: list[int] = Field(..., description="indices must be unique")
    values: list[float] = Field(..., description="values and indices must be the same length")


class SparseEmbeddings(ABC):
    """Text to sparse vectors."""

    @abstractmethod
    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        """Return one vector for each text."""

    @abstractmethod
    def embed_query(self, text: str) -> SparseVector:
        """Return the vector of a query."""

    async def aembed_documents(self, texts: list[str]) -> list[SparseVector]:
        """Return one vector for each text, without blocking the event loop."""
        return await run_in_executor(None, self.embed_documents, texts)

    async def aembed_query(self, text: str) -> SparseVector:
        """Return the vector of a query, without blocking the event loop."""
        return await run_in_executor(None, self.embed_query, text)


class ElanusSparseEmbeddings(SparseEmbeddings):
    """A sparse embedder plug-in of elanus as LangChain sparse embeddings.

    Args:
        model: Name of the plug-in, or an object that fulfils ``elanus.plugins.SparseEmbedder``.
        config: Keyword arguments of the plug-in's factory.

    Raises:
        PluginNotInstalledError: Nothing installed has this name.
    """

    def __init__(self, model: str | SparseEmbedder, **config: object) -> None:
        self.embedder = get_sparse_embedder(model, **config)

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        rows = self.embedder.embed_documents(texts).to_dicts()
        return [_to_vector(row) for row in rows]

    def embed_query(self, text: str) -> SparseVector:
        return _to_vector(self.embedder.embed_queries([text]).to_dicts()[0])

    async def aembed_documents(self, texts: list[str]) -> list[SparseVector]:
        rows = (await aembed_documents(self.embedder, texts)).to_dicts()
        return [_to_vector(row) for row in rows]

    async def aembed_query(self, text: str) -> SparseVector:
        return _to_vector((await aembed_queries(self.embedder, [text])).to_dicts()[0])


def _to_vector(row: Mapping[int, float]) -> SparseVector:
    return SparseVector(indices=list(row), values=list(row.values()))


def sparse_to_dict(vector: Any) -> dict[int, float]:
    """Return a sparse vector of any known form as ``{index: value}``.

    Args:
        vector: A mapping, or an object with ``indices`` and ``values``.

    Raises:
        TypeError: It is neither.
        ValueError: It has more indices than values, or the other way round.
    """
    if isinstance(vector, Mapping):
        return {int(index): float(value) for index, value in vector.items()}
    indices: Sequence[Any] | None = getattr(vector, "indices", None)
    values: Sequence[Any] | None = getattr(vector, "values", None)
    if indices is None or values is None:
        raise TypeError(
            f"sparse vector: expected a dict or an object with indices and values, "
            f"got {type(vector).__name__}"
        )
    return {int(i): float(v) for i, v in zip(indices, values, strict=True)}
