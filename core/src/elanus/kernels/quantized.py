"""Which rows are nearest, exactly, without reading every vector?

A first pass over one byte per dimension bounds the distance of every row from both sides; only
rows that may be among the nearest are then computed from their float32 values. The bounds are
proven, so row ids, distances and order are those of ``kernels.distance.scan_topk`` whatever the
vectors are. Where bounds exclude too few rows, the scan is done on the float32 values instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus import _native
from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import native_metric
from elanus.kernels.threads import THREADED_BYTES, in_threads
from elanus.types import AnyArray, Float32Array, Int64Array, MetricType, UInt64Array

CENTRE_ROWS = 2_048
"""Rows whose median becomes the centre: the error of a median of so many is small beside what
the codes lose."""
MAX_CENTRE = 1e18
"""Largest number of a centre; rows that far out are not bounded anyway."""
ENCODED_ROWS = 4_096
"""Rows that are encoded between two looks at the cancel flag: some milliseconds."""
_ARRAYS: Mapping[str, tuple[type[np.generic], int]] = {
    # name: (dtype, rank)
    "codes": (np.uint8, 2),
    "scales": (np.float32, 1),
    "errors": (np.float32, 1),
    "norms": (np.float32, 1),
    "centre": (np.float32, 1),
}


def code_bytes(num_rows: int, dim: int) -> int:
    """Return what the codes of so many rows take, in memory and on disk: about a quarter of them.

    One byte per dimension, filled up to a multiple of 64, and 12 bytes a row.
    """
    return num_rows * (int(_native.code_stride(dim)) + 12) + 4 * dim


class ScanCodes:
    """One-byte codes of the rows of a segment, over arrays that nobody may change.

    Immutable, safe from many threads at once.
    """

    def __init__(self, metric: MetricType, arrays: Mapping[str, AnyArray]) -> None:
        """Open codes over arrays that ``arrays`` gave, mapped or not; nothing is copied.

        Args:
            metric: Metric for which the rows were encoded.
            arrays: By name. codes: uint8 ``(n, stride)``; scales, errors and norms: float32
                ``(n,)``; centre: float32 ``(dim,)``.

        Raises:
            CorruptionError: An array is missing, or dtypes or shapes contradict each other.
        """
        _check_arrays(arrays)
        self._arrays: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        self._metric = metric
        self._native = _native.ScanCodes(native_metric(metric), **self._arrays)

    @classmethod
    def encode(
        cls,
        metric: MetricType,
        rows: Float32Array,
        row_scale: Float32Array | None,
        *,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> ScanCodes:
        """Encode rows, on several threads where there are many.

        Args:
            metric: L2, IP or COSINE.
            rows: float32, C-contiguous, shape ``(n, dim)``; any values.
            row_scale: As in ``scan_topk``.
            checkpoint: Called often from any thread; may raise to cancel.

        Raises:
            InvalidArgumentError: An array has the wrong dtype, rank, shape or layout, or there are
                more than 32,768 dimensions.
        """
        if not isinstance(rows, np.ndarray) or rows.ndim != 2:
            raise mismatch(TypeError("rows"), Expected("rows", rows, "float32", 2))
        count, dim = rows.shape
        if row_scale is not None and np.shape(row_scale) != (count,):
            raise InvalidArgumentError(
                f"row_scale: expected shape ({count},), got {np.shape(row_scale)}"
            )
        arrays = _empty_arrays(count, dim)
        centre = _centre(rows, row_scale)

        def encode(first: int, step: int) -> None:
            for start in range(first * ENCODED_ROWS, count, step * ENCODED_ROWS):
                checkpoint()
                part = slice(start, start + ENCODED_ROWS)
                scale = None if row_scale is None else row_scale[part]
                outputs = {name: array[part] for name, array in arrays.items()}
                _native.encode_rows(rows[part], scale, centre, **outputs)

        try:
            for _ in in_threads(encode, rows.nbytes):
                pass
        except TypeError as error:
            raise mismatch(
                error,
                Expected("rows", rows, "float32", 2),
                Expected("row_scale", row_scale, "float32", 1, optional=True),
            ) from None
        return cls(metric, {**arrays, "centre": centre})

    @property
    def num_rows(self) -> int:
        return len(self._arrays["codes"])

    @property
    def dim(self) -> int:
        return len(self._arrays["centre"])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays from which the same codes are opened; not copied."""
        return dict(self._arrays)

    def search(
        self,
        queries: Float32Array,
        rows: Float32Array,
        row_scale: Float32Array | None,
        allowed: Bitset | None,
        k: int,
        *,
        check_rows: Callable[[Int64Array | None], None] | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the nearest rows to each query: what ``scan_topk`` returns, to the bit.

        Args:
            queries: float32, C-contiguous, shape ``(nq, dim)``; of unit length for COSINE. All
                queries of a call share one pass over the codes.
            rows: The rows that were encoded.
            row_scale: The scale with which they were encoded.
            allowed: Rows that may be returned, over ``n`` rows; None allows all.
            k: Rows wanted per query, at least 1.
            check_rows: Called with the rows (int64, ascending; None for all) whose float32 values
                will be read, before they are; may raise.

        Returns:
            Row ids int64 and distances float32, both ``(nq, k)``. Missing places hold -1 and +inf.
            Ties go to the smaller row id.

        Raises:
            InvalidArgumentError: As ``scan_topk``, or ``rows`` are not those that were encoded.

        Releases the GIL.
        """
        words = None if allowed is None else allowed.words
        native = self._native
        try:
            if check_rows is None and not self._is_threaded(allowed):
                return native.search(queries, rows, row_scale, words, k)
            found = self._first_pass(queries, words, k, self._is_threaded(allowed))
            if check_rows is not None:
                check_rows(found.row_ids() if found.is_bounded else None)
            return native.second_pass(found, queries, rows, row_scale, words, k)
        except TypeError as error:
            raise mismatch(
                error,
                Expected("queries", queries, "float32", 2),
                Expected("rows", rows, "float32", 2),
                Expected("row_scale", row_scale, "float32", 1, optional=True),
            ) from None

    def _first_pass(
        self, queries: Float32Array, words: UInt64Array | None, k: int, is_threaded: bool
    ) -> _native.FirstPass:
        count = self.num_rows

        def scan(first: int, step: int) -> _native.FirstPass:
            part = -(-count // step)
            start = min(count, first * part)
            stop = min(count, start + part)
            return self._native.first_pass(queries, words, k, start, stop)

        passes = list(in_threads(scan, self._arrays["codes"].nbytes if is_threaded else 0))
        return passes[0] if len(passes) == 1 else _native.merge_passes(passes)

    def _is_threaded(self, allowed: Bitset | None) -> bool:
        num_bytes = self._arrays["codes"].nbytes
        if num_bytes < THREADED_BYTES:
            return False
        return allowed is None or allowed.count() * num_bytes // self.num_rows >= THREADED_BYTES


def _empty_arrays(count: int, dim: int) -> dict[str, Any]:
    return {
        "codes": np.empty((count, _native.code_stride(dim)), dtype=np.uint8),
        "scales": np.empty(count, dtype=np.float32),
        "errors": np.empty(count, dtype=np.float32),
        "norms": np.empty(count, dtype=np.float32),
    }


def _check_arrays(arrays: Mapping[str, AnyArray]) -> None:
    for name, (dtype, rank) in _ARRAYS.items():
        array = arrays.get(name)
        if array is None:
            raise CorruptionError(f"scan codes: no array {name!r}; build the index again")
        if array.dtype != dtype or array.ndim != rank or not array.flags.c_contiguous:
            raise CorruptionError(
                f"scan codes: expected {name} as a {np.dtype(dtype)} array of rank {rank}, "
                f"got {array.dtype} of shape {array.shape}; build the index again"
            )


def _centre(rows: Float32Array, row_scale: Float32Array | None) -> Float32Array:
    """Return a point amid the rows: the median of each dimension over some of them.

    A median rather than a mean, so that a few rows far out do not move it.
    """
    dim = rows.shape[1]
    if len(rows) == 0:
        return np.zeros(dim, dtype=np.float32)
    places = np.linspace(0, len(rows) - 1, min(len(rows), CENTRE_ROWS)).astype(np.int64)
    sample = np.asarray(rows[places], dtype=np.float32)
    with np.errstate(all="ignore"):
        if row_scale is not None:
            sample = sample * row_scale[places, None]
        middle = len(sample) // 2
        centre = np.partition(sample, middle, axis=0)[middle]
        usable = np.abs(centre) <= MAX_CENTRE / max(1.0, dim**0.5)
    return np.ascontiguousarray(np.where(usable, centre, 0), dtype=np.float32)
