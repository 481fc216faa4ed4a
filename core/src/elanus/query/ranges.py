"""Which candidates lie in the range of scores that a search asks for?

The nearest rows of a range are a run of the nearest rows: a search that finds too few of them looks
further, until it has passed the far end or has seen every row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from elanus.kernels.ranking import MergedCandidates

FIRST_ASKED = 256
"""Candidates that are asked for first where a range has a far end: most ranges hold few rows."""
DEEPER = 8
"""How many times as many are asked for next."""


class DistanceRange(NamedTuple):
    """Distances ``nearest <= d < farthest``, as indexes give them: smaller is nearer."""

    nearest: float
    farthest: float

    def first_asked(self, limit: int) -> int:
        """Return how many candidates to ask for first when ``limit`` are wanted of the range."""
        return limit if math.isinf(self.farthest) else min(limit, FIRST_ASKED)


def cut_to_range(
    merged: MergedCandidates, wanted: DistanceRange, limit: int, asked: int
) -> tuple[MergedCandidates, int]:
    """Return the candidates of a range, and how many to ask for to find those that are missing.

    Args:
        merged: The ``asked`` nearest of each query; fewer only where there are no more.
        wanted: The range.
        limit: Candidates wanted of the range, per query.
        asked: Candidates asked for, per query.

    Returns:
        At most ``limit`` candidates per query, and 0 when nothing is missing.
    """
    distances = merged.distances
    is_there = merged.row_ids >= 0
    before = np.count_nonzero(is_there & (distances < wanted.nearest), axis=1)
    inside = np.count_nonzero(
        is_there & (distances >= wanted.nearest) & (distances < wanted.farthest), axis=1
    )
    # Full, and not past the far end.
    may_go_on = np.count_nonzero(is_there, axis=1) >= asked
    may_go_on &= before + inside == np.count_nonzero(is_there, axis=1)
    is_short = may_go_on & (inside < limit)
    if is_short.any():
        return merged, min(DEEPER * asked, 2 * int((before[is_short] + limit).max()))
    width = min(limit, int(inside.max(initial=0)))
    # The run of each query, moved to the front.
    places = before[:, None] + np.arange(width)
    is_found = np.arange(width) < inside[:, None]
    places = np.where(is_found, places, 0)
    return (
        MergedCandidates(
            np.where(is_found, np.take_along_axis(merged.sources, places, axis=1), -1),
            np.where(is_found, np.take_along_axis(merged.row_ids, places, axis=1), -1),
            np.where(is_found, np.take_along_axis(distances, places, axis=1), np.float32(np.inf)),
            merged.tied,
        ),
        0,
    )
