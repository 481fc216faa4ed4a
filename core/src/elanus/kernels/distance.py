"""Which dense vectors are nearest, exactly?

Every metric is a distance here, smaller is nearer: L2 is the squared Euclidean distance, IP the
negated inner product, COSINE the negated inner product of a unit-length query and a row times
``row_scale``; HAMMING the number of bits that differ, JACCARD their share of the bits set in either
vector (0 between two vectors without any); MHJACCARD the negated share of equal elements of 32 bits
(MHJACCARD_8, _16 and _64: of so many). A distance that is not a number counts as +inf.

The dtypes of queries and rows say what they are:

=========  ========================  =======================================
rows       queries                   metrics
=========  ========================  =======================================
float32    float32                   L2, IP, COSINE
float16    float32                   L2, IP, COSINE
uint16     float32                   L2, IP, COSINE
int8       float32 or int8           L2, IP, COSINE
uint8      uint8                     HAMMING, JACCARD, MHJACCARD and its widths
=========  ========================  =======================================

uint16 rows hold the bits of bfloat16, uint8 eight dimensions of a binary vector. With float32
queries CPU variants agree to about 1e-5 relative, and a distance has the bits that the row as
float32 gives; int8 queries and binary vectors give the same bits everywhere (sums are exact, the
step to float32 rounds above 2**24). On one variant the result for a query does not depend on the
others in its batch.
"""

from __future__ import annotations

import numpy as np

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bfloat16 import from_bfloat16
from elanus.kernels.bitset import Bitset
from elanus.kernels.threads import query_threads
from elanus.types import (
    BINARY_METRICS,
    DENSE_METRICS,
    MINHASH_METRICS,
    Float32Array,
    Int64Array,
    MetricType,
    VectorArray,
)

_METRICS = {
    MetricType.L2: _native.Metric.L2,
    MetricType.IP: _native.Metric.IP,
    MetricType.COSINE: _native.Metric.COSINE,
    MetricType.HAMMING: _native.Metric.HAMMING,
    MetricType.JACCARD: _native.Metric.JACCARD,
    MetricType.MHJACCARD: _native.Metric.MINHASH32,
    MetricType.MHJACCARD_8: _native.Metric.MINHASH8,
    MetricType.MHJACCARD_16: _native.Metric.MINHASH16,
    MetricType.MHJACCARD_64: _native.Metric.MINHASH64,
}


def scan_topk(
    metric: MetricType,
    queries: VectorArray,
    rows: VectorArray,
    row_scale: Float32Array | None,
    allowed: Bitset | None,
    k: int,
    *,
    threads: int | None = None,
) -> tuple[Int64Array, Float32Array]:
    """Return the nearest rows to each query, nearest first, by reading every allowed row.

    Args:
        metric: One that fits the rows.
        queries: C-contiguous, shape ``(nq, dim)``; ``dim / 8`` columns for binary vectors. For
            COSINE the caller has scaled each float32 query to unit length; int8 queries are
            scaled here.
        rows: C-contiguous, shape ``(n, dim)``, or ``dim / 8`` columns.
        row_scale: float32 of shape ``(n,)``, ``inverse_norms(rows)``; only for COSINE. None
            means that rows have unit length.
        allowed: Rows that may be returned, over ``n`` rows; only these are read. None allows all.
        k: Rows wanted per query, at least 1.
        threads: Threads for a batch of queries, as ``kernels.threads.query_threads`` takes it.

    Returns:
        Row ids int64 and distances float32, both ``(nq, k)``. Missing places hold -1 and +inf.
        Ties go to the smaller row id.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, shape or layout, the metric does
            not fit the rows, or ``k`` is below 1.

    Releases the GIL. Safe from many threads at once.
    """
    words = None if allowed is None else allowed.words
    try:
        count = query_threads(len(queries), threads)
        return _native.scan_topk(native_metric(metric), queries, rows, row_scale, words, k, count)
    except TypeError as error:
        raise mismatch(
            error,
            *_expected("queries", queries, rows, 2),
            Expected("row_scale", row_scale, "float32", 1, optional=True),
        ) from None


