"""Which hits, in which order, are the answer to a request?

Candidates of one leg or several become a page of hits: as they are, fused, or ranked anew; those
in groups are made in ``query.grouped_pages``. What is done for each query of a batch is done for
all of them at once where it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from elanus.kernels.ranking import MergedCandidates, RankedArrays
from elanus.query.candidates import Run
from elanus.query.fusion import (
    contributions,
    fuse,
    leg_weights,
    ranked_contributions,
    settled,
)
from elanus.query.merge import PkReader
from elanus.query.ranking import EXACT, Outcome, RankedRows, Ranking, rank
from elanus.query.requests import ByScore, LegRequest, SearchRequest
from elanus.query.results import LegRanking
from elanus.types import Int64Array


class Page(NamedTuple):
    """The hits to return, those of all queries one after the other; arrays of shape ``(n,)``.

    Attributes:
        sources: int64, numbers of sources.
        row_ids: int64.
        scores: What the user sees.
        ends: For each query where its hits end.
        rankings: For each query what each leg found.
        groups: Value and number of hits of each group, of a search for groups.
        outcomes: For each query what rankers did.
    """

    sources: Int64Array
    row_ids: Int64Array
    scores: list[float]
    ends: list[int]
    rankings: list[tuple[LegRanking, ...]]
    groups: tuple[tuple[Any, int], ...] = ()
    outcomes: tuple[Outcome, ...] = ()


class RankedLeg(NamedTuple):
    """What the rankers of a leg left of its candidates, best first.

    Attributes:
        ranking: Their distances, and what rankers did.
        rows: Their scores afterwards.
        is_model: A model gave the scores.
    """

    ranking: LegRanking
    rows: RankedRows
    is_model: bool


LegCandidates = MergedCandidates | RankedLeg


def single_page(request: SearchRequest, merged: MergedCandidates) -> Page:
    """Return a page of the candidates of a single leg; their metric's value is the score."""
    field = request.legs[0].field
    metric = field.metric_type
    page = slice(request.offset, request.offset + request.limit)
    if len(merged.row_ids) == 1:
        # Nothing stands beside a single query: no place is missing.
        sources, row_ids, values = merged.sources[0], merged.row_ids[0], merged.distances[0]
        rankings = [LegRanking(field.name, metric, sources, row_ids, values)]
        if request.offset or len(row_ids) > request.limit:
            sources, row_ids, values = sources[page], row_ids[page], values[page]
        ends = [len(row_ids)]
    else:
        rankings = [
            LegRanking(field.name, metric, sources, row_ids, distances)
            for sources, row_ids, distances in zip(*merged[:3], strict=True)
        ]
        is_hit = merged.row_ids[:, page] >= 0
        ends = np.cumsum(np.count_nonzero(is_hit, axis=1)).tolist()
        sources, row_ids = merged.sources[:, page][is_hit], merged.row_ids[:, page][is_hit]
        values = merged.distances[:, page][is_hit]
    scores = (values if metric.is_distance else 0.0 - values).tolist()
    return Page(sources, row_ids, scores, ends, [(ranking,) for ranking in rankings])


def fused_page(request: SearchRequest, found: Sequence[LegCandidates], keys: PkReader) -> Page:
    """Return a page of the joined candidates of legs, which hold one query each."""
    lists, rankings = fused_lists(request, found)
    page = slice(request.offset, request.offset + request.limit)
    fused = fuse(lists, page, keys)
    scores = fused.scores.tolist()
    return Page(fused.sources, fused.row_ids, scores, [len(scores)], [rankings])


def found_by_legs(run: Run, request: SearchRequest, times: int = 1) -> list[LegCandidates]:
    """Return what each leg finds that is so many times as deep as asked for."""
    found: list[LegCandidates] = []
    for leg in request.legs:
        deep = leg if times == 1 else leg._replace(limit=times * leg.limit)
        found.append(
            run.leg(deep) if deep.ranking is None else _ranked_leg(run, deep, deep.ranking)
        )
    return found


def fused_lists(
    request: SearchRequest, found: Sequence[LegCandidates]
) -> tuple[list[RankedArrays], tuple[LegRanking, ...]]:
    """Return what is fused, and what each leg found."""
    fusion = request.fusion
    weights = leg_weights(fusion, [leg.field for leg in request.legs])
    rankings = []
    lists: list[RankedArrays] = []
    for leg, weight, one in zip(request.legs, weights, found, strict=True):
        if isinstance(one, RankedLeg):
            is_model = one.is_model
            parts = ranked_contributions(fusion, leg.field, weight, one.rows, is_model=is_model)
            ranking = one.ranking._replace(contributions=parts)
        else:
            sources, row_ids, distances, _ = one
            parts = contributions(fusion, leg.field, weight, distances[0])
            places = sources[0], row_ids[0], distances[0]
            ranking = LegRanking(leg.field.name, leg.field.metric_type, *places, parts)
        rankings.append(ranking)
        lists.append((ranking.sources, ranking.row_ids, parts))
    if not isinstance(fusion, ByScore):
        return lists, tuple(rankings)
    lists = settled(fusion, lists)
    both = zip(rankings, lists, strict=True)
    return lists, tuple([ranking._replace(contributions=own[2]) for ranking, own in both])


def _ranked_leg(run: Run, leg: LegRequest, ranking: Ranking) -> RankedLeg:
    """Return the best candidates of a leg after its own rankers."""
    depth = max(ranking.first, leg.limit)
    (found,) = leg_rankings(leg, run.leg(leg._replace(limit=depth)))
    is_all = len(found.row_ids) < depth
    outcome = rank(ranking.steps, run.reader(), 0, as_ranked(found), leg.limit, is_all=is_all)
    run.watch.stage("rank")
    rows = outcome.rows
    known = zip(found.sources.tolist(), found.row_ids.tolist(), strict=True)
    places = {row: place for place, row in enumerate(known)}
    kept = zip(rows.sources.tolist(), rows.row_ids.tolist(), strict=True)
    made = found._replace(
        sources=rows.sources,
        row_ids=rows.row_ids,
        distances=found.distances[[places[row] for row in kept]],
        records=outcome.records,
    )
    return RankedLeg(made, rows, ranking.is_model)


def ranked_page(run: Run, request: SearchRequest, ranking: Ranking) -> Page:
    """Return a page of what rankers make of the candidates of all legs, each query by itself."""
    reader = run.reader()
    wanted = request.offset + request.limit
    goes_on = ranking.candidates == EXACT

    def outcome(query: int, rows: RankedRows, *, is_all: bool) -> Outcome:
        run.token.check()
        return rank(ranking.steps, reader, query, rows, wanted, is_all=is_all, may_stop=goes_on)

    if request.is_joined:
        lists, rankings = fused_lists(request, found_by_legs(run, request))
        fused = fuse(lists, slice(0, sum(len(parts) for _, _, parts in lists)), run.keys)
        run.watch.stage("merge")
        outcomes = [outcome(0, RankedRows(*fused, False), is_all=True)]
        legs = [rankings]
    else:
        depth = ranking.first
        while True:
            leg = request.legs[0]
            found = leg_rankings(leg, run.leg(leg._replace(limit=depth)))
            outcomes = [
                outcome(i, as_ranked(leg), is_all=len(leg.row_ids) < depth)
                for i, leg in enumerate(found)
            ]
            run.watch.stage("rank")
            if not goes_on or all(one.is_exact for one in outcomes):
                break
            depth *= 4
            run.plans.pop()
        legs = [(leg,) for leg in found]
    run.watch.stage("rank")
    pages = [one.rows.at(slice(request.offset, wanted)) for one in outcomes]
    ends = np.cumsum([len(rows.row_ids) for rows in pages]).tolist()
    return Page(
        np.concatenate([rows.sources for rows in pages]),
        np.concatenate([rows.row_ids for rows in pages]),
        np.concatenate([rows.scores for rows in pages]).tolist(),
        ends,
        legs,
        outcomes=tuple(outcomes),
    )


def leg_rankings(leg: LegRequest, merged: MergedCandidates) -> list[LegRanking]:
    """Return what a leg found for each query, without the missing places."""
    field = leg.field
    found = []
    for sources, row_ids, distances in zip(*merged[:3], strict=True):
        there = int(np.count_nonzero(row_ids >= 0))
        places = sources[:there], row_ids[:there], distances[:there]
        found.append(LegRanking(field.name, field.metric_type, *places))
    return found


def as_ranked(leg: LegRanking) -> RankedRows:
    """Return the candidates of a leg with the metric's values as scores."""
    distances = leg.distances.astype(np.float64)
    is_distance = leg.metric.is_distance
    return RankedRows(
        leg.sources, leg.row_ids, distances if is_distance else 0.0 - distances, is_distance
    )
