"""What does not change from one search of a field to the next?

Programs ask one field again and again under the same filter. What does not depend on the query is
found once for each snapshot: which rows pass the filter, and the plan of each source.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from elanus.filter import BoundFilter
from elanus.index.base import CandidateTable, VectorIndex
from elanus.index.dense.graph import GraphIndex
from elanus.kernels.graph import PreparedSearch
from elanus.kernels.ranking import MergedCandidates
from elanus.query.candidates import NOTHING, best_rows, nearest_rows, read_keys
from elanus.query.merge import merge
from elanus.query.plan import LegPlan, SourceStep, plan_dense
from elanus.query.requests import DEFAULT_RECALL, DenseQuery, LegRequest, TextQuery
from elanus.query.sources import AllowedRows, SearchSource
from elanus.query.statistics import weigh
from elanus.schema.batches import FixedColumn
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.functions import BM25
from elanus.types import DataType, Int64Array, VectorArray


class PlainLegRequest(NamedTuple):
    """What searches of a field have in common.

    Attributes:
        field: The dense or BM25 field to search.
        limit: Candidates wanted.
        filters: Rows must pass all of them.
        recall: Share of the true nearest rows wanted.
        ef: Candidate list given by the user.
        function: What texts are scored by; None: the field is searched by vectors.
    """

    field: Field
    limit: int
    filters: tuple[BoundFilter, ...]
    recall: float
    ef: int | None
    function: BM25 | None = None

    @classmethod
    def of(cls, leg: LegRequest) -> PlainLegRequest:
        """Return what a leg has in common with others."""
        recall, ef, function = DEFAULT_RECALL, None, None
        if isinstance(leg.query, DenseQuery):
            recall, ef = leg.query.recall, leg.query.ef
        elif isinstance(leg.query, TextQuery):
            function = leg.query.function
        return cls(leg.field, leg.limit, leg.filters, recall, ef, function)


class _Part(NamedTuple):
    """How one source is searched; a dense field by what is ``held``, None: no row is allowed."""

    number: int
    source: SearchSource
    rows: AllowedRows
    step: SourceStep
    held: weakref.ref[VectorIndex] | None


class PlainLeg:
    """The candidates of one field over the sources of one snapshot. Safe from many threads.

    Args:
        schema: Of the collection.
        sources: Of the snapshot.
        request: What the searches have in common.
        rows: Rows of each source that pass the filters.
        is_asked_again: Several queries follow, so that a graph is prepared for them.
    """

    def __init__(
        self,
        schema: Schema,
        sources: Sequence[SearchSource],
        request: PlainLegRequest,
        rows: Sequence[AllowedRows],
        *,
        is_asked_again: bool,
    ) -> None:
        self._sources, self._request = sources, request
        self._name, self._limit = request.field.name, request.limit
        self._primary = schema.primary.name
        self._keys = partial(read_keys, schema, sources)
        self._rows, self._is_asked_again = rows, is_asked_again
        self._prepare()

    @property
    def plan(self) -> LegPlan:
        """How candidates are found."""
        request = self._request
        steps = tuple([part.step for part in self._parts])
        return LegPlan(self._name, request.field.metric_type, request.limit, steps)

    def candidates(self, query: VectorArray | TextQuery) -> MergedCandidates:
        """Return those of a text, or of ``(1, dim)`` as ``VectorIndex.search`` takes it."""
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
        return merge(tables, 1, self._limit, self._keys)

    def find(self, data: object) -> tuple[list[int], list[float], list[int] | None] | None:
        """Return rows, scores and keys for a query as the user passed it, of a single graph.

        None where there is more to be said about it, or no graph; keys are None unless they are
        numbers.
        """
        prepared = self._prepared
        if prepared is None:
            return None
        part = self._parts[0]
        if part.held is None or part.source.vector_index(self._name) is not part.held():
            return None
        return prepared.find(data)

    def _nearest(self, part: _Part, vectors: VectorArray) -> CandidateTable:
        if part.held is None:
            return NOTHING
        index = part.source.vector_index(self._name)
        if index is not part.held():
            # It was built, loaded or released since.
            self._prepare()
            part = self._parts[part.number]
        return nearest_rows(index, vectors, self._limit, part.rows, part.step.ef)

    def _prepare(self) -> None:
        request, name = self._request, self._name
        parts = []
        for i, (source, rows) in enumerate(zip(self._sources, self._rows, strict=True)):
            held = None
            if not rows.count:
                step = SourceStep(source.name, source.num_rows, 0, "skip")
            elif request.field.source is not None:
                step = SourceStep(source.name, source.num_rows, rows.count, "postings")
            else:
                index = source.vector_index(name)
                limit, recall = request.limit, request.recall
                step = plan_dense(source.name, index, rows.count, limit, recall, request.ef)
                held = weakref.ref(index)
            parts.append(_Part(i, source, rows, step, held))
        self._parts = parts
        self._prepared = self._prepared_graph()

    def _prepared_graph(self) -> PreparedSearch | None:
        """Return what answers queries of a single graph; None: there is none."""
        is_dense = self._request.field.dtype is DataType.FLOAT_VECTOR
        if not self._is_asked_again or len(self._parts) != 1 or not is_dense:
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
