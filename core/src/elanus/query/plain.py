"""How is a search answered that differs from earlier ones in its query alone?

Programs ask one field for the same output, under the same filter, again and again. What does not
depend on the query is found once for each snapshot: the rows that pass the filter, the plan, and
what reads the output. Answers are those of ``query.search``, which knows everything else as well.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from elanus.filter import BoundFilter
from elanus.index.base import CandidateTable, VectorIndex
from elanus.index.dense.graph import GraphIndex
from elanus.kernels.cancel import CancelToken
from elanus.kernels.graph import PreparedSearch
from elanus.query.candidates import NOTHING, allowed_places, best_rows, nearest_rows, read_keys
from elanus.query.merge import merge
from elanus.query.plan import LegPlan, SourceStep, plan_dense
from elanus.query.projection import project_places, read_pks, row_reader
from elanus.query.requests import DEFAULT_RECALL, DenseQuery, SearchRequest, TextQuery
from elanus.query.results import Answer, HitReasons, LegRanking, SearchExplanation, SearchResult
from elanus.query.sources import AllowedRows, SearchSource
from elanus.query.statistics import weigh
from elanus.schema.batches import FixedColumn
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType, Int64Array, PrimaryKey, VectorArray

MAX_KNOWN = 32
"""Searches that a snapshot remembers, with a bit for each row that passes their filters."""
MOST_ROWS = 200_000
"""Rows up to which a search is over before anybody could end it."""


class PlainRequest:
    """What searches have in common; equal to itself alone.

    Attributes:
        field: The dense or BM25 field to search.
        limit: Hits wanted.
        filters: Hits must pass all of them.
        output: Fields of ``hit.entity``.
        recall: Share of the true nearest rows wanted.
        ef: Candidate list given by the user.
    """

    __slots__ = ("ef", "field", "filters", "limit", "output", "recall")
    recall: float
    ef: int | None

    def __init__(self, request: SearchRequest) -> None:
        (leg,) = request.legs
        self.field: Field = leg.field
        self.limit = request.limit
        self.filters: tuple[BoundFilter, ...] = leg.filters
        self.output = request.output
        self.recall, self.ef = DEFAULT_RECALL, None
        if isinstance(leg.query, DenseQuery):
            self.recall, self.ef = leg.query.recall, leg.query.ef


class _Part(NamedTuple):
    """How one source is searched; a dense field by what is ``held``, None: no row is allowed."""

    number: int
    source: SearchSource
    rows: AllowedRows
    step: SourceStep
    held: weakref.ref[VectorIndex] | None


class PlainSearch:
    """The searches of one request over the sources of one snapshot. Safe from many threads.

    Args:
        schema: Of the collection.
        sources: Of the snapshot.
        request: What the searches have in common.
        token: Ends what takes long.
    """

    def __init__(
        self,
        schema: Schema,
        sources: Sequence[SearchSource],
        request: PlainRequest,
        token: CancelToken,
    ) -> None:
        self._schema, self._sources = schema, sources
        self._field, self._limit = request.field, request.limit
        self._name, self._metric = request.field.name, request.field.metric_type
        self._is_distance = self._metric.is_distance
        self._request = request
        self._names = tuple([source.name for source in sources])
        self._keys = partial(read_keys, schema, sources)
        self._primary = schema.primary.name
        self._readers = [row_reader(schema, source, request.output) for source in sources]
        filters = request.filters
        self._rows = [allowed_places(source, filters, request.field, token) for source in sources]
        self._parts, self._plan = self._planned()
        self._prepared = self._prepare()
        self.is_short = sum([source.num_rows for source in sources]) <= MOST_ROWS

    def answer_at_once(self, data: object) -> SearchResult | None:
        """Answer a query as the user passed it; None where there is more to be said about it."""
        if self._prepared is None:
            return None
        started = time.perf_counter()
        part = self._parts[0]
        if part.held is None or part.source.vector_index(self._name) is not part.held():
            return None
        found = self._prepared.find(data)
        if found is None:
            return None
        rows, scores, numbers = found
        searched = time.perf_counter()
        primary = self._primary
        keys: list[PrimaryKey]
        if numbers is not None and self._request.output == (primary,):
            keys = [*numbers]
            entities: list[dict[str, Any]] = [{primary: key} for key in numbers]
        else:
            places = np.array(rows, dtype=np.int64)
            entities = self._readers[0](places)
            if numbers is not None:
                keys = [*numbers]
            elif primary in self._request.output:
                keys = [entity[primary] for entity in entities]
            else:
                keys = read_pks(self._schema, part.source, places)
        reasons = partial(self._reasons, rows, scores)
        times = started, searched, time.perf_counter()
        return SearchResult(
            Answer(keys, scores, entities, reasons), partial(self._explanation, times)
        )

    def answer(self, query: VectorArray | TextQuery) -> SearchResult:
        """Answer one query, a text or ``(1, dim)`` as ``VectorIndex.search`` takes it."""
        started = time.perf_counter()
        if isinstance(query, TextQuery):
            weighted = weigh(self._sources, self._name, query)
            tables = [
                best_rows(weighted, part.source, self._limit, part.rows)
                if part.rows.count
                else NOTHING
                for part in self._parts
            ]
        else:
            tables = [self._nearest(part, query) for part in self._parts]
        return self._result(tables, started)

    def _nearest(self, part: _Part, vectors: VectorArray) -> CandidateTable:
        if part.held is None:
            return NOTHING
        index = part.source.vector_index(self._name)
        if index is not part.held():
            # It was built, loaded or released since.
            self._parts, self._plan = self._planned()
            self._prepared = self._prepare()
            part = self._parts[part.number]
        return nearest_rows(index, vectors, self._limit, part.rows, part.step.ef)

    def _planned(self) -> tuple[list[_Part], LegPlan]:
        request, name = self._request, self._name
        parts = []
        for i, (source, rows) in enumerate(zip(self._sources, self._rows, strict=True)):
            reference = None
            if not rows.count:
                step = SourceStep(source.name, source.num_rows, 0, "skip")
            elif self._field.source is not None:
                step = SourceStep(source.name, source.num_rows, rows.count, "postings")
            else:
                index = source.vector_index(name)
                limit, recall = request.limit, request.recall
                step = plan_dense(source.name, index, rows.count, limit, recall, request.ef)
                reference = weakref.ref(index)
            parts.append(_Part(i, source, rows, step, reference))
        steps = tuple([part.step for part in parts])
        return parts, LegPlan(name, self._metric, request.limit, steps)

    def _prepare(self) -> PreparedSearch | None:
        """Return what answers queries of a single graph; None: there is none."""
        if len(self._parts) != 1 or self._field.dtype is not DataType.FLOAT_VECTOR:
            return None
        part = self._parts[0]
        index = None if part.held is None else part.held()
        if not isinstance(index, GraphIndex):
            return None
        column = part.source.column(self._primary)
        keys: Int64Array | None = None
        if isinstance(column, FixedColumn):
            keys = np.asarray(column.values, dtype=np.int64)
        bits, ef = part.rows.bits, part.step.ef
        return index.prepared(self._limit, allowed=bits, ef=ef, keys=keys)

    def _reasons(self, rows: list[int], scores: list[float]) -> HitReasons:
        """Return from what hits of the only source are explained."""
        row_ids = np.array(rows, dtype=np.int64)
        values = np.array(scores, dtype=np.float32)
        distances = values if self._is_distance else -values
        sources = np.zeros_like(row_ids)
        ranking = LegRanking(self._name, self._metric, sources, row_ids, distances)
        return HitReasons((ranking,), sources, row_ids, self._names)

    def _explanation(self, times: tuple[float, float, float]) -> SearchExplanation:
        started, searched, done = times
        timings = {
            "candidates": (searched - started) * 1e3,
            "project": (done - searched) * 1e3,
            "total": (done - started) * 1e3,
        }
        return SearchExplanation((self._plan,), "", timings)

    def _result(self, tables: Sequence[CandidateTable], started: float) -> SearchResult:
        """Return the best of the candidates of all sources."""
        found = time.perf_counter()
        merged = merge(tables, 1, self._limit, self._keys)
        sources, rows, distances = merged.sources[0], merged.row_ids[0], merged.distances[0]
        scores = (distances if self._is_distance else -distances).tolist()
        keys, entities = self._entities(sources, rows)
        ranking = LegRanking(self._name, self._metric, sources, rows, distances)
        reasons = HitReasons((ranking,), sources, rows, self._names)
        times = started, found, time.perf_counter()
        return SearchResult(
            Answer(keys, scores, entities, reasons), partial(self._explanation, times)
        )

    def _entities(
        self, sources: Int64Array, rows: Int64Array
    ) -> tuple[list[PrimaryKey], list[dict[str, Any]]]:
        """Return keys and output of the hits."""
        if not len(rows):
            return [], []
        primary, output = self._primary, self._request.output
        if output == (primary,):
            keys = self._keys(sources, rows)
            return keys, [{primary: key} for key in keys]
        if len(self._readers) == 1:
            entities = self._readers[0](rows)
        else:
            entities = project_places(self._schema, self._sources, sources, rows, output)
        if primary in output:
            return [entity[primary] for entity in entities], entities
        return self._keys(sources, rows), entities
