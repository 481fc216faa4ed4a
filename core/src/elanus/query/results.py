"""What does a user hold after a search?

The only place where a distance becomes the value that the user sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from elanus.query.plan import LegPlan
from elanus.types import MetricType, PrimaryKey


def user_score(metric: MetricType, distance: float) -> float:
    """Return the metric's value: the distance for L2 (squared), HAMMING and JACCARD, else the
    similarity or BM25 score."""
    return distance if metric.is_distance else -distance


def unit_score(metric: MetricType, distance: float, *, is_sparse: bool) -> float:
    """Map a distance into [0, 1], larger is better, as Milvus' weighted ranker does."""
    score = user_score(metric, distance)
    if is_sparse:
        return 2.0 * math.atan(score) / math.pi
    if metric is MetricType.COSINE:
        return (1.0 + score) / 2.0
    if metric is MetricType.IP:
        return 0.5 + math.atan(score) / math.pi
    return 1.0 - 2.0 * math.atan(score) / math.pi


@dataclass(frozen=True, slots=True)
class LegScore:
    """What one leg says about one hit.

    Attributes:
        name: Field that the leg searched.
        metric: Its metric.
        rank: Place in the leg's list, from 1; None when the leg did not find the hit.
        score: The metric's value; None when the leg did not find the hit.
        contribution: Part of the hit's final score that comes from this leg.
    """

    name: str
    metric: str
    rank: int | None
    score: float | None
    contribution: float

    def __str__(self) -> str:
        if self.rank is None or self.score is None:
            return f"{self.name}: not found"
        return f"{self.name}: rank {self.rank}, {self.metric} {self.score:.4f}"


@dataclass(frozen=True, slots=True)
class TermScore:
    """What one query term adds to a BM25 score."""

    term: str
    idf: float
    frequency: float
    contribution: float


@dataclass(frozen=True, slots=True)
class HitExplanation:
    """Why a hit is where it is.

    Attributes:
        legs: One entry per searched field, in the order of the request.
        source: Segment or memtable that holds the row.
        terms: Matched terms of the BM25 leg, the heaviest first; only with ``explain=True``.
    """

    legs: tuple[LegScore, ...]
    source: str = ""
    terms: tuple[TermScore, ...] = ()

    def __str__(self) -> str:
        lines = [str(leg) for leg in self.legs]
        lines += [
            f"  {t.term}: {t.contribution:.3f} (idf {t.idf:.3f}, {t.frequency:g} times)"
            for t in self.terms
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Hit:
    """One found entity.

    Attributes:
        id: Primary key.
        score: COSINE: cosine; IP: inner product; L2: squared distance, HAMMING: bits that differ
            and JACCARD: their share, all three smaller is nearer; BM25: score; hybrid search:
            fused score.
        entity: The output fields.
        explanation: Parts of the score.
    """

    id: PrimaryKey
    score: float
    entity: dict[str, Any]
    explanation: HitExplanation


@dataclass(frozen=True, slots=True)
class SearchExplanation:
    """How a search was answered; ``print`` it.

    Attributes:
        legs: Plan of each searched field.
        fusion: How several legs were joined, or "".
        timings_ms: Milliseconds by stage: ``filter``, ``candidates``, ``merge``, ``project``,
            ``total``.
    """

    legs: tuple[LegPlan, ...]
    fusion: str
    timings_ms: dict[str, float]

    def __str__(self) -> str:
        lines = [str(leg) for leg in self.legs]
        if self.fusion:
            lines.append(f"fused by {self.fusion}")
        lines.append(", ".join(f"{stage} {ms:.2f} ms" for stage, ms in self.timings_ms.items()))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """Hits of one query, best first.

    Attributes:
        hits: The hits.
        recall_estimate: Expected share of the true nearest rows among the candidates.
        explanation: Plan and timings.
    """

    hits: tuple[Hit, ...]
    recall_estimate: float
    explanation: SearchExplanation = field(repr=False)

    @property
    def is_exact(self) -> bool:
        """Whether every candidate list was computed exactly."""
        return all(s.method != "graph" for leg in self.explanation.legs for s in leg.steps)

    @property
    def ids(self) -> list[PrimaryKey]:
        """Primary keys, best first."""
        return [hit.id for hit in self.hits]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]
