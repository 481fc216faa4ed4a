"""How does a reranker change the order of found documents?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from elanus.documents.options import SearchMode
from elanus.documents.rows import DocumentHit
from elanus.documents.scores import clamp, relevance, sigmoid
from elanus.plugins.protocols import Reranker, ScoreKind
from elanus.types import MetricType

RERANK_WINDOW = 50
"""Fewest candidates that a reranker sees, in rows."""
RERANK_WINDOW_FACTOR = 4
"""Candidates that a reranker sees for every hit that is asked for."""


def rerank_window(limit: int) -> int:
    """Return how many candidates to fetch so that a reranker can choose ``limit`` of them."""
    return max(RERANK_WINDOW_FACTOR * limit, RERANK_WINDOW)


def reranker_relevance(score: float, kind: ScoreKind) -> float:
    """Return a reranker's score in [0, 1]: a sigmoid of logits, probabilities unchanged."""
    if kind is ScoreKind.LOGIT:
        return sigmoid(score)
    if kind is ScoreKind.PROBABILITY:
        return clamp(score)
    return relevance(score, SearchMode.BM25, MetricType.BM25)


def rerank_hits(reranker: Reranker, query: str, hits: Sequence[DocumentHit]) -> list[DocumentHit]:
    """Return hits ordered by the reranker, best first; equal scores keep their order.

    Each hit takes the reranker's score and relevance; its explanation stays that of the search.
    """
    if not hits:
        return []
    scores = reranker.score(query, [hit.text for hit in hits])
    kind = reranker.info.score_kind
    return [
        replace(
            hits[i], score=float(scores[i]), relevance=reranker_relevance(float(scores[i]), kind)
        )
        for i in np.argsort(-scores, kind="stable")
    ]
