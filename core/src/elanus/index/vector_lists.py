"""How near is a list of vectors to another list of vectors?

A row has any number of vectors, as a text has tokens. The distance of a row to a query of several
vectors is the sum, over the vectors of the query, of the distance to the nearest vector of the row:
MaxSim, with distances in place of similarities. A row without vectors is not found.

Vectors of the query are multiplied with those of the rows as matrices, block by block, and the best
of each row is taken from the product. Products of matrices may differ in the last bit with the
block that a row stands in: distances agree to about 1e-6 of the sum of the norms.

Source: Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized
Late Interaction over BERT", SIGIR 2020, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from elanus.errors import InternalError
from elanus.index.base import VectorIndex, VectorRows
from elanus.kernels.bfloat16 import from_bfloat16
from elanus.schema.batches import ArrayColumn, Column
from elanus.types import Float32Array, Int64Array, MetricType, VectorArray

BLOCK_VALUES = 1 << 21
"""Similarities that are in memory at once: they and the vectors of a block stay in the cache."""
MOST_BLOCK_VECTORS = 1 << 15
"""Vectors of a block, which are converted to float32, at most; one row may have more."""
_BY_SQUARES = (MetricType.L2, MetricType.HAMMING)
"""Metrics that are a squared distance: bits that differ are that of vectors of 0 and 1."""


@dataclass(frozen=True, slots=True)
class VectorQueries:
    """Several queries of several vectors each.

    Attributes:
        vectors: float32, or uint8 for binary vectors; shape ``(m, dim)``, those of all queries one
            after the other; of unit length for COSINE.
        ends: int64 of shape ``(nq + 1,)``: query ``i`` has ``vectors[ends[i]:ends[i + 1]]``, at
            least one.
    """

    vectors: VectorArray
    ends: Int64Array

    def __len__(self) -> int:
        return len(self.ends) - 1

    def one(self, i: int) -> VectorQueries:
        """Return one of the queries."""
        start, stop = int(self.ends[i]), int(self.ends[i + 1])
        return VectorQueries(self.vectors[start:stop], np.array([0, stop - start], dtype=np.int64))


@dataclass(frozen=True, slots=True)
class VectorLists:
    """The lists of vectors of one segment or memtable.

    Attributes:
        offsets: int64 of shape ``(n + 1,)``, from 0: row ``i`` has the vectors
            ``offsets[i] .. offsets[i + 1] - 1``.
        rows: All vectors, in that order; their metric is that between two vectors.
        index: Finds the nearest vectors; None: there is none.
    """

    offsets: Int64Array
    rows: VectorRows
    index: VectorIndex | None

    @property
    def num_rows(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_vectors(self) -> int:
        return int(self.offsets[-1])

    def filled(self, rows: Int64Array | None) -> Int64Array:
        """Return those of the given rows that have vectors; None stands for all rows."""
        lengths = np.diff(self.offsets)
        if rows is None:
            return np.flatnonzero(lengths > 0).astype(np.int64)
        return rows[lengths[rows] > 0]

    def distances(
        self, queries: VectorQueries, rows: Int64Array, checkpoint: Callable[[], object]
    ) -> Float32Array:
        """Return the distance of each row to each query.

        Args:
            queries: At least one.
            rows: int64, ascending, each with at least one vector.
            checkpoint: Called between blocks; may raise to end the search.

        Returns:
            float32 of shape ``(nq, len(rows))``; smaller is nearer.
        """
        found = np.empty((len(queries), len(rows)), dtype=np.float32)
        metric = self.rows.metric
        asked = _numbers(metric, queries.vectors)
        constant = _squares(asked)[:, None]
        for first, last in self._blocks(rows, len(asked)):
            checkpoint()
            values, scale, starts = self._block(rows[first:last])
            given = _numbers(metric, values)
            products = asked @ given.T
            if scale is not None:
                products *= scale
            if metric in _BY_SQUARES:
                # Of |q - t|^2 = |q|^2 + |t|^2 - 2 q t the first part is the same for all t.
                products *= 2
                products -= _squares(given)
            elif metric is MetricType.JACCARD:
                products = _jaccard(products, constant, _squares(given))
            best = -np.maximum.reduceat(products, starts, axis=1)
            if metric in _BY_SQUARES:
                # Rounding may lead below 0, where no squared distance lies.
                best = np.maximum(best + constant, 0)
            elif metric is MetricType.JACCARD:
                best += 1
            found[:, first:last] = np.add.reduceat(best, queries.ends[:-1], axis=0)
        return found

    def nearest_elements(self, vector: VectorArray, rows: Int64Array) -> Int64Array:
        """Return the place within each row of the vector that is nearest to one.

        Args:
            vector: Shape ``(1, dim)``, as the vectors of ``VectorQueries``.
            rows: int64, each with at least one vector.
        """
        places = []
        # One small product per hit, of which a page has few.
        for row in rows.tolist():
            every = np.arange(self.offsets[row], self.offsets[row + 1])
            alone = VectorLists(np.arange(len(every) + 1), self._taken(every), None)
            query = VectorQueries(vector, np.array([0, 1], dtype=np.int64))
            found = alone.distances(query, np.arange(len(every)), lambda: None)
            places.append(int(np.argmin(found[0])))
        return np.array(places, dtype=np.int64)

    def _taken(self, vectors: Int64Array) -> VectorRows:
        self.rows.check_rows(vectors)
        scale = self.rows.scale
        return VectorRows(
            self.rows.values[vectors], None if scale is None else scale[vectors], self.rows.metric
        )

    def _blocks(self, rows: Int64Array, num_queries: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of ``rows`` whose vectors are compared at once."""
        most = min(max(BLOCK_VALUES // num_queries, 1), MOST_BLOCK_VECTORS)
        ends = np.cumsum(self.offsets[rows + 1] - self.offsets[rows])
        first = 0
        while first < len(rows):
            before = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, before + most, side="right")), first + 1)
            yield first, last
            first = last

    def _block(self, rows: Int64Array) -> tuple[VectorArray, Float32Array | None, Int64Array]:
        """Return the verified vectors of some rows, their scale, and where each row begins."""
        starts, stops = self.offsets[rows], self.offsets[rows + 1]
        first, last = int(starts[0]), int(stops[-1])
        scale = self.rows.scale
        lengths = stops - starts
        if last - first == int(lengths.sum()):
            if self.rows.guard is not None:
                self.rows.guard.check_range(first, last)
            cut = None if scale is None else scale[first:last]
            return self.rows.values[first:last], cut, starts - first
        begins = np.cumsum(lengths) - lengths
        vectors = np.arange(int(lengths.sum()), dtype=np.int64)
        vectors += np.repeat(starts - begins, lengths)
        taken = self._taken(vectors)
        return taken.values, taken.scale, begins


