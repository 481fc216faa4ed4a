"""Which rows have the lists of vectors that are nearest to a query?

Small sources are scanned. In large ones an index of all vectors finds those nearest to each vector
of the query. They bound the distance of every row from below: a row whose nearest vector was not
found lies at least as far as the last one that was. Rows are compared exactly in the order of their
bounds, until no bound is below the distances found, or until looking twice as far has changed no
larger share of the hits than ``recall`` leaves open.

Source: the bounds are those of Fagin, Lotem and Naor, "Optimal Aggregation Algorithms for
Middleware", PODS 2001, section 4, and of Lee et al., "Rethinking the Role of Token Retrieval in
Multi-Vector Retrieval", NeurIPS 2023, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from elanus.index.base import Candidates, CandidateTable, VectorIndex
from elanus.index.dense.flat import FlatIndex
from elanus.index.vector_lists import VectorLists, VectorQueries
from elanus.kernels.bitset import Bitset
from elanus.query.merge import MOST_TIES, table_of
from elanus.query.plan import SourceStep, plan_dense
from elanus.query.requests import ListQuery
from elanus.query.sources import AllowedRows
from elanus.types import BoolArray, Float32Array, Float64Array, Int64Array

MOST_QUERY_VECTORS = 512
"""Vectors of queries that are compared with those of a block at once."""
LEAST_VECTORS = 32_768
"""Vectors below which a source is scanned: that takes about a millisecond per query vector."""
FIRST_VECTORS = 128
"""Vectors that are looked for at first, for each vector of a query."""
FIRST_ROWS = 64
"""Rows that are compared at first, at least."""
MOST_SCANNED_SHARE = 0.25
"""Share of the rows from which comparing all of them costs no more than choosing."""

Checkpoint = Callable[[], object]


def nearest_lists(
    name: str,
    lists: VectorLists,
    query: ListQuery,
    limit: int,
    allowed: AllowedRows,
    checkpoint: Checkpoint,
) -> tuple[SourceStep, CandidateTable]:
    """Return what is done on one source, and at least the ``limit`` nearest rows to each query.

    Rows as near as the last of them are among them too.

    Args:
        name: Of the source, for the plan.
        lists: Those of the source.
        query: What to look for.
        limit: Rows wanted per query.
        allowed: Rows that may be returned.
        checkpoint: Called often; may raise to end the search.
    """
    rows = lists.filled(None if allowed.bits is None else allowed.bits.to_rows())
    found = _candidates(name, lists, query, limit, rows, checkpoint)
    if found is not None:
        return found
    scanned = [
        _nearest(rows, distances, limit)
        for part in _parts(query.queries)
        for distances in lists.distances(part, rows, checkpoint)
    ]
    return SourceStep(name, lists.num_rows, len(rows), "scan"), table_of(scanned)


def _parts(queries: VectorQueries) -> list[VectorQueries]:
    """Return queries in parts that are compared at once."""
    if len(queries.vectors) <= MOST_QUERY_VECTORS:
        return [queries]
    parts, first = [], 0
    while first < len(queries):
        start = int(queries.ends[first])
        last = int(np.searchsorted(queries.ends, start + MOST_QUERY_VECTORS, side="right")) - 1
        last = max(last, first + 1)
        stop = int(queries.ends[last])
        ends = queries.ends[first : last + 1] - start
        parts.append(VectorQueries(queries.vectors[start:stop], ends))
        first = last
    return parts


def _nearest(rows: Int64Array, distances: Float32Array, limit: int) -> Candidates:
    """Return the nearest rows and those as near as the last of them, nearest first."""
    if len(rows) > limit:
        near = np.flatnonzero(distances <= np.partition(distances, limit - 1)[limit - 1])
        rows, distances = rows[near], distances[near]
    # Stable: of equally near rows those with the smaller ids stay when there are too many.
    order = np.lexsort((rows, distances))[: limit + MOST_TIES]
    return Candidates(rows[order], distances[order])


# --- candidates -------------------------------------------------------------------------------


def _candidates(
    name: str,
    lists: VectorLists,
    query: ListQuery,
    limit: int,
    rows: Int64Array,
    checkpoint: Checkpoint,
) -> tuple[SourceStep, CandidateTable] | None:
    """Answer by means of the index of vectors; None when all rows are to be compared."""
    index = lists.index
    if index is None or index.index_type == FlatIndex.index_type or query.recall >= 1.0:
        return None
    lengths = np.diff(lists.offsets)
    count = int(lengths[rows].sum())
    if count < LEAST_VECTORS or limit >= MOST_SCANNED_SHARE * len(rows):
        return None
    plan = plan_dense(name, index, count, FIRST_VECTORS, query.recall, None)
    if plan.ef is None:
        return None
    is_allowed = np.zeros(lists.num_rows, dtype=np.bool_)
    is_allowed[rows] = True
    walk = _Walk(lists, index, rows, _allowed_vectors(is_allowed, lengths), query.recall, limit)
    found = []
    recalls = []
    for i in range(len(query.queries)):
        candidates, recall = walk.nearest(query.queries.one(i), checkpoint)
        found.append(candidates)
        recalls.append(recall)
    recall = plan.recall * min(recalls)
    step = SourceStep(name, lists.num_rows, len(rows), plan.method, plan.ef, recall)
    return step, table_of(found)


def _allowed_vectors(is_allowed: BoolArray, lengths: Int64Array) -> Bitset | None:
    if is_allowed[lengths > 0].all():
        return None
    return Bitset.from_mask(np.repeat(is_allowed, lengths))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Searches of one source.

    Attributes:
        lists: Those of the source.
        index: Finds vectors.
        rows: Those that may be returned.
        allowed: Their vectors; None: all.
        recall: Share of the nearest rows wanted.
        limit: Rows wanted.
    """

    lists: VectorLists
    index: VectorIndex
    rows: Int64Array
    allowed: Bitset | None
    recall: float
    limit: int

    def nearest(self, query: VectorQueries, checkpoint: Checkpoint) -> tuple[Candidates, float]:
        """Return the nearest rows to one query, and the estimated share of the true ones."""
        compared = _Compared(self.lists, query, self.limit)
        wanted = FIRST_VECTORS
        before: Candidates | None = None
        while wanted < MOST_SCANNED_SHARE * self.lists.num_vectors:
            checkpoint()
            rows, bounds, unseen = self._bounds(query.vectors, wanted)
            if len(rows) > MOST_SCANNED_SHARE * len(self.rows):
                break
            found, share = compared.in_order(rows, bounds, self.recall, checkpoint)
            is_full = len(found) >= self.limit
            if is_full and found.distances[self.limit - 1] <= unseen:
                return found, share
            if is_full and before is not None:
                share = min(share, _shared(before, found, self.limit))
                if share >= self.recall:
                    return found, share
            before = found
            wanted *= 2
        compared.add(self.rows, checkpoint)
        return compared.best(), 1.0

    def _bounds(
        self, vectors: Float32Array, wanted: int
    ) -> tuple[Int64Array, Float64Array, float]:
        """Return rows with vectors near the query, ascending, bounds, and that of all others."""
        ef = self.index.ef_for(self.recall, wanted)
        table = self.index.search(vectors, wanted, allowed=self.allowed, ef=ef)
        # Where fewer were found there are no others.
        is_all = table.row_ids[:, -1] < 0
        last = np.where(is_all, np.inf, table.distances[:, -1].astype(np.float64))
        asked, places = np.nonzero(table.row_ids >= 0)
        ids = table.row_ids[asked, places]
        owners = np.searchsorted(self.lists.offsets, ids, side="right") - 1
        # The nearest vectors of a query stand first, so the first of each pair is the nearest.
        pairs, first = np.unique(asked * self.lists.num_rows + owners, return_index=True)
        gains = table.distances[asked[first], places[first]] - np.where(
            is_all, 0.0, last
        )[asked[first]]
        rows, numbers = np.unique(pairs % self.lists.num_rows, return_inverse=True)
        unseen = float(last.sum())
        base = float(np.where(is_all, 0.0, last).sum())
        return rows, base + np.bincount(numbers, weights=gains), unseen


