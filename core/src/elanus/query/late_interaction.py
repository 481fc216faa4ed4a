"""Which rows have the lists of vectors that are nearest to a query?

Small sources are scanned. In large ones an index of all vectors finds those nearest to each vector
of the query. They bound the distance of every row from below: a row whose nearest vector was not
found lies at least as far as the last one that was. Rows are compared exactly in the order of their
bounds. How far distances lie above their bounds is known of the compared rows, and so how many of
the others are likely to be nearer than the last hit: the search ends when they are a smaller share
of the hits than ``recall`` leaves open.

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
from elanus.query.plan import SourceStep
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
LOGISTIC = 1.702
"""Scale at which the logistic curve is nearest to the normal one."""
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
    ef = index.ef_for(query.recall, FIRST_VECTORS)
    if ef is None:
        return None
    plan = index.approximate(count, FIRST_VECTORS, ef)
    if plan.method == "scan":
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
    recall = min(plan.recall, 1.0) * min(recalls)
    step = SourceStep(name, lists.num_rows, len(rows), plan.method, ef, recall)
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
        most = MOST_SCANNED_SHARE * len(self.rows)
        wanted = FIRST_VECTORS
        while wanted < MOST_SCANNED_SHARE * self.lists.num_vectors:
            checkpoint()
            bounds = self._bounds(query.vectors, wanted)
            count = max(2 * self.limit, FIRST_ROWS)
            while count <= most:
                compared.add(bounds.rows[:count], checkpoint)
                missed, unseen = compared.missed(bounds, len(self.rows))
                share = self.limit / (self.limit + missed + unseen)
                if share >= self.recall:
                    return compared.best(), share
                if unseen > missed or count >= len(bounds.rows):
                    break  # other vectors of the query have to be found
                count *= 2
            wanted *= 2
        compared.add(self.rows, checkpoint)
        return compared.best(), 1.0

    def _bounds(self, vectors: Float32Array, wanted: int) -> _Bounds:
        """Return what the vectors nearest to those of a query say about the rows."""
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
        base = np.where(is_all, 0.0, last)
        gains = table.distances[asked[first], places[first]] - base[asked[first]]
        rows, numbers = np.unique(pairs % self.lists.num_rows, return_inverse=True)
        lowest = base.sum() + np.bincount(numbers, weights=gains.astype(np.float64))
        missing = len(vectors) - np.bincount(numbers)
        order = np.argsort(lowest, kind="stable")
        return _Bounds(rows[order], lowest[order], missing[order], float(last.sum()), len(vectors))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What is known of the rows of which a vector was found, those with the lowest bound first.

    Attributes:
        rows: int64.
        lowest: Their distance is not below it.
        missing: Vectors of the query for which no vector of the row was found.
        unseen: The bound of all other rows.
        num_vectors: Vectors of the query.
    """

    rows: Int64Array
    lowest: Float64Array
    missing: Int64Array
    unseen: float
    num_vectors: int


@dataclass(slots=True)
class _Compared:
    """Rows whose distance to a query is known.

    Attributes:
        lists: Those of the source.
        query: One query.
        limit: Rows wanted.
        rows: The rows, ascending.
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
            joined = np.concatenate([self.rows, new])
            order = np.argsort(joined)
            self.rows = joined[order]
            self.distances = np.concatenate([self.distances, distances])[order]

    def best(self) -> Candidates:
        """Return the nearest of them."""
        return _nearest(self.rows, self.distances, self.limit)

    def missed(self, bounds: _Bounds, num_rows: int) -> tuple[float, float]:
        """Return how many rows are likely to be nearer than the last of the nearest.

        A distance lies above its bound by something for each vector of the query that found
        nothing in the row; of the compared rows it is known by how much.

        Args:
            bounds: Of the rows of which a vector was found.
            num_rows: Rows that there are.

        Returns:
            Those of ``bounds``, and those of which no vector was found.
        """
        if len(self.rows) < self.limit:
            return np.inf, 0.0
        last = float(np.partition(self.distances, self.limit - 1)[self.limit - 1])
        is_known = np.isin(bounds.rows, self.rows)
        places = np.searchsorted(self.rows, bounds.rows[is_known])
        missing = bounds.missing[is_known]
        above = self.distances[places] - bounds.lowest[is_known]
        above = above[missing > 0] / missing[missing > 0]
        mean, spread = (float(above.mean()), float(above.std())) if len(above) else (0.0, 0.0)

        def nearer(lowest: Float64Array, missing: Int64Array) -> float:
            expected = lowest + missing * mean
            width = np.maximum(missing * spread, 1e-9 + 1e-6 * abs(last))
            # The logistic curve stands for the normal one, with more in its tails.
            steps = np.clip(LOGISTIC * (expected - last) / width, -40, 40)
            return float((1 / (1 + np.exp(steps)))[lowest < last].sum())

        others = ~is_known
        seen = nearer(bounds.lowest[others], bounds.missing[others])
        unseen = nearer(np.array([bounds.unseen]), np.array([bounds.num_vectors]))
        return seen, unseen * (num_rows - len(bounds.rows))
