"""How does an embedding object of LangChain or LlamaIndex serve as a plug-in?

Both are recognised by their methods, so neither library is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from elanus.errors import ProviderError
from elanus.plugins.batching import check_vectors
from elanus.plugins.protocols import ModelInfo
from elanus.types import Float32Array


class ForeignEmbedder:
    """Embedder over functions that return lists of floats.

    It has no ``config``: pass the object again when a collection is opened. The dimension is
    learned from the vector of one short text, when it is first asked for. Whatever the object
    raises is passed on.

    Args:
        name: Name of the model.
        documents: Texts to vectors.
        query: One text to its vector.
        wrapped: The object itself.
    """

    def __init__(
        self,
        name: str,
        documents: Callable[[list[str]], Sequence[Sequence[float]]],
        query: Callable[[str], Sequence[float]],
        wrapped: object,
    ) -> None:
        self.wrapped = wrapped
        self._name = name
        self._documents = documents
        self._query = query
        self._lock = threading.Lock()
        self._info: ModelInfo | None = None

    @property
    def info(self) -> ModelInfo:
        with self._lock:
            if self._info is None:
                dim = len(self._query("dimensions"))
                if dim < 1:
                    raise ProviderError(f"{self._name}: its vectors have no dimensions")
                self._info = ModelInfo(name=self._name, dim=dim)
            return self._info

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._matrix(self._documents(list(texts)) if texts else [])

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._matrix([self._query(text) for text in texts])

    def _matrix(self, rows: Sequence[Sequence[float]]) -> Float32Array:
        info = self.info
        if any(len(row) != info.dim for row in rows):
            raise ProviderError(
                f"{info.name}: expected vectors of {info.dim} dimensions, got "
                f"{sorted({len(row) for row in rows})}"
            )
        matrix = np.array(rows, dtype=np.float32).reshape(len(rows), info.dim)
        return check_vectors(matrix, len(rows), info)


def adapted_embedder(given: object) -> object:
    """Return ``given``, wrapped if it is an embedding object of LangChain or LlamaIndex.

    LangChain's has ``embed_documents`` and ``embed_query``, LlamaIndex's
    ``get_text_embedding_batch`` and ``get_query_embedding``.
    """
    model: Any = given
    if isinstance(given, str) or hasattr(given, "embed_queries"):
        return given
    name = type(given).__name__
    for attribute in ("model_name", "model"):
        value = getattr(given, attribute, None)
        if isinstance(value, str) and value:
            name = value
            break
    if hasattr(given, "embed_documents") and hasattr(given, "embed_query"):
        return ForeignEmbedder(name, model.embed_documents, model.embed_query, given)
    if hasattr(given, "get_text_embedding_batch") and hasattr(given, "get_query_embedding"):
        return ForeignEmbedder(
            name, model.get_text_embedding_batch, model.get_query_embedding, given
        )
    return given
