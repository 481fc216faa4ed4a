"""How a collection is made: a schema with its indexes, or a quick set-up."""

from __future__ import annotations

from typing import Any

from elanus_server.codec.pairs import write_pairs
from elanus_server.failures import invalid
from elanus_server.rest.exchange import COLLECTION, Exchange, route
from elanus_server.rest.parameters import Parameter, missing, read_all
from elanus_server.rest.schemas import INDEX, collection_schema, index_params, texts
from elanus_server.wire import common
from elanus_server.wire import schema as messages

_TTL = "collection.ttl.seconds"
_SHORT_TTL = "ttl.seconds"
_PROPERTIES_OF_PARAMS = {
    "ttlSeconds": _TTL,
    "ttlField": "ttl_field",
    "partitionKeyIsolation": "partitionkey.isolation",
    "mmap.enabled": "mmap.enabled",
    "warmup.scalarField": "warmup.scalarField",
    "warmup.scalarIndex": "warmup.scalarIndex",
    "warmup.vectorField": "warmup.vectorField",
    "warmup.vectorIndex": "warmup.vectorIndex",
}
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
"""Truth values as texts, as Go spells them."""
# Of the vectors of a quick set-up: the metric where none is named.
_METRICS = {
    "FloatVector": "COSINE",
    "BinaryVector": "HAMMING",
    "Float16Vector": "COSINE",
    "BFloat16Vector": "COSINE",
    "SparseFloatVector": "IP",
}


@route(
    "collections/create",
    "Make a collection, with its indexes, and load it",
    "CreateCollection",
    COLLECTION,
    Parameter("dimension", "integer", default=0, about="Of the vectors, for a quick set-up."),
    Parameter("idType", default="", about="Int64 or VarChar."),
    Parameter("autoID", "boolean", default=False),
    Parameter("autoId", "boolean", default=False),
    Parameter("metricType", default=""),
    Parameter("primaryFieldName", default=""),
    Parameter("vectorFieldName", default=""),
    Parameter("vectorFieldType", default="", about=f"For a quick set-up: {', '.join(_METRICS)}."),
    Parameter("schema", "object", default={}),
    Parameter("indexParams", "objects", default=[]),
    Parameter(
        "params",
        "object",
        default={},
        about="max_length, enableDynamicField, shardsNum, partitionsNum, consistencyLevel, "
        "ttlSeconds, ttlField, partitionKeyIsolation.",
    ),
    Parameter("properties", "object", default={}, about="Such as collection.ttl.seconds."),
    Parameter("consistencyLevel"),
    Parameter("description", default=""),
)
def create(exchange: Exchange) -> Any:
    values = exchange.values
    name, params = values["collectionName"], values["params"]
    is_quick = not (values["schema"].get("fields") or values["schema"].get("structFields"))
    described = _quick_schema(values) if is_quick else collection_schema(name, values["schema"])
    if values["description"]:
        described.description = values["description"]
    exchange.ask(
        "CreateCollection",
        collection_name=name,
        schema=described.SerializeToString(),
        shards_num=_count(params, "shardsNum", 1),
        num_partitions=_count(params, "partitionsNum", 0),
        consistency_level=_consistency(values["consistencyLevel"], params),
        properties=_properties(values["properties"], params),
    )
    if is_quick:
        vector = described.fields[1]
        metric = values["metricType"] or _METRICS[messages.DataType.Name(vector.data_type)]
        indexes = [{"fieldName": vector.name, "indexName": vector.name, "metricType": metric}]
    else:
        indexes = values["indexParams"]
    if not indexes:
        return {}
    known = {one.name for one in (*described.fields, *described.struct_array_fields)}
    for index in [read_all(INDEX, one, "indexParams.") for one in indexes]:
        if index["fieldName"] not in known and "json_path" not in index["params"]:
            raise missing(f"`{index['fieldName']}` hasn't defined in schema")
        create_index(exchange, name, index)
    exchange.ask("LoadCollection", collection_name=name)
    return {}


