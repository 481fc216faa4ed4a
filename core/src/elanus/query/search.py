"""How is a search executed?

A search is a function of (sources, request): filters per source, candidates per source and leg,
merge, fusion, projection. Nothing is remembered between searches, and no lock is taken.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from elanus.filter import BoundFilter
from elanus.index.base import Candidates, VectorIndex
from elanus.query.fusion import Ranked, fuse, rank_single
from elanus.query.merge import Found, merge, search_with_ties
from elanus.query.plan import LegPlan, SourceStep, plan_dense
from elanus.query.projection import project_places, read_pks
from elanus.query.requests import (
    DenseQuery,
    LegRequest,
    SearchRequest,
    SparseQuery,
    TextQuery,
)
from elanus.query.results import (
    Hit,
    HitExplanation,
    SearchExplanation,
    SearchResult,
    TermScore,
)
from elanus.query.sources import AllowedRows, SearchSource, allowed_rows
from elanus.query.statistics import weigh, weigh_text
from elanus.schema.collection import Schema
from elanus.types import Int64Array, PrimaryKey, VectorArray


@dataclass(slots=True)
class _Stopwatch:
    """Milliseconds by stage; a stage may be entered more than once."""

    spent: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    last: float = 0.0

    def __post_init__(self) -> None:
        self.last = self.started

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + (now - self.last) * 1e3
        self.last = now

    def result(self) -> dict[str, float]:
        return {**self.spent, "total": (time.perf_counter() - self.started) * 1e3}


def search(
    schema: Schema, sources: Sequence[SearchSource], request: SearchRequest
) -> list[SearchResult]:
    """Answer a request over the sources of one snapshot; one result per query vector."""
    watch = _Stopwatch()
    allowed: dict[tuple[BoundFilter, ...], list[AllowedRows]] = {}
    plans: list[LegPlan] = []
    leg_lists: list[list[list[Found]]] = []

    def keys(source: int, rows: Int64Array) -> list[PrimaryKey]:
        return read_pks(schema, sources[source], rows)

    for leg in request.legs:
        if leg.filters not in allowed:
            allowed[leg.filters] = [allowed_rows(s, leg.filters) for s in sources]
        watch.stage("filter")
        plan, candidates = _run_leg(sources, leg, allowed[leg.filters])
        watch.stage("candidates")
        plans.append(plan)
        leg_lists.append([merge(found, leg.limit, keys) for found in candidates])
        watch.stage("merge")
    results = []
    page = slice(request.offset, request.offset + request.limit)
    for query in range(max(len(lists) for lists in leg_lists)):
        lists = [per_query[query] for per_query in leg_lists]
        if len(request.legs) == 1:
            ranked = rank_single(request.legs[0].field, lists[0], page)
        else:
            ranked = fuse(request.fusion, request.legs, lists, page)
        watch.stage("merge")
        hits = _hits(schema, sources, request, ranked)
        watch.stage("project")
        fusion = str(request.fusion) if len(request.legs) > 1 else ""
        explanation = SearchExplanation(tuple(plans), fusion, watch.result())
        recall = min(plan.recall for plan in plans)
        results.append(SearchResult(tuple(hits), recall, explanation))
    return results


def _run_leg(
    sources: Sequence[SearchSource], leg: LegRequest, allowed: Sequence[AllowedRows]
) -> tuple[LegPlan, list[list[Candidates]]]:
    """Return the plan, and the candidates of each source for each query."""
    query = leg.query
    if isinstance(query, DenseQuery):
        steps, found = _run_dense(sources, leg, query, allowed)
    else:
        steps, found = _run_postings(sources, leg, query, allowed)
    return LegPlan(leg.field.name, leg.field.metric_type, leg.limit, tuple(steps)), found


def _run_dense(
    sources: Sequence[SearchSource],
    leg: LegRequest,
    query: DenseQuery,
    allowed: Sequence[AllowedRows],
) -> tuple[list[SourceStep], list[list[Candidates]]]:
    steps: list[SourceStep] = []
    found: list[list[Candidates]] = [[] for _ in range(len(query.vectors))]
    for source, rows in zip(sources, allowed, strict=True):
        index = source.vector_index(leg.field.name)
        step = plan_dense(source.name, index, rows.count, leg.limit, query.recall, query.ef)
        steps.append(step)
        if step.method == "skip":
            for per_source in found:
                per_source.append(Candidates.none())
            continue
        # One row more than the limit shows whether the cut falls between equals.
        table = index.search(query.vectors, leg.limit + 1, allowed=rows.bits, ef=step.ef)
        for i, per_source in enumerate(found):
            nearest = _Nearest(index, query.vectors[i : i + 1], rows, step.ef, table.query(i))
            per_source.append(search_with_ties(nearest, leg.limit, rows.count))
    return steps, found


def _run_postings(
    sources: Sequence[SearchSource],
    leg: LegRequest,
    query: SparseQuery | TextQuery,
    allowed: Sequence[AllowedRows],
) -> tuple[list[SourceStep], list[list[Candidates]]]:
    steps: list[SourceStep] = []
    found: list[Candidates] = []
    weighted = weigh(sources, leg.field.name, query)
    for source, rows in zip(sources, allowed, strict=True):
        method = "postings" if rows.count else "skip"
        steps.append(SourceStep(source.name, source.num_rows, rows.count, method))
        if not rows.count:
            found.append(Candidates.none())
            continue

        nearest = partial(weighted.search, source, rows.bits)
        found.append(search_with_ties(nearest, leg.limit, rows.count))
    return steps, [found]


@dataclass(frozen=True, slots=True)
class _Nearest:
    """Nearest rows of one source to one vector; the first answer came with the whole batch."""

    index: VectorIndex
    vector: VectorArray
    rows: AllowedRows
    ef: int | None
    first: Candidates

    def __call__(self, n: int) -> Candidates:
        if n <= len(self.first) or len(self.first) >= self.rows.count:
            return self.first
        return self.index.search(self.vector, n, allowed=self.rows.bits, ef=self.ef).query(0)


def _hits(
    schema: Schema,
    sources: Sequence[SearchSource],
    request: SearchRequest,
    ranked: Sequence[Ranked],
) -> list[Hit]:
    places = [row.found.place for row in ranked]
    entities = project_places(schema, sources, places, request.output)
    hits = []
    for row, entity in zip(ranked, entities, strict=True):
        source = sources[row.found.source]
        terms = _terms(sources, request, row.found) if request.explain else ()
        explanation = HitExplanation(row.legs, source.name, terms)
        hits.append(Hit(row.found.pk, row.score, entity, explanation))
    return hits


def _terms(
    sources: Sequence[SearchSource], request: SearchRequest, row: Found
) -> tuple[TermScore, ...]:
    """Return what each term adds to the hit, over the text legs of the request."""
    terms: list[TermScore] = []
    for leg in request.legs:
        if isinstance(leg.query, TextQuery):
            weighted = weigh_text(sources, leg.field.name, leg.query)
            terms += weighted.explain(sources[row.source], row.row_id)
    return tuple(sorted(terms, key=lambda t: -t.contribution))