@dataclass(slots=True)
class _Compared:
    """Rows whose distance to a query is known.

    Attributes:
        lists: Those of the source.
        query: One query.
        limit: Rows wanted.
        rows: The rows, in the order in which they were compared.
        distances: Of each.
    """

    lists: VectorLists
    query: VectorQueries
    limit: int
    rows: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    distances: Float32Array = field(default_factory=lambda: np.empty(0, dtype=np.float32))

    def add(self, rows: Int64Array, checkpoint: Checkpoint) -> None:
        """Compare rows, less those that were."""
        new = np.setdiff1d(rows, self.rows)
        if len(new):
            (distances,) = self.lists.distances(self.query, new, checkpoint)
            self.rows = np.concatenate([self.rows, new])
            self.distances = np.concatenate([self.distances, distances])

    def best(self) -> Candidates:
        """Return the nearest of them."""
        return _nearest(self.rows, self.distances, self.limit)

    def in_order(
        self, rows: Int64Array, bounds: Float64Array, recall: float, checkpoint: Checkpoint
    ) -> tuple[Candidates, float]:
        """Compare rows in the order of their bounds, for as long as it may change the answer.

        Returns:
            The nearest of all compared rows, and the share of them that was found when half as
            many were compared; 1.0 when no other of ``rows`` can be as near.
        """
        order = np.argsort(bounds, kind="stable")
        count = max(2 * self.limit, FIRST_ROWS)
        before: Candidates | None = None
        while True:
            self.add(rows[order[:count]], checkpoint)
            found = self.best()
            if count >= len(order):
                return found, 1.0
            is_full = len(found) >= self.limit
            if is_full and found.distances[self.limit - 1] <= bounds[order[count]]:
                return found, 1.0
            if is_full and before is not None:
                share = _shared(before, found, self.limit)
                if share >= recall:
                    return found, share
            before = found
            count *= 2


def _shared(before: Candidates, after: Candidates, limit: int) -> float:
    """Return the share of the nearest rows that were known before."""
    return len(np.intersect1d(before.row_ids[:limit], after.row_ids[:limit])) / limit
