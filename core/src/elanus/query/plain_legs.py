"""What does not change from one search of a field to the next?

Programs ask one field again and again under the same filter. What does not depend on the query is
found once for each snapshot: which rows pass the filter, and the plan of each source.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from elanus.filter import BoundFilter
from elanus.index.base import CandidateTable, VectorIndex
from elanus.index.dense.graph import GraphIndex
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.sealed_bm25 import SealedBM25
from elanus.kernels.prepared import PreparedLeg, PreparedText
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
from elanus.types import DataType, Int64Array, VectorArray

MOST_FEW = 256
"""Rows up to which one looks each up, and asks nothing else first."""
_PREPARED_TYPES = (DataType.FLOAT_VECTOR, DataType.SPARSE_FLOAT_VECTOR)


class PlainLegRequest(NamedTuple):
    """What searches of a field have in common.

    Attributes:
        field: The dense or BM25 field to search.
        limit: Candidates wanted.
        filters: Rows must pass all of them.
        recall: Share of the true nearest rows wanted.
        ef: Candidate list given by the user.
        text: A query of a BM25 field, whose analyzer and parameters the others share.
    """

    field: Field
    limit: int
    filters: tuple[BoundFilter, ...]
    recall: float
    ef: int | None
    text: TextQuery | None

    @classmethod
    def of(cls, leg: LegRequest) -> PlainLegRequest:
        """Return what a leg has in common with others."""
        recall, ef, query = DEFAULT_RECALL, None, leg.query
        if isinstance(query, DenseQuery):
            recall, ef = query.recall, query.ef
        text = query if isinstance(query, TextQuery) else None
        return cls(leg.field, leg.limit, leg.filters, recall, ef, text)


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
        like: A leg of the same request with other rows; what it has found out is not asked again.
    """

    def __init__(
        self,
        schema: Schema,
        sources: Sequence[SearchSource],
        request: PlainLegRequest,
        rows: Sequence[AllowedRows],
        like: PlainLeg | None = None,
    ) -> None:
        self._sources, self._request = sources, request
        self._name, self._limit = request.field.name, request.limit
        self._primary = schema.primary.name
        self._keys = partial(read_keys, schema, sources)
        self._rows = rows
        self._is_whole = len(sources) == 1 and sources[0].alive is None
        self._prepare(like)

    @property
    def plan(self) -> LegPlan:
        """How candidates are found."""
        return self._plan(tuple([part.step for part in self._parts]))

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

    def prepared(self) -> PreparedLeg | None:
        """Return what answers a query as the user passed it, over a single source.

        None where nothing does so in one call.
        """
        if self._prepared is not None and self._index_of(self._sources[0]) is not self._made_of():
            # It was built, loaded or released since.
            self._prepare()
        return self._prepared

    def find_few(
        self, filters: tuple[BoundFilter, ...], query: object, reader: Any
    ) -> tuple[Any, LegPlan] | None:
        """Search under other filters, where an index finds that they allow few rows.

        Returns:
            What ``PreparedLeg.find`` returns, and the plan; None: the filters have to be asked.
        """
        if len(filters) != 1 or not self._is_whole or self._request.field.nullable:
            return None
        prepared = self.prepared()
        if type(prepared) is not PreparedText:
            return None
        source = self._sources[0]
        rows = filters[0].rows_at_once(source.columns)
        if rows is None or not 0 < len(rows) <= MOST_FEW:
            return None
        found = prepared.find_among(rows, query, reader)
        if found is None:
            return None
        return found, self._plan((SourceStep(source.name, source.num_rows, len(rows), "postings"),))

    def prepared_over(self, index: VectorIndex | BM25View) -> PreparedLeg | None:
        """Return what ``prepared`` does if it was made of an index; else None."""
        known = self._prepared
        return None if known is None or self._made_of() is not index else known

    def _plan(self, steps: tuple[SourceStep, ...]) -> LegPlan:
        return LegPlan(self._name, self._request.field.metric_type, self._limit, steps)

    def _nearest(self, part: _Part, vectors: VectorArray) -> CandidateTable:
        if part.held is None:
            return NOTHING
        index = part.source.vector_index(self._name)
        if index is not part.held():
            # As in ``prepared``.
            self._prepare()
            part = self._parts[part.number]
        return nearest_rows(index, vectors, self._limit, part.rows, part.step.ef)

    def _prepare(self, like: PlainLeg | None = None) -> None:
        request, name = self._request, self._name
        index: VectorIndex | BM25View | None = None
        parts = []
        for i, (source, rows) in enumerate(zip(self._sources, self._rows, strict=True)):
            held = None
            if not rows.count:
                step = SourceStep(source.name, source.num_rows, 0, "skip")
            elif request.field.bm25 is not None:
                step = SourceStep(source.name, source.num_rows, rows.count, "postings")
            else:
                index = dense = source.vector_index(name)
                limit, recall = request.limit, request.recall
                step = plan_dense(source.name, dense, rows.count, limit, recall, request.ef)
                held = weakref.ref(dense)
            parts.append(_Part(i, source, rows, step, held))
        self._parts = parts
        self._prepared = self._prepared_part(parts[0], index, like) if len(parts) == 1 else None

    def _index_of(self, source: SearchSource) -> VectorIndex | BM25View:
        if self._request.text is None:
            return source.vector_index(self._name)
        return source.text_index(self._name)

    def _prepared_part(
        self, part: _Part, index: VectorIndex | BM25View | None, like: PlainLeg | None
    ) -> PreparedLeg | None:
        """Return what answers queries over the only source in one call; None: nothing does."""
        request, rows = self._request, part.rows
        if not rows.count or request.field.dtype not in _PREPARED_TYPES:
            return None
        if index is None:
            index = self._index_of(part.source)
        self._made_of = weakref.ref(index)
        known = None if like is None else like.prepared_over(index)
        if known is not None:
            return self._prepared_like(known, index, part)
        column = part.source.column(self._primary)
        keys: Int64Array | None = None
        if isinstance(column, FixedColumn):
            keys = np.asarray(column.values, dtype=np.int64)
        if isinstance(index, GraphIndex):
            return index.prepared(self._limit, allowed=rows.bits, ef=part.step.ef, keys=keys)
        if request.text is None or not isinstance(index, SealedBM25):
            return None
        function = request.text.function
        return index.prepared(
            request.text.analyzer,
            self._limit,
            rows.bits,
            k1=function.k1,
            b=function.b,
            alive=part.source.alive,
            keys=keys,
        )

    def _prepared_like(
        self, like: PreparedLeg, index: VectorIndex | BM25View, part: _Part
    ) -> PreparedLeg | None:
        """Return the same as another leg has over the same index, for these rows."""
        bits = part.rows.bits
        if isinstance(index, SealedBM25):
            return index.prepared_like(like, bits)
        if isinstance(index, GraphIndex):
            ef = part.step.ef
            return index.prepared(self._limit, allowed=bits, ef=ef, keys=None, like=like)
        return None
