"""Which rows come into question for each leg of a search?

One ``Run`` goes through a request: filters per source, a plan per source, candidates as arrays for
all queries of a batch, and a merge with ties by primary key. Nothing is remembered afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from elanus.filter import BoundFilter
from elanus.index.base import Candidates, CandidateTable, VectorIndex
from elanus.kernels.cancel import CancelToken
from elanus.kernels.ranking import MergedCandidates
from elanus.query.late_interaction import nearest_lists
from elanus.query.merge import (
    PkReader,
    cut_between_equals,
    merge,
    search_with_ties,
    table_of,
)
from elanus.query.plan import LegPlan, SourceStep, plan_dense
from elanus.query.projection import read_pks, read_places
from elanus.query.ranges import cut_to_range
from elanus.query.ranking import RowReader
from elanus.query.requests import DenseQuery, LegRequest, ListQuery
from elanus.query.sources import (
    AllowedRows,
    RestrictedSource,
    SearchSource,
    allowed_rows,
    remaining_rows,
    rows_with,
)
from elanus.query.statistics import WeightedQuery, weigh
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import Int64Array, PrimaryKey, VectorArray


class Stopwatch:
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


class Run:
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
        self.watch = Stopwatch()
        self.plans: list[LegPlan] = []
        self.keys: PkReader = partial(read_keys, schema, sources)
        self._allowed: dict[tuple[BoundFilter, ...], list[AllowedRows]] = {}

    def reader(self) -> RowReader:
        """Return where rankers read what candidates hold."""
        return RowReader(self.schema, self.sources, self.keys)

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
        if leg.range is not None and isinstance(leg.query, DenseQuery) and leg.query.recall < 1.0:
            # A scan takes as long for few as for many, an index does not.
            asked = leg.range.first_asked(leg.limit)
        while asked:
            num_queries, steps, tables = _run_leg(self.sources, leg, asked, allowed, self.token)
            self.watch.stage("candidates")
            found = merge(tables, num_queries, asked, self.keys)
            plan = LegPlan(leg.field.name, leg.field.metric_type, asked, tuple(steps))
            if leg.range is None:
                break
            found, asked = cut_to_range(found, leg.range, leg.limit, asked)
            if asked and all(step.is_exact for step in steps):
                # As above, where only the plan showed that it is a scan.
                asked = max(asked, leg.limit)
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


def allowed_places(
    source: SearchSource, filters: tuple[BoundFilter, ...], field: Field, token: CancelToken
) -> AllowedRows:
    """Return the visible rows of a source that pass every filter and have a value in a field."""
    rows = allowed_rows(source, filters)
    token.check()
    return rows_with(source, rows, field.name) if field.nullable else rows


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
            step = plan_dense(
                source.name,
                index,
                rows.count,
                limit,
                query.recall,
                query.ef,
                in_range=leg.range is not None,
            )
            steps.append(step)
            tables.append(nearest_rows(index, query.vectors, limit, rows, step.ef))
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
            tables.append(best_rows(weighted, source, limit, rows))
    return num_queries, steps, tables


NOTHING = CandidateTable(np.empty((1, 0), dtype=np.int64), np.empty((1, 0), dtype=np.float32))


def _no_candidates(num_queries: int) -> CandidateTable:
    if num_queries == 1:
        return NOTHING
    nothing = np.empty((num_queries, 0), dtype=np.int64)
    return CandidateTable(nothing, np.empty((num_queries, 0), dtype=np.float32))


def nearest_rows(
    index: VectorIndex, vectors: VectorArray, limit: int, rows: AllowedRows, ef: int | None
) -> CandidateTable:
    """Return at least the ``limit`` nearest rows to each vector, and those as near as the last."""
    table = index.search(vectors, limit + 1, allowed=rows.bits, ef=ef)

    def nearest(query: int, count: int) -> CandidateTable:
        return index.search(vectors[query : query + 1], count, allowed=rows.bits, ef=ef)

    return _with_ties(table, nearest, limit, rows.count)


def best_rows(
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


def shown_plans(plans: Sequence[LegPlan], sources: Sequence[SearchSource]) -> tuple[LegPlan, ...]:
    """Return plans as they are told: of a restricted source nobody learns how many rows it has."""
    if not any(isinstance(source, RestrictedSource) for source in sources):
        return tuple(plans)
    return tuple(
        [
            plan._replace(steps=tuple([s._replace(num_rows=s.allowed) for s in plan.steps]))
            for plan in plans
        ]
    )


def read_keys(
    schema: Schema, sources: Sequence[SearchSource], numbers: Int64Array, rows: Int64Array
) -> list[PrimaryKey]:
    """Return the primary keys of rows; arguments as ``read_places``."""
    return read_places(sources, numbers, rows, partial(read_pks, schema))
