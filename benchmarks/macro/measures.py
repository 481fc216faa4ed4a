"""How do many latencies and answers become the figures of one row?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.macro.exact import Answer, mean_recall


@dataclass(slots=True)
class Samples:
    """Latencies and answers of one system on one case, query by query."""

    queries: list[int] = field(default_factory=list)
    ids: list[list[int]] = field(default_factory=list)
    ns: list[int] = field(default_factory=list)

    def add(self, queries: Sequence[int], ids: Sequence[list[int]], ns: Sequence[int]) -> None:
        """Append what a worker answered; it may have answered fewer than were asked."""
        self.queries += queries[: len(ids)]
        self.ids += ids
        self.ns += ns

    def recall(self, answers: Sequence[Answer]) -> float:
        """Return the mean recall; ``answers`` has one entry per query of the data set."""
        return mean_recall([answers[q] for q in self.queries], self.ids)

    def short(self, answers: Sequence[Answer]) -> int:
        """Return how many answers had fewer hits than there were to find."""
        pairs = zip(self.queries, self.ids, strict=True)
        return sum(len(ids) < answers[q].wanted for q, ids in pairs)


def latency(ns: Sequence[int]) -> dict[str, float]:
    """Return p50, p99 and mean in milliseconds."""
    values = np.asarray(ns, dtype=np.float64) / 1e6
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "mean_ms": float(values.mean())}
