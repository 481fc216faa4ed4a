"""Which candidates of all sources are the nearest?

Rows that lie equally near are ordered by primary key, so that an answer does not depend on how
rows are split into segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from elanus.index.base import Candidates
from elanus.types import Float32Array, Int64Array, PrimaryKey

PkReader = Callable[[int, Int64Array], list[PrimaryKey]]
"""(source number, row ids) → primary keys."""
MOST_TIES = 1_024
"""Equally near rows that are looked at beyond the limit to order them by primary key."""


@dataclass(frozen=True, slots=True)
class Found:
    """One row in a ranked list.

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
    sources = np.concatenate(
        [np.full(len(c), i, dtype=np.int64) for i, c in enumerate(per_source)]
        or [np.empty(0, dtype=np.int64)]
    )
    if not len(sources):
        return []
    rows: Int64Array = np.concatenate([c.row_ids for c in per_source])
    distances: Float32Array = np.concatenate([c.distances for c in per_source])
    if len(rows) > limit:
        worst = np.partition(distances, limit - 1)[limit - 1]
        kept = np.flatnonzero(distances <= worst)
        sources, rows, distances = sources[kept], rows[kept], distances[kept]
    found: list[Found] = []
    for source in np.unique(sources).tolist():
        own = np.flatnonzero(sources == source)
        pks = read_pks(source, rows[own])
        found += [
            Found(source, row, distance, pk)
            for row, distance, pk in zip(
                rows[own].tolist(), distances[own].tolist(), pks, strict=True
            )
        ]
    found.sort(key=lambda f: (f.distance, f.pk))
    return found[:limit]
