"""Routes of collections: making, describing and changing them."""

from __future__ import annotations

from typing import Any

from elanus_server.codec.pairs import read_pairs
from elanus_server.failures import (
    COLLECTION_NOT_FOUND,
    MilvusError,
    invalid,
)
from elanus_server.rest.exchange import COLLECTION, Exchange, Reply, forward, route
from elanus_server.rest.parameters import Parameter, read_all
from elanus_server.rest.schemas import (
    INDEX,
    field_schema,
    function_schema,
    index_params,
    is_struct,
    shown_field,
    shown_function,
    shown_pairs,
    shown_struct,
    struct_schema,
    texts,
)
from elanus_server.wire import common, milvus

PARTITIONS = Parameter("partitionNames", "strings", field="partition_names", default=[])
PROPERTIES = Parameter("properties", "object", default={})
KEYS = Parameter("propertyKeys", "strings", field="delete_keys", default=[])
_FIELD_NAME = Parameter("fieldName", field="field_name", required=True)
_FUNCTION_NAME = Parameter("functionName", field="function_name", required=True)
_FUNCTION = Parameter("function", "object", required=True)

forward(
    "collections/list",
    "List the collections of a database",
    "ShowCollections",
    shape=lambda response: list(response.collection_names),
)
forward(
    "collections/has",
    "Say whether a collection exists",
    "HasCollection",
    COLLECTION,
    shape=lambda response: {"has": response.value},
)
forward("collections/drop", "Drop a collection", "DropCollection", COLLECTION)
forward("collections/truncate", "Remove all entities", "TruncateCollection", COLLECTION)
forward(
    "collections/rename",
    "Give a collection another name",
    "RenameCollection",
    Parameter("collectionName", field="oldName", required=True),
    Parameter("newCollectionName", field="newName", required=True),
    Parameter("newDbName", field="newDBName"),
)
forward("collections/load", "Make a collection searchable", "LoadCollection", COLLECTION)
forward(
    "collections/refresh_load",
    "Load what was added since the collection was loaded",
    "LoadCollection",
    COLLECTION,
    refresh=True,
)
forward("collections/release", "Take a collection out of memory", "ReleaseCollection", COLLECTION)
forward(
    "collections/drop_properties",
    "Drop properties of a collection",
    "AlterCollection",
    COLLECTION,
    KEYS,
)
forward(
    "collections/drop_function",
    "Drop a function",
    "DropCollectionFunction",
    COLLECTION,
    _FUNCTION_NAME,
)


def row_count(response: Any) -> dict[str, int]:
    """Return the rows that statistics tell."""
    return {"rowCount": int(read_pairs(response.stats).get("row_count", "0"))}


forward(
    "collections/get_stats",
    "Count the entities of a collection",
    "GetCollectionStatistics",
    COLLECTION,
    shape=row_count,
)


@route("collections/describe", "Describe a collection", "DescribeCollection", COLLECTION)
def describe(exchange: Exchange) -> Any:
    name = exchange.values["collectionName"]
    found = exchange.ask("DescribeCollection", collection_name=name)
    load = exchange.try_ask("GetLoadState", collection_name=name)
    indexes = exchange.try_ask("DescribeIndex", collection_name=name)
    aliases = exchange.try_ask("ListAliases", collection_name=name)
    told = [one.status.reason for one in (load, indexes, aliases) if one.status.code]
    fields = [shown_field(field) for field in found.schema.fields]
    data = {
        "collectionName": found.collection_name,
        "collectionID": exchange.number(found.collectionID),
        "description": found.schema.description,
        "autoId": any(f["autoId"] for f in fields if f["primaryKey"]),
        "fields": fields,
        "structFields": [shown_struct(one) for one in found.schema.struct_array_fields],
        "functions": [shown_function(one) for one in found.schema.functions],
        "aliases": list(aliases.aliases),
        "indexes": [_shown_index(index) for index in indexes.index_descriptions],
        "load": common.LoadState.Name(load.state),
        "shardsNum": found.shards_num,
        "partitionsNum": exchange.number(found.num_partitions),
        "consistencyLevel": common.ConsistencyLevel.Name(found.consistency_level),
        "enableDynamicField": found.schema.enable_dynamic_field,
        "properties": shown_pairs(found.properties),
    }
    return Reply(data, {"message": ";".join(told)})


