"""Which groups of hits are the answer to a request?

Without rankers a group is as good as its nearest hit. With rankers it is as good as its best one
afterwards: what they make of the candidates says which groups are wanted, and decays and boosts,
which score any row by itself, then score further rows of these groups until no other can be among
their hits. Models and ``MMR`` see a window of hits, and groups are what they leave of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from elanus.kernels.ranking import FusedRows
from elanus.query.candidates import Run
from elanus.query.fusion import fuse
from elanus.query.grouping import (
    Group,
    GroupHit,
    GroupKey,
    GroupReader,
    fused_groups,
    nearest_groups,
    sort_in,
)
from elanus.query.pages import Page, as_ranked, found_by_legs, fused_lists, leg_rankings
from elanus.query.ranking import EXACT, Outcome, RankedRows, Ranking, order_of, rank
from elanus.query.requests import GroupBy, LegRequest, SearchRequest
from elanus.query.results import LegRanking
from elanus.query.scores import user_score
from elanus.types import Int64Array

DEEPER = 4
"""How many times as deep the next search for missing groups or hits is."""


def grouped_page(run: Run, request: SearchRequest, group: GroupBy) -> Page:
    """Return a page of groups; these requests hold one query."""
    reader = GroupReader(run.schema, run.sources, group)
    if request.ranking is not None:
        return _ranked_page(_Search(run, request, request.ranking, reader))
    wanted = request.offset + request.limit
    rankings: tuple[LegRanking, ...] = ()
    if not request.is_joined:
        groups = nearest_groups(run.leg, reader, request.legs[0]._replace(limit=wanted))
    else:

        def fuse_deeper(times: int) -> tuple[FusedRows, bool]:
            nonlocal rankings
            fused, rankings, may_go_on = _fused(run, request, times)
            return fused, may_go_on

        groups = fused_groups(fuse_deeper, reader, wanted)
    page = _page(groups, request, rankings)
    if rankings:
        return page
    field = request.legs[0].field
    distances = np.array(page.scores, dtype=np.float32)
    found = LegRanking(field.name, field.metric_type, page.sources, page.row_ids, distances)
    scores = [user_score(field.metric_type, distance) for distance in page.scores]
    return page._replace(scores=scores, rankings=[(found,)])


def _fused(
    run: Run, request: SearchRequest, times: int
) -> tuple[FusedRows, tuple[LegRanking, ...], bool]:
    """Return all that legs find that are so many times as deep, and whether there may be more."""
    lists, rankings = fused_lists(request, found_by_legs(run, request, times))
    both = zip(rankings, request.legs, strict=True)
    is_full = [len(ranking.row_ids) >= times * leg.limit for ranking, leg in both]
    every = slice(0, sum(len(parts) for _, _, parts in lists))
    return fuse(lists, every, run.keys), rankings, any(is_full)


def _page(groups: list[Group], request: SearchRequest, rankings: tuple[LegRanking, ...]) -> Page:
    """Return the page of a request out of all groups up to its end; values are scores."""
    groups = groups[request.offset : request.offset + request.limit]
    hits = [hit for one in groups for hit in one.hits]
    sources = np.array([hit.source for hit in hits], dtype=np.int64)
    row_ids = np.array([hit.row_id for hit in hits], dtype=np.int64)
    sizes = tuple([(one.value, len(one.hits)) for one in groups])
    scores = [hit.value for hit in hits]
    return Page(sources, row_ids, scores, [len(hits)], [rankings], sizes)


# --- groups of hits that are ranked anew ------------------------------------------------------


class _Chosen(NamedTuple):
    """What the candidates say.

    Attributes:
        rows: The candidates, nearest first.
        rankings: What each leg found.
        outcome: What rankers made of them.
        is_all: There are no other rows.
    """

    rows: RankedRows
    rankings: tuple[LegRanking, ...]
    outcome: Outcome
    is_all: bool


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for groups with rankers."""

    run: Run
    request: SearchRequest
    ranking: Ranking
    reader: GroupReader

    @property
    def wanted(self) -> int:
        """Groups wanted, those that are left out at the front included."""
        return self.request.offset + self.request.limit

    @property
    def is_rowwise(self) -> bool:
        """Whether further rows may be scored."""
        return all(step.is_rowwise for step in self.ranking.steps)

    def ranked(self, rows: RankedRows, *, is_all: bool) -> Outcome:
        """Return what rankers make of candidates."""
        run, ranking = self.run, self.ranking
        run.token.check()
        stop = ranking.candidates == EXACT
        count = len(rows.row_ids)
        return rank(ranking.steps, run.reader(), 0, rows, count, is_all=is_all, may_stop=stop)

    def groups_of(self, rows: RankedRows, limit: int | None = None) -> dict[GroupKey, Group]:
        """Return the groups of ranked rows, best first, each with its first hits."""
        groups: dict[GroupKey, Group] = {}
        parts = zip(rows.sources.tolist(), rows.row_ids.tolist(), rows.scores.tolist(), strict=True)
        hits = [GroupHit(*part) for part in parts]
        sort_in(groups, hits, self.reader, len(hits) if limit is None else limit)
        return groups

    def found(self, leg: LegRequest) -> tuple[RankedRows, LegRanking, bool]:
        """Return the candidates of a leg, and whether there are no others."""
        (ranking,) = leg_rankings(leg, self.run.leg(leg))
        return as_ranked(ranking), ranking, len(ranking.row_ids) < leg.limit

    def chosen(self) -> _Chosen:
        """Return candidates that hold the groups that are wanted."""
        leg, depth = self.request.legs[0], self.ranking.first
        while True:
            rows, found, is_all = self.found(leg._replace(limit=depth))
            outcome = self.ranked(rows, is_all=is_all)
            if is_all or self._is_enough(outcome):
                return _Chosen(rows, (found,), outcome, is_all)
            depth *= DEEPER
            self.run.plans.pop()

    def _is_enough(self, outcome: Outcome) -> bool:
        goes_on = self.ranking.candidates == EXACT
        if not self.is_rowwise:
            return outcome.is_exact or not goes_on
        rows = _sure_rows(outcome, is_all=False) if goes_on else outcome.rows
        return len(self.groups_of(rows)) >= self.wanted

    def chosen_of_legs(self) -> _Chosen:
        """Return candidates of several legs that hold the groups that are wanted, filled."""
        times = 1
        while True:
            fused, rankings, may_go_on = _fused(self.run, self.request, times)
            rows = RankedRows(*fused, False)
            outcome = self.ranked(rows, is_all=True)
            groups = self.groups_of(outcome.rows, self.wanted).values()
            is_full = len(groups) >= self.wanted and all(
                len(group.hits) >= self.reader.size for group in groups
            )
            if is_full or not may_go_on or not self.is_rowwise:
                return _Chosen(rows, rankings, outcome, True)
            times *= DEEPER
            del self.run.plans[-len(self.request.legs) :]

    def filled(self, pending: dict[GroupKey, Group]) -> Iterable[RankedRows]:
        """Yield, as the leg found them, rows of groups among which their best hits are."""
        leg, asked = self.request.legs[0], self.ranking.first
        while pending:
            condition = self.reader.filter_of([group.value for group in pending.values()])
            filters = leg.filters if condition is None else (*leg.filters, condition)
            rows, _, is_all = self.found(leg._replace(filters=filters, limit=asked))
            self.run.plans.pop()
            outcome = self.ranked(rows, is_all=is_all)
            sure = self.groups_of(_sure_rows(outcome, is_all=is_all))
            done = [
                key
                for key in pending
                if is_all or (key in sure and len(sure[key].hits) >= self.reader.size)
            ]
            hits = [hit for key in done if key in sure for hit in sure[key].hits]
            yield rows.at(_places(rows, hits))
            for key in done:
                del pending[key]
            asked *= DEEPER


