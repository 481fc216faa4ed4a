"""How is a search executed?

A search is a function of (sources, request): filters per source, candidates per source and leg,
merge, fusion, projection. Nothing is remembered between searches, and no lock is taken. What is
done for each query of a batch is done for all of them at once, by kernels and arrays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from elanus.filter import BoundFilter
from elanus.index.base import Candidates, CandidateTable, VectorIndex
from elanus.kernels.cancel import CancelToken
from elanus.kernels.ranking import FusedRows, MergedCandidates
from elanus.query.fusion import contributions, fuse, leg_weights
from elanus.query.grouping import GroupReader, fused_groups, nearest_groups
from elanus.query.late_interaction import nearest_lists
from elanus.query.merge import cut_between_equals, merge, search_with_ties, table_of
from elanus.query.plan import LegPlan, SourceStep, plan_dense
from elanus.query.projection import project_places, read_pks, read_places
from elanus.query.ranges import cut_to_range
from elanus.query.requests import (
    DenseQuery,
    GroupBy,
    LegRequest,
    ListQuery,
    SearchRequest,
    TextQuery,
)
from elanus.query.results import (
    Answer,
    HitReasons,
    LegRanking,
    SearchExplanation,
    SearchResult,
    TermScore,
    user_score,
)
from elanus.query.sources import AllowedRows, SearchSource, allowed_rows, remaining_rows, rows_with
from elanus.query.statistics import WeightedQuery, weigh, weigh_text
from elanus.schema.collection import Schema
from elanus.types import Float64Array, Int64Array, PrimaryKey, VectorArray


class _Stopwatch:
    """Milliseconds by stage; a stage may be entered more than once."""

    __slots__ = ("last", "spent", "started")

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.started = self.last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + (now - self.last) * 1e3
        self.last = now

    def result(self) -> dict[str, float]:
        self.spent["total"] = (self.last - self.started) * 1e3
        return self.spent


class _Page(NamedTuple):
    """The hits to return, those of all queries one after the other; arrays of shape ``(n,)``.

    Attributes:
        sources: int64, numbers of sources.
        row_ids: int64.
        scores: What the user sees.
        ends: For each query where its hits end.
        rankings: For each query what each leg found.
        groups: Value and number of hits of each group, of a search for groups.
    """

    sources: Int64Array
    row_ids: Int64Array
    scores: list[float]
    ends: list[int]
    rankings: list[tuple[LegRanking, ...]]
    groups: tuple[tuple[Any, int], ...] = ()


def search(
    schema: Schema, sources: Sequence[SearchSource], request: SearchRequest, token: CancelToken
) -> list[SearchResult]:
    """Answer a request over the sources of one snapshot; one result per query vector.

    Raises:
        SearchTimeoutError: The time of ``token`` was over.
        SearchCancelledError: ``token`` was cancelled.
    """
    run = _Run(schema, sources, token)
    one_leg = len(request.legs) == 1
    if request.group is not None:
        page = _grouped_page(run, request, request.group)
    elif one_leg:
        page = _single_page(request, run.leg(request.legs[0]))
    else:
        page = _fused_page(request, [run.leg(leg) for leg in request.legs], run.keys)
    run.watch.stage("merge")
    answers = _answers(schema, sources, request, page)
    if one_leg and isinstance(request.legs[0].query, ListQuery):
        answers = _with_offsets(sources, request.legs[0], answers)
    run.watch.stage("project")
    fusion = "" if one_leg else str(request.fusion)
    explanation = SearchExplanation(tuple(run.plans), fusion, run.watch.result())
    return [SearchResult(answer, explanation) for answer in answers]


class _Run:
    """One search while it runs.

    Attributes:
        plans: What was done for each leg, in the order of the searches.
        watch: How long it took.
        keys: Reads primary keys of rows.
    """

    __slots__ = ("_allowed", "keys", "plans", "schema", "sources", "token", "watch")

    def __init__(self, schema: Schema, sources: Sequence[SearchSource], token: CancelToken) -> None:
        self.schema = schema
        self.sources = sources
        self.token = token
        self.watch = _Stopwatch()
        self.plans: list[LegPlan] = []
        self.keys = partial(_read_keys, schema, sources)
        self._allowed: dict[tuple[BoundFilter, ...], list[AllowedRows]] = {}

    def leg(self, leg: LegRequest, without: BoundFilter | None = None) -> MergedCandidates:
        """Return the candidates of a leg, of all sources together, less those of a filter."""
        allowed = self._allowed.get(leg.filters)
        if allowed is None:
            allowed = _allowed_rows(self.sources, leg.filters, self.token)
            self._allowed[leg.filters] = allowed
        if without is not None:
            both = zip(self.sources, allowed, strict=True)
            allowed = [remaining_rows(source, rows, without) for source, rows in both]
        if leg.field.nullable:
            allowed = [
                rows_with(source, rows, leg.field.name)
                for source, rows in zip(self.sources, allowed, strict=True)
            ]
        self.watch.stage("filter")
        asked = leg.limit
        while asked:
            num_queries, steps, tables = _run_leg(self.sources, leg, asked, allowed, self.token)
            self.watch.stage("candidates")
            found = merge(tables, num_queries, asked, self.keys)
            plan = LegPlan(leg.field.name, leg.field.metric_type, asked, tuple(steps))
            if leg.range is None:
                break
            found, asked = cut_to_range(found, leg.range, leg.limit, asked)
            self.watch.stage("merge")
        self.plans.append(plan)
        self.watch.stage("merge")
        self.token.check()
        return found


def _allowed_rows(
    sources: Sequence[SearchSource], filters: tuple[BoundFilter, ...], token: CancelToken
) -> list[AllowedRows]:
    found = []
    for source in sources:
        found.append(allowed_rows(source, filters))
        token.check()
    return found


# --- candidates -------------------------------------------------------------------------------


def _run_leg(
    sources: Sequence[SearchSource],
    leg: LegRequest,
    limit: int,
    allowed: Sequence[AllowedRows],
    token: CancelToken,
) -> tuple[int, list[SourceStep], list[CandidateTable]]:
    """Return the number of queries, and step and ``limit`` candidates of each source."""
    steps: list[SourceStep] = []
    tables: list[CandidateTable] = []
    query = leg.query
    num_queries = query.num_queries
    weighted: WeightedQuery | None = None
    if not isinstance(query, DenseQuery) and not isinstance(query, ListQuery):
        weighted = weigh(sources, leg.field.name, query)
    for source, rows in zip(sources, allowed, strict=True):
        token.check()
        if not rows.count:
            steps.append(SourceStep(source.name, source.num_rows, 0, "skip"))
            tables.append(_no_candidates(num_queries))
        elif isinstance(query, DenseQuery):
            index = source.vector_index(leg.field.name)
            step = plan_dense(source.name, index, rows.count, limit, query.recall, query.ef)
            steps.append(step)
            tables.append(_nearest(index, query.vectors, limit, rows, step.ef))
        elif isinstance(query, ListQuery):
            lists = source.vector_lists(leg.field.name)
            step, table = nearest_lists(source.name, lists, query, limit, rows, token.check)
            steps.append(step)
            tables.append(table)
        elif weighted is not None:
            ratio = query.drop_ratio
            step = SourceStep(
                source.name, source.num_rows, rows.count, "postings", drop_ratio=ratio
            )
            steps.append(step)
            tables.append(_best(weighted, source, limit, rows))
    return num_queries, steps, tables


_NOTHING = CandidateTable(np.empty((1, 0), dtype=np.int64), np.empty((1, 0), dtype=np.float32))


def _no_candidates(num_queries: int) -> CandidateTable:
    if num_queries == 1:
        return _NOTHING
    nothing = np.empty((num_queries, 0), dtype=np.int64)
    return CandidateTable(nothing, np.empty((num_queries, 0), dtype=np.float32))


def _nearest(
    index: VectorIndex, vectors: VectorArray, limit: int, rows: AllowedRows, ef: int | None
) -> CandidateTable:
    """Return at least the ``limit`` nearest rows to each vector, and those as near as the last."""
    table = index.search(vectors, limit + 1, allowed=rows.bits, ef=ef)

    def nearest(query: int, count: int) -> CandidateTable:
        return index.search(vectors[query : query + 1], count, allowed=rows.bits, ef=ef)

    return _with_ties(table, nearest, limit, rows.count)


def _best(
    weighted: WeightedQuery, source: SearchSource, limit: int, rows: AllowedRows
) -> CandidateTable:
    """Return at least the ``limit`` best rows for each query, and those that score as the last."""
    table = weighted.search(source, rows.bits, limit + 1)

    def best(query: int, count: int) -> CandidateTable:
        return weighted.one(query).search(source, rows.bits, count)

    return _with_ties(table, best, limit, rows.count)


def _with_ties(
    table: CandidateTable,
    search: Callable[[int, int], CandidateTable],
    limit: int,
    num_rows: int,
) -> CandidateTable:
    """Complete a table where the cut falls between equals.

    Args:
        table: The ``limit + 1`` nearest rows of each query: one more shows where that is so.
        search: ``(query, count)`` → the ``count`` nearest rows of one query.
        limit: Rows wanted.
        num_rows: Rows that there are.
    """
    cut = cut_between_equals(table, limit)
    if not cut or table.row_ids.shape[1] >= num_rows:
        return table
    found = [table.query(i) for i in range(len(table.row_ids))]
    for i in cut:

        def nearest(count: int, first: Candidates = found[i], i: int = i) -> Candidates:
            return first if count <= len(first) else search(i, count).query(0)

        found[i] = search_with_ties(nearest, limit, num_rows)
    return table_of(found)


def _read_keys(
    schema: Schema, sources: Sequence[SearchSource], numbers: Int64Array, rows: Int64Array
) -> list[PrimaryKey]:
    return read_places(sources, numbers, rows, partial(read_pks, schema))


# --- pages ------------------------------------------------------------------------------------


def _single_page(request: SearchRequest, merged: MergedCandidates) -> _Page:
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
    return _Page(sources, row_ids, scores, ends, [(ranking,) for ranking in rankings])


def _fused_page(
    request: SearchRequest, merged: Sequence[MergedCandidates], keys: partial[list[PrimaryKey]]
) -> _Page:
    """Return a page of the joined candidates of several legs, which hold one query each."""
    lists, rankings = _fused_lists(request, merged)
    page = slice(request.offset, request.offset + request.limit)
    fused = fuse(lists, page, keys)
    scores = fused.scores.tolist()
    return _Page(fused.sources, fused.row_ids, scores, [len(scores)], [rankings])


def _fused_lists(
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


def _grouped_page(run: _Run, request: SearchRequest, group: GroupBy) -> _Page:
    """Return a page of groups; these requests hold one query."""
    reader = GroupReader(run.schema, run.sources, group)
    wanted = request.offset + request.limit
    rankings: tuple[LegRanking, ...] = ()
    if len(request.legs) == 1:
        groups = nearest_groups(run.leg, reader, request.legs[0]._replace(limit=wanted))
    else:

        def fuse_deeper(times: int) -> tuple[FusedRows, bool]:
            nonlocal rankings
            legs = [leg._replace(limit=times * leg.limit) for leg in request.legs]
            merged = [run.leg(leg) for leg in legs]
            lists, rankings = _fused_lists(request, merged)
            is_full = [m.row_ids.shape[1] >= leg.limit for m, leg in zip(merged, legs, strict=True)]
            every = slice(0, sum(len(parts) for _, _, parts in lists))
            return fuse(lists, every, run.keys), any(is_full)

        groups = fused_groups(fuse_deeper, reader, wanted)
    groups = groups[request.offset : wanted]
    hits = [hit for one in groups for hit in one.hits]
    sources = np.array([hit.source for hit in hits], dtype=np.int64)
    row_ids = np.array([hit.row_id for hit in hits], dtype=np.int64)
    scores = [hit.value for hit in hits]
    if not rankings:
        field = request.legs[0].field
        distances = np.array(scores, dtype=np.float32)
        rankings = (LegRanking(field.name, field.metric_type, sources, row_ids, distances),)
        scores = [user_score(field.metric_type, distance) for distance in scores]
    sizes = tuple([(one.value, len(one.hits)) for one in groups])
    return _Page(sources, row_ids, scores, [len(hits)], [rankings], sizes)


# --- answers ----------------------------------------------------------------------------------


def _answers(
    schema: Schema, sources: Sequence[SearchSource], request: SearchRequest, page: _Page
) -> list[Answer]:
    """Read the entities of all queries at once, and cut them by query."""
    if not len(page.row_ids):
        empty = page.row_ids, page.row_ids, ()
        return [Answer([], [], [], HitReasons(legs, *empty)) for legs in page.rankings]
    primary, output = schema.primary.name, request.output
    entities: list[dict[str, Any]]
    if output == (primary,):
        pks = _read_keys(schema, sources, page.sources, page.row_ids)
        entities = [{primary: pk} for pk in pks]
    else:
        entities = project_places(schema, sources, page.sources, page.row_ids, output)
        pks = (
            [entity[primary] for entity in entities]
            if primary in output
            else _read_keys(schema, sources, page.sources, page.row_ids)
        )
    names = tuple([source.name for source in sources])
    terms = _terms(sources, request, page) if request.explain else ()
    if len(page.ends) == 1:
        reasons = HitReasons(page.rankings[0], page.sources, page.row_ids, names, terms)
        return [Answer(pks, page.scores, entities, reasons, page.groups)]
    answers = []
    start = 0
    for legs, end in zip(page.rankings, page.ends, strict=True):
        reasons = HitReasons(
            legs, page.sources[start:end], page.row_ids[start:end], names, terms[start:end]
        )
        answers.append(Answer(pks[start:end], page.scores[start:end], entities[start:end], reasons))
        start = end
    return answers


def _with_offsets(
    sources: Sequence[SearchSource], leg: LegRequest, answers: list[Answer]
) -> list[Answer]:
    """Say which vector of each hit is the nearest, where a hit is as near as one of them."""
    query = leg.query
    if leg.field.metric_type.is_max_sim or not isinstance(query, ListQuery):
        return answers
    made = []
    for i, answer in enumerate(answers):
        vector = query.queries.one(i).vectors

        def nearest(source: SearchSource, rows: Int64Array, vector: Any = vector) -> list[Any]:
            lists = source.vector_lists(leg.field.name)
            return [*lists.nearest_elements(vector, rows).tolist()]

        reasons = answer.reasons
        offsets = read_places(sources, reasons.sources, reasons.row_ids, nearest)
        made.append(answer._replace(offsets=tuple(offsets)))
    return made


def _terms(
    sources: Sequence[SearchSource], request: SearchRequest, page: _Page
) -> tuple[tuple[TermScore, ...], ...]:
    """Return what each term adds to each hit, the heaviest first, over the text legs."""
    legs = [(leg.field.name, leg.query) for leg in request.legs]
    texts = [(field, query) for field, query in legs if isinstance(query, TextQuery)]
    made = []
    start = 0
    for i, end in enumerate(page.ends):
        weighted = [weigh_text(sources, field, query.texts[i], query) for field, query in texts]
        places = zip(
            page.sources[start:end].tolist(), page.row_ids[start:end].tolist(), strict=True
        )
        for number, row in places:
            terms = [term for text in weighted for term in text.explain(sources[number], row)]
            made.append(tuple(sorted(terms, key=lambda t: -t.contribution)))
        start = end
    return tuple(made)
