"""Reading entities by filter, and what they come to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from elanus import DataType, Field
from elanus_server.clock import now
from elanus_server.codec.entities import encode_column
from elanus_server.codec.pairs import read_integer, read_pairs
from elanus_server.codec.requests import check_window, decode_templates, search_order
from elanus_server.failures import invalid
from elanus_server.service.context import Call, Hosted
from elanus_server.service.outputs import resolve_outputs
from elanus_server.service.registry import rpc
from elanus_server.service.searches import read_scope
from elanus_server.wire import milvus

_ELEMENTS = re.compile(r"\belement_filter\s*\(", re.IGNORECASE)
_PLACE = "$offset"
"""Under what elanus says which element of an entity is meant."""
_MAX_LEVEL = 2
"""Times up to here stand for levels of consistency."""
_AGGREGATE = re.compile(r"(count|min|max|sum|avg)\s*\(\s*([^()]+?)\s*\)\Z", re.IGNORECASE)


@rpc("Query")
def query(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    options = read_scope(hosted, request)
    params = read_pairs(request.query_params)
    if params.get("timezone"):
        options["timezone"] = params["timezone"]
    templates = decode_templates(request.expr_template_values)
    if templates:
        options["params"] = templates
    chosen = request.expr.strip() or None
    groups = [name.strip() for name in params.get("group_by_fields", "").split(",") if name.strip()]
    aggregates = [name for name in request.output_fields if _AGGREGATE.match(name)]
    if aggregates or groups:
        return _aggregated(hosted, request, groups, aggregates, chosen, options)
    outputs = resolve_outputs(hosted, request.output_fields, with_key=True)
    limit, offset = _page(params, chosen)
    session_ts = now()
    if params.get("iterator") == "True":
        session_ts = _session(call, hosted, request, chosen, options)
    order = search_order(params.get("order_by_fields", ""))
    entities = hosted.collection.query(
        chosen,
        outputs.asked,
        limit=limit,
        offset=offset + _passed_elements(hosted, params, chosen, options),
        order_by=[f"{name} desc" if is_descending else name for name, is_descending in order],
        # What asks of elements says so; where it does not choose any, entities come.
        per_element=chosen is not None and _ELEMENTS.search(chosen) is not None,
        **options,
    )
    entities, elements = _with_elements(entities, hosted.collection.schema.primary.name)
    return milvus.QueryResults(
        fields_data=outputs.encode(hosted, entities),
        element_indices=elements,
        collection_name=hosted.collection.name,
        output_fields=outputs.shown,
        primary_field_name=hosted.collection.schema.primary.name,
        session_ts=session_ts,
    )


def _passed_elements(
    hosted: Hosted, params: dict[str, str], chosen: str | None, options: dict[str, Any]
) -> int:
    """Return how many elements of its first entity an iterator of elements has had already.

    A page may end within an entity: the next one begins with it, and says which element was last.
    """
    if "query_iter_last_element_offset" not in params or chosen is None:
        return 0
    last = read_integer("query_iter_last_element_offset", params["query_iter_last_element_offset"])
    primary = hosted.collection.schema.primary
    key = json.dumps(params.get("query_iter_last_pk", ""), ensure_ascii=False)
    if primary.dtype is not DataType.VARCHAR:
        key = str(read_integer("query_iter_last_pk", params.get("query_iter_last_pk", "")))
    begun = hosted.collection.query(
        f"{primary.name} == {key} and ({chosen})", (primary.name,), per_element=True, **options
    )
    return sum(1 for entity in begun if entity.get(_PLACE, last + 1) <= last)


def _with_elements(
    entities: Sequence[dict[str, Any]], primary: str
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return entities once each, and which elements of each are meant; none where entities are."""
    if not entities or _PLACE not in entities[0]:
        return list(entities), []
    whole: list[dict[str, Any]] = []
    elements: list[Any] = []
    for entity in entities:
        place = entity.pop(_PLACE)
        if not whole or whole[-1][primary] != entity[primary]:
            whole.append(entity)
            elements.append(milvus.ElementIndices())
        elements[-1].indices.data.append(place)
    return whole, elements


def _session(
    call: Call, hosted: Hosted, request: Any, chosen: str | None, options: dict[str, Any]
) -> int:
    """Let a page of an iterator be read as of the time when the iterator began; return that time.

    What is not kept any more is read as it is now.
    """
    sessions, name = call.host.sessions, hosted.whole.name
    moment = request.guarantee_timestamp
    if moment > _MAX_LEVEL:
        seq = sessions.seq(hosted.database, name, moment)
        if seq is not None:
            options["as_of"] = seq
        return int(moment)
    primary = hosted.collection.schema.primary.name
    # It holds the state, and has no rows of its own.
    none = f"{primary} in []"
    holder = hosted.collection.query_iterator(
        f"({chosen}) and {none}" if chosen else none, (primary,), batch_size=1, **options
    )
    options["as_of"] = holder.seq
    return sessions.begin(hosted.database, name, holder)


def _page(params: dict[str, str], chosen: str | None) -> tuple[int | None, int]:
    """Return limit and offset of a query.

    Raises:
        MilvusError: They are out of Milvus' range, or nothing bounds the answer.
    """
    given = params.get("limit", "")
    offset = read_integer("offset", params.get("offset") or "0")
    if not given or given == "-1":
        if chosen is None:
            raise invalid("empty expression should be used with limit")
        check_window(1, offset)
        return None, offset
    limit = read_integer("limit", given)
    check_window(limit, 0 if params.get("iterator") == "True" else offset)
    return limit, offset


def _aggregated(
    hosted: Hosted,
    request: Any,
    groups: Sequence[str],
    aggregates: Sequence[str],
    chosen: str | None,
    options: dict[str, Any],
) -> Any:
    """Return counts and the like, a row for each group."""
    others = [n for n in request.output_fields if n not in aggregates and n not in groups]
    if others:
        raise invalid(f"output field {others[0]} is neither grouped by nor aggregated")
    metrics = {name: _normal(name) for name in aggregates}
    rows = hosted.collection.aggregate(
        list(metrics.values()) or "count(*)", group_by=list(groups), filter=chosen, **options
    )
    schema = hosted.collection.schema
    columns = [encode_column(schema.field(name), [row[name] for row in rows]) for name in groups]
    for name, metric in metrics.items():
        values = [row[metric] for row in rows]
        columns.append(encode_column(_field_of(schema, name, values), values))
        columns[-1].field_name = name
    return milvus.QueryResults(
        fields_data=columns,
        collection_name=hosted.collection.name,
        output_fields=[*groups, *aggregates],
        primary_field_name=schema.primary.name,
        session_ts=now(),
    )


def _normal(name: str) -> str:
    found = _AGGREGATE.match(name)
    return f"{found[1].lower()}({found[2]})" if found else name


def _field_of(schema: Any, name: str, values: Sequence[Any]) -> Field:
    """Return a field whose type fits the values of an aggregate."""
    is_nullable = any(value is None for value in values)
    kinds = {type(value) for value in values if value is not None}
    dtype = DataType.INT64
    if float in kinds:
        dtype = DataType.DOUBLE
    elif str in kinds:
        dtype = DataType.VARCHAR
    return Field("aggregate", dtype, nullable=is_nullable)
