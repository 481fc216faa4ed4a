"""Which candidates of all sources are the nearest?

Rows that lie equally near are ordered by primary key, so that an answer does not depend on how
rows are split into segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from elanus.index.base import Candidates, CandidateTable
from elanus.kernels.ranking import MergedCandidates, merge_candidates
from elanus.types import Int64Array, PrimaryKey

PkReader = Callable[[Int64Array, Int64Array], Sequence[PrimaryKey]]
"""(source numbers, row ids) → primary keys."""
MOST_TIES = 1_024
"""Equally near rows that are looked at beyond the limit to order them by primary key."""


def search_with_ties(search: Callable[[int], Candidates], limit: int, num_rows: int) -> Candidates:
    """Return at least ``limit`` candidates, and all that are as near as the last of them.

    ``search(n)`` returns the ``n`` nearest. Asking for one more shows whether the cut falls
    between equals; only then more are fetched.
    """
    asked = limit + 1
    while True:
        found = search(asked)
        full = len(found) >= asked
        if not full or found.distances[-1] != found.distances[limit - 1]:
            return found
        if asked >= min(num_rows, limit + MOST_TIES):
            return found
        asked = min(asked * 4, limit + MOST_TIES)


def cut_between_equals(table: CandidateTable, limit: int) -> list[int]:
    """Return the queries whose candidates ``limit`` and ``limit + 1`` lie equally near."""
    row_ids, distances = table.row_ids, table.distances
    if row_ids.shape[1] <= limit:
        return []
    if len(row_ids) == 1:
        is_cut = row_ids[0, limit] >= 0 and distances[0, limit] == distances[0, limit - 1]
        return [0] if is_cut else []
    is_open = distances[:, limit] == distances[:, limit - 1]
    return np.flatnonzero(is_open & (row_ids[:, limit] >= 0)).tolist()


def table_of(candidates: Sequence[Candidates]) -> CandidateTable:
    """Return the candidates of some queries as one table."""
    if len(candidates) == 1:
        return CandidateTable(candidates[0].row_ids[None], candidates[0].distances[None])
    shape = len(candidates), max(map(len, candidates))
    row_ids = np.full(shape, -1, dtype=np.int64)
    distances = np.full(shape, np.inf, dtype=np.float32)
    for query, found in enumerate(candidates):
        row_ids[query, : len(found)] = found.row_ids
        distances[query, : len(found)] = found.distances
    return CandidateTable(row_ids, distances)


def merge(
    per_source: Sequence[CandidateTable], num_queries: int, limit: int, read_pks: PkReader
) -> MergedCandidates:
    """Return the ``limit`` nearest candidates of each query, nearest first, ties by primary key.

    Keys are read only of candidates that lie equally near.
    """
    tables = [(table.row_ids, table.distances) for table in per_source]
    merged = merge_candidates(tables, num_queries, limit)
    for query in merged.tied:
        _order_ties(merged, query, read_pks)
    if merged.row_ids.shape[1] <= limit:
        return merged
    sources, row_ids, distances, tied = merged
    if num_queries == 1:
        return MergedCandidates(sources[:, :limit], row_ids[:, :limit], distances[:, :limit], tied)
    # Copied, so that places of all queries lie one after the other.
    return MergedCandidates(
        sources[:, :limit].copy(), row_ids[:, :limit].copy(), distances[:, :limit].copy(), tied
    )


def _order_ties(merged: MergedCandidates, query: int, read_pks: PkReader) -> None:
    """Order the equally near candidates of one query by primary key, in place."""
    sources, row_ids = merged.sources[query], merged.row_ids[query]
    distances = merged.distances[query]
    is_equal = (distances[1:] == distances[:-1]) & (row_ids[1:] >= 0)
    is_tied = np.zeros(len(distances), dtype=np.bool_)
    is_tied[1:] = is_equal
    is_tied[:-1] |= is_equal
    tied = np.flatnonzero(is_tied)
    pks = read_pks(sources[tied], row_ids[tied])
    # Distances ascend, so that sorting by distance and key leaves each run of equals in its place.
    if isinstance(pks[0], int):
        order = tied[np.lexsort((np.array(pks, dtype=np.int64), distances[tied]))]
    else:
        keys = list(zip(distances[tied].tolist(), pks, strict=True))
        order = tied[sorted(range(len(keys)), key=keys.__getitem__)]
    sources[tied], row_ids[tied] = sources[order], row_ids[order]
