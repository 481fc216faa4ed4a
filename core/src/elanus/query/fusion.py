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


def rank_single(field: Field, found: Sequence[Found], page: slice) -> list[Ranked]:
    """Return a page of the candidates of a single leg; their metric's value is the score."""
    metric = field.metric_type
    ranked = []
    for rank, row in enumerate(found[page], (page.start or 0) + 1):
        score = user_score(metric, row.distance)
        ranked.append(Ranked(row, score, (LegScore(field.name, metric, rank, score, score),)))
    return ranked


def fuse(
    fusion: Fusion, legs: Sequence[LegRequest], lists: Sequence[list[Found]], page: slice
) -> list[Ranked]:
    """Join the legs' candidates; return a page of the result, best first.

    Raises:
        InvalidArgumentError: The number or names of the weights do not fit the legs.
    """
    fields = [leg.field for leg in legs]
    weights = leg_weights(fusion, fields)
    scores: dict[tuple[int, int], float] = {}
    rows: dict[tuple[int, int], Found] = {}
    for field, weight, found in zip(fields, weights, lists, strict=True):
        for rank, row in enumerate(found, 1):
            part = _contribution(fusion, field, weight, rank, row.distance)
            scores[row.place] = scores.get(row.place, 0.0) + part
            rows.setdefault(row.place, row)
    order = sorted(rows, key=lambda place: (-scores[place], rows[place].pk))[page]
    # Only what is returned is explained: most candidates are not.
    ranks = [{row.place: rank for rank, row in enumerate(found, 1)} for found in lists]
    return [
        Ranked(
            rows[place],
            scores[place],
            tuple(
                _leg_score(fusion, field, weight, found, places.get(place))
                for field, weight, found, places in zip(fields, weights, lists, ranks, strict=True)
            ),
        )
        for place in order
    ]


def _leg_score(
    fusion: Fusion, field: Field, weight: float, found: Sequence[Found], rank: int | None
) -> LegScore:
    """Return what a leg says about a row that it found at ``rank``, from 1, or did not find."""
    metric = field.metric_type
    if rank is None:
        return LegScore(field.name, metric, None, None, 0.0)
    distance = found[rank - 1].distance
    part = _contribution(fusion, field, weight, rank, distance)
    return LegScore(field.name, metric, rank, user_score(metric, distance), part)


def _contribution(fusion: Fusion, field: Field, weight: float, rank: int, distance: float) -> float:
    """Return what a leg adds to the score of a row that it found at this rank."""
    if isinstance(fusion, RRF):
        return weight / (fusion.k + rank)
    is_sparse = field.dtype is DataType.SPARSE_FLOAT_VECTOR
    return weight * unit_score(field.metric_type, distance, is_sparse=is_sparse)


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
