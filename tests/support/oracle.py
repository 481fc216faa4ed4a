"""Slow, obvious answers that searches are compared with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np


def dense_score(metric: str, query: Sequence[float], row: Sequence[float]) -> float:
    """Return what a user sees: cosine, inner product or squared distance."""
    q, x = np.asarray(query, dtype=np.float64), np.asarray(row, dtype=np.float64)
    if metric == "L2":
        return float(((q - x) ** 2).sum())
    if metric == "IP":
        return float(q @ x)
    lengths = float(np.linalg.norm(q) * np.linalg.norm(x))
    return float(q @ x) / lengths if lengths else 0.0


def nearest(
    metric: str,
    query: Sequence[float],
    rows: Mapping[object, Sequence[float]],
    limit: int,
    allowed: Callable[[object], bool] = lambda pk: True,
) -> list[tuple[object, float]]:
    """Return (pk, score), best first; equal scores by pk."""
    sign = 1.0 if metric == "L2" else -1.0
    scored = [(pk, dense_score(metric, query, row)) for pk, row in rows.items() if allowed(pk)]
    return sorted(scored, key=lambda s: (sign * round(s[1], 5), s[0]))[:limit]


def bm25_scores(
    query: Sequence[str],
    documents: Mapping[object, Sequence[str]],
    k1: float = 1.2,
    b: float = 0.75,
) -> dict[object, float]:
    """Return the BM25 score of every document that shares a term with the query."""
    total = sum(len(d) for d in documents.values())
    average = total / len(documents) if documents else 0.0
    scores: dict[object, float] = {}
    for term, times in Counter(query).items():
        df = sum(term in d for d in documents.values())
        if not df:
            continue
        idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
        for pk, document in documents.items():
            tf = document.count(term)
            if tf:
                norm = k1 * (1 - b + b * len(document) / average)
                scores[pk] = scores.get(pk, 0.0) + times * idf * tf * (k1 + 1) / (tf + norm)
    return scores


def rrf(lists: Sequence[Sequence[object]], k: float = 60) -> list[tuple[object, float]]:
    """Return (pk, score) by reciprocal rank, best first; equal scores by pk."""
    scores: dict[object, float] = {}
    for ranked in lists:
        for rank, pk in enumerate(ranked, 1):
            scores[pk] = scores.get(pk, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda s: (-s[1], s[0]))
