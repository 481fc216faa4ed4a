"""What do rankers make of the candidates of a search?

A chain of steps over the candidates of one query. Each step gives every candidate a new score, or
chooses some of them; what it did is kept as arrays, from which hits are explained when somebody
asks. A step also says how good a row can become that nobody looked at, which tells whether more
candidates could change the hits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from elanus.query.merge import PkReader
from elanus.query.rank_records import RankingSummary, RankRecord
from elanus.query.sources import SearchSource
from elanus.schema.collection import Schema
from elanus.types import Float64Array, Int64Array

EXACT = 0
"""``Ranking.candidates``: as many as it takes until no other row can be a hit."""


class RankedRows(NamedTuple):
    """Candidates of one query, best first; arrays of shape ``(n,)``.

    Attributes:
        sources: int64, numbers of sources.
        row_ids: int64.
        scores: float64.
        is_distance: Smaller scores are better.
    """

    sources: Int64Array
    row_ids: Int64Array
    scores: Float64Array
    is_distance: bool

    def at(self, places: Int64Array | slice) -> RankedRows:
        """Return the candidates at some places."""
        return self._replace(
            sources=self.sources[places], row_ids=self.row_ids[places], scores=self.scores[places]
        )


class RowReader(NamedTuple):
    """Where steps read what candidates hold.

    Attributes:
        schema: Of the collection.
        sources: Of one snapshot.
        keys: Reads primary keys of candidates.
        holders: Returns the rows that hold candidates, where these are elements of lists.
    """

    schema: Schema
    sources: Sequence[SearchSource]
    keys: PkReader
    holders: Callable[[RankedRows], RankedRows] | None = None


class Rescored(NamedTuple):
    """What a step makes of candidates; arrays of shape ``(n,)`` of those it was given.

    Attributes:
        scores: float64, the new scores.
        is_distance: Smaller ones are better.
        factors: float64, what it multiplied scores by, or added; None: it replaced them.
        is_sum: It added.
        places: int64, the candidates that go on, best first; None: all, by score.
    """

    scores: Float64Array
    is_distance: bool
    factors: Float64Array | None = None
    is_sum: bool = False
    places: Int64Array | None = None


class RankerStep(Protocol):
    """A ranker that is bound to the schema and the queries of a request."""

    @property
    def title(self) -> str:
        """What explanations call it."""
        ...

    @property
    def window(self) -> int | None:
        """Candidates that it takes, the best so far; None: all."""
        ...

    @property
    def is_rowwise(self) -> bool:
        """Whether it scores each row by itself, and as many as there are."""
        ...

    def apply(self, reader: RowReader, query: int, rows: RankedRows) -> Rescored:
        """Return new scores of candidates of a query of the request."""
        ...

    def best(self, score: float, is_distance: bool) -> float | None:
        """Return the best new score of a row whose score is no better than this one.

        None: nothing is known.
        """
        ...


class Ranking(NamedTuple):
    """What is done with candidates.

    Attributes:
        steps: At least one, in order.
        candidates: Of a search over one field, or ``EXACT``.
        first: Candidates to begin with.
        is_model: In the end a model gives the scores.
    """

    steps: tuple[RankerStep, ...]
    candidates: int
    first: int
    is_model: bool = False


class Outcome(NamedTuple):
    """What a chain left of the candidates of one query.

    Attributes:
        rows: The hits, best first, at most as many as wanted.
        records: What each step did.
        num_candidates: How many there were.
        is_exact: Whether no other row can be a hit.
        unseen: Best score of a row that was no candidate, where the first ranker with a window, or
            the end, cuts; None when every row was, or nothing is known of the others.
        last: Score of the last candidate before that cut; None where nothing is cut.
    """

    rows: RankedRows
    records: tuple[RankRecord, ...]
    num_candidates: int
    is_exact: bool
    unseen: float | None
    last: float | None

    def summary(self, ranking: Ranking, *, is_fused: bool) -> RankingSummary:
        """Return what users are told."""
        titles = tuple([step.title for step in ranking.steps])
        return RankingSummary(
            titles, self.num_candidates, is_fused, self.is_exact, self.unseen, self.last
        )


def rank(
    steps: Sequence[RankerStep],
    reader: RowReader,
    query: int,
    rows: RankedRows,
    wanted: int,
    *,
    is_all: bool,
    may_stop: bool = False,
) -> Outcome:
    """Apply rankers to the candidates of one query.

    Args:
        steps: The rankers, in order.
        reader: Reads what candidates hold.
        query: Number of the query in the request.
        rows: Candidates, best first; other rows have no better score than the last.
        wanted: Hits wanted.
        is_all: There are no other rows.
        may_stop: Where other rows may be among those that a window takes, leave it and what comes
            after out: a model reads nothing in vain.
    """
    num_candidates = len(rows.row_ids)
    records = []
    # The best score of a row that is no candidate, until the first cut.
    unseen = None if is_all or not num_candidates else float(rows.scores[-1])
    last: float | None = None
    is_open, is_exact = not is_all, is_all
    for step in steps:
        window = step.window
        if window is not None:
            if is_open:
                is_open = False
                last, is_exact = _cut(unseen, rows, window)
                if may_stop and not is_exact:
                    break
            rows = rows.at(slice(window))
        held = rows if reader.holders is None else reader.holders(rows)
        made = step.apply(reader, query, held)
        if is_open and unseen is not None:
            unseen = step.best(unseen, rows.is_distance)
        scored = rows._replace(scores=made.scores, is_distance=made.is_distance)
        places = order_of(scored, reader.keys) if made.places is None else made.places
        records.append(_record(step.title, rows, made, places))
        rows = scored.at(places)
    if is_open:
        last, is_exact = _cut(unseen, rows, wanted)
    return Outcome(rows.at(slice(wanted)), tuple(records), num_candidates, is_exact, unseen, last)


def order_of(rows: RankedRows, keys: PkReader) -> Int64Array:
    """Return the places of candidates best first, equals by primary key."""
    values = rows.scores if rows.is_distance else -rows.scores
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    is_equal = ordered[1:] == ordered[:-1]
    if not is_equal.any():
        return order
    is_tied = np.zeros(len(order), dtype=np.bool_)
    is_tied[1:] = is_equal
    is_tied[:-1] |= is_equal
    tied = np.flatnonzero(is_tied)
    pks = keys(rows.sources[order[tied]], rows.row_ids[order[tied]])
    # Runs of equals stand one after the other, so that each stays in its place.
    known = list(zip(ordered[tied].tolist(), pks, strict=True))
    order[tied] = order[tied[sorted(range(len(known)), key=known.__getitem__)]]
    return order


def _cut(unseen: float | None, rows: RankedRows, wanted: int) -> tuple[float | None, bool]:
    """Return the score of the last of the wanted rows, and whether an unseen row is worse."""
    if len(rows.row_ids) < wanted:
        return None, False
    last = float(rows.scores[wanted - 1])
    if unseen is None:
        return last, False
    return last, last < unseen if rows.is_distance else last > unseen


def _record(title: str, rows: RankedRows, made: Rescored, places: Int64Array) -> RankRecord:
    after = np.zeros(len(rows.row_ids), dtype=np.int64)
    after[places] = np.arange(1, len(places) + 1)
    return RankRecord(
        title,
        rows.sources,
        rows.row_ids,
        rows.scores,
        made.scores,
        after,
        made.factors,
        made.is_sum,
    )
