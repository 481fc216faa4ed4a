"""How many hits should a reranker read?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from elanus.evaluation.judgements import Judged
from elanus.evaluation.metrics import Metric
from elanus.evaluation.trials import is_better
from elanus.plugins import Reranker
from elanus.types import Float64Array, Int64Array, PrimaryKey

DEPTHS: Final = (10, 20, 50, 100)
"""Numbers of hits to try."""


def depth_values(
    judged: Judged,
    metric: Metric,
    rankings: Sequence[Sequence[PrimaryKey]],
    texts: Mapping[PrimaryKey, str],
    model: Reranker,
    queries: Sequence[str],
) -> dict[int, Float64Array]:
    """Return what each query's answer is worth by hits that the model reads; 0: it reads none.

    Args:
        judged: The queries.
        metric: What answers are measured by.
        rankings: Hits of each query before the model, the best first.
        texts: What it reads, by primary key.
        model: It reads each hit once.
        queries: What it reads them for.
    """
    known = [
        np.asarray(model.score(query, [texts[key] for key in ranking]), dtype=np.float64)
        if ranking
        else np.empty(0)
        for query, ranking in zip(queries, rankings, strict=True)
    ]
    values = {0: _worth(judged, metric, rankings)}
    for depth in (one for one in DEPTHS if one >= metric.k):
        ordered = [
            [ranking[i] for i in np.argsort(-scores[:depth], kind="stable").tolist()]
            for ranking, scores in zip(rankings, known, strict=True)
        ]
        values[depth] = _worth(judged, metric, ordered)
    return values


def best_depth(values: Mapping[int, Float64Array], rows: Int64Array) -> int:
    """Return the fewest hits to read that are as good as any, by some of the queries."""
    best = max(values, key=lambda depth: float(values[depth][rows].mean()))
    return min(depth for depth in values if not is_better(values[best][rows], values[depth][rows]))


def _worth(
    judged: Judged, metric: Metric, rankings: Sequence[Sequence[PrimaryKey]]
) -> Float64Array:
    return metric.score(judged.gains_of(rankings, metric.k), judged.relevance)