def distances_to_rows(
    metric: MetricType,
    query: VectorArray,
    rows: VectorArray,
    row_scale: Float32Array | None,
    row_ids: Int64Array,
) -> Float32Array:
    """Return the distance from one query to each named row.

    Args:
        metric: One that fits the rows.
        query: As a row of the queries of ``scan_topk``.
        rows: As in ``scan_topk``.
        row_scale: As in ``scan_topk``.
        row_ids: int64 of shape ``(m,)``, values in ``[0, n)``, in any order.

    Returns:
        float32 of shape ``(m,)``, in the order of ``row_ids``; the same bits that ``scan_topk``
        gives for these rows.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, shape or layout, a row id is
            outside, or the metric does not fit the rows.

    Releases the GIL. Safe from many threads at once.
    """
    try:
        return _native.distances_to_rows(native_metric(metric), query, rows, row_scale, row_ids)
    except TypeError as error:
        raise mismatch(
            error,
            *_expected("query", query, rows, 1),
            Expected("row_scale", row_scale, "float32", 1, optional=True),
            Expected("row_ids", row_ids, "int64", 1),
        ) from None


def query_dtypes(rows: VectorArray) -> tuple[str, ...]:
    """Return the names of the dtypes that queries for these rows may have, the usual one first."""
    return _QUERY_DTYPES.get(rows.dtype.name, ("float32",))


def widened(rows: VectorArray) -> Float32Array:
    """Return rows of numbers as float32, exactly; uint16 as the bits of bfloat16."""
    if rows.dtype == np.uint16:
        return from_bfloat16(rows)
    return rows.astype(np.float32, copy=False)


def unit_rows(rows: Float32Array) -> Float32Array | None:
    """Return the rows scaled to unit length; zero rows stay zero.

    Args:
        rows: float32, C-contiguous, shape ``(n, dim)``.

    Returns:
        float32 of the same shape; None when a value is NaN or infinite.
    """
    return _native.unit_rows(rows)


def are_finite(rows: Float32Array) -> bool:
    """Return whether no value of float32 ``(n, dim)``, C-contiguous, is NaN or infinite."""
    return _native.are_finite(rows)


def inverse_norms(rows: VectorArray) -> Float32Array:
    """Return ``1 / |row|`` of each row, the same on every CPU.

    Args:
        rows: float32, float16, bits of bfloat16 (uint16) or int8, C-contiguous, shape
            ``(n, dim)``.

    Returns:
        float32 of shape ``(n,)``; 0 where the inverse is not a finite number, as for zero rows.

    Raises:
        InvalidArgumentError: ``rows`` has the wrong dtype, rank or layout.

    Releases the GIL.
    """
    try:
        return _native.inverse_norms(rows)
    except TypeError as error:
        raise mismatch(error, Expected("rows", rows, _dtype_of(rows, _NUMBERS), 2)) from None


def native_metric(metric: MetricType) -> _native.Metric:
    """Return the metric as the kernels take it.

    Raises:
        InvalidArgumentError: The metric is not one of dense vectors.
    """
    found = _METRICS.get(metric)
    if found is None:
        names = ", ".join((*DENSE_METRICS, *BINARY_METRICS, *MINHASH_METRICS))
        raise InvalidArgumentError(f"metric: expected one of {names}, got {metric!r}")
    return found


_NUMBERS = ("float32", "float16", "uint16", "int8")
_QUERY_DTYPES = {"int8": ("float32", "int8"), "uint8": ("uint8",)}


def _expected(
    name: str, queries: object, rows: object, query_rank: int
) -> tuple[Expected, Expected]:
    """Return what the dtype of the rows asks for."""
    row_dtype = _dtype_of(rows, (*_NUMBERS, "uint8"))
    query_dtype = _dtype_of(queries, _QUERY_DTYPES.get(row_dtype, ("float32",)))
    return Expected(name, queries, query_dtype, query_rank), Expected("rows", rows, row_dtype, 2)


def _dtype_of(array: object, allowed: tuple[str, ...]) -> str:
    """Return the dtype of an array if it may have it, else the first that it may have."""
    name = array.dtype.name if isinstance(array, np.ndarray) else ""
    return name if name in allowed else allowed[0]
