"""Which rows have the lists of vectors that are nearest to a query?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elanus.index.base import Candidates, CandidateTable
from elanus.index.vector_lists import VectorLists, VectorQueries
from elanus.query.merge import MOST_TIES, table_of
from elanus.query.plan import SourceStep
from elanus.query.requests import ListQuery
from elanus.query.sources import AllowedRows
from elanus.types import Float32Array, Int64Array

MOST_QUERY_VECTORS = 512
"""Vectors of queries that are compared with those of a block at once."""


def nearest_lists(
    name: str,
    lists: VectorLists,
    query: ListQuery,
    limit: int,
    allowed: AllowedRows,
    checkpoint: Callable[[], object],
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
    found = [
        _nearest(rows, distances, limit)
        for part in _parts(query.queries)
        for distances in lists.distances(part, rows, checkpoint)
    ]
    return SourceStep(name, lists.num_rows, len(rows), "scan"), table_of(found)


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
    order = np.argsort(distances, kind="stable")[: limit + MOST_TIES]
    return Candidates(rows[order], distances[order])
