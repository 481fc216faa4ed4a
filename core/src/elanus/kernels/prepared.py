"""How are searches of one segment answered that differ in their query alone?

One call takes the query as the user passed it and gives what a hit is made of; it makes no arrays.
``SearchGraph.prepared`` and ``SealedPostings.prepared`` make legs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from elanus import _native
from elanus.kernels.ranking import UnitScale
from elanus.kernels.rows import RowReader

PreparedLeg: TypeAlias = _native.PreparedLeg
"""Finds the ``limit`` nearest rows for a query, ties in the order of their keys.

``find(query, reader)`` returns row ids, scores, keys (None without) and what the ``native`` of a
``RowReader`` (or None) makes of the rows, as lists. It returns None where there is more to be said:
of a query of another form, of rows that are damaged or too few, where rows that were not found may
be as near as the last one, and of ties without keys. ``find_many(queries, reader, threads)``
returns a list of that, or None where there is more to be said of a query's form. ``count(query)``
makes the same search and returns the number of rows, or None.
"""
PreparedText: TypeAlias = _native.PreparedText
"""A leg over sealed postings. ``find_among(rows, query, reader)`` returns what ``find`` does of the
same leg with other allowed rows: uint32 ``(n,)``, ascending, at least one, all of them alive. They
are looked up one by one."""
LegRankings: TypeAlias = _native.LegRankings
"""``leg(i)`` returns row ids, distances and parts of the score of what leg ``i`` found."""


class PreparedFusion:
    """Searches several fields of one segment and joins what they find, in one call.

    Args:
        legs: Of the same segment and with the same keys.
        weights: One for each leg, finite.
        scales: How the scores of each leg are mapped into [0, 1]; None adds them as they are.
        rank_constant: Adds ``weight / (rank_constant + rank)`` instead of scores.
        limit: Rows wanted.
        reader: Makes entities of them.

    Raises:
        InvalidArgumentError: Legs have no keys, or not the same; numbers of arguments differ.
    """

    def __init__(
        self,
        legs: Sequence[PreparedLeg],
        weights: Sequence[float],
        scales: Sequence[UnitScale | None],
        *,
        rank_constant: float | None,
        limit: int,
        reader: RowReader | None,
    ) -> None:
        rows = None if reader is None else reader.native
        self._native = _native.PreparedFusion(
            tuple(legs), list(weights), list(scales), rank_constant, limit, rows
        )
        self.find, self.find_many = self._native.find, self._native.find_many

    find: Any
    """``find(queries)`` takes a list with one for each leg, and returns what ``PreparedLeg.find``
    does with ``LegRankings`` behind it, best first, equal scores in the order of their keys. It
    returns None where there is more to be said."""
    find_many: Any
    """``find_many(queries, threads)`` takes a list of such lists, and returns a list."""
