"""How do several ranked lists become one?

Ties are broken by primary key: the same query gives the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elanus.errors import InvalidArgumentError
from elanus.query.merge import Found
from elanus.query.requests import RRF, Fusion, LegRequest, Weighted
from elanus.query.results import LegScore, unit_score, user_score
from elanus.schema.fields import Field
from elanus.types import DataType


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row with its final score and what each leg gave to it."""

    found: Found
    score: float
    legs: tuple[LegScore, ...]


def rank_single(field: Field, found: Sequence[Found]) -> list[Ranked]:
    """Return the candidates of a single leg; their metric's value is the score."""
    metric = field.metric_type
    ranked = []
    for rank, row in enumerate(found, 1):
        score = user_score(metric, row.distance)
        ranked.append(Ranked(row, score, (LegScore(field.name, metric, rank, score, score),)))
    return ranked


def fuse(fusion: Fusion, legs: Sequence[LegRequest], lists: Sequence[list[Found]]) -> list[Ranked]:
    """Join the legs' candidates, best first.

    Raises:
        InvalidArgumentError: The number or names of the weights do not fit the legs.
    """
    fields = [leg.field for leg in legs]
    weights = leg_weights(fusion, fields)
    places: dict[tuple[int, int], list[int | None]] = {}
    rows: dict[tuple[int, int], Found] = {}
    for leg, found in enumerate(lists):
        for rank, row in enumerate(found):
            rows.setdefault(row.place, row)
            places.setdefault(row.place, [None] * len(legs))[leg] = rank
    ranked = [
        _rank_one(fusion, fields, weights, lists, rows[place], ranks)
        for place, ranks in places.items()
    ]
    ranked.sort(key=lambda r: (-r.score, r.found.pk))
    return ranked


def _rank_one(
    fusion: Fusion,
    fields: Sequence[Field],
    weights: Sequence[float],
    lists: Sequence[list[Found]],
    row: Found,
    ranks: Sequence[int | None],
) -> Ranked:
    scores: list[LegScore] = []
    for field, weight, found, rank in zip(fields, weights, lists, ranks, strict=True):
        metric = field.metric_type
        if rank is None:
            scores.append(LegScore(field.name, metric, None, None, 0.0))
            continue
        distance = found[rank].distance
        if isinstance(fusion, RRF):
            part = weight / (fusion.k + rank + 1)
        else:
            sparse = field.dtype is DataType.SPARSE_FLOAT_VECTOR
            part = weight * unit_score(metric, distance, is_sparse=sparse)
        scores.append(LegScore(field.name, metric, rank + 1, user_score(metric, distance), part))
    return Ranked(row, sum(s.contribution for s in scores), tuple(scores))


def leg_weights(fusion: Fusion, fields: Sequence[Field]) -> list[float]:
    """Return one weight per leg."""
    weights = fusion.weights
    if weights is None:
        if isinstance(fusion, Weighted):
            return [
                fusion.sparse if f.dtype is DataType.SPARSE_FLOAT_VECTOR else fusion.dense
                for f in fields
            ]
        return [1.0] * len(fields)
    if isinstance(weights, Mapping):
        names = [f.name for f in fields]
        unknown = sorted(set(weights) - set(names))
        if unknown:
            raise InvalidArgumentError(
                f"fusion: weight for {unknown[0]!r}, but the legs search {', '.join(names)}"
            )
        return [float(weights.get(name, 0.0)) for name in names]
    if len(weights) != len(fields):
        raise InvalidArgumentError(
            f"fusion: expected {len(fields)} weights, one per leg, got {len(weights)}"
        )
    return [float(w) for w in weights]
