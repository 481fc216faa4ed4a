"""How do several ranked lists become one?

Ties are broken by primary key: the same query gives the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.kernels.prepared import PreparedFusion, PreparedLeg
from elanus.kernels.ranking import (
    FusedRows,
    RankedArrays,
    UnitScale,
    fuse_lists,
    unit_scale,
    unit_scores,
)
from elanus.kernels.rows import RowReader
from elanus.query.merge import PkReader
from elanus.query.ranking import RankedRows
from elanus.query.requests import DBSF, RRF, ByScore, Fusion, Weighted
from elanus.query.rescoring import nearness
from elanus.query.scores import field_scale
from elanus.schema.fields import Field
from elanus.types import DataType, Float32Array, Float64Array, Int64Array, MetricType


def contributions(
    fusion: Fusion, field: Field, weight: float, distances: Float32Array
) -> Float64Array:
    """Return what a leg adds to the score of each of its candidates, best first; ``(n,)``."""
    if isinstance(fusion, RRF):
        ranks = np.arange(1, len(distances) + 1, dtype=np.float64)
        parts: Float64Array = weight / (float(fusion.k) + ranks)
        return parts
    if isinstance(fusion, DBSF):
        return weight * _by_distribution(-distances.astype(np.float64))
    if isinstance(fusion, ByScore) and not fusion.norm_score:
        values = distances.astype(np.float64)
        return weight * (nearness(values) if field.metric_type.is_distance else -values)
    scale = _scale_of(fusion, field)
    if scale is None:
        return weight * -distances.astype(np.float64)
    return weight * unit_scores(scale, distances)


def ranked_contributions(
    fusion: Fusion, field: Field, weight: float, rows: RankedRows, *, is_model: bool
) -> Float64Array:
    """Return what a leg with rankers adds to the score of each of its candidates, best first.

    Boosted or decayed values count as the metric's own would. Distances that a decay has mapped
    into [0, 1] stay as they are, and the scores of a model count as inner products.
    """
    scores = rows.scores
    if isinstance(fusion, RRF) or not rows.is_distance:
        scores = scores if rows.is_distance else -scores
    if isinstance(fusion, RRF | DBSF):
        return contributions(fusion, field, weight, scores.astype(np.float32))
    if rows.is_distance:
        return weight * (-scores if _negates(fusion) else nearness(scores))
    if not fusion.norm_score:
        return weight * rows.scores
    if field.metric_type.is_distance and not is_model:
        return weight * rows.scores
    scale = unit_scale(MetricType.IP, is_sparse=False) if is_model else field_scale(field)
    return weight * unit_scores(scale, scores.astype(np.float32))


def settled(fusion: Fusion, lists: Sequence[RankedArrays]) -> list[RankedArrays]:
    """Return lists whose parts add up to the score of each row, as the fusion has it.

    Of the largest score only the leg that gave it keeps its part; of a mean each has its share.
    """
    if not isinstance(fusion, ByScore) or fusion.mode == "sum" or not lists:
        return list(lists)
    places = np.stack([np.concatenate([one[i] for one in lists]) for i in (0, 1)])
    parts = np.concatenate([one[2] for one in lists])
    _, rows, counts = np.unique(places, axis=1, return_inverse=True, return_counts=True)
    rows = rows.reshape(-1)
    if fusion.mode == "avg":
        parts = parts / counts[rows]
    else:
        # Stable: of equal parts that of the first leg stands first.
        order = np.lexsort((-parts, rows))
        is_best = np.zeros(len(parts), dtype=np.bool_)
        is_best[order[np.cumsum(counts) - counts]] = True
        parts = np.where(is_best, parts, 0.0)
    ends = np.cumsum([len(one[2]) for one in lists])[:-1]
    both = zip(lists, np.split(parts, ends), strict=True)
    return [(sources, row_ids, own) for (sources, row_ids, _), own in both]


def _by_distribution(scores: Float64Array) -> Float64Array:
    """Return scores as places between three deviations below their mean and three above."""
    deviation = scores.std(ddof=1) if len(scores) > 1 else 0.0
    if not deviation > 0:
        return np.full(len(scores), 0.5)
    placed: Float64Array = 0.5 + (scores - scores.mean()) / (6 * deviation)
    return placed


def fuse(
    lists: Sequence[tuple[Int64Array, Int64Array, Float64Array]], page: slice, read_pks: PkReader
) -> FusedRows:
    """Join ranked lists and return a page of the result, best first, ties by primary key.

    Args:
        lists: Sources, row ids and contributions of each list.
        page: Which places to return; both ends are numbers.
        read_pks: Reads the keys of rows with equal scores.
    """
    fused = fuse_lists(lists)
    scores = fused.scores
    start, stop = page.start, min(page.stop, len(scores))
    if start >= stop:
        return FusedRows(fused.sources[:0], fused.row_ids[:0], scores[:0])
    # Rows with the score of an end of the page may belong on either side of it.
    first, last = start, stop
    while first > 0 and scores[first - 1] == scores[start]:
        first -= 1
    while last < len(scores) and scores[last] == scores[stop - 1]:
        last += 1
    sources, row_ids = fused.sources[first:last], fused.row_ids[first:last]
    values = scores[first:last]
    if (values[1:] == values[:-1]).any():
        pks = read_pks(sources, row_ids)
        keys = list(zip((-values).tolist(), pks, strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        sources, row_ids, values = sources[order], row_ids[order], values[order]
    inner = slice(start - first, stop - first)
    return FusedRows(sources[inner], row_ids[inner], values[inner])


def prepared_fusion(
    fusion: Fusion,
    fields: Sequence[Field],
    legs: Sequence[PreparedLeg],
    limit: int,
    reader: RowReader | None,
) -> PreparedFusion | None:
    """Return what searches the legs and joins them as ``contributions`` and ``fuse`` do.

    None for fusions that look at all scores of a leg first, and weights that are no numbers.

    Args:
        fusion: How they are joined.
        fields: Those that the legs search.
        legs: With keys.
        limit: Rows wanted.
        reader: Makes entities of them.
    """
    weights = leg_weights(fusion, fields)
    if not all(map(math.isfinite, weights)):
        return None
    rank_constant: float | None = None
    scales: list[UnitScale | None] = [None] * len(fields)
    if isinstance(fusion, RRF):
        rank_constant = float(fusion.k)
    elif not isinstance(fusion, Weighted):
        return None
    else:
        scales = [_scale_of(fusion, field) for field in fields]
    return PreparedFusion(
        legs, weights, scales, rank_constant=rank_constant, limit=limit, reader=reader
    )


def _scale_of(fusion: Weighted | ByScore, field: Field) -> UnitScale | None:
    """Return how the scores of a field are mapped; None: as they are."""
    if not fusion.norm_score and not (field.metric_type.is_distance and not _negates(fusion)):
        return None
    return field_scale(field)


def _negates(fusion: Fusion) -> bool:
    return isinstance(fusion, Weighted) and fusion.negate and not fusion.norm_score


def leg_weights(fusion: Fusion, fields: Sequence[Field]) -> list[float]:
    """Return one weight per leg.

    Raises:
        InvalidArgumentError: The number or names of the weights do not fit the legs.
    """
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
