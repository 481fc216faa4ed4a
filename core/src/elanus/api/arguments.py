"""How does loose user input become a request?

Everything that a user passes is read here, once: names, numbers, filters and query vectors come
out bound to the schema, or as an error that says what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from elanus.api.context import Filter, RequestContext
from elanus.api.options import Leg, SearchOptions, check_options, check_page
from elanus.api.queries import check_one_query, default_field, read_queries
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import BoundFilter, FieldRef, IsNull, JsonPath, compile_filter
from elanus.query.ranges import DistanceRange
from elanus.query.requests import (
    MAX_LIMIT,
    RRF,
    Fusion,
    GroupBy,
    LegRequest,
    SearchRequest,
    Weighted,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

MIN_LEG_LIMIT = 100
"""Fewest candidates of each leg of a hybrid search: fusing needs lists that overlap."""


_GROUPED_TYPES = frozenset(t for t in DataType if t.is_integer) | {
    *(DataType.BOOL, DataType.TIMESTAMPTZ, DataType.VARCHAR)
}
_LARGEST_SCORE = float(np.finfo(np.float32).max)


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
    field = schema.field(name) if name else default_field(schema, data)
    filters: tuple[BoundFilter, ...] = ()
    partitions = options.get("partitions")
    if filter is not None or partitions is not None:
        filters = context.bind(
            filter,
            params=options.get("params"),
            root=options.get("root"),
            partitions=partitions,
        )
    offset = options.get("offset", 0)
    check_page(limit, offset)
    queries, is_single = read_queries(context.fields, field, data, options)
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
        queries, _ = read_queries(context.fields, field, leg.data, leg_options)
        (query,) = check_one_query(field, queries)
        depth = max(4 * (limit + offset), MIN_LEG_LIMIT) if leg.limit is None else leg.limit
        check_page(min(depth, MAX_LIMIT) if leg.limit is None else depth, 0)
        filters = context.bind(
            leg.filter,
            filter,
            params=options.get("params"),
            root=options.get("root"),
            partitions=options.get("partitions"),
        )
        within = distance_range(field, leg.radius, leg.range_filter)
        parsed.append(LegRequest(field, query, min(depth, MAX_LIMIT), filters, within))
    names, explain = context.output(output), options.get("explain", False)
    group = _group_by(schema, options)
    return SearchRequest(tuple(parsed), limit, offset, fusion or RRF(), names, explain, group)


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
        f"group_by: expected a field of whole numbers, bools, moments or texts, or a path of a "
        f"JSON field, got {name!r}"
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
