"""Reading entities by filter, and what they come to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from elanus import DataType, Field
from elanus_server.clock import now
from elanus_server.codec.entities import encode_column
from elanus_server.codec.orders import (
    OrderTerm,
    check_query_order,
    places_in_order,
    query_order,
)
from elanus_server.codec.pairs import read_integer, read_pairs
from elanus_server.codec.requests import check_growing, check_window, decode_templates
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
_COUNT = "count(*)"
_GROUPED = {
    DataType.INT8,
    DataType.INT16,
    DataType.INT32,
    DataType.INT64,
    DataType.VARCHAR,
    DataType.TIMESTAMPTZ,
}
"""Types of fields that Milvus groups by."""


class _Groups(NamedTuple):
    """What is asked for of groups of entities."""

    fields: Sequence[str]
    metrics: Mapping[str, str]  # By the names that they are sent under, as elanus writes them.
    order: Sequence[OrderTerm]
    limit: int | None
    offset: int


@rpc("Query")
def query(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    options = read_scope(hosted, request)
    params = read_pairs(request.query_params)
    check_growing(params)
    if params.get("timezone"):
        options["timezone"] = params["timezone"]
    templates = decode_templates(request.expr_template_values)
    if templates:
        options["params"] = templates
    chosen = request.expr.strip() or None
    groups = [name.strip() for name in params.get("group_by_fields", "").split(",") if name.strip()]
    order = query_order(params.get("order_by_fields", ""))
    is_iterator = params.get("iterator") == "True"
    if order and is_iterator:
        raise invalid("ORDER BY with iterator is not supported")
    metrics = _metrics(request.output_fields)
    limit, offset = _page(params, is_bounded=chosen is not None or bool(metrics))
    if metrics or groups:
        asked = _Groups(groups, metrics, order, limit, offset)
        return _aggregated(hosted, request, asked, chosen, options)
    check_query_order(order, hosted.collection.schema)
    if order and limit is None:
        raise invalid("ORDER BY requires explicit limit")
    time_fields = params.get("time_fields", "")
    outputs = resolve_outputs(hosted, request.output_fields, with_key=True, time_fields=time_fields)
    session_ts = now()
    if is_iterator:
        session_ts = _session(call, hosted, request, chosen, options)
    entities = hosted.collection.query(
        chosen,
        outputs.asked,
        limit=limit,
        offset=offset + _passed_elements(hosted, params, chosen, options),
        order_by=[term.text() for term in order],
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


def _page(params: dict[str, str], *, is_bounded: bool) -> tuple[int | None, int]:
    """Return limit and offset of a query; ``is_bounded``: it needs no limit.

    Raises:
        MilvusError: They are out of Milvus' range, or nothing bounds the answer.
    """
    given = params.get("limit", "")
    if not given:
        if not is_bounded:
            raise invalid("empty expression should be used with limit")
        # As in Milvus there are pages with a limit only.
        return None, 0
    limit = read_integer("limit", given)
    offset = read_integer("offset", params.get("offset") or "0")
    check_window(limit, 0 if params.get("iterator") == "True" else offset)
    return limit, offset


def _metrics(names: Sequence[str]) -> dict[str, str]:
    """Return the aggregates among output fields, by the names that they are sent under."""
    found = [(name.strip(), _AGGREGATE.match(name.strip())) for name in names]
    metrics = {name: f"{said[1].lower()}({said[2]})" for name, said in found if said}
    return {_COUNT if metric == _COUNT else name: metric for name, metric in metrics.items()}


def _aggregated(
    hosted: Hosted, request: Any, asked: _Groups, chosen: str | None, options: dict[str, Any]
) -> Any:
    """Return counts and the like, a row for each group."""
    schema = hosted.collection.schema
    names = _shown(request.output_fields, asked)
    _check_groups(schema, asked)
    rows = hosted.collection.aggregate(
        list(asked.metrics.values()) or _COUNT,
        group_by=list(asked.fields),
        filter=chosen,
        **options,
    )
    if asked.fields:
        end = None if asked.limit is None else asked.offset + asked.limit
        places = places_in_order(rows, asked.order)
        rows = [rows[place] for place in places[asked.offset : end]]
    columns = []
    for name in names:
        values = [row[asked.metrics.get(name, name)] for row in rows]
        is_metric = name in asked.metrics
        field = _field_of(schema, name, values) if is_metric else schema.field(name)
        columns.append(encode_column(field, values))
        columns[-1].field_name = name
    return milvus.QueryResults(
        fields_data=columns,
        collection_name=hosted.collection.name,
        output_fields=names,
        primary_field_name=schema.primary.name,
        session_ts=now(),
    )


def _shown(names: Sequence[str], asked: _Groups) -> list[str]:
    """Return the names of the columns that are sent: those asked for."""
    shown = []
    for given in names:
        name = given.strip()
        name = _COUNT if _metrics([name]).get(_COUNT) else name
        if name not in asked.metrics and name not in asked.fields:
            raise invalid(f"output field {name} is neither grouped by nor aggregated")
        shown.append(name)
    return list(dict.fromkeys(shown)) or list(asked.fields)


def _check_groups(schema: Any, asked: _Groups) -> None:
    """Refuse what Milvus does not group or order by.

    Raises:
        MilvusError: No declared field, a field of such a type, an order by another field, or pages
            of one count.
    """
    aggregated = [metric[metric.index("(") + 1 : -1] for metric in asked.metrics.values()]
    for name in [*asked.fields, *aggregated]:
        # Undeclared fields have no type that a column of the answer could be sent as.
        if name not in schema and name != "*":
            raise invalid(f"field {name} not exist: groups and aggregates are of declared fields")
    for name in asked.fields:
        if name in schema and schema.field(name).dtype not in _GROUPED:
            kind = schema.field(name).dtype.name
            raise invalid(f"group by field {name} has unsupported data type {kind}")
    for term in asked.order:
        if _AGGREGATE.match(term.field):
            raise invalid(f"ORDER BY on aggregate expression '{term.field}' is not yet supported")
        if term.field not in asked.fields:
            raise invalid(
                f"ORDER BY field '{term.field}' is not valid: when using GROUP BY or aggregates, "
                f"ORDER BY can only reference GROUP BY columns. "
                f"Valid targets are: {list(asked.fields)}"
            )
    if asked.limit is not None and not asked.fields and _COUNT in asked.metrics:
        raise invalid("count entities with pagination is not allowed")


def _field_of(schema: Any, name: str, values: Sequence[Any]) -> Field:
    """Return a field whose type fits the values of an aggregate."""
    is_nullable = any(value is None for value in values)
    kinds = {type(value) for value in values if value is not None}
    dtype = DataType.INT64
    if float in kinds:
        dtype = DataType.DOUBLE
    elif str in kinds:
        dtype = DataType.VARCHAR
    elif bool in kinds:
        dtype = DataType.BOOL
    elif kinds and issubclass(kinds.pop(), datetime):
        dtype = DataType.TIMESTAMPTZ
    return Field("aggregate", dtype, nullable=is_nullable)