def _shown_index(index: Any) -> dict[str, str]:
    return {
        "indexName": index.index_name,
        "fieldName": index.field_name,
        "metricType": read_pairs(index.params).get("metric_type", ""),
    }


@route(
    "collections/get_load_state",
    "Say whether a collection is loaded",
    "GetLoadState",
    COLLECTION,
    PARTITIONS,
)
def get_load_state(exchange: Exchange) -> Any:
    state = exchange.ask("GetLoadState", **exchange.filled()).state
    name = common.LoadState.Name(state)
    if name == "LoadStateNotExist":
        shown = exchange.values["collectionName"]
        raise MilvusError(COLLECTION_NOT_FOUND, f"collection not found[collection={shown}]")
    if name == "LoadStateNotLoad":
        return {"loadState": name}
    progress = exchange.ask("GetLoadingProgress", **exchange.filled()).progress
    loaded = "LoadStateLoaded" if progress >= 100 else "LoadStateLoading"
    return {"loadState": loaded, "loadProgress": progress}


@route(
    "collections/alter_properties",
    "Set properties of a collection",
    "AlterCollection",
    COLLECTION,
    PROPERTIES,
)
def alter_properties(exchange: Exchange) -> Any:
    properties = texts(exchange.values["properties"])
    exchange.ask("AlterCollection", **exchange.filled(), properties=properties)
    return {}


@route(
    "collections/fields/alter_properties",
    "Change a field",
    "AlterCollectionField",
    COLLECTION,
    _FIELD_NAME,
    Parameter("fieldParams", "object", default={}),
)
def alter_field(exchange: Exchange) -> Any:
    properties = texts(exchange.values["fieldParams"])
    exchange.ask("AlterCollectionField", **exchange.filled(), properties=properties)
    return {}


def _alter_schema(exchange: Exchange, **action: Any) -> Any:
    made = milvus.AlterCollectionSchemaRequest.Action(**action)
    name = exchange.values["collectionName"]
    exchange.ask("AlterCollectionSchema", collection_name=name, action=made)
    return {}


def _added(field: Any, index: dict[str, Any] | None = None, functions: Any = ()) -> Any:
    info = milvus.AlterCollectionSchemaRequest.FieldInfo(field_schema=field)
    if index is not None:
        info.index_name = index["indexName"]
        info.extra_params.extend(index_params(index))
    return milvus.AlterCollectionSchemaRequest.AddRequest(field_infos=[info], func_schema=functions)


@route(
    "collections/fields/add",
    "Add a field",
    "AlterCollectionSchema",
    COLLECTION,
    Parameter("schema", "object", required=True),
)
def add_field(exchange: Exchange) -> Any:
    given = exchange.values["schema"]
    if is_struct(given):
        raise invalid(
            "StructArray field must be added through /v2/vectordb/collections/struct_fields/add"
        )
    return _alter_schema(exchange, add_request=_added(field_schema(given)))


@route(
    "collections/fields/drop",
    "Drop a field",
    "AlterCollectionSchema",
    COLLECTION,
    Parameter("fieldName", default=""),
    Parameter("fieldId", "long"),
)
def drop_field(exchange: Exchange) -> Any:
    name, number = exchange.values["fieldName"], exchange.values["fieldId"]
    if bool(name) == (number is not None):
        raise invalid("exactly one of fieldName or fieldId is required")
    if number is not None and number <= 0:
        raise invalid("fieldId must be greater than 0")
    chosen = {"field_name": name} if name else {"field_id": number}
    dropped = milvus.AlterCollectionSchemaRequest.DropRequest(**chosen)
    return _alter_schema(exchange, drop_request=dropped)


