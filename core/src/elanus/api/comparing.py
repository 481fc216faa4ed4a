"""How far do the answers of two fields agree?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from elanus.api.tuning import Tunings
from elanus.errors import InvalidArgumentError
from elanus.types import Float64Array, PrimaryKey

# Loaded by what needs them: most programs do without.
if TYPE_CHECKING:
    from elanus.evaluation.bootstrap import Difference, Estimate
    from elanus.evaluation.judgements import Qrels, Queries


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What two fields answer to the same queries; ``print`` it.

    Attributes:
        fields: The old one and the new one.
        k: Hits of each answer.
        queries: Ids, in the order of ``overlaps``.
        overlaps: float64, shape ``(queries,)``, share of the hits of one that the other has too.
        hits: Keys of both answers to each query.
        overlap: Mean of the overlaps, and its interval.
        metric: What both were measured by; "" without judgements.
        measured: Mean and interval of the metric by field; empty without judgements.
        difference: How much better the new one is; None without judgements.
    """

    fields: tuple[str, str]
    k: int
    queries: tuple[str, ...]
    overlaps: Float64Array
    hits: tuple[tuple[list[PrimaryKey], list[PrimaryKey]], ...]
    overlap: Estimate
    metric: str = ""
    measured: dict[str, Estimate] | None = None
    difference: Difference | None = None

    def least_alike(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the queries whose answers differ most, with both answers."""
        old, new = self.fields
        return [
            {
                "query": self.queries[i],
                "overlap": float(self.overlaps[i]),
                old: self.hits[i][0],
                new: self.hits[i][1],
            }
            for i in np.argsort(self.overlaps, kind="stable")[:count].tolist()
        ]

    def __str__(self) -> str:
        old, new = self.fields
        lines = [f"{old} and {new}: overlap@{self.k} {self.overlap}, {len(self.queries)} queries"]
        for name, found in (self.measured or {}).items():
            lines.append(f"  {self.metric} of {name}: {found}")
        if self.difference is not None:
            lines.append(f"  {new} over {old}: {self.difference}")
        return "\n".join(lines)


class Comparisons(Tunings):
    """The part of ``Collection`` that asks two fields the same."""

    def _compared(
        self,
        fields: tuple[str, str],
        queries: Queries | None,
        qrels: Qrels | None,
        *,
        k: int,
        metric: str,
        count: int,
        seed: int,
    ) -> Comparison:
        """Ask two fields the same texts; see ``EmbeddingMigration.compare``."""
        from elanus.evaluation.bootstrap import difference, estimate
        from elanus.evaluation.judgements import read_queries
        from elanus.evaluation.metrics import parse_metric

        wanted = parse_metric(metric)
        if queries is None:
            if qrels is not None:
                raise InvalidArgumentError("compare: expected queries with qrels, got qrels alone")
            queries, _ = self.known_item_queries(count, seed=seed)
        asked = read_queries(queries)
        if not all(isinstance(text, str) for text in asked.values()):
            raise InvalidArgumentError("compare: expected texts as queries, for both to embed")
        depth = k if qrels is None else max(k, wanted.k)
        found = [self._answers_of(name, list(asked.values()), depth) for name in fields]
        pairs = tuple((one[:k], other[:k]) for one, other in zip(*found, strict=True))
        shares = [len(set(one) & set(other)) / max(len(one), len(other), 1) for one, other in pairs]
        overlaps = np.array(shares, dtype=np.float64)
        made = Comparison(fields, k, tuple(asked), overlaps, pairs, estimate(overlaps, seed=seed))
        if qrels is None:
            return made
        judged = self._judged(asked, qrels, ignore_missing=False)
        places = [made.queries.index(name) for name in judged.ids]
        values = [
            wanted.score(judged.gains_of([hits[i] for i in places], wanted.k), judged.relevance)
            for hits in found
        ]
        measured = {n: estimate(v, seed=seed) for n, v in zip(fields, values, strict=True)}
        gap = difference(values[1], values[0], seed=seed)
        return replace(made, metric=str(wanted), measured=measured, difference=gap)

    def _answers_of(self, name: str, texts: list[str], limit: int) -> list[list[PrimaryKey]]:
        """Return what the field of this very name answers, whoever answers by it otherwise."""
        return [keys for keys, _ in self.leg_hits(name, texts, limit, itself=True)]
