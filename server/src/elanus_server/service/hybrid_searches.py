"""Searching in several ways at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elanus import RRF, Leg
from elanus_server.codec.pairs import read_integer, read_pairs
from elanus_server.codec.rankers import decode_function_score, decode_fusion
from elanus_server.codec.requests import (
    check_group,
    check_growing,
    check_window,
    read_options,
)
from elanus_server.failures import invalid, mismatch
from elanus_server.service.context import Call, Hosted
from elanus_server.service.fusions import as_in_milvus, leg_of
from elanus_server.service.hit_pages import Page, answer_page
from elanus_server.service.outputs import resolve_outputs
from elanus_server.service.registry import rpc
from elanus_server.service.search_queries import queries_of, without_nulls
from elanus_server.service.searches import SearchPlan, read_scope

MAX_LEGS = 1_024


@rpc("HybridSearch")
def hybrid_search(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    options = read_scope(hosted, request)
    params = read_pairs(request.rank_params)
    check_growing(params)
    limit = read_integer("limit", params.get("limit", "10"))
    offset = read_integer("offset", params.get("offset", "0"))
    check_window(limit, offset)
    if params.get("order_by_fields", "").strip('"'):
        raise invalid("order_by is not supported for hybrid search")
    if offset:
        options["offset"] = offset
    shared = {n: v for n, v in params.items() if n not in ("params", "strategy")}
    options.update(read_options(shared, {}))
    if not request.requests:
        raise invalid("hybrid search: expected at least one request, got none")
    if len(request.requests) > MAX_LEGS:
        raise invalid(f"maximum of ann search requests is {MAX_LEGS}")
    legs = _legs(hosted, request.requests)
    for leg in legs:
        ranges = {"radius": leg.radius, "range_filter": leg.range_filter}
        check_group(options | ranges, hosted.collection.schema)
    fusion: Any = decode_fusion(params, len(legs)) if "strategy" in params else None
    if request.function_score.functions:
        joined, rankers = decode_function_score(
            request.function_score, len(legs), hosted.collection.schema
        )
        fusion = joined or fusion or (rankers.pop(0) if rankers else None)
        if rankers:
            options["ranker"] = rankers
    if fusion is None and len(legs) == 1:
        fusion = RRF()  # as Milvus does, which joins one search as it joins several
    fusion, sums_distances = as_in_milvus(hosted, legs, fusion)
    parts = params.get("time_fields", "")
    outputs = resolve_outputs(hosted, request.output_fields, with_key=False, time_fields=parts)
    found = hosted.collection.hybrid_search(legs, fusion, limit, output=outputs.asked, **options)
    results = found if isinstance(found, list) else [found]
    page = Page(results, limit, outputs, options, is_negated=sums_distances)
    return answer_page(hosted, page)


def _legs(hosted: Hosted, requests: Sequence[Any]) -> list[Leg]:
    """Return what is searched; all search for as many queries."""
    plans = [SearchPlan(hosted, request) for request in requests]
    asked = [
        without_nulls(queries_of(hosted, request, plan.field), "hybrid search")
        for request, plan in zip(requests, plans, strict=True)
    ]
    for queries in asked:
        if len(queries) != len(asked[0]):
            reason = "sub search request nq should be the same"
            raise mismatch(reason, len(asked[0]), len(queries))
    return [
        leg_of(plan.field.name, queries, plan.limit, plan.filter, plan.options)
        for plan, queries in zip(plans, asked, strict=True)
    ]
