"""What does an evaluation say?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.evaluation.bootstrap import Difference, Estimate, difference
from elanus.evaluation.judgements import named
from elanus.evaluation.plot import draw
from elanus.types import Float64Array, PrimaryKey


@dataclass(frozen=True, slots=True)
class Latency:
    """How long single searches took, in milliseconds; embedding the queries is not part of it."""

    mean: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, times_ms: Float64Array) -> Latency:
        """Return what times of single searches come to."""
        middle, most, nearly_all = np.percentile(times_ms, [50, 95, 99]).tolist()
        return cls(float(times_ms.mean()), middle, most, nearly_all)

    def __str__(self) -> str:
        return (
            f"mean {self.mean:.2f} ms, p50 {self.p50:.2f} ms, p95 {self.p95:.2f} ms, "
            f"p99 {self.p99:.2f} ms"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How well queries were answered; ``print`` it.

    Attributes:
        title: What was searched, and how.
        queries: Ids, in the order in which they were asked.
        metrics: Names, such as ``"ndcg@10"``.
        values: float64, shape ``(queries, metrics)``: what each answer is worth, 0 to 1.
        times_ms: float64, shape ``(queries,)``: how long each search took.
        rankings: Primary keys of the hits of each query, best first.
        estimates: Mean and interval by metric.
        latency: What ``times_ms`` comes to.
        embedding_ms: How long it took to embed all queries at once; 0 where nothing was embedded.
        left_out: Queries without a relevant entity, which were not asked.
        confidence: Of the intervals.
        seed: Of the intervals.
    """

    title: str
    queries: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Float64Array
    times_ms: Float64Array
    rankings: tuple[tuple[PrimaryKey, ...], ...]
    estimates: Mapping[str, Estimate]
    latency: Latency
    embedding_ms: float
    left_out: tuple[str, ...]
    confidence: float
    seed: int

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over all queries."""
        return float(self.of(metric).mean())

    def of(self, metric: str) -> Float64Array:
        """Return the values of a metric, float64 of shape ``(queries,)``.

        Raises:
            InvalidArgumentError: It was not measured.
        """
        if metric not in self.metrics:
            raise InvalidArgumentError(
                f"metric {metric!r} was not measured; expected one of {', '.join(self.metrics)}"
            )
        return self.values[:, self.metrics.index(metric)]

    def per_query(self) -> list[dict[str, Any]]:
        """Return a row per query: ``query``, each metric, ``ms`` and the ``hits``; as pandas or
        ``csv.DictWriter`` take them."""
        rows = zip(
            self.queries, self.values.tolist(), self.times_ms.tolist(), self.rankings, strict=True
        )
        return [
            {
                "query": query,
                **dict(zip(self.metrics, values, strict=True)),
                "ms": ms,
                "hits": list(hits),
            }
            for query, values, ms, hits in rows
        ]

    def worst(self, metric: str | None = None, count: int = 10) -> list[dict[str, Any]]:
        """Return the rows of the queries that were answered worst; the first metric if None."""
        values = self.of(metric or self.metrics[0])
        rows = self.per_query()
        return [rows[i] for i in np.argsort(values, kind="stable")[:count].tolist()]

    def compare(self, other: Evaluation) -> dict[str, Difference]:
        """Return by metric how much better this is than another evaluation of the same queries.

        Differences are taken query by query, so that hard queries do not hide them.

        Raises:
            InvalidArgumentError: The other one is of other queries.
        """
        if self.queries != other.queries:
            strange = set(self.queries) ^ set(other.queries)
            raise InvalidArgumentError(
                "compare: expected an evaluation of the same queries in the same order"
                + (f"; only one has {named(sorted(strange))}" if strange else "")
            )
        return {
            metric: difference(
                self.of(metric), other.of(metric), confidence=self.confidence, seed=self.seed
            )
            for metric in self.metrics
            if metric in other.metrics
        }

    def plot(self, path: str | os.PathLike[str], *others: Evaluation) -> None:
        """Write a picture of this evaluation, and of others beside it, as SVG.

        On top the mean of each metric with its interval, below each query's value of the first
        metric, the best answered query first.

        Args:
            path: File to write; any program that shows web pages shows it.
            *others: Evaluations with the same metrics.

        Raises:
            InvalidArgumentError: One of them has other metrics.
        """
        shown = (self, *others)
        for one in others:
            if one.metrics != self.metrics:
                raise InvalidArgumentError(
                    f"plot: expected the metrics {', '.join(self.metrics)}, got "
                    f"{', '.join(one.metrics)}"
                )
        estimates = [[one.estimates[metric] for metric in self.metrics] for one in shown]
        curves = [np.sort(one.values[:, 0])[::-1] for one in shown]
        picture = draw([one.title for one in shown], self.metrics, estimates, curves)
        Path(path).write_text(picture, encoding="utf-8")

    def __str__(self) -> str:
        width = max(map(len, self.metrics))
        lines = [f"{self.title}: {len(self.queries)} queries"]
        lines += [f"  {metric:{width}}  {self.estimates[metric]}" for metric in self.metrics]
        lines.append(f"  {100 * self.confidence:g} % intervals by bootstrap over the queries")
        lines.append(f"  {self.latency} per search")
        if self.embedding_ms:
            lines.append(f"  {self.embedding_ms:.0f} ms to embed all queries at once")
        if self.left_out:
            lines.append(f"  without a relevant entity, not asked: {named(self.left_out)}")
        return "\n".join(lines)
