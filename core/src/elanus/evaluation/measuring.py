"""How are queries asked and their answers measured?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from elanus.evaluation.bootstrap import check_resampling, estimate
from elanus.evaluation.judgements import Judged
from elanus.evaluation.metrics import Metric
from elanus.evaluation.report import Evaluation, Latency
from elanus.types import PrimaryKey


class Answering(NamedTuple):
    """What answers queries.

    Attributes:
        search: Returns hits or primary keys for one query, the best first.
        queries: What it takes, for each judged query.
        title: What it is called in reports.
        embedding_ms: How long embedding the queries took.
    """

    search: Callable[[Any], Any]
    queries: Sequence[Any]
    title: str
    embedding_ms: float


def measured(
    answering: Answering,
    judged: Judged,
    metrics: Sequence[Metric],
    depth: int,
    *,
    resamples: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Ask every query and return what the answers are worth.

    Args:
        answering: What answers them.
        judged: The queries.
        metrics: What to measure.
        depth: Places that any of them looks at.
        resamples: Samples of the bootstrap.
        confidence: Of the intervals.
        seed: Of the intervals.
    """
    check_resampling(resamples, confidence)
    rankings, times = [], np.empty(len(judged.ids), dtype=np.float64)
    for place, query in enumerate(answering.queries):
        started = time.perf_counter()
        found = answering.search(query)
        times[place] = (time.perf_counter() - started) * 1e3
        rankings.append(tuple(_keys(found)))
    gains = judged.gains_of(rankings, depth)
    values = np.stack([one.score(gains, judged.relevance) for one in metrics], axis=1)
    names = tuple(map(str, metrics))
    estimates = {
        name: estimate(values[:, i], resamples=resamples, confidence=confidence, seed=seed)
        for i, name in enumerate(names)
    }
    return Evaluation(
        answering.title,
        judged.ids,
        names,
        values,
        times,
        tuple(rankings),
        estimates,
        Latency.of(times),
        answering.embedding_ms,
        judged.left_out,
        confidence,
        seed,
    )


def _keys(found: Any) -> list[PrimaryKey]:
    """Return the primary keys of hits, or keys as they are; each once."""
    if hasattr(found, "ids"):
        return list(dict.fromkeys(found.ids))
    return list(dict.fromkeys(getattr(hit, "id", hit) for hit in found))
