"""Which dense vectors are nearest, exactly?

Every metric is a distance here, smaller is nearer: L2 is the squared Euclidean distance, IP the
negated inner product, COSINE the negated inner product of a unit-length query and a row times
``row_scale``. A distance that is not a number counts as +inf. CPU variants agree to about 1e-5
relative; on one variant the result for a query does not depend on the others in its batch.
"""

from __future__ import annotations

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bitset import Bitset
from elanus.types import DENSE_METRICS, Float32Array, Int64Array, MetricType

_METRICS = {
    MetricType.L2: _native.Metric.L2,
    MetricType.IP: _native.Metric.IP,
    MetricType.COSINE: _native.Metric.COSINE,
}


def scan_topk(
    metric: MetricType,
    queries: Float32Array,
    rows: Float32Array,
    row_scale: Float32Array | None,
    allowed: Bitset | None,
    k: int,
) -> tuple[Int64Array, Float32Array]:
    """Return the nearest rows to each query, nearest first, by reading every allowed row.

    Args:
        metric: L2, IP or COSINE.
        queries: float32, C-contiguous, shape ``(nq, dim)``. For COSINE the caller has scaled
            each query to unit length.
        rows: float32, C-contiguous, shape ``(n, dim)``.
        row_scale: float32 of shape ``(n,)``, ``inverse_norms(rows)``; only for COSINE. None
            means that rows have unit length.
        allowed: Rows that may be returned, over ``n`` rows; only these are read. None allows all.
        k: Rows wanted per query, at least 1.

    Returns:
        Row ids int64 and distances float32, both ``(nq, k)``. Missing places hold -1 and +inf.
        Ties go to the smaller row id.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, shape or layout, the metric is
            not a dense one, or ``k`` is below 1.

    Releases the GIL. Safe from many threads at once.
    """
    words = None if allowed is None else allowed.words
    try:
        return _native.scan_topk(native_metric(metric), queries, rows, row_scale, words, k)
    except TypeError as error:
        raise mismatch(
            error,
            Expected("queries", queries, "float32", 2),
            Expected("rows", rows, "float32", 2),
            Expected("row_scale", row_scale, "float32", 1, optional=True),
        ) from None


def distances_to_rows(
    metric: MetricType,
    query: Float32Array,
    rows: Float32Array,
    row_scale: Float32Array | None,
    row_ids: Int64Array,
) -> Float32Array:
    """Return the distance from one query to each named row.

    Args:
        metric: L2, IP or COSINE.
        query: float32 of shape ``(dim,)``; of unit length for COSINE.
        rows: float32, C-contiguous, shape ``(n, dim)``.
        row_scale: As in ``scan_topk``.
        row_ids: int64 of shape ``(m,)``, values in ``[0, n)``, in any order.

    Returns:
        float32 of shape ``(m,)``, in the order of ``row_ids``; the same bits that ``scan_topk``
        gives for these rows.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, shape or layout, a row id is
            outside, or the metric is not a dense one.

    Releases the GIL. Safe from many threads at once.
    """
    try:
        return _native.distances_to_rows(native_metric(metric), query, rows, row_scale, row_ids)
    except TypeError as error:
        raise mismatch(
            error,
            Expected("query", query, "float32", 1),
            Expected("rows", rows, "float32", 2),
            Expected("row_scale", row_scale, "float32", 1, optional=True),
            Expected("row_ids", row_ids, "int64", 1),
        ) from None


def inverse_norms(rows: Float32Array) -> Float32Array:
    """Return ``1 / |row|`` of each row, the same on every CPU.

    Args:
        rows: float32, C-contiguous, shape ``(n, dim)``.

    Returns:
        float32 of shape ``(n,)``; 0 where the inverse is not a finite number, as for zero rows.

    Raises:
        InvalidArgumentError: ``rows`` has the wrong dtype, rank or layout.

    Releases the GIL.
    """
    try:
        return _native.inverse_norms(rows)
    except TypeError as error:
        raise mismatch(error, Expected("rows", rows, "float32", 2)) from None


def native_metric(metric: MetricType) -> _native.Metric:
    """Return the metric as the kernels take it.

    Raises:
        InvalidArgumentError: The metric is not one of dense vectors.
    """
    found = _METRICS.get(metric)
    if found is None:
        names = ", ".join(DENSE_METRICS)
        raise InvalidArgumentError(f"metric: expected one of {names}, got {metric!r}")
    return found