def create_index(exchange: Exchange, collection: str, index: dict[str, Any]) -> None:
    """Give a collection an index that a body describes, read already."""
    exchange.ask(
        "CreateIndex",
        collection_name=collection,
        field_name=index["fieldName"],
        index_name=index["indexName"],
        extra_params=index_params(index),
    )


def _quick_schema(values: dict[str, Any]) -> Any:
    """Return the schema of a collection of which little is said."""
    if values["schema"].get("functions"):
        raise invalid("functions are not supported for quickly create collection")
    vector_type = _vector_type(values["vectorFieldType"], values["dimension"])
    id_type = values["idType"] or "Int64"
    kinds = {"int64": "Int64", "varchar": "VarChar"}
    if id_type.lower() not in kinds:
        raise invalid(
            f"idType can only be [Int64, VarChar], default: Int64: expected=Int64, Varchar, "
            f"actual={id_type}"
        )
    kind = kinds[id_type.lower()]
    params = values["params"]
    made = messages.CollectionSchema(
        name=values["collectionName"],
        enable_dynamic_field=_flag(params, "enableDynamicField", default=True),
    )
    key = made.fields.add(
        name=values["primaryFieldName"] or "id",
        is_primary_key=True,
        autoID=values["autoID"] or values["autoId"],
        data_type=messages.DataType.Value(kind),
    )
    if kind == "VarChar":
        key.type_params.extend(write_pairs({"max_length": params.get("max_length", 65_535)}))
    made.fields.add(
        name=values["vectorFieldName"] or "vector",
        data_type=messages.DataType.Value(vector_type),
        type_params=write_pairs({"dim": values["dimension"]} if values["dimension"] else {}),
    )
    return made


def _vector_type(name: str, dimension: int) -> str:
    """Return the type of the vectors of a quick set-up, which goes with their dimension."""
    name = name or "FloatVector"
    if name not in _METRICS:
        known = ", ".join(_METRICS)
        raise invalid(
            f"vectorFieldType can only be [{known}], default: FloatVector: expected={known}, "
            f"actual={name}"
        )
    if name == "SparseFloatVector" and dimension:
        raise invalid("dimension should not be specified for SparseFloatVector quick create")
    if name != "SparseFloatVector" and not dimension:
        raise invalid(
            "dimension is required for quickly create collection(default metric type: COSINE)"
        )
    return name


def _flag(params: dict[str, Any], name: str, *, default: bool) -> bool:
    value = params.get(name, default)
    if isinstance(value, bool):
        return value
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise invalid(f"parse {name} fail: expected true or false, got {value!r}")


def _count(params: dict[str, Any], name: str, default: int) -> int:
    value = params.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise invalid(f"params.{name}: expected a whole number, got {value!r}")
    return value


def _consistency(asked: str | None, params: dict[str, Any]) -> int:
    """Return the level that is named, beside the parameters or among them."""
    name = params.get("consistencyLevel", asked or "Bounded")
    if asked and name != asked:
        raise invalid("top-level consistencyLevel conflicts with params.consistencyLevel")
    if name not in list(common.ConsistencyLevel.keys()):
        raise invalid(
            "consistencyLevel can only be [Strong, Session, Bounded, Eventually, Customized], "
            f"default: Bounded: got {name!r}"
        )
    return int(common.ConsistencyLevel.Value(name))


def _properties(given: dict[str, Any], params: dict[str, Any]) -> list[Any]:
    """Return the properties that stand among the parameters or beside them."""
    if sum((_TTL in given, _SHORT_TTL in given, "ttlSeconds" in params)) > 1:
        raise invalid("collection TTL is specified multiple times")
    made = {known: params[name] for name, known in _PROPERTIES_OF_PARAMS.items() if name in params}
    made |= {_TTL if name == _SHORT_TTL else name: value for name, value in given.items()}
    return texts(made)