@route(
    "collections/struct_fields/add",
    "Add an array of structs",
    "AddCollectionStructField",
    COLLECTION,
    Parameter("schema", "object", required=True),
)
def add_struct(exchange: Exchange) -> Any:
    made = struct_schema(exchange.values["schema"])
    exchange.ask("AddCollectionStructField", **exchange.filled(), struct_array_field_schema=made)
    return {}


@route(
    "collections/add_function",
    "Add a function",
    "AddCollectionFunction",
    COLLECTION,
    _FUNCTION,
)
def add_function(exchange: Exchange) -> Any:
    made = function_schema(exchange.values["function"])
    exchange.ask("AddCollectionFunction", **exchange.filled(), functionSchema=made)
    return {}


@route(
    "collections/alter_function",
    "Change a function",
    "AlterCollectionFunction",
    COLLECTION,
    _FUNCTION_NAME,
    _FUNCTION,
)
def alter_function(exchange: Exchange) -> Any:
    made = function_schema(exchange.values["function"])
    exchange.ask("AlterCollectionFunction", **exchange.filled(), functionSchema=made)
    return {}


@route(
    "collections/add_function_field",
    "Add a function with the field that it fills, and its index",
    "AlterCollectionSchema",
    COLLECTION,
    _FUNCTION,
    Parameter("outputField", "object", required=True),
    Parameter("indexParams", "object", about="Without it, what fits the function."),
)
def add_function_field(exchange: Exchange) -> Any:
    given = exchange.values["indexParams"]
    index = read_all(INDEX, given, "indexParams.") if given else None
    field = field_schema(exchange.values["outputField"])
    if index and index["fieldName"] != field.name:
        raise invalid(
            f'indexParams.fieldName "{index["fieldName"]}" must match outputField.fieldName '
            f'"{field.name}"'
        )
    made = function_schema(exchange.values["function"])
    return _alter_schema(exchange, add_request=_added(field, index, [made]))


@route(
    "collections/drop_function_field",
    "Drop a function with the field that it fills",
    "AlterCollectionSchema",
    COLLECTION,
    _FUNCTION_NAME,
)
def drop_function_field(exchange: Exchange) -> Any:
    dropped = milvus.AlterCollectionSchemaRequest.DropRequest(
        function_name=exchange.values["functionName"], drop_function_output_fields=True
    )
    return _alter_schema(exchange, drop_request=dropped)


@route(
    "collections/compact",
    "Join the segments of a collection",
    "ManualCompaction",
    COLLECTION,
    Parameter("isClustering", "boolean", field="majorCompaction"),
)
def compact(exchange: Exchange) -> Any:
    done = exchange.ask("ManualCompaction", **exchange.filled())
    return {"compactionID": exchange.number(done.compactionID)}


@route(
    "collections/get_compaction_state",
    "Say how far a compaction is",
    "GetCompactionState",
    Parameter("jobID", "long", field="compactionID", default=0),
)
def get_compaction_state(exchange: Exchange) -> Any:
    found = exchange.ask("GetCompactionState", **exchange.filled())
    return {
        "compactionID": exchange.number(exchange.values["jobID"]),
        "state": common.CompactionState.Name(found.state),
        "executingPlanNumber": exchange.number(found.executingPlanNo),
        "timeoutPlanNumber": exchange.number(found.timeoutPlanNo),
        "completedPlanNumber": exchange.number(found.completedPlanNo),
    }


@route(
    "collections/flush",
    "Write everything of a collection into segments",
    "Flush",
    COLLECTION,
)
def flush(exchange: Exchange) -> Any:
    exchange.ask("Flush", collection_names=[exchange.values["collectionName"]])
    return {}
