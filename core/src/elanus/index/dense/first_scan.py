"""How are vectors scanned that nobody has verified yet?

In parts that fit into a cache: each is verified and then scanned, so that the bytes come from
memory once. Several threads take parts in turn, because one of them does not use all of the
memory's bandwidth. The result is that of one scan, to the bit.
"""

from __future__ import annotations

import numpy as np

from elanus.index.base import CandidateTable, VectorRows
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import scan_topk
from elanus.kernels.threads import in_threads
from elanus.types import Float32Array, Int64Array, VectorArray

PART_BYTES = 1 << 20
"""Vectors of one part: it stays in the caches between the two passes, and takes long enough that
calling the kernels does not matter."""
MAX_CANDIDATES = 1 << 22
"""Places of all parts that are kept until the end."""
_WORD_ROWS = 64

Parts = list[tuple[Int64Array, Float32Array]]


def scan_unverified(
    rows: VectorRows, queries: VectorArray, limit: int, allowed: Bitset | None
) -> CandidateTable | None:
    """Verify and scan every row, as ``scan_topk`` would.

    Returns:
        None when so much is asked for that parts do not pay.

    Raises:
        CorruptionError: With path and offset of damage.
    """
    row_bytes = max(1, rows.values.itemsize * rows.dim)
    part_rows = max(1, PART_BYTES // row_bytes // _WORD_ROWS) * _WORD_ROWS
    starts = range(0, rows.num_rows, part_rows)
    if len(starts) * len(queries) * min(limit, part_rows) > MAX_CANDIDATES:
        return None

    def scan(first: int, step: int) -> Parts:
        parts = starts[first::step]
        return [
            _scan_part(rows, queries, limit, allowed, range(s, min(s + part_rows, rows.num_rows)))
            for s in parts
        ]

    found: Parts = []
    for some in in_threads(scan, rows.values.nbytes):
        found += some
    return _merged(found, len(queries), limit)


def _scan_part(
    rows: VectorRows,
    queries: VectorArray,
    limit: int,
    allowed: Bitset | None,
    part: range,
) -> tuple[Int64Array, Float32Array]:
    if rows.guard is not None:
        rows.guard.check_range(part.start, part.stop)
    scale = None if rows.scale is None else rows.scale[part.start : part.stop]
    bits = None
    if allowed is not None:
        words = allowed.words[part.start // _WORD_ROWS : -(-part.stop // _WORD_ROWS)]
        bits = Bitset(words, len(part))
    values = rows.values[part.start : part.stop]
    row_ids, distances = scan_topk(rows.metric, queries, values, scale, bits, min(limit, len(part)))
    return np.where(row_ids < 0, -1, row_ids + part.start), distances


def _merged(parts: Parts, num_queries: int, limit: int) -> CandidateTable:
    """Return the nearest rows of all parts, in the order of ``scan_topk``."""
    row_ids = np.concatenate([np.empty((num_queries, 0), np.int64), *(p[0] for p in parts)], axis=1)
    distances = np.concatenate(
        [np.empty((num_queries, 0), np.float32), *(p[1] for p in parts)], axis=1
    )
    missing = limit - row_ids.shape[1]
    if missing > 0:
        row_ids = np.pad(row_ids, ((0, 0), (0, missing)), constant_values=-1)
        distances = np.pad(distances, ((0, 0), (0, missing)), constant_values=np.inf)
    # Places without a row come after rows whose distance is infinite as well.
    ties = np.where(row_ids < 0, np.iinfo(np.int64).max, row_ids)
    order = np.lexsort((ties, distances), axis=1)[:, :limit]
    return CandidateTable(
        np.take_along_axis(row_ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )
