"""Which hits, in which order, are the answer to a request?

Candidates of one leg or several become a page of hits: as they are, fused, or ranked anew; those
in groups are made in ``query.grouped_pages``. What is done for each query of a batch is done for
all of them at once where it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from elanus.kernels.ranking import MergedCandidates
from elanus.query.candidates import Run
from elanus.query.fusion import contributions, fuse, leg_weights
from elanus.query.merge import PkReader
from elanus.query.ranking import EXACT, Outcome, RankedRows, Ranking, RowReader, rank
from elanus.query.requests import SearchRequest
from elanus.query.results import LegRanking
from elanus.types import Float64Array, Int64Array


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
    scores = (values if metric.is_distance else -values).tolist()
    return Page(sources, row_ids, scores, ends, [(ranking,) for ranking in rankings])


def fused_page(request: SearchRequest, merged: Sequence[MergedCandidates], keys: PkReader) -> Page:
    """Return a page of the joined candidates of several legs, which hold one query each."""
    lists, rankings = fused_lists(request, merged)
    page = slice(request.offset, request.offset + request.limit)
    fused = fuse(lists, page, keys)
    scores = fused.scores.tolist()
    return Page(fused.sources, fused.row_ids, scores, [len(scores)], [rankings])


def fused_lists(
    request: SearchRequest, merged: Sequence[MergedCandidates]
) -> tuple[list[tuple[Int64Array, Int64Array, Float64Array]], tuple[LegRanking, ...]]:
    """Return what is fused, and what each leg found."""
    fields = [leg.field for leg in request.legs]
    weights = leg_weights(request.fusion, fields)
    rankings = []
    lists = []
    for field, weight, (sources, row_ids, distances, _) in zip(
        fields, weights, merged, strict=True
    ):
        parts = contributions(request.fusion, field, weight, distances[0])
        metric = field.metric_type
        rankings.append(LegRanking(field.name, metric, sources[0], row_ids[0], distances[0], parts))
        lists.append((sources[0], row_ids[0], parts))
    return lists, tuple(rankings)


def ranked_page(run: Run, request: SearchRequest, ranking: Ranking) -> Page:
    """Return a page of what rankers make of the candidates of all legs, each query by itself."""
    reader = RowReader(run.schema, run.sources, run.keys)
    wanted = request.offset + request.limit
    goes_on = ranking.candidates == EXACT

    def outcome(query: int, rows: RankedRows, *, is_all: bool) -> Outcome:
        run.token.check()
        return rank(ranking.steps, reader, query, rows, wanted, is_all=is_all, may_stop=goes_on)

    if len(request.legs) > 1:
        lists, rankings = fused_lists(request, [run.leg(leg) for leg in request.legs])
        fused = fuse(lists, slice(0, sum(len(parts) for _, _, parts in lists)), run.keys)
        run.watch.stage("merge")
        outcomes = [outcome(0, RankedRows(*fused, False), is_all=True)]
        legs = [rankings]
    else:
        depth = ranking.first
        while True:
            found = leg_rankings(request, run.leg(request.legs[0]._replace(limit=depth)))
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


def leg_rankings(request: SearchRequest, merged: MergedCandidates) -> list[LegRanking]:
    """Return what the only leg found for each query, without the missing places."""
    field = request.legs[0].field
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
        leg.sources, leg.row_ids, distances if is_distance else -distances, is_distance
    )
