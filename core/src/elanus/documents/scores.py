"""How does a score of any mode become a relevance between 0 and 1?

These are the normalisations of Milvus' weighted ranker: monotone, bounded, and without an
assumption about the length of the vectors. 1 is most relevant for every mode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from elanus.documents.options import SearchMode
from elanus.query.requests import RRF, Fusion
from elanus.query.scores import unit_score
from elanus.types import MetricType


def relevance(score: float, mode: SearchMode, metric: MetricType) -> float:
    """Return the relevance of a hit of a search over one field.

    Args:
        score: As the search reported it: cosine, inner product, squared distance for L2, BM25
            score, or inner product of sparse vectors.
        mode: Dense, sparse or BM25.
        metric: Metric of the dense field; the other modes do not read it.
    """
    if mode is not SearchMode.DENSE:
        return clamp(unit_score(MetricType.IP, -score, is_sparse=True))
    distance = score if metric is MetricType.L2 else -score
    return clamp(unit_score(metric, distance, is_sparse=False))


def fused_relevance(score: float, fusion: Fusion, weights: Sequence[float]) -> float:
    """Return the relevance of a hit of a hybrid search.

    Args:
        score: The fused score.
        fusion: How it was fused.
        weights: Weight of each leg that took part.

    Returns:
        The share of the best score that any document can have: 1 is first in every leg for RRF,
        and the best normalised score in every leg for a weighted sum.
    """
    best = sum(weights)
    if isinstance(fusion, RRF):
        best /= fusion.k + 1.0
    return clamp(score / best) if best > 0 else 0.0


def clamp(value: float) -> float:
    """Return ``value`` cut to [0, 1]; rounding may carry a cosine past its bounds."""
    return min(1.0, max(0.0, value))


def sigmoid(logit: float) -> float:
    """Return the probability that a logit stands for, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)
