"""How well does each token of the query find its like among the tokens of a document?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from elanus.plugins import (
    MultiVectorEmbedder,
    RerankerInfo,
    ScoreKind,
    VectorKind,
    embedding_from_config,
    get_multivector_embedder,
    plugin_config,
)
from elanus.types import Float32Array


class MaxSimReranker:
    """Reranker over token vectors: for each token of the query the largest inner product, summed.

    Args:
        model: The embedder of token vectors, its name such as
            ``"late-interaction:colbert-ir/colbertv2.0"``, or what ``plugin_config`` returns for it.

    Raises:
        InvalidArgumentError: The embedder makes vectors of another kind.

    Source: Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via
    Contextualized Late Interaction over BERT", arXiv:2004.12832.
    """

    def __init__(self, model: MultiVectorEmbedder | str | Mapping[str, object]) -> None:
        found = (
            embedding_from_config(model, VectorKind.MULTIVECTOR)
            if isinstance(model, Mapping)
            else get_multivector_embedder(model)
        )
        self._embedder: MultiVectorEmbedder = found  # type: ignore[assignment]

    @property
    def info(self) -> RerankerInfo:
        # Inner products may be negative, and so may their sum.
        return RerankerInfo(name=f"maxsim({self._embedder.info.name})", score_kind=ScoreKind.LOGIT)

    @property
    def config(self) -> dict[str, object] | None:
        """What a collection stores; None when the embedder inside cannot be built again."""
        inner = plugin_config(self._embedder)
        if inner["params"] is None:
            return None
        return {"name": "maxsim", "params": {"model": inner}}

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: The embedder failed.
        """
        if not len(documents):
            return np.empty(0, dtype=np.float32)
        wanted = self._embedder.embed_queries([query]).vectors
        found = self._embedder.embed_documents(documents)
        # One product for all documents, then the largest of each document's rows.
        products = found.vectors @ wanted.T
        best = np.maximum.reduceat(products, found.offsets[:-1], axis=0)
        scores: Float32Array = best.sum(axis=1, dtype=np.float32)
        return scores
