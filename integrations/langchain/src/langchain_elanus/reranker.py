"""A reranker plug-in of elanus as a LangChain document compressor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Protocol, cast

import numpy as np
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.runnables import run_in_executor
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, SkipValidation

from elanus.documents import reranker_relevance
from elanus.plugins import Reranker, RerankerInfo, ScoreKind, get_reranker

Float32Array = NDArray[np.float32]


class CrossEncoder(Protocol):
    """What LangChain calls ``BaseCrossEncoder``, wherever a version of it keeps that class."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]: ...


class ElanusReranker(BaseDocumentCompressor):
    """Orders documents by how well they answer a query.

    Attributes:
        model: Name of a reranker plug-in (``"lexical"``, ``"cross-encoder:..."``), an object that
            fulfils ``elanus.plugins.Reranker``, or a ``BaseCrossEncoder`` of LangChain.
        model_kwargs: Keyword arguments of the plug-in's factory.
        top_n: Documents kept; None keeps all.
        batch_size: Pairs per call of a ``BaseCrossEncoder``; plug-ins batch by themselves.
        score_kind: What the scores of a ``BaseCrossEncoder`` mean.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, protected_namespaces=(), extra="forbid", frozen=True
    )

    model: str | Annotated[Reranker | CrossEncoder, SkipValidation] = "lexical"
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    top_n: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    score_kind: ScoreKind = ScoreKind.LOGIT

    @cached_property
    def reranker(self) -> Reranker:
        """The plug-in that scores."""
        model = self.model
        if isinstance(model, str) or hasattr(model, "info"):
            return get_reranker(cast("str | Reranker", model), **self.model_kwargs)
        return _CrossEncoderAsReranker(model, self.batch_size, self.score_kind)

    def rank(self, query: str, texts: Sequence[str]) -> list[tuple[int, float, float]]:
        """Return position, score and relevance in [0, 1] of the best texts, best first.

        Texts with equal scores keep their order; at most ``top_n`` are returned.
        """
        if not texts:
            return []
        scores = self.reranker.score(query, texts)
        kind = self.reranker.info.score_kind
        order = np.argsort(-scores, kind="stable")[: self.top_n]
        return [
            (int(i), float(scores[i]), reranker_relevance(float(scores[i]), kind)) for i in order
        ]

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return copies of the best documents, best first.

        ``metadata["relevance_score"]`` of each is the score of the reranker; the documents given
        stay as they are.
        """
        ranked = self.rank(query, [document.page_content for document in documents])
        return [_with_score(documents[i], score) for i, score, _ in ranked]

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return what ``compress_documents`` returns, without blocking the event loop."""
        return await run_in_executor(None, self.compress_documents, documents, query, callbacks)


def _with_score(document: Document, score: float) -> Document:
    metadata = {**document.metadata, "relevance_score": score}
    return document.model_copy(update={"metadata": metadata})


class _CrossEncoderAsReranker:
    """A LangChain cross-encoder with the interface of a plug-in."""

    def __init__(self, encoder: CrossEncoder, batch_size: int, kind: ScoreKind) -> None:
        self._encoder = encoder
        self._batch_size = batch_size
        self._info = RerankerInfo(name=type(encoder).__name__, score_kind=kind)

    @property
    def info(self) -> RerankerInfo:
        return self._info

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        pairs = [(query, document) for document in documents]
        scores = np.empty(len(pairs), dtype=np.float32)
        for start in range(0, len(pairs), self._batch_size):
            stop = start + self._batch_size
            scores[start:stop] = self._encoder.score(pairs[start:stop])
        return scores
