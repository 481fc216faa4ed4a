"""Routes of entities: writing, reading and searching them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from elanus import Schema
from elanus_server.codec.pairs import write_pairs
from elanus_server.failures import MilvusError, invalid
from elanus_server.rest.aggregations import (
    AGGREGATION,
    aggregation,
    buckets_of,
    refuse_aggregation,
)
from elanus_server.rest.bodies import as_written
from elanus_server.rest.collections import PARTITIONS
from elanus_server.rest.exchange import COLLECTION, Exchange, Reply, route
from elanus_server.rest.function_chains import CHAINS, function_chains, refuse_chains
from elanus_server.rest.parameters import MISSING, Parameter, missing, read_all
from elanus_server.rest.queries import (
    function_score,
    key_message,
    keys_filter,
    placeholder_group,
    search_params,
    template_values,
)
from elanus_server.rest.results import ids_of, rows_of, shown_floats
from elanus_server.rest.rows import field_columns
from elanus_server.rest.schemas import consistency_level
from elanus_server.wire import milvus
from elanus_server.wire import schema as messages

_PARTITION = Parameter("partitionName", field="partition_name", default="")
_FILTER = Parameter("filter", default="")
_TEMPLATES = Parameter(
    "exprParams", "object", default={}, about="Values of the templates in the filter."
)
_CONSISTENCY = Parameter("consistencyLevel", default="")
_ROWS = Parameter("data", "objects", required=True)
_ALL = Parameter("outputFields", "strings", field="output_fields", default=["*"])
_NONE = Parameter("outputFields", "strings", field="output_fields", default=[])
_LIMIT = Parameter("limit", "integer", default=100)
_OFFSET = Parameter("offset", "integer", default=0)
_GROUPING = (
    Parameter("groupingField", default=""),
    Parameter("groupSize", "integer", default=0),
    Parameter("strictGroupSize", "boolean", default=False),
)
_SCORE = Parameter("functionScore", "object", default={})
_LEG = (
    Parameter("data", "array", required=True),
    Parameter("annsField", default=""),
    _FILTER,
    Parameter("metricType", default=""),
    Parameter("limit", "integer", default=0),
    _OFFSET,
    Parameter("params", "object", default={}),
    Parameter("searchParams", "object", default={}),
    _TEMPLATES,
    Parameter("groupingField", default=""),
)


def _schema(exchange: Exchange) -> Schema:
    """Return the schema of the collection, by which JSON is read.

    Raises:
        MilvusError: There is no such collection.
        NotPermittedError: The user may not know what it is.
    """
    request = milvus.DescribeCollectionRequest(collection_name=exchange.values["collectionName"])
    exchange.call.check("DescribeCollection", request)
    return exchange.call.hosted(request).collection.schema


def _written(exchange: Exchange, response: Any, what: str, count: int) -> Reply:
    keys = ids_of(response.IDs, allow_int64=exchange.allow_int64)
    return Reply({f"{what}Count": exchange.number(count), f"{what}Ids": keys}, {"cost": 0})


def _written_rows(exchange: Exchange) -> Callable[[], list[dict[str, Any]]]:
    """Return what reads the entities of a body anew, with floats that know their text."""
    return lambda: as_written(exchange.raw)["data"]


@route("entities/insert", "Store entities", "Insert", COLLECTION, _PARTITION, _ROWS)
def insert(exchange: Exchange) -> Any:
    rows = exchange.values["data"]
    response = exchange.ask(
        "Insert",
        **exchange.filled(),
        fields_data=field_columns(rows, _schema(exchange), written=_written_rows(exchange)),
        num_rows=len(rows),
    )
    return _written(exchange, response, "insert", response.insert_cnt)


@route(
    "entities/upsert",
    "Store entities in place of those with the same keys",
    "Upsert",
    COLLECTION,
    _PARTITION,
    _ROWS,
    Parameter("partialUpdate", "boolean", field="partial_update"),
    Parameter("fieldOps", "objects", default=[]),
)
def upsert(exchange: Exchange) -> Any:
    rows, ops = exchange.values["data"], exchange.values["fieldOps"]
    partial = bool(exchange.values["partialUpdate"] or ops)
    response = exchange.ask(
        "Upsert",
        **exchange.filled(),
        fields_data=field_columns(
            rows, _schema(exchange), partial=partial, written=_written_rows(exchange)
        ),
        num_rows=len(rows),
        field_ops=[_operation(one) for one in ops],
    )
    return _written(exchange, response, "upsert", response.upsert_cnt)


def _operation(given: Mapping[str, Any]) -> Any:
    declared = (Parameter("fieldName", required=True), Parameter("op", required=True))
    values = read_all(declared, given, "fieldOps.")
    kinds = messages.FieldPartialUpdateOp.OpType
    if values["op"] not in list(kinds.keys()):
        raise invalid(f"fieldOps.op: expected one of {list(kinds.keys())}, got {values['op']!r}")
    return messages.FieldPartialUpdateOp(
        field_name=values["fieldName"], op=kinds.Value(values["op"])
    )


@route(
    "entities/delete",
    "Delete entities by a filter, or by their keys",
    "Delete",
    COLLECTION,
    _PARTITION,
    _FILTER,
    _TEMPLATES,
    Parameter("id", "any", about="A key or a list of keys, where no filter is given."),
)
def delete(exchange: Exchange) -> Any:
    values = exchange.values
    chosen = values["filter"]
    if not chosen:
        if values["id"] is None:
            raise missing("'filter' is required")
        chosen = keys_filter(values["id"], _schema(exchange).primary)
    response = exchange.ask(
        "Delete",
        **exchange.filled(),
        expr=chosen,
        expr_template_values=template_values(values["exprParams"]),
    )
    return Reply({"deleteCount": exchange.number(response.delete_cnt)}, {"cost": 0})


@route(
    "entities/query",
    "Read entities by a filter",
    "Query",
    COLLECTION,
    PARTITIONS,
    _ALL,
    _FILTER,
    _LIMIT,
    _OFFSET,
    _TEMPLATES,
    _CONSISTENCY,
    Parameter("orderByFields", "strings", default=[], about="Such as year:desc."),
    Parameter("groupByFields", "strings", default=[]),
)
def query(exchange: Exchange) -> Any:
    values = exchange.values
    params = {
        name: ",".join(values[known])
        for name, known in (
            ("order_by_fields", "orderByFields"),
            ("group_by_fields", "groupByFields"),
        )
        if values[known]
    }
    if values["offset"]:
        params["offset"] = values["offset"]
    names = [name.replace(" ", "").lower() for name in values["outputFields"]]
    is_one_count = "count(*)" in names and not values["groupByFields"]
    if values["limit"] and not is_one_count:
        params["limit"] = values["limit"]
    response = exchange.ask(
        "Query",
        **exchange.filled(),
        expr=values["filter"],
        query_params=write_pairs({name: str(value) for name, value in params.items()}),
        expr_template_values=template_values(values["exprParams"]),
        **consistency_level(values["consistencyLevel"]),
    )
    return _read(exchange, response)


@route(
    "entities/get",
    "Read entities by their keys",
    "Query",
    COLLECTION,
    PARTITIONS,
    Parameter("partitionName", default=""),
    _ALL,
    Parameter("id", "any", required=True, about="A key or a list of keys."),
    _CONSISTENCY,
)
def get(exchange: Exchange) -> Any:
    values = exchange.values
    fields = exchange.filled()
    if values["partitionName"]:
        fields["partition_names"] = [*fields["partition_names"], values["partitionName"]]
    response = exchange.ask(
        "Query",
        **fields,
        expr=keys_filter(values["id"], _schema(exchange).primary),
        **consistency_level(values["consistencyLevel"]),
    )
    return _read(exchange, response)


def _read(exchange: Exchange, response: Any) -> Reply:
    fields = list(response.fields_data)
    count = _row_count(fields[0]) if fields else 0
    shown = list(response.output_fields)
    rows = rows_of(fields, shown, count, allow_int64=exchange.allow_int64)
    if response.element_indices:
        # Each element that a filter chose is a row of its own, as Milvus' clients have it.
        rows = [
            {"offset": offset, **row}
            for row, elements in zip(rows, response.element_indices, strict=True)
            for offset in elements.indices.data
        ]
    return Reply(rows, {"cost": 0})


def _row_count(field: Any) -> int:
    """Return the rows of the first column: a key or an aggregate, which are scalars."""
    return len(getattr(field.scalars, field.scalars.WhichOneof("data")).data)


@route(
    "entities/search",
    "Find the entities nearest to vectors or texts, or to entities that are stored",
    "Search",
    COLLECTION,
    PARTITIONS,
    _NONE,
    Parameter("data", "array", default=[], about="Vectors, or texts."),
    Parameter("ids", "array", default=[], about="Keys of entities, in place of data."),
    Parameter("annsField", default=""),
    _FILTER,
    _LIMIT,
    _OFFSET,
    Parameter("searchParams", "object", default={}),
    *_GROUPING,
    _TEMPLATES,
    _CONSISTENCY,
    _SCORE,
    CHAINS,
    AGGREGATION,
    Parameter("orderByFields", "strings", default=[], about="Such as year:desc."),
)
def search(exchange: Exchange) -> Any:
    values = exchange.values
    data, ids = values["data"], values["ids"]
    if data and ids:
        raise invalid(
            "primary keys (ids) and query vectors (data) are mutually exclusive. Please provide "
            "either 'ids' or 'data', not both"
        )
    if not data and not ids:
        raise MilvusError(
            MISSING,
            "either 'ids' (for primary key search) or 'data' (for vector search) must be provided",
        )
    schema = _schema(exchange)
    summed = aggregation(values)
    fields = _search_fields(exchange.values, schema)
    params = search_params(values["searchParams"]) | _page(values) | _groups(values)
    if values["orderByFields"]:
        _refuse_other_orders(values["searchParams"])
        params["order_by_fields"] = ",".join(values["orderByFields"])
    elif summed is not None:
        # Buckets have an order of their own; Milvus passes over this one, too.
        params.pop("order_by_fields", None)
    if ids:
        try:
            fields["ids"] = key_message(ids, schema.primary)
        except MilvusError as error:
            raise invalid(str(error).partition("error: ")[2]) from None
    response = exchange.ask(
        "Search",
        **exchange.filled(),
        **fields,
        search_params=write_pairs({**params, "anns_field": values["annsField"]}),
        function_score=function_score(values["functionScore"]),
        function_chains=function_chains(values["functionChains"]),
        search_aggregation=summed,
        **consistency_level(values["consistencyLevel"]),
    )
    if summed is not None:
        return buckets_of(exchange, response.results, schema)
    return _found(exchange, response.results)


def _refuse_other_orders(params: Mapping[str, Any]) -> None:
    inner = params.get("params")
    if "order_by_fields" in params or (isinstance(inner, dict) and "order_by_fields" in inner):
        raise invalid(
            "ambiguous order by: orderByFields and order_by_fields in searchParams are mutually "
            "exclusive"
        )


def _search_fields(values: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return the fields of a ``SearchRequest`` that whole searches and legs of one have."""
    fields: dict[str, Any] = {
        "dsl": values["filter"],
        "dsl_type": 1,
        "expr_template_values": template_values(values["exprParams"]),
    }
    if values["data"]:
        group = placeholder_group(values["data"], schema, values["annsField"])
        fields.update(placeholder_group=group, nq=len(values["data"]))
    return fields


