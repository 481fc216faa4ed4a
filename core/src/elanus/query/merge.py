"""Which candidates of all sources are the nearest?

Rows that lie equally near are ordered by primary key, so that an answer does not depend on how
rows are split into segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from elanus.index.base import Candidates
from elanus.types import Int64Array, PrimaryKey

PkReader = Callable[[int, Int64Array], list[PrimaryKey]]
"""(source number, row ids) → primary keys."""
MOST_TIES = 1_024
"""Equally near rows that are looked at beyond the limit to order them by primary key."""


class Found(NamedTuple):
    """One row in a ranked list. A tuple, because a search makes hundreds of them.

    Attributes:
        source: Number of the source in the snapshot.
        row_id: Row in that source.
        distance: Smaller is nearer.
        pk: Its primary key.
    """

    source: int
    row_id: int
    distance: float
    pk: PrimaryKey

    @property
    def place(self) -> tuple[int, int]:
        """What identifies the row within a snapshot."""
        return self.source, self.row_id


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


def merge(per_source: Sequence[Candidates], limit: int, read_pks: PkReader) -> list[Found]:
    """Return the ``limit`` nearest candidates, nearest first, ties by primary key."""
    worst = _limit_distance(per_source, limit)
    found: list[Found] = []
    for source, candidates in enumerate(per_source):
        # Candidates ascend, so what may be among the nearest stands in front.
        near = int(np.searchsorted(candidates.distances, worst, side="right"))
        if near == 0:
            continue
        rows = candidates.row_ids[:near]
        distances = candidates.distances[:near].tolist()
        places = zip(rows.tolist(), distances, read_pks(source, rows), strict=True)
        found += [Found(source, row, distance, pk) for row, distance, pk in places]
    found.sort(key=_by_distance)
    return found[:limit]


def _by_distance(found: Found) -> tuple[float, PrimaryKey]:
    return found.distance, found.pk


def _limit_distance(per_source: Sequence[Candidates], limit: int) -> float:
    """Return the distance of the candidate at place ``limit``; infinity when there are fewer."""
    filled = [c.distances for c in per_source if len(c)]
    if sum(map(len, filled)) <= limit:
        return float("inf")
    if len(filled) == 1:
        return float(filled[0][limit - 1])
    return float(np.partition(np.concatenate(filled), limit - 1)[limit - 1])