def _sure_rows(outcome: Outcome, *, is_all: bool) -> RankedRows:
    """Return the first ranked rows, as far as no row that was no candidate belongs there."""
    rows, unseen = outcome.rows, outcome.unseen
    if is_all:
        return rows
    if unseen is None:
        return rows.at(slice(0))
    is_sure = rows.scores < unseen if rows.is_distance else rows.scores > unseen
    return rows.at(slice(int(np.count_nonzero(is_sure))))


def _places(rows: RankedRows, hits: Iterable[GroupHit]) -> Int64Array:
    """Return where hits stand in rows."""
    known = zip(rows.sources.tolist(), rows.row_ids.tolist(), strict=True)
    places = {row: place for place, row in enumerate(known)}
    found = [places[hit.source, hit.row_id] for hit in hits]
    return np.array(sorted(found), dtype=np.int64)


def _ranked_page(search: _Search) -> Page:
    """Return a page of groups of hits that are ranked anew."""
    request, wanted = search.request, search.wanted
    is_fused = request.is_joined
    rows, rankings, outcome, is_all = search.chosen_of_legs() if is_fused else search.chosen()
    groups = search.groups_of(outcome.rows, wanted)
    if search.is_rowwise and not is_all:
        sure = search.groups_of(_sure_rows(outcome, is_all=False))
        is_exact = len(sure) >= wanted
        size = search.reader.size
        pending = {k: g for k, g in groups.items() if k not in sure or len(sure[k].hits) < size}
        more = list(search.filled(pending))
        if more:
            rows = _joined(search, [rows, *more])
            rankings = (_as_leg(rankings[0], rows),)
        whole = search.ranked(rows, is_all=True)
        kept = set(groups)
        groups = {k: g for k, g in search.groups_of(whole.rows).items() if k in kept}
        outcome = outcome._replace(records=whole.records, is_exact=is_exact)
    search.run.watch.stage("rank")
    page = _page(list(groups.values()), request, rankings)
    last = [group.hits[0].value for group in groups.values()][-1:]
    hits = RankedRows(
        page.sources,
        page.row_ids,
        np.array(page.scores, dtype=np.float64),
        outcome.rows.is_distance,
    )
    outcome = outcome._replace(rows=hits, last=last[0] if len(groups) >= wanted else None)
    return page._replace(outcomes=(outcome,))


def _joined(search: _Search, parts: list[RankedRows]) -> RankedRows:
    """Return each row of several lists once, best first."""
    sources = np.concatenate([part.sources for part in parts])
    row_ids = np.concatenate([part.row_ids for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    _, first = np.unique(np.stack([sources, row_ids]), axis=1, return_index=True)
    rows = RankedRows(sources, row_ids, scores, parts[0].is_distance).at(first)
    return rows.at(order_of(rows, search.run.keys))


def _as_leg(found: LegRanking, rows: RankedRows) -> LegRanking:
    """Return what a leg found, with other rows."""
    distances = rows.scores if rows.is_distance else -rows.scores
    return found._replace(
        sources=rows.sources, row_ids=rows.row_ids, distances=distances.astype(np.float32)
    )