def _page(values: Mapping[str, Any]) -> dict[str, str]:
    return {"topk": str(values["limit"]), "offset": str(values["offset"])}


def _groups(values: Mapping[str, Any]) -> dict[str, str]:
    if not values["groupingField"]:
        return {}
    made = {"group_by_field": values["groupingField"]}
    if values["groupSize"] > 0:
        made["group_size"] = str(values["groupSize"])
        made["strict_group_size"] = str(values["strictGroupSize"]).lower()
    return made


_HYBRID = (
    COLLECTION,
    PARTITIONS,
    _NONE,
    Parameter("search", "objects", required=True, about="A search for each leg."),
    Parameter("rerank", "object", default={}, about="strategy and params."),
    _LIMIT,
    _OFFSET,
    *_GROUPING,
    _CONSISTENCY,
    _SCORE,
    CHAINS,
    AGGREGATION,
)


@route("entities/hybrid_search", "Search in several ways at once", "HybridSearch", *_HYBRID)
@route("entities/advanced_search", "The older name of hybrid_search", "HybridSearch", *_HYBRID)
def hybrid_search(exchange: Exchange) -> Any:
    values = exchange.values
    for one in (values, *values["search"]):
        refuse_aggregation(one)
        refuse_chains(one)
    schema = _schema(exchange)
    requests = [_leg(exchange, schema, one) for one in values["search"]]
    declared = (Parameter("strategy", default=""), Parameter("params", "object", default={}))
    rerank = read_all(declared, values["rerank"], "rerank.")
    params: dict[str, Any] = {"limit": str(values["limit"]), "round_decimal": "-1"}
    if rerank["strategy"]:
        params |= {"strategy": rerank["strategy"], "params": rerank["params"]}
    if values["offset"]:
        params["offset"] = str(values["offset"])
    response = exchange.ask(
        "HybridSearch",
        **exchange.filled(),
        requests=requests,
        rank_params=write_pairs(params | _groups(values)),
        function_score=function_score(values["functionScore"]),
        **consistency_level(values["consistencyLevel"]),
    )
    return _found(exchange, response.results)


