"""How does loose user input become a request?

Everything that a user passes is read here, once: names, numbers, filters and query vectors come
out bound to the schema, or as an error that says what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from typing import Any, TypedDict

import numpy as np

from elanus.engine.views import FieldViews
from elanus.errors import FilterError, InternalError, InvalidArgumentError
from elanus.filter import BoundFilter, FieldRef, IsNull, JsonPath, Node, compile_filter
from elanus.kernels.distance import are_finite, unit_rows
from elanus.kernels.lists import matrix_of
from elanus.kernels.query_batch import check_drop_ratio
from elanus.query.projection import resolve_output
from elanus.query.ranges import DistanceRange
from elanus.query.requests import (
    DEFAULT_RECALL,
    MAX_LIMIT,
    RRF,
    DenseQuery,
    Fusion,
    GroupBy,
    LegRequest,
    SearchRequest,
    SparseQuery,
    TextQuery,
    Weighted,
)
from elanus.schema.collection import Schema, did_you_mean
from elanus.schema.fields import Field
from elanus.schema.validation import query_sparse
from elanus.schema.vectors import is_single_vector, query_vector
from elanus.types import DataType, Float32Array, MetricType, VectorArray

Filter = str | Mapping[str, Any] | Node
"""A filter as text, as a Mongo-like dict, or as a tree of ``elanus.filter``."""

Query = DenseQuery | SparseQuery | TextQuery

MIN_LEG_LIMIT = 100
"""Fewest candidates of each leg of a hybrid search: fusing needs lists that overlap."""


class SearchOptions(TypedDict, total=False):
    """Further options of ``search`` and ``hybrid_search``.

    Attributes:
        offset: Hits to leave out at the front; 0.
        params: Values of the ``{name}`` templates in a filter text.
        root: JSON field whose keys the names in the filter are; None: fields of the schema.
        recall: Share of the true nearest rows wanted, in (0, 1]; 0.95. 1.0 searches exactly.
        ef: Candidate list of a graph search in rows, or ``nprobe`` of inverted lists; goes before
            ``recall``.
        drop_ratio_search: Share of the weights of a sparse query, or of the terms of a text, from 0
            to below 1: the smallest weights that choose no hits. Hits are still scored with all of
            them; what matches only dropped ones is not found. 0, the default, finds every hit.
        radius: Scores of hits must be better than it: larger for COSINE, IP and BM25, smaller for
            L2, HAMMING and JACCARD. For ``search`` only; a hybrid search has it in its legs.
        range_filter: Scores of hits must not be better than it. Both bounds are those of Milvus'
            range search: ``radius < score <= range_filter``, or ``range_filter <= distance <
            radius``.
        group_by: Field of whole numbers, bools or texts, or path of a JSON field
            (``meta["source"]``): hits come in groups that share its value, ``limit`` and ``offset``
            count groups, and ``result.groups`` has them.
        group_size: Most hits of a group; 1. A group has as many where there are as many.
        explain: Attach the matched terms of BM25 hits.
        timeout: Seconds after which the search ends with ``SearchTimeoutError``, more than 0; None
            waits for it.
        as_of: Search the state of a moment in the past: a ``datetime`` (a naive one is local
            time), a sequence number, or the name of a snapshot; None: what is visible now.
    """

    offset: int
    params: Mapping[str, Any] | None
    root: str | None
    recall: float
    ef: int | None
    drop_ratio_search: float
    radius: float | None
    range_filter: float | None
    group_by: str | None
    group_size: int
    explain: bool
    timeout: float | None
    as_of: datetime | int | str | None


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of a hybrid search.

    Attributes:
        field: Vector field to search.
        data: Query vector, sparse vector (``{dimension: weight}``), or text for a BM25 field.
        limit: Candidates of this leg; None: ``max(4 * limit, 100)`` of the whole search.
        filter: Rows must pass it, and the filter of the whole search.
        recall: Share of the true nearest rows wanted; None: that of the whole search.
        radius: As in ``SearchOptions``, for the scores of this leg.
        range_filter: As in ``SearchOptions``, for the scores of this leg.
    """

    field: str
    data: Any
    limit: int | None = None
    filter: Filter | None = None
    recall: float | None = None
    radius: float | None = None
    range_filter: float | None = None


_OPTION_NAMES = frozenset(SearchOptions.__annotations__)
_GROUPED_TYPES = frozenset(t for t in DataType if t.is_integer) | {DataType.BOOL, DataType.VARCHAR}
_LARGEST_SCORE = float(np.finfo(np.float32).max)
MAX_KNOWN_OUTPUTS = 64
"""Lists of output fields that a collection remembers."""
MAX_KNOWN_FILTERS = 256
"""Filter texts whose bound form a collection remembers."""


