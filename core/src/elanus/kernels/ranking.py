"""How do the candidates of several sources, and several ranked lists, become one list?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.types import (
    MINHASH_METRICS,
    Float32Array,
    Float64Array,
    Int64Array,
    MetricType,
)

CandidateArrays: TypeAlias = tuple[Int64Array, Float32Array]
RankedArrays: TypeAlias = tuple[Int64Array, Int64Array, Float64Array]


class MergedCandidates(NamedTuple):
    """Nearest candidates of ``nq`` queries, nearest first; arrays of shape ``(nq, width)``.

    Missing places, at the end of a query's, hold source and row id -1 and distance +inf.

    Attributes:
        sources: int64, number of the source of each candidate.
        row_ids: int64, its row in the source.
        distances: float32.
        tied: Queries of which two candidates lie equally near, ascending.
    """

    sources: Int64Array
    row_ids: Int64Array
    distances: Float32Array
    tied: list[int]


class FusedRows(NamedTuple):
    """Every row of some lists once, best first; arrays of shape ``(n,)``.

    Attributes:
        sources: int64.
        row_ids: int64.
        scores: float64, the sum of the row's parts.
    """

    sources: Int64Array
    row_ids: Int64Array
    scores: Float64Array


UnitScale: TypeAlias = _native.UnitScale
"""How a distance becomes a score in [0, 1]."""
_SCALES = {
    MetricType.COSINE: _native.UnitScale.COSINE,
    MetricType.IP: _native.UnitScale.IP,
    MetricType.L2: _native.UnitScale.L2,
    MetricType.HAMMING: _native.UnitScale.L2,
    MetricType.JACCARD: _native.UnitScale.L2,
    **dict.fromkeys(MINHASH_METRICS, _native.UnitScale.SHARE),
    # Sums of cosines have no bounds.
    MetricType.MAX_SIM_COSINE: _native.UnitScale.IP,
    MetricType.MAX_SIM_IP: _native.UnitScale.IP,
    MetricType.MAX_SIM_L2: _native.UnitScale.L2,
    MetricType.MAX_SIM_HAMMING: _native.UnitScale.L2,
    MetricType.MAX_SIM_JACCARD: _native.UnitScale.L2,
}


def merge_candidates(
    tables: Sequence[CandidateArrays], num_queries: int, limit: int
) -> MergedCandidates:
    """Return the ``limit`` nearest candidates, and all that are as near as the last of them.

    Args:
        tables: One of each source: row ids (int64) and distances (float32), both ``(nq, any)``,
            nearest first, row id -1 in missing places.
        num_queries: ``nq``.
        limit: Candidates wanted per query, at least 1.

    Returns:
        Equals stand in the order of their sources, then of their places.

    Raises:
        InvalidArgumentError: ``limit`` is 0, or a table has another number of queries.
    """
    return MergedCandidates(*_native.merge_candidates(tables, num_queries, limit))


def fuse_lists(lists: Sequence[RankedArrays]) -> FusedRows:
    """Return every row of the lists once, with the sum of its parts, largest first.

    Args:
        lists: Sources (int64), row ids (int64) and parts (float64) of each list, all ``(n,)``.

    Returns:
        Equal sums stand in the order of first appearance.

    Raises:
        InvalidArgumentError: Arrays of a list differ in length.
    """
    return FusedRows(*_native.fuse_lists(lists))


def unit_scale(metric: MetricType, *, is_sparse: bool) -> UnitScale:
    """Return how ``unit_scores`` maps the distances of a field.

    Args:
        metric: Of a field; any where ``is_sparse``.
        is_sparse: The scores begin at 0, as those of BM25 do.

    Raises:
        InvalidArgumentError: The metric has no such form.
    """
    scale = _native.UnitScale.SPARSE if is_sparse else _SCALES.get(metric)
    if scale is None:
        raise InvalidArgumentError(f"metric: expected one of dense vectors, got {metric!r}")
    return scale


def unit_scores(scale: UnitScale, distances: Float32Array) -> Float64Array:
    """Map distances into [0, 1], larger is better, as Milvus' weighted ranker does.

    Args:
        scale: Of their field.
        distances: float32 of shape ``(n,)``, smaller is nearer.

    Returns:
        float64 of shape ``(n,)``. COSINE: ``(1 + s) / 2``; IP: ``0.5 + atan(s) / π``; L2, HAMMING
        and JACCARD: ``1 - 2 atan(d) / π``; MHJACCARD: ``s``; sparse: ``2 atan(s) / π``.
    """
    return _native.unit_scores(scale, distances)
