"""Where did an entity fall out of a search?

The search is run as it was asked for, and what it left of one row is compared with what exact
searches say of it. Costs a few searches, some of them exact; nothing here is on the way of a plain
search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from elanus.filter import And, BoundFilter, ElementFilter, Node, compile_filter
from elanus.kernels.bitset import Bitset
from elanus.kernels.cancel import CancelToken
from elanus.query.candidates import Run
from elanus.query.elements import ElementRun, ElementSource
from elanus.query.expiry import UnexpiredSource
from elanus.query.grouped_pages import grouped_page
from elanus.query.late_interaction import nearest_lists
from elanus.query.pages import Page, found_by_legs, fused_page, ranked_page, single_page
from elanus.query.projection import project
from elanus.query.requests import MAX_LIMIT, DenseQuery, LegRequest, ListQuery, SearchRequest
from elanus.query.results import HitExplanation, HitReasons
from elanus.query.scores import shown_score, user_score
from elanus.query.sources import AllowedRows, SearchSource, allowed_rows
from elanus.query.statistics import weigh
from elanus.query.verdicts import Cause, LegVerdict, WhyNot
from elanus.query.why_not_groups import GroupProbe
from elanus.schema.collection import PARTITION_FIELD, Schema
from elanus.schema.fields import Field
from elanus.schema.structs import stored_parts
from elanus.types import PrimaryKey

_MOST_SHOWN = 60
"""Characters of a value that are shown."""
_RECALLS = (0.99, 0.999, 1.0)


class Place(NamedTuple):
    """A visible row: number of its source, and row id there."""

    source: int
    row_id: int


def find_place(sources: Sequence[SearchSource], pk: PrimaryKey) -> Place | None:
    """Return where the visible row with a key is."""
    for number, source in enumerate(sources):
        row = int(source.find_pks([pk])[0])
        if row >= 0:
            return Place(number, row)
    return None


def has_expired(sources: Sequence[SearchSource], pk: PrimaryKey) -> bool:
    """Return whether the row with this key is hidden for its age."""
    return any(
        isinstance(source, UnexpiredSource) and int(source.whole.find_pks([pk])[0]) >= 0
        for source in sources
    )


def was_deleted(schema: Schema, sources: Sequence[SearchSource], pk: PrimaryKey) -> bool:
    """Return whether a row with this key lies in a source and is not visible any more."""
    for source in sources:
        if source.alive is None:
            continue
        rows = (~source.alive).to_rows()
        if pk in source.column(schema.primary.name).values_at(rows):
            return True
    return False


def explain_row(
    schema: Schema,
    sources: Sequence[SearchSource],
    request: SearchRequest,
    pk: PrimaryKey,
    place: Place,
    token: CancelToken,
) -> WhyNot:
    """Return where a visible row fell out of a search with one query, or which hit it is.

    Args:
        schema: Of the collection.
        sources: Of the snapshot that is searched.
        request: What was asked for.
        pk: The row's key.
        place: Where it is.
        token: Ends the searches.
    """
    probe = _Probe(schema, sources, request, place, token)
    made = _explained(probe, request, pk)
    return made if request.elements is None else replace(made, offset=probe.offset)


def _explained(probe: _Probe, request: SearchRequest, pk: PrimaryKey) -> WhyNot:
    verdicts = tuple([probe.verdict(i) for i in range(len(request.legs))])
    if all(verdict.cause is not None for verdict in verdicts):
        order = [
            Cause.CUT,
            Cause.MISSED,
            Cause.LIMIT,
            Cause.RANGE,
            Cause.NO_MATCH,
            Cause.NULL,
            Cause.FILTER,
        ]
        worst = min(verdicts, key=lambda v: order.index(v.cause or Cause.FILTER))
        cause = worst.cause or Cause.FILTER
        return WhyNot(pk, cause, _SENTENCES[cause], verdicts, last_score=probe.last_score)
    if request.group is not None:
        return probe.grouped_outcome(pk, verdicts)
    return probe.outcome(pk, verdicts)


_SENTENCES = {
    Cause.CUT: "not a hit, the rankers of its leg prefer others",
    Cause.FILTER: "not a hit, the filter excludes it",
    Cause.NULL: "not a hit, it has no vector in the field",
    Cause.NO_MATCH: "not a hit, it has nothing in common with the query",
    Cause.RANGE: "not a hit, its score lies outside of radius and range_filter",
    Cause.LIMIT: "not a hit, others are nearer",
    Cause.MISSED: "not a hit, the approximate search missed it",
}


_GROUP_SENTENCES = {
    Cause.HIT: "a hit",
    Cause.OFFSET: "a hit of a group that offset leaves out",
    Cause.MISSED: "not a hit, the approximate search missed it",
    Cause.GROUP_FULL: "not a hit, its group has better ones",
    Cause.GROUP_LIMIT: "not a hit, other groups are better",
}


class _Probe:
    """One search, run once, and a row to look for in it, or one of its elements."""

    def __init__(
        self,
        schema: Schema,
        sources: Sequence[SearchSource],
        request: SearchRequest,
        place: Place,
        token: CancelToken,
    ) -> None:
        self._schema = schema
        self._whole = sources
        self._row = place
        self._request = request
        self._token = token
        # Of a search of elements these are elements: ``sources``, and the places in them.
        self._sources = self._run().sources
        self._page = self._whole_page()
        self._place = place if request.elements is None else self._element(place)

    @property
    def offset(self) -> int | None:
        """Place of the element in its list; None: there is none."""
        if self._place.row_id < 0:
            return None
        source = self._sources[self._place.source]
        assert isinstance(source, ElementSource)
        return int(source.places(np.array([self._place.row_id]))[0])

    def _element(self, row: Place) -> Place:
        """Return the element of a row that is spoken of; -1 where it has none."""
        source = self._sources[row.source]
        assert isinstance(source, ElementSource)
        elements = source.elements_of(row.row_id)
        page, leg = self._page, self._request.legs[0]
        found = page.row_ids[(page.sources == row.source) & np.isin(page.row_ids, elements)]
        if len(found):
            return Place(row.source, int(found[0]))
        if not len(elements) or not isinstance(leg.query, DenseQuery):
            return Place(row.source, -1)
        bits = allowed_rows(cast(SearchSource, source), leg.filters).bits
        allowed = elements if bits is None else elements[bits.holds(elements)]
        among = Bitset.from_rows(allowed if len(allowed) else elements, source.num_rows)
        index = source.vector_index(leg.field.name)
        nearest = index.search(leg.query.vectors, 1, allowed=among).query(0)
        return Place(row.source, int(nearest.row_ids[0]))

    @property
    def last_score(self) -> float | None:
        """Score of the last hit."""
        scores = self._page.scores
        if not self._page.outcomes and self._request.group is None:
            scores = scores[: self._request.offset + self._request.limit]
        return scores[-1] if scores else None

    def verdict(self, number: int) -> LegVerdict:
        """Return what a leg says of the row."""
        leg = self._request.legs[number]
        depth, metric = self._depth(leg), leg.field.metric_type
        failed = tuple(self._failed(leg.filters))
        is_there = self._has_vector(leg.field)
        score = self._exact_score(leg) if is_there else None
        rank: int | None = None
        cause: Cause | None = None
        remedy = ""
        if failed:
            cause = Cause.FILTER
        elif not is_there:
            cause = Cause.NULL
        elif score is None:
            cause = Cause.NO_MATCH
        else:
            rank = self._exact_rank(leg, depth)
            ranking = self._page.rankings[0][number]
            if rank is None:
                cause, remedy = Cause.RANGE, _bounds(leg)
            elif self._may_be_any_row:
                cause, depth = None, max(depth, rank)
            elif ranking.score_of(*self._place).rank is not None:
                cause = None
            elif any(r.step_of(*self._place) is not None for r in ranking.records):
                cause = Cause.CUT
            elif rank > depth:
                cause, remedy = Cause.LIMIT, self._deeper(rank)
            else:
                cause, remedy = Cause.MISSED, self._better(leg, depth)
        return LegVerdict(leg.field.name, metric, cause, score, rank, depth, failed, remedy)

    def outcome(self, pk: PrimaryKey, verdicts: tuple[LegVerdict, ...]) -> WhyNot:
        """Return what became of a row that is a candidate."""
        request, explanation = self._request, self._explanation()
        rank, score = self._final(explanation)
        first, last = request.offset + 1, request.offset + request.limit
        gap = ""
        if rank is None:
            cause = Cause.CUT
            said = f"not a hit, {self._left_out(explanation)}"
        elif rank < first:
            cause, said = Cause.OFFSET, f"rank {rank}, which offset={request.offset} leaves out"
        elif rank <= last:
            cause, said = Cause.HIT, f"a hit, rank {rank}"
        else:
            cause = Cause.CUT
            if score is not None and self.last_score is not None:
                gap = f", score {shown_score(score)} behind {shown_score(self.last_score)}"
            same = "of the same candidates, " if request.is_joined else ""
            reach = f"{same}limit={rank - request.offset} reaches it"
            said = f"not a hit, rank {rank} where {last} are wanted{gap}; {reach}"
        return WhyNot(pk, cause, said, verdicts, rank, score, self.last_score, explanation)

    def grouped_outcome(self, pk: PrimaryKey, verdicts: tuple[LegVerdict, ...]) -> WhyNot:
        """Return what became of a row that may be a hit of a group."""
        page, row_id = self._page, self._row.row_id
        probe = GroupProbe(self._run, self._request, page, self._place, row_id)
        cause, group, remedy = probe.verdict()
        is_hit = cause in (Cause.HIT, Cause.OFFSET)
        explanation = self._explanation() if is_hit else None
        score = None
        if is_hit:
            score = dict(group.kept)[pk]
        said = _GROUP_SENTENCES[cause] + (f"; {remedy}" if remedy else "")
        return WhyNot(
            pk, cause, said, verdicts, group.place, score, self.last_score, explanation, group
        )

    @property
    def _may_be_any_row(self) -> bool:
        """Whether groups are filled with rows that were no candidates."""
        request = self._request
        if request.group is None or request.is_joined:
            return False
        steps = () if request.ranking is None else request.ranking.steps
        return all(step.is_rowwise for step in steps)

    # --- the search as it was asked for -------------------------------------------------------

    def _whole_page(self) -> Page:
        """Return the page of the search, with every candidate on it unless rankers cut."""
        request, run = self._request, self._run()
        if request.group is not None:
            whole = request._replace(offset=0, limit=request.offset + request.limit)
            return grouped_page(run, whole, request.group)
        if request.ranking is not None:
            return ranked_page(run, request, request.ranking)
        whole = request._replace(offset=0, limit=MAX_LIMIT * len(request.legs))
        if not request.is_joined:
            return single_page(whole, run.leg(request.legs[0]))
        return fused_page(whole, found_by_legs(run, whole), run.keys)

    def _run(self) -> Run:
        elements = self._request.elements
        if elements is None:
            return Run(self._schema, self._whole, self._token)
        return ElementRun(self._schema, self._whole, self._token, elements)

    def _depth(self, leg: LegRequest) -> int:
        if leg.ranking is not None:
            return max(leg.ranking.first, leg.limit)
        if self._request.ranking is None or self._request.is_joined:
            return leg.limit
        return max(self._request.ranking.first, self._page.outcomes[0].num_candidates)

    def _explanation(self) -> HitExplanation:
        names = tuple([source.name for source in self._sources])
        fusion = self._request.joined_by
        outcomes = self._page.outcomes
        reasons = HitReasons(
            self._page.rankings[0],
            self._page.sources,
            self._page.row_ids,
            names,
            fusion=fusion,
            records=outcomes[0].records if outcomes else (),
        )
        return reasons.explain_row(*self._place)

    def _final(self, explanation: HitExplanation) -> tuple[int | None, float | None]:
        """Return rank and score of the row in the end; no rank where a ranker left it out."""
        if self._page.outcomes:
            steps = explanation.steps
            is_through = len(steps) == len(self._page.outcomes[0].records)
            score = steps[-1].score_after if steps else None
            return (steps[-1].rank_after if is_through else None), score
        is_here = (self._page.row_ids == self._place.row_id) & (
            self._page.sources == self._place.source
        )
        place = int(np.flatnonzero(is_here)[0])
        return place + 1, self._page.scores[place]

    def _left_out(self, explanation: HitExplanation) -> str:
        """Return which ranker left the row out, and why."""
        assert self._request.ranking is not None
        done = len(explanation.steps)
        steps = self._request.ranking.steps
        if done == len(steps):
            return f"{steps[-1].title} chose others"
        window = steps[done].window
        rank = explanation.steps[-1].rank_after if done else explanation.legs[0].rank
        return f"{steps[done].title} takes the best {window}, it is number {rank}"

    # --- the row by itself --------------------------------------------------------------------

    def _failed(self, filters: Sequence[BoundFilter]) -> Iterator[str]:
        """Yield the conditions that the row does not pass, with what it holds."""
        source, element = self._whole[self._row.source], self._place.row_id
        for bound in filters:
            if isinstance(bound, ElementFilter):
                if element >= 0 and element not in source.columns.matching(bound):
                    yield str(bound)
                continue
            for term in _conjuncts(bound.tree):
                part = compile_filter(term, self._schema, casts=bound.casts)
                if part is None or self._row.row_id in source.columns.matching(part):
                    continue
                if part.fields == {PARTITION_FIELD}:
                    yield "partitions (it is in another one)"
                else:
                    yield f"{part}{self._held(source, part)}"

    def _has_vector(self, field: Field) -> bool:
        if self._request.elements is not None:
            return self._place.row_id >= 0
        if not field.nullable:
            return True
        validity = self._whole[self._row.source].column(field.name).validity
        return validity is None or bool(validity[self._row.row_id])

    def _held(self, source: SearchSource, part: BoundFilter) -> str:
        parts = {
            field.name: [one.name for one in stored_parts(field) if not one.is_vector_list]
            for field in self._schema.structs
        }
        names = [one for name in sorted(part.fields) for one in parts.get(name, [name])]
        rows = np.array([self._row.row_id], dtype=np.int64)
        (entity,) = project(self._schema, source, rows, names)
        held = [f"{name} is {_shown(value)}" for name, value in entity.items()]
        return f" ({', '.join(held)})" if held else ""

    def _exact_score(self, leg: LegRequest) -> float | None:
        source = self._sources[self._place.source]
        only = Bitset.from_rows(np.array([self._place.row_id]), source.num_rows)
        if isinstance(leg.query, DenseQuery):
            found = source.vector_index(leg.field.name).search(leg.query.vectors, 1, allowed=only)
        elif isinstance(leg.query, ListQuery):
            lists = source.vector_lists(leg.field.name)
            exact, rows = leg.query._replace(recall=1.0), AllowedRows(only, 1)
            _, found = nearest_lists(source.name, lists, exact, 1, rows, self._token.check)
        else:
            query = leg.query._replace(drop_ratio=0.0)
            found = weigh(self._sources, leg.field.name, query).search(source, only, 1)
        nearest = found.query(0)
        if not len(nearest):
            return None
        return user_score(leg.field.metric_type, float(nearest.distances[0]))

    def _exact_rank(self, leg: LegRequest, depth: int) -> int | None:
        """Return the place of the row among those that the leg may find; None: outside of range."""
        limit = depth
        query = leg.query
        if isinstance(query, DenseQuery):
            exact = leg._replace(query=query._replace(recall=1.0, ef=None))
        elif isinstance(query, ListQuery):
            exact = leg._replace(query=query._replace(recall=1.0))
        else:
            exact = leg._replace(query=query._replace(drop_ratio=0.0))
        while True:
            rank, count = self._rank_in(exact, limit)
            if rank is not None or count < limit:
                return rank
            limit *= 4

    def _rank_in(self, leg: LegRequest, limit: int) -> tuple[int | None, int]:
        """Return the place of the row in what a leg finds, from 1, and how much it finds."""
        found = self._run().leg(leg._replace(limit=limit))
        row_ids, sources = found.row_ids[0], found.sources[0]
        is_here = (row_ids == self._place.row_id) & (sources == self._place.source)
        places = np.flatnonzero(is_here)
        count = int(np.count_nonzero(row_ids >= 0))
        return (int(places[0]) + 1 if len(places) else None), count

    # --- what would help ----------------------------------------------------------------------

    def _deeper(self, rank: int) -> str:
        if self._request.is_joined:
            return f"Leg(limit={rank}) reaches it"
        if self._request.ranking is not None:
            return f"candidates={rank} reaches it"
        return f"limit={rank - self._request.offset} reaches it"

    def _better(self, leg: LegRequest, depth: int) -> str:
        """Return the options with which the search finds the row, tried one by one."""
        query = leg.query
        if not isinstance(query, DenseQuery):
            return "drop_ratio_search=0 finds it"
        found = []
        for recall in _RECALLS:
            asked = query._replace(recall=recall, ef=None)
            if self._rank_in(leg._replace(query=asked), depth)[0] is not None:
                found.append(f"recall={recall:g}")
                break
        most = max(source.num_rows for source in self._sources)
        ef = max(query.ef or 0, depth)
        while ef < most:
            ef *= 2
            asked = query._replace(ef=ef)
            if self._rank_in(leg._replace(query=asked), depth)[0] is not None:
                found.append(f"ef={ef}")
                break
        return f"{' or '.join(found)} finds it"


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for term in node.terms:
            yield from _conjuncts(term)
    else:
        yield node


def _bounds(leg: LegRequest) -> str:
    if leg.range is None:
        return ""
    metric = leg.field.metric_type
    near, far = (user_score(metric, value) for value in leg.range)
    parts = [] if math.isinf(near) else [f"{'>=' if metric.is_distance else '<='} {near:g}"]
    parts += [] if math.isinf(far) else [f"{'<' if metric.is_distance else '>'} {far:g}"]
    return f"asked for is {' and '.join(parts)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
