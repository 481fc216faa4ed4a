"""How does any dense embedder keep only its leading dimensions?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from elanus.errors import InvalidArgumentError
from elanus.plugins import (
    Embedder,
    ModelInfo,
    embedder_from_config,
    get_embedder,
    leading_dimensions,
    plugin_config,
)
from elanus.types import Float32Array


class TruncatedEmbedder:
    """Embedder that keeps the leading dimensions of another one (Matryoshka), scaled to length 1.

    Args:
        embedder: The embedder inside, its name, or what ``plugin_config`` returns for it.
        dim: Dimensions to keep.

    Raises:
        InvalidArgumentError: ``dim`` is out of range.
    """

    def __init__(self, embedder: Embedder | str | Mapping[str, object], dim: int) -> None:
        inner = (
            embedder_from_config(embedder)
            if isinstance(embedder, Mapping)
            else get_embedder(embedder)
        )
        if not isinstance(dim, int) or not 1 <= dim <= inner.info.dim:
            raise InvalidArgumentError(
                f"truncated: dim must be an integer in [1, {inner.info.dim}], got {dim!r}"
            )
        self._embedder = inner
        self._dim = dim

    @property
    def info(self) -> ModelInfo:
        # What is kept may be all zeros, which no scaling makes a vector of length 1.
        return replace(self._embedder.info, dim=self._dim, normalized=False, fingerprint="")

    @property
    def config(self) -> dict[str, object] | None:
        """What a collection stores; None when the embedder inside cannot be built again."""
        inner = plugin_config(self._embedder)
        if inner["params"] is None:
            return None
        return {"name": "truncated", "params": {"embedder": inner, "dim": self._dim}}

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return leading_dimensions(self._embedder.embed_documents(texts), self._dim)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return leading_dimensions(self._embedder.embed_queries(texts), self._dim)
