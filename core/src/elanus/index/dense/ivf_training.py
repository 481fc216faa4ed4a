"""Where are the centroids, and which codewords fit what is left?

k-means on a sample of the rows, by Lloyd's iterations from a random start. The same rows and seed
give the same centroids on the same kind of processor: sums run in one fixed order, however many
threads work.

Source: Lloyd, "Least squares quantization in PCM", 1982; Jegou, Douze and Schmid, "Product
Quantization for Nearest Neighbor Search", 2011.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from elanus.index.base import VectorRows
from elanus.kernels.ivf import CentredRows, Codebooks, to_panels
from elanus.types import Float32Array, Int64Array, UInt32Array

SAMPLE_PER_CENTROID = 32
"""Rows that train one centroid."""
ITERATIONS = 8
"""Passes over the sample."""
CODEBOOK_SAMPLE = {4: 4_096, 8: 16_384}
"""Residuals that train the codewords, by bits: 256 for each of 16, 64 for each of 256."""
CHUNK_ROWS = 8_192
"""Rows of one piece of work: well under a second, a multiple of a block of codes."""
SEED = 0

Checkpoint = Callable[[], None]
PieceT = TypeVar("PieceT")


@dataclass(frozen=True, slots=True)
class Centroids:
    """Where the lists are.

    Attributes:
        mean: float32 ``(dim,)``, taken off every row.
        values: float32 ``(nlist, dim)``, less the mean.
    """

    mean: Float32Array
    values: Float32Array

    def over(self, rows: VectorRows) -> CentredRows:
        """Return rows as these centroids see them."""
        return CentredRows(rows.values, rows.scale, self.mean)


def train_centroids(rows: VectorRows, nlist: int, checkpoint: Checkpoint) -> Centroids:
    """Return ``nlist`` centroids of a sample of the rows."""
    rng = np.random.default_rng(SEED)
    size = min(rows.num_rows, nlist * SAMPLE_PER_CENTROID)
    picked = np.sort(rng.choice(rows.num_rows, size, replace=False))
    sample = rows.values[picked]
    if rows.scale is not None:
        sample = sample * rows.scale[picked][:, None]
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Centroids(mean, k_means(sample - mean, nlist, checkpoint))


def k_means(sample: Float32Array, k: int, checkpoint: Checkpoint) -> Float32Array:
    """Return ``k`` centroids of the sample, float32 ``(k, dim)``; the sample has at least k rows.

    A centroid without rows is moved to a row of a large list.
    """
    rng = np.random.default_rng(SEED)
    centroids = sample[np.sort(rng.choice(len(sample), k, replace=False))]
    source = CentredRows(sample, None, np.zeros(sample.shape[1], np.float32))
    for _ in range(ITERATIONS):
        labels = assign(source, centroids, np.arange(len(sample)), checkpoint)
        order = np.argsort(labels, kind="stable")
        counts = np.bincount(labels, minlength=k)
        starts = np.cumsum(counts) - counts
        present = np.flatnonzero(counts)
        sums = np.add.reduceat(sample[order], starts[present], axis=0)
        centroids = np.empty_like(centroids)
        centroids[present] = sums / counts[present, None]
        empty = np.flatnonzero(counts == 0)
        largest = present[np.argsort(-counts[present], kind="stable")]
        donors = np.resize(largest, len(empty))
        centroids[empty] = sample[order[starts[donors] + counts[donors] // 2]]
    return centroids


def assign(
    source: CentredRows, centroids: Float32Array, row_ids: Int64Array, checkpoint: Checkpoint
) -> UInt32Array:
    """Return the nearest centroid of each named row, uint32; ``row_ids`` ascend."""
    panels, half_norms = to_panels(centroids)
    labels = np.empty(len(row_ids), dtype=np.uint32)

    def piece(start: int) -> None:
        part = row_ids[start : start + CHUNK_ROWS]
        first = int(part[0])
        span = int(part[-1]) + 1 - first
        # Rows that lie apart are looked up one run at a time.
        if span == len(part):
            labels[start : start + len(part)] = source.nearest(panels, half_norms, first, span)
            return
        breaks = np.flatnonzero(np.diff(part) != 1) + 1
        for run in np.split(np.arange(len(part)), breaks):
            found = source.nearest(panels, half_norms, int(part[run[0]]), len(run))
            labels[start + run[0] : start + run[0] + len(run)] = found

    in_pieces(piece, len(row_ids), checkpoint)
    return labels


def train_codebooks(
    rows: VectorRows,
    centroids: Centroids,
    labels: UInt32Array,
    *,
    num_subs: int,
    bits: int,
    checkpoint: Checkpoint,
) -> tuple[Float32Array, Float32Array]:
    """Return codewords of the residuals' parts, as ``Codebooks`` takes them.

    Returns:
        Panels and half norms, float32 of rank 1.
    """
    words = 1 << bits
    rng = np.random.default_rng(SEED)
    size = min(rows.num_rows, CODEBOOK_SAMPLE[bits])
    picked = np.sort(rng.choice(rows.num_rows, size, replace=False))
    sample = rows.values[picked]
    if rows.scale is not None:
        sample = sample * rows.scale[picked][:, None]
    sample = sample - centroids.mean - centroids.values[labels[picked]]
    if size < words:
        # Fewer rows than codewords: each may be one.
        sample = np.resize(sample, (words, sample.shape[1]))
    sub_dim = -(-rows.dim // num_subs)
    padded = np.zeros((len(sample), num_subs * sub_dim), dtype=np.float32)
    padded[:, : rows.dim] = sample
    panels, half_norms = [], []
    for sub in range(num_subs):
        checkpoint()
        part = np.ascontiguousarray(padded[:, sub * sub_dim : (sub + 1) * sub_dim])
        turned, halves = to_panels(k_means(part, words, checkpoint))
        panels.append(turned)
        half_norms.append(halves)
    return np.concatenate(panels), np.concatenate(half_norms)


def to_codebooks(
    panels: Float32Array, half_norms: Float32Array, dim: int, num_subs: int, bits: int
) -> Codebooks:
    """Return codewords as the kernels take them."""
    return Codebooks(panels, half_norms, num_subs, -(-dim // num_subs), bits)


def in_pieces(work: Callable[[int], PieceT], size: int, checkpoint: Checkpoint) -> list[PieceT]:
    """Return ``work(start)`` for ``start`` in steps of ``CHUNK_ROWS`` below ``size``, in order.

    Work runs in as many threads as there are processors; ``checkpoint`` is called between pieces
    and may raise.
    """
    starts = range(0, size, CHUNK_ROWS)
    threads = min(os.cpu_count() or 1, len(starts))
    if threads <= 1:
        results = []
        for start in starts:
            checkpoint()
            results.append(work(start))
        return results
    with ThreadPoolExecutor(threads, thread_name_prefix="elanus-ivf") as pool:
        futures = [pool.submit(work, start) for start in starts]
        try:
            results = []
            for future in futures:
                checkpoint()
                results.append(future.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results


def slots_of(
    labels: UInt32Array, nlist: int, granule: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Lay rows out by list, ascending within each.

    Args:
        labels: uint32 ``(n,)``, the list of each row.
        nlist: Number of lists.
        granule: Lists are filled up to a multiple of so many slots.

    Returns:
        int64: offsets ``(nlist + 1,)``, the rows ``(n,)`` in the order of their lists, and the
        slot ``(n,)`` of each of those.
    """
    order = np.argsort(labels, kind="stable").astype(np.int64)
    counts = np.bincount(labels, minlength=nlist).astype(np.int64)
    padded = -(-counts // granule) * granule
    offsets = np.concatenate([[0], np.cumsum(padded)]).astype(np.int64)
    first = np.cumsum(counts) - counts
    slots = np.arange(len(labels)) + np.repeat(offsets[:-1] - first, counts)
    return offsets, order, slots.astype(np.int64)