class FilterReader:
    """Reads filters for one schema and remembers texts: programs ask the same few again.

    Safe from many threads.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: dict[tuple[str, str | None], BoundFilter | None] = {}

    def bind(
        self,
        *filters: Filter | None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
    ) -> tuple[BoundFilter, ...]:
        """Return the filters that restrict anything, bound to the schema.

        Raises:
            FilterError: A filter cannot be read, or does not fit the schema.
        """
        bound = [self._bind(f, params, root) for f in filters if f is not None]
        return tuple([b for b in bound if b is not None])

    def _bind(
        self, source: Filter, params: Mapping[str, Any] | None, root: str | None
    ) -> BoundFilter | None:
        if not isinstance(source, str) or params:
            return compile_filter(source, self._schema, params=params, root=root)
        key = (source, root)
        if key not in self._known:
            made = compile_filter(source, self._schema, root=root)
            if len(self._known) >= MAX_KNOWN_FILTERS:
                self._known.clear()
            self._known[key] = made
            return made
        return self._known.get(key)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What reading a request needs to know about its collection."""

    fields: FieldViews
    filters: FilterReader
    outputs: dict[tuple[str, ...] | None, tuple[str, ...]] = dataclass_field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.fields.schema

    def output(self, output: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names to project; the answers to recent requests are remembered.

        Raises:
            InvalidArgumentError: An unknown field, or one that cannot be read back.
        """
        if output is not None and not isinstance(output, list | tuple):
            return resolve_output(self.schema, output)
        key = None if output is None else tuple(output)
        found = self.outputs.get(key)
        if found is None:
            found = resolve_output(self.schema, output)
            if len(self.outputs) >= MAX_KNOWN_OUTPUTS:
                self.outputs.clear()
            self.outputs[key] = found
        return found

    def entity_output(self, output: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names to project of whole entities: the primary key is always one."""
        names = self.output(output)
        primary = self.schema.primary.name
        return names if primary in names else (primary, *names)


def search_requests(
    context: RequestContext,
    data: Any,
    name: str | None,
    *,
    limit: int,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> tuple[list[SearchRequest], bool]:
    """Return the requests of ``Collection.search``, and whether ``data`` was a single query.

    All queries are one request; no query is none.
    """
    check_options(options)
    schema = context.schema
    field = schema.field(name) if name else _default_field(schema, data)
    filters: tuple[BoundFilter, ...] = ()
    if filter is not None:
        filters = context.filters.bind(
            filter, params=options.get("params"), root=options.get("root")
        )
    offset = options.get("offset", 0)
    check_page(limit, offset)
    queries, is_single = _queries(context.fields, field, data, options)
    names, explain = context.output(output), options.get("explain", False)
    within = distance_range(field, options.get("radius"), options.get("range_filter"))
    group = _group_by(schema, options)
    if group is not None:
        queries = [query.one(i) for query in queries for i in range(query.num_queries)]
    requests = [
        SearchRequest(
            (LegRequest(field, query, limit + offset, filters, within),),
            limit,
            offset,
            output=names,
            explain=explain,
            group=group,
        )
        for query in queries
        if query.num_queries
    ]
    return requests, is_single


def iterated_request(
    context: RequestContext,
    data: Any,
    name: str | None,
    *,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> SearchRequest:
    """Return the request of ``Collection.search_iterator``, for a single hit."""
    for option in ("offset", "group_by"):
        if options.get(option):
            raise InvalidArgumentError(f"search_iterator: {option} cannot be given")
    requests, is_single = search_requests(
        context, data, name, limit=1, filter=filter, output=output, options=options
    )
    if not is_single:
        raise InvalidArgumentError("search_iterator: expected one query, got several")
    return requests[0]


def hybrid_request(
    context: RequestContext,
    legs: Sequence[Leg],
    *,
    fusion: Fusion | None,
    limit: int,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> SearchRequest:
    """Return the request of ``Collection.hybrid_search``."""
    check_options(options)
    schema = context.schema
    if not legs:
        raise InvalidArgumentError("hybrid_search: expected at least one Leg, got none")
    if fusion is not None and not isinstance(fusion, RRF | Weighted):
        raise InvalidArgumentError(
            f"fusion: expected RRF(...) or Weighted(...), got {type(fusion).__name__}"
        )
    for name in ("radius", "range_filter"):
        if options.get(name) is not None:
            raise InvalidArgumentError(
                f"hybrid_search: {name} is of one field's scores; pass it to a Leg"
            )
    offset = options.get("offset", 0)
    check_page(limit, offset)
    parsed = []
    for leg in legs:
        if not isinstance(leg, Leg):
            raise InvalidArgumentError(f"legs: expected Leg(...), got {type(leg).__name__}")
        field = schema.field(leg.field)
        leg_options = options if leg.recall is None else {**options, "recall": leg.recall}
        queries, _ = _queries(context.fields, field, leg.data, leg_options)
        (query,) = _one_query(field, queries)
        depth = max(4 * (limit + offset), MIN_LEG_LIMIT) if leg.limit is None else leg.limit
        check_page(min(depth, MAX_LIMIT) if leg.limit is None else depth, 0)
        filters = context.filters.bind(
            leg.filter, filter, params=options.get("params"), root=options.get("root")
        )
        within = distance_range(field, leg.radius, leg.range_filter)
        parsed.append(LegRequest(field, query, min(depth, MAX_LIMIT), filters, within))
    names, explain = context.output(output), options.get("explain", False)
    group = _group_by(schema, options)
    return SearchRequest(tuple(parsed), limit, offset, fusion or RRF(), names, explain, group)


def _default_field(schema: Schema, data: Any) -> Field:
    """Return the only field that such a query can search."""
    probe = data[0] if isinstance(data, list | tuple) and len(data) else data
    if isinstance(probe, str):
        kind, fields = "BM25", [f for f in schema.vector_fields if f.source is not None]
    elif isinstance(probe, Mapping):
        kind, fields = (
            "sparse",
            [
                f
                for f in schema.vector_fields
                if f.dtype is DataType.SPARSE_FLOAT_VECTOR and f.source is None
            ],
        )
    else:
        kind, fields = (
            "dense",
            [f for f in schema.vector_fields if f.dtype.is_dense_vector],
        )
    if len(fields) == 1:
        return fields[0]
    names = ", ".join(repr(f.name) for f in fields) or "none"
    raise InvalidArgumentError(
        f"search: this query needs one {kind} field, the schema has {names}; pass field="
    )


def _queries(
    fields: FieldViews, field: Field, data: Any, options: SearchOptions
) -> tuple[list[Query], bool]:
    """Return the parsed queries, and whether ``data`` was a single one."""
    if field.dtype.is_dense_vector:
        return _dense_queries(field, data, options)
    if field.source is not None:
        texts = [data] if isinstance(data, str) else data
        if not isinstance(texts, list | tuple) or not all(isinstance(t, str) for t in texts):
            raise InvalidArgumentError(
                f"field {field.name!r} is searched by text, got {type(data).__name__}"
            )
        analyzer, ratio = fields.analyzers[field.name], _drop_ratio(options)
        return [TextQuery(tuple(texts), analyzer, field.source, ratio)], isinstance(data, str)
    if field.dtype is not DataType.SPARSE_FLOAT_VECTOR:
        raise InvalidArgumentError(
            f"field {field.name!r} is {field.dtype.name}; only vector fields can be searched"
        )
    many = isinstance(data, list) and bool(data) and isinstance(data[0], Mapping)
    vectors = data if many else [data]
    parsed = tuple([query_sparse(field, vector) for vector in vectors])
    return [SparseQuery(parsed, _drop_ratio(options))], not many


def _group_by(schema: Schema, options: SearchOptions) -> GroupBy | None:
    size = options.get("group_size", 1)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_LIMIT:
        raise InvalidArgumentError(f"group_size: expected 1 to {MAX_LIMIT}, got {size!r}")
    name = options.get("group_by")
    if name is None:
        return None
    if not isinstance(name, str):
        raise InvalidArgumentError(f"group_by: expected a field or a path, got {name!r}")
    try:
        bound = compile_filter(f"{name} is null", schema, root=options.get("root"))
    except FilterError as error:
        raise InvalidArgumentError(f"group_by: {error}") from None
    node = bound.tree.operand if bound is not None and isinstance(bound.tree, IsNull) else None
    if isinstance(node, JsonPath):
        return GroupBy(node, size)
    if isinstance(node, FieldRef) and schema.column_types.get(node.name) in _GROUPED_TYPES:
        return GroupBy(node, size)
    raise InvalidArgumentError(
        f"group_by: expected a field of whole numbers, bools or texts, or a path of a JSON field, "
        f"got {name!r}"
    )


def _drop_ratio(options: SearchOptions) -> float:
    ratio = options.get("drop_ratio_search", 0.0)
    if ratio != 0.0:
        check_drop_ratio(ratio)
    return ratio


def _dense_queries(field: Field, data: Any, options: SearchOptions) -> tuple[list[Query], bool]:
    if isinstance(data, str):
        raise InvalidArgumentError(
            f"field {field.name!r} is searched by vectors of dim {field.dim}, got text; embed it "
            f"first, or search a BM25 field"
        )
    recall = options.get("recall", DEFAULT_RECALL)
    if not isinstance(recall, int | float) or not 0 < recall <= 1:
        raise InvalidArgumentError(f"recall must lie in (0, 1], got {recall!r}")
    ef = options.get("ef")
    if ef is not None and (not isinstance(ef, int) or ef < 1):
        raise InvalidArgumentError(f"ef must be a positive number of rows, got {ef!r}")
    is_single = is_single_vector(data)
    array: Any = None
    if field.dtype is not DataType.FLOAT_VECTOR:
        pass
    elif isinstance(data, np.ndarray) and data.dtype.kind in "fiu":
        array = np.ascontiguousarray(data, dtype=np.float32)
    else:
        rows = [data] if is_single else data
        array = matrix_of(rows, field.dim or 0) if isinstance(rows, list) else None
    vectors: VectorArray | None = None if array is None else _checked_vectors(field, array)
    if vectors is None:
        # What is left are rarer kinds of numbers, and what is no vector, which this says.
        vectors = query_vector(field, data)
        if field.metric_type is MetricType.COSINE and vectors.dtype == np.float32:
            vectors = unit_rows(vectors)
    if vectors is None:
        raise InternalError(f"field {field.name!r}: query vectors were accepted and are not finite")
    return [DenseQuery(vectors, float(recall), ef)], is_single


def _checked_vectors(field: Field, array: Float32Array) -> Float32Array | None:
    """Return vectors as they are searched; None when one has another dim, NaN or infinity."""
    vectors = array[np.newaxis] if array.ndim == 1 else array
    if vectors.ndim != 2 or vectors.shape[1] != field.dim:
        return None
    if field.metric_type is MetricType.COSINE:
        return unit_rows(vectors)
    return vectors if are_finite(vectors) else None


def _one_query(field: Field, queries: list[Query]) -> list[Query]:
    count = sum(query.num_queries for query in queries)
    if count != 1:
        raise InvalidArgumentError(
            f"leg {field.name!r}: a hybrid search takes one query, got {count}"
        )
    return queries


def check_page(limit: int, offset: int) -> None:
    """Raise ``InvalidArgumentError`` unless limit and offset describe a page of hits."""
    is_plain = type(limit) is int and type(offset) is int
    if is_plain and limit >= 1 and offset >= 0 and limit + offset <= MAX_LIMIT:
        return
    for name, value, least in (("limit", limit, 1), ("offset", offset, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise InvalidArgumentError(f"{name} must be an integer >= {least}, got {value!r}")
    if limit + offset > MAX_LIMIT:
        raise InvalidArgumentError(
            f"limit + offset must be at most {MAX_LIMIT}, got {limit + offset}; "
            f"query() has no such bound"
        )


def distance_range(
    field: Field, radius: float | None, range_filter: float | None
) -> DistanceRange | None:
    """Return the range that two bounds on scores of a field stand for; None without bounds.

    Raises:
        InvalidArgumentError: A bound is no finite number, or no score lies between them.
    """
    if radius is None and range_filter is None:
        return None
    for name, value in (("radius", radius), ("range_filter", range_filter)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and abs(value) <= _LARGEST_SCORE):
            raise InvalidArgumentError(f"{name}: expected a finite number, got {value!r}")
    metric = field.metric_type
    sign = 1.0 if metric.is_distance else -1.0
    nearest = -math.inf if range_filter is None else sign * range_filter
    farthest = math.inf if radius is None else sign * radius
    if nearest >= farthest:
        order = "range_filter < radius" if metric.is_distance else "radius < range_filter"
        raise InvalidArgumentError(
            f"field {field.name!r} is searched by {metric}: expected {order}, got radius "
            f"{radius!r} and range_filter {range_filter!r}"
        )
    return DistanceRange(nearest, farthest)


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ``TypeError``, as Python does, for an option that does not exist."""
    for name in options:
        if name not in _OPTION_NAMES:
            known = sorted(_OPTION_NAMES)
            raise TypeError(f"search() has no option {name!r}{did_you_mean(name, known)}")