def moved_vectors(before: Int64Array, after: Int64Array, rows: Int64Array) -> Int64Array:
    """Return where each vector is after the rows of its lists have moved.

    Args:
        before: int64 of shape ``(n + 1,)``: offsets of the lists as they were.
        after: Offsets of the lists as they are.
        rows: int64 of shape ``(n,)``: the row that each row has become, or -1.

    Returns:
        int64, one per vector: its new number, or -1.
    """
    lengths = np.diff(before)
    # A row that is gone has no place: its vectors are taken away below.
    shifts = np.where(rows >= 0, after[rows], 0) - before[:-1]
    moved = np.arange(before[-1], dtype=np.int64) + np.repeat(shifts, lengths)
    moved[np.repeat(rows < 0, lengths)] = -1
    return moved


def list_column(column: Column) -> ArrayColumn:
    """Return a column of lists."""
    if not isinstance(column, ArrayColumn):
        raise InternalError(f"a {type(column).__name__} holds no lists")
    return column


def _numbers(metric: MetricType, vectors: VectorArray) -> Float32Array:
    """Return vectors as float32; binary ones as a 0 or 1 for each dimension."""
    if metric in (MetricType.HAMMING, MetricType.JACCARD):
        return np.unpackbits(vectors, axis=1).astype(np.float32)
    if vectors.dtype == np.uint16:
        return from_bfloat16(vectors)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _squares(vectors: Float32Array) -> Float32Array:
    squares: Float32Array = np.einsum("ij,ij->i", vectors, vectors)
    return squares


def _jaccard(common: Float32Array, asked: Float32Array, given: Float32Array) -> Float32Array:
    """Return the share of the bits set in either vector that are set in both; 1 without any."""
    either = asked + given - common
    shares = np.ones_like(common)
    np.divide(common, either, out=shares, where=either > 0)
    return shares
