"""How does loose user input become a request?

Everything that a user passes is read here, once: names, numbers, filters and query vectors come
out bound to the schema, or as an error that says what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from elanus.api.context import Filter, RequestContext
from elanus.api.elements import as_elements, legs_of_elements
from elanus.api.options import Leg, SearchOptions, check_options, check_page
from elanus.api.queries import check_as_many, default_field, read_queries
from elanus.api.rankers import (
    check_not_exact,
    default_candidates,
    leg_ranking,
    ranker_of_query,
    read_decimals,
    read_ranking,
    split_fusion,
    texts_of,
)
from elanus.api.text import highlight_request
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import BoundFilter, FieldRef, IsNull, JsonPath, compile_filter
from elanus.query.ordering import order_keys
from elanus.query.ranges import DistanceRange
from elanus.query.rankers import Ranker
from elanus.query.ranking import Ranking
from elanus.query.requests import (
    MAX_LIMIT,
    RRF,
    ByScore,
    Fusion,
    GroupBy,
    LegRequest,
    SearchRequest,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

_LATE_OPTIONS = frozenset({"ranker", "candidates", "round_decimal", "highlight", "order_by"})
"""Options that only concern hits after they are found."""
MAX_GROUP_FIELDS = 10
"""That one search may group by."""
_GROUPED_TYPES = frozenset(t for t in DataType if t.is_integer) | {
    *(DataType.BOOL, DataType.JSON, DataType.TIMESTAMPTZ, DataType.VARCHAR)
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
    """Return the requests of ``Collection.search``: one for all queries, none where there is none;
    and whether ``data`` was a single query."""
    check_options(options)
    schema = context.schema
    field = schema.answering(name) if name else default_field(schema, data)
    filters: tuple[BoundFilter, ...] = ()
    partitions = options.get("partitions")
    if filter is not None or partitions is not None:
        params, root = options.get("params"), options.get("root")
        filters = context.bind(filter, params=params, root=root, partitions=partitions)
    if context.partition_key is not None:
        context.check_isolated(filters)
    elements: str | None = None
    if options and options.get("per_element"):
        elements, field, filters = as_elements(context.schema, field, filters)
    offset = options.get("offset", 0)
    check_page(limit, offset)
    queries, is_single = read_queries(context, field, data, options)
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
            elements=elements,
        )
        for query in queries
        if query.num_queries
    ]
    if options and not _LATE_OPTIONS.isdisjoint(options):
        requests = _all_with_late_options(context, requests, texts_of(data), options)
    return requests, is_single


def _all_with_late_options(
    context: RequestContext,
    requests: list[SearchRequest],
    texts: tuple[str, ...],
    options: SearchOptions,
) -> list[SearchRequest]:
    if len(requests) == 1:
        return [_with_late_options(context, requests[0], texts, options)]
    made = []
    for place, request in enumerate(requests):
        ranker = ranker_of_query(options.get("ranker"), place, len(requests))
        own = SearchOptions(**{**options, "ranker": ranker})
        made.append(_with_late_options(context, request, texts[place : place + 1], own))
    return made


def _with_late_options(
    context: RequestContext,
    request: SearchRequest,
    texts: tuple[str, ...],
    options: SearchOptions,
) -> SearchRequest:
    """Return a request over one field with what is done with hits after they are found.

    ``texts`` are those that it searches for, if any.
    """
    fusion, rankers = split_fusion(None, options.get("ranker"))
    if fusion is not None:
        raise InvalidArgumentError(
            f"ranker: a search over one field has nothing to join, got {type(fusion).__name__}"
        )
    wanted = request.limit + request.offset
    size = 1 if request.group is None else request.group.size
    ranking = read_ranking(context, rankers, options, request.legs, wanted, texts, size)
    marked = options.get("highlight")
    if marked is not None:
        request = request._replace(
            highlight=highlight_request(context.schema, request.legs, marked)
        )
    return _finished(context, request, ranking, options)


def _finished(
    context: RequestContext,
    request: SearchRequest,
    ranking: Ranking | None,
    options: SearchOptions,
) -> SearchRequest:
    """Return a request with how its hits are ranked, rounded and put in order."""
    order = order_keys(context.schema, options.get("order_by", ()))
    if order and request.elements is not None:
        raise InvalidArgumentError("order_by: hits that are elements come by their scores only")
    return request._replace(ranking=ranking, decimals=read_decimals(options), order=order)


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
    for option in ("offset", "group_by", "ranker", "order_by"):
        if options.get(option):
            raise InvalidArgumentError(f"search_iterator: {option} cannot be given")
    requests, is_single = search_requests(
        context, data, name, limit=1, filter=filter, output=output, options=options
    )
    if not is_single:
        raise InvalidArgumentError("search_iterator: expected one query, got several")
    return requests[0]


def hybrid_requests(
    context: RequestContext,
    legs: Sequence[Leg],
    *,
    fusion: Fusion | Ranker | None,
    limit: int,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> tuple[list[SearchRequest], bool]:
    """Return the requests of ``Collection.hybrid_search``, one for each query, and whether the legs
    hold a single query."""
    check_options(options)
    _check_legs(legs, options)
    wanted = limit + options.get("offset", 0)
    check_page(limit, wanted - limit)
    joining = _joining(context, legs, fusion, wanted, options)
    read = [_leg_requests(context, leg, joining.depth, filter, options) for leg in legs]
    counts = [len(found) for found, _ in read]
    count = check_as_many([leg.field for leg in legs], counts)
    if options.get("per_element"):
        elements = legs_of_elements([found[0] for found, _ in read])
    else:
        elements = None
    first = SearchRequest(
        (),
        limit,
        wanted - limit,
        joining.fusion,
        context.output(output),
        options.get("explain", False),
        _group_by(context.schema, options),
        is_profiled=joining.is_profiled,
        joins_one=joining.is_given,
        elements=elements,
    )
    texts = next((texts for leg in legs if (texts := texts_of(leg.data))), ())
    requests = []
    for place in range(count):
        own = SearchOptions(**{**options, "ranker": ranker_of_query(joining.rankers, place, count)})
        request = first._replace(legs=tuple([found[place] for found, _ in read]))
        requests.append(_ranked_hybrid(context, request, texts[place : place + 1], own))
    return requests, all(is_single for _, is_single in read)


def hybrid_request(context: RequestContext, legs: Sequence[Leg], **asked: Any) -> SearchRequest:
    """Return the request of a hybrid search for a single query; arguments as of
    ``hybrid_requests``."""
    requests, _ = hybrid_requests(context, legs, **asked)
    if len(requests) != 1:
        raise InvalidArgumentError(f"legs: expected one query, got {len(requests)}")
    return requests[0]


def _ranked_hybrid(
    context: RequestContext,
    request: SearchRequest,
    texts: tuple[str, ...],
    options: SearchOptions,
) -> SearchRequest:
    """Return a request with what is done with the hits of its legs.

    ``texts`` are those that it searches for, if any; the rankers of the options are no fusion.
    """
    legs, own = request.legs, request.legs[0].ranking
    if request.is_joined:
        check_not_exact(options)
    if own is not None and not request.is_joined:
        # Nothing is joined: these are the first rankers of the search.
        request = request._replace(legs=(legs[0]._replace(ranking=None),), ranking=own)
    if options.get("highlight") is not None:
        marks = highlight_request(context.schema, legs, options["highlight"])
        request = request._replace(highlight=marks)
    rankers = cast("Sequence[Ranker]", options["ranker"])
    if not rankers and (_LATE_OPTIONS - {"ranker"}).isdisjoint(options):
        return request
    wanted = request.limit + request.offset
    size = 1 if request.group is None else request.group.size
    ranking = read_ranking(
        context, rankers, options, legs, wanted, texts, size, is_fused=request.is_joined
    )
    if ranking is not None and not request.is_joined:
        ranking = ranking._replace(first=legs[0].limit, candidates=legs[0].limit)
    if request.ranking is not None:
        ranking = _joined_ranking(request.ranking, ranking)
    return _finished(context, request, ranking, options)


class _Joining(NamedTuple):
    """How the legs of a hybrid search are joined, and ranked then; ``depth`` is the limit of each
    leg that has none of its own, ``is_given``: the caller says how they are joined."""

    fusion: Fusion
    rankers: tuple[Ranker, ...]
    depth: int
    is_profiled: bool = False
    is_given: bool = False


def _joining(
    context: RequestContext,
    legs: Sequence[Leg],
    fusion: Fusion | Ranker | None,
    wanted: int,
    options: SearchOptions,
) -> _Joining:
    """Return what the caller says, else what the profile of the collection does, else the usual."""
    joined, rankers = split_fusion(fusion, options.get("ranker"))
    if joined is not None and isinstance(joined.weights, Mapping):
        schema = context.schema
        weights = {
            schema.answering(n).name if n in schema else n: w for n, w in joined.weights.items()
        }
        joined = replace(joined, weights=weights)
    # Scores of one leg that are joined as they are stay what they are.
    is_plain = isinstance(joined, ByScore) and not joined.norm_score
    is_given = joined is not None and not is_plain
    candidates = options.get("candidates")
    depth = candidates if isinstance(candidates, int) else default_candidates(wanted)
    profile, names = context.profile, [leg.field for leg in legs]
    if profile is None or not profile.is_for(names):
        return _Joining(joined or RRF(), rankers, depth, is_given=is_given)
    if candidates is None:
        rankers = profile.reading(rankers, wanted)
    if joined is not None:
        return _Joining(joined, rankers, depth, is_given=is_given)
    if candidates is None and profile.depth is not None:
        depth = max(profile.depth, wanted)
    return _Joining(profile.joined(names), rankers, depth, is_profiled=True)


def _check_legs(legs: Sequence[Leg], options: SearchOptions) -> None:
    if not legs:
        raise InvalidArgumentError("hybrid_search: expected at least one Leg, got none")
    for leg in legs:
        if not isinstance(leg, Leg):
            raise InvalidArgumentError(f"legs: expected Leg(...), got {type(leg).__name__}")
    for name in ("radius", "range_filter"):
        if options.get(name) is not None:
            raise InvalidArgumentError(
                f"hybrid_search: {name} is of one field's scores; pass it to a Leg"
            )


def _joined_ranking(first: Ranking, then: Ranking | None) -> Ranking:
    """Return the rankers of the only leg, with those of the search after them."""
    if then is None:
        return first
    return first._replace(steps=(*first.steps, *then.steps))


def _leg_requests(
    context: RequestContext,
    leg: Leg,
    depth: int,
    filter: Filter | None,
    options: SearchOptions,
) -> tuple[list[LegRequest], bool]:
    """Return one leg, for each query that it holds, and whether it holds a single one; ``depth`` is
    its limit where it has none of its own."""
    field = context.schema.answering(leg.field)
    shared, root = options.get("params"), options.get("root")
    if leg.params is None:
        filters = context.bind(leg.filter, filter, params=shared, root=root)
    else:
        own = context.bind(leg.filter, params=leg.params, root=root)
        filters = (*own, *context.bind(filter, params=shared, root=root))
    filters = (*filters, *context.bind(partitions=options.get("partitions")))
    context.check_isolated(filters)
    if options.get("per_element"):
        _, field, filters = as_elements(context.schema, field, filters)
    found, is_single = read_queries(context, field, leg.data, _options_of(leg, options))
    limit = depth if leg.limit is None else leg.limit
    check_page(limit, 0)
    within = distance_range(field, leg.radius, leg.range_filter)
    queries = [query.one(i) for query in found for i in range(query.num_queries)]
    made = [LegRequest(field, query, limit, filters, within) for query in queries]
    if leg.ranker is None:
        return made, is_single
    texts, ranked = texts_of(leg.data), []
    for place, one in enumerate(made):
        ranker = ranker_of_query(leg.ranker, place, len(made))
        ranking = leg_ranking(context, ranker, options, one, texts[place : place + 1])
        ranked.append(one._replace(ranking=ranking))
    return ranked, is_single


def _options_of(leg: Leg, options: SearchOptions) -> SearchOptions:
    """Return the options of a leg: its own, and those of the whole search."""
    if leg.recall is not None:
        options = {**options, "recall": leg.recall}
    if leg.analyzer_name is not None:
        options = {**options, "analyzer_name": leg.analyzer_name}
    if leg.ef is not None:
        options = {**options, "ef": leg.ef}
    return options


def _group_by(schema: Schema, options: SearchOptions) -> GroupBy | None:
    size = options.get("group_size", 1)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_LIMIT:
        raise InvalidArgumentError(f"group_size: expected 1 to {MAX_LIMIT}, got {size!r}")
    given = options.get("group_by")
    if given is None:
        return None
    if isinstance(given, str):
        return GroupBy((_group_node(schema, given, options),), size)
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MAX_GROUP_FIELDS:
        raise InvalidArgumentError(
            f"group_by: expected a field, a path, or a list of 1 to {MAX_GROUP_FIELDS} of them, "
            f"got {given!r}"
        )
    return GroupBy(tuple([_group_node(schema, name, options) for name in given]), size, True)


def _group_node(schema: Schema, name: Any, options: SearchOptions) -> FieldRef | JsonPath:
    if not isinstance(name, str):
        raise InvalidArgumentError(f"group_by: expected a field or a path, got {name!r}")
    try:
        bound = compile_filter(f"{name} is null", schema, root=options.get("root"))
    except FilterError as error:
        raise InvalidArgumentError(f"group_by: {error}") from None
    node = bound.tree.operand if bound is not None and isinstance(bound.tree, IsNull) else None
    if isinstance(node, JsonPath):
        return node
    if isinstance(node, FieldRef) and schema.column_types.get(node.name) in _GROUPED_TYPES:
        return node
    raise InvalidArgumentError(
        f"group_by: expected a field of whole numbers, bools, moments, texts or JSON, or a path of "
        f"a JSON field, got {name!r}"
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