def _leg(exchange: Exchange, schema: Schema, given: Mapping[str, Any]) -> Any:
    values = read_all(_LEG, given, "search.")
    values["limit"] = values["limit"] or exchange.values["limit"]
    params = search_params({**values["searchParams"], **values["params"]}) | _page(values)
    if values["metricType"]:
        params["metric_type"] = values["metricType"]
    return {
        "collection_name": exchange.values["collectionName"],
        "search_params": write_pairs({**params, "anns_field": values["annsField"]}),
        **_search_fields(values, schema),
    }


def _found(exchange: Exchange, results: Any) -> Reply:
    keys = ids_of(results.ids, allow_int64=exchange.allow_int64)
    shown = list(results.output_fields)
    rows = rows_of(results.fields_data, shown, len(keys), allow_int64=exchange.allow_int64)
    primary = results.primary_field_name or "id"
    for row, key, score in zip(rows, keys, shown_floats(results.scores), strict=True):
        row[primary] = key
        row["distance"] = score
    for row, offset in zip(rows, results.element_indices.data, strict=False):
        row.setdefault("offset", offset)
    for found in results.highlight_results:
        for row, marked in zip(rows, found.datas, strict=False):
            row.setdefault("highlight", {})[found.field_name] = list(marked.fragments)
    return Reply(rows, {"cost": 0, "topks": [exchange.number(k) for k in results.topks]})
