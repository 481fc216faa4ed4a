"""Which inverted lists hold the nearest rows, and which rows are they?

Each row lies in the list of its nearest centroid, less which it is quantized: to one byte a
dimension (scalar codes) or to one codeword for each part of its dimensions (product codes). A query
reads the lists of the nearest centroids. The arrays lie as they are stored: nothing is copied.

Rows are scaled to unit length for COSINE, and less a common ``mean`` everywhere: with vectors far
from the origin the products that make up a distance would cancel.

Source: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bitset import Bitset
from elanus.types import (
    AnyArray,
    ByteArray,
    Float32Array,
    Int64Array,
    MetricType,
    UInt32Array,
)

PANEL_WIDTH = 16
"""Centroids that a kernel compares with a row at once."""
BLOCK_ROWS = 32
"""Product codes lie in blocks of as many rows."""
CODE_ALIGNMENT = 32
"""Scalar codes are padded to a multiple of this many bytes."""
SUB_GROUP = 4
"""Parts with 4 bits are padded to a multiple of this many."""
NO_ROW = 0xFFFF_FFFF
"""Stands in ``row_ids`` where a list of product codes is filled up."""

Coding = _native.Coding
Codebooks = _native.Codebooks
_METRICS = {
    MetricType.L2: _native.Metric.L2,
    MetricType.IP: _native.Metric.IP,
    MetricType.COSINE: _native.Metric.COSINE,
}


def to_panels(centroids: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return centroids as the kernels read them.

    Args:
        centroids: float32, shape ``(k, dim)``.

    Returns:
        float32 arrays of rank 1: panels of 16 centroids, ``[dimension][centroid]`` each, and half
        of each squared length, +inf where the last panel is filled up.
    """
    k, dim = centroids.shape
    panels = -(-k // PANEL_WIDTH)
    padded = np.zeros((panels * PANEL_WIDTH, dim), dtype=np.float32)
    padded[:k] = centroids
    half_norms = np.full(panels * PANEL_WIDTH, np.inf, dtype=np.float32)
    half_norms[:k] = (centroids.astype(np.float64) ** 2).sum(axis=1) / 2
    turned = padded.reshape(panels, PANEL_WIDTH, dim).transpose(0, 2, 1)
    return np.ascontiguousarray(turned).reshape(-1), half_norms


def code_stride(dim: int) -> int:
    """Return the bytes of one row of scalar codes."""
    return -(-dim // CODE_ALIGNMENT) * CODE_ALIGNMENT


def product_bytes(num_subs: int, bits: int) -> int:
    """Return the bytes of a block of 32 rows of product codes."""
    group = SUB_GROUP if bits == 4 else 1
    return -(-num_subs // group) * group * BLOCK_ROWS * bits // 8


class CentredRows:
    """Rows as inverted lists see them: scaled, less a mean. Safe from many threads."""

    def __init__(self, rows: Float32Array, scale: Float32Array | None, mean: Float32Array) -> None:
        """Refer to the arrays.

        Args:
            rows: float32, C-contiguous, shape ``(n, dim)``.
            scale: float32 of shape ``(n,)``, multiplied with each row; None is 1 for all.
            mean: float32 of shape ``(dim,)``, taken off each scaled row.

        Raises:
            InvalidArgumentError: An array has the wrong dtype, rank, shape or layout.
        """
        try:
            self._native = _native.CentredRows(rows, scale, mean)
        except TypeError as error:
            raise mismatch(
                error,
                Expected("rows", rows, "float32", 2),
                Expected("row_scale", scale, "float32", 1, optional=True),
                Expected("mean", mean, "float32", 1),
            ) from None
        self.num_rows, self.dim = rows.shape

    def nearest(
        self, panels: Float32Array, half_norms: Float32Array, first: int, count: int
    ) -> UInt32Array:
        """Return the nearest centroid of the rows ``first .. first + count - 1``.

        Args:
            panels: As of ``to_panels``.
            half_norms: As of ``to_panels``.
            first: The first row.
            count: How many.

        Returns:
            uint32 of shape ``(count,)``; the smaller one of equally near centroids.
        """
        return self._native.nearest(panels, half_norms, first, count)

    def residual_peaks(
        self, centroids: Float32Array, row_ids: UInt32Array, lists: UInt32Array
    ) -> Float32Array:
        """Return the largest absolute value of each slot's residual, float32 ``(slots,)``.

        Args:
            centroids: float32, shape ``(nlist, dim)``, less the mean.
            row_ids: uint32 ``(slots,)``; ``NO_ROW`` gives 0.
            lists: uint32 ``(slots,)``, the list that each slot is in.
        """
        return self._native.residual_peaks(centroids.reshape(-1), row_ids, lists)

    def encode_scalar(
        self,
        centroids: Float32Array,
        row_ids: UInt32Array,
        lists: UInt32Array,
        steps: Float32Array,
    ) -> tuple[ByteArray, Float32Array]:
        """Return scalar codes, uint8 ``(slots, code_stride)``, and float32 terms ``(slots,)``.

        A code is ``round(residual / step) + 128`` with the step of the list. A term is
        ``|r|^2 + 2 c.r`` of the residual ``r`` that the code stands for and the centroid ``c``.
        Arguments are those of ``residual_peaks``; ``steps`` is float32 ``(nlist,)``.
        """
        codes, terms = self._native.encode_scalar(centroids.reshape(-1), row_ids, lists, steps)
        return codes.reshape(len(row_ids), -1), terms

    def encode_product(
        self,
        centroids: Float32Array,
        row_ids: UInt32Array,
        lists: UInt32Array,
        books: Codebooks,
    ) -> tuple[ByteArray, Float32Array]:
        """Return product codes, uint8 of rank 1, and float32 terms ``(slots,)``.

        The number of slots is a multiple of ``BLOCK_ROWS``. Arguments are those of
        ``residual_peaks``.
        """
        return self._native.encode_product(centroids.reshape(-1), row_ids, lists, books)


class InvertedLists:
    """Inverted lists over stored arrays, which may be read-only and mapped.

    Opening looks at the number of lists, not of rows. Row ids are checked as they are read, so
    damaged arrays raise ``CorruptionError`` and are never read out of bounds.
    """

    def __init__(
        self,
        arrays: Mapping[str, AnyArray],
        books: Codebooks | None,
        metric: MetricType,
        coding: Coding,
        *,
        num_rows: int,
        probe_step: float,
    ) -> None:
        """Refer to the arrays, each C-contiguous.

        Args:
            arrays: ``mean`` float32 ``(dim,)``; ``centroids`` float32 ``(nlist, dim)``, less the
                mean; ``probe_codes`` uint8 and ``probe_terms`` float32, scalar codes of the
                centroids; ``offsets`` int64 ``(nlist + 1,)``, where each list begins;
                ``row_ids`` uint32 ``(slots,)``; ``codes`` uint8; ``terms`` float32 ``(slots,)``
                for L2; ``steps`` float32 ``(nlist,)`` for scalar codes. What a coding or metric
                does not need is left out.
            books: Codewords of product codes, else None.
            metric: L2, IP or COSINE.
            coding: What is stored of each row.
            num_rows: Rows that the lists cover.
            probe_step: Step of ``probe_codes``.

        Raises:
            CorruptionError: Sizes contradict each other.
        """
        flat: dict[str, AnyArray] = {
            "codes": np.empty(0, np.uint8),
            "terms": np.empty(0, np.float32),
            "steps": np.empty(0, np.float32),
        }
        flat.update({name: array.reshape(-1) for name, array in arrays.items()})
        self._native = _native.InvertedLists(
            flat, books, _METRICS[metric], coding, num_rows, probe_step
        )

    def search(
        self,
        queries: Float32Array,
        limit: int,
        *,
        num_probes: int,
        least_rows: int,
        allowed: Bitset | None = None,
        rows: Float32Array | None = None,
        row_scale: Float32Array | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the nearest rows of the probed lists, nearest first.

        Args:
            queries: float32, C-contiguous, shape ``(nq, dim)``; of unit length for COSINE.
            limit: Rows wanted per query, at least 1.
            num_probes: Lists that are read, the nearest first.
            least_rows: Further lists are read until they hold so many allowed rows.
            allowed: Rows that may be returned; None allows all.
            rows: The stored rows, read only where there are no codes.
            row_scale: Their scale for COSINE.

        Returns:
            Row ids int64 and distances float32, both ``(nq, limit)``; -1 and +inf where there is
            none. Distances come from the codes and leave out what all rows share.

        Raises:
            InvalidArgumentError: ``queries`` has the wrong dtype, rank, shape or layout.
            CorruptionError: A list names a row that does not exist.

        Releases the GIL. Safe from many threads at once.
        """
        words = None if allowed is None else allowed.words
        try:
            return self._native.search(
                queries, num_probes, least_rows, limit, words, rows, row_scale
            )
        except TypeError as error:
            raise mismatch(error, Expected("queries", queries, "float32", 2)) from None


def rescore(
    metric: MetricType,
    queries: Float32Array,
    rows: Float32Array,
    row_scale: Float32Array | None,
    candidates: Int64Array,
    limit: int,
) -> tuple[Int64Array, Float32Array]:
    """Return the nearest of each query's candidates by exact distance.

    Args:
        metric: L2, IP or COSINE.
        queries: float32, C-contiguous, shape ``(nq, dim)``; of unit length for COSINE.
        rows: float32, C-contiguous, shape ``(n, dim)``.
        row_scale: As in ``distance.scan_topk``.
        candidates: int64, shape ``(nq, depth)``; -1 is no candidate.
        limit: Rows wanted per query, at least 1.

    Returns:
        As ``distance.scan_topk``, whose bits the distances have.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, shape or layout, or a candidate
            is no row.
        CorruptionError: A candidate occurs twice.

    Releases the GIL. Safe from many threads at once.
    """
    if metric not in _METRICS:
        raise InvalidArgumentError(f"expected a dense metric, got {metric}")
    try:
        return _native.rescore(_METRICS[metric], queries, rows, row_scale, candidates, limit)
    except TypeError as error:
        raise mismatch(
            error,
            Expected("queries", queries, "float32", 2),
            Expected("rows", rows, "float32", 2),
            Expected("row_scale", row_scale, "float32", 1, optional=True),
            Expected("candidates", candidates, "int64", 2),
        ) from None
