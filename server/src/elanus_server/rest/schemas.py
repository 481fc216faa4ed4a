"""Schemas and indexes, from JSON to the protocol's messages and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from elanus_server.codec.pairs import as_text, read_pairs, write_pairs
from elanus_server.failures import INVALID_PARAMETER, MilvusError, invalid
from elanus_server.rest.parameters import Parameter, missing, read_all
from elanus_server.wire import common
from elanus_server.wire import schema as messages

_ARRAY = messages.DataType.Value("Array")
_STRUCT = messages.DataType.Value("Struct")
_ARRAY_OF_VECTOR = messages.DataType.Value("ArrayOfVector")
_ARRAY_OF_STRUCT = messages.DataType.Value("ArrayOfStruct")
FIELD = (
    Parameter("fieldName", required=True),
    Parameter("dataType", required=True),
    Parameter("elementDataType"),
    Parameter("isPrimary", "boolean", default=False),
    Parameter("autoID", "boolean", default=False),
    Parameter("isPartitionKey", "boolean", default=False),
    Parameter("isClusteringKey", "boolean", default=False),
    Parameter("elementTypeParams", "object", default={}),
    Parameter("typeParams", "object", default={}),
    Parameter("nullable", "boolean", default=False),
    Parameter("defaultValue", "any"),
    Parameter("description", default=""),
    Parameter("fields", "objects", default=[]),
)
"""A field of a schema; ``fields`` and ``typeParams`` are those of a struct."""
FUNCTION = (
    Parameter("name", required=True),
    Parameter("description", default=""),
    Parameter("type", required=True),
    Parameter("inputFieldNames", "strings", default=[]),
    Parameter("outputFieldNames", "strings", default=[]),
    Parameter("params", "object", default={}),
)
SCHEMA = (
    Parameter("fields", "objects", default=[]),
    Parameter("structFields", "objects", default=[]),
    Parameter("functions", "objects", default=[]),
    Parameter("autoID", "boolean", default=False),
    Parameter("autoId", "boolean", default=False),
    Parameter("enableDynamicField", "boolean", default=False),
    Parameter("description", default=""),
)
INDEX = (
    Parameter("fieldName", required=True),
    Parameter("indexName", default=""),
    Parameter("metricType", default=""),
    Parameter("indexType", default=""),
    Parameter("params", "object", default={}),
)


def collection_schema(name: str, given: Mapping[str, Any]) -> Any:
    """Return the ``CollectionSchema`` that a body describes.

    Args:
        name: Of the collection.
        given: The member ``schema`` of the body.

    Raises:
        MilvusError: Members are missing, or name a type that there is not.
    """
    values = read_all(SCHEMA, given, "schema.")
    auto_id = values["autoID"] or values["autoId"]
    made = messages.CollectionSchema(
        name=name,
        description=values["description"],
        autoID=auto_id,
        enable_dynamic_field=values["enableDynamicField"],
    )
    for one in values["fields"]:
        if is_struct(one):
            made.struct_array_fields.append(struct_schema(one))
            continue
        field = made.fields.add()
        field.CopyFrom(field_schema(one))
        field.autoID = field.is_primary_key and (auto_id or field.autoID)
    made.struct_array_fields.extend(struct_schema(one) for one in values["structFields"])
    made.functions.extend(function_schema(one) for one in values["functions"])
    outputs = {name for function in made.functions for name in function.output_field_names}
    for field in made.fields:
        field.is_function_output = field.name in outputs
    return made


def is_struct(given: Mapping[str, Any]) -> bool:
    """Return whether a field is an array of structs."""
    return given.get("dataType") == "ArrayOfStruct" or (
        given.get("dataType") == "Array" and given.get("elementDataType") == "Struct"
    )


def field_schema(given: Mapping[str, Any]) -> Any:
    """Return a ``FieldSchema``.

    Raises:
        MilvusError: As for a whole schema.
    """
    values = read_all(FIELD, given, "field.")
    dtype = _data_type(values["dataType"], "data type")
    made = messages.FieldSchema(
        name=values["fieldName"],
        description=values["description"],
        is_primary_key=values["isPrimary"],
        autoID=values["autoID"],
        is_partition_key=values["isPartitionKey"],
        is_clustering_key=values["isClusteringKey"],
        nullable=values["nullable"],
        data_type=dtype,
        type_params=write_pairs(values["elementTypeParams"]),
    )
    if dtype in (_ARRAY, _ARRAY_OF_VECTOR):
        made.element_type = _data_type(values["elementDataType"] or "", "element data type")
    if values["defaultValue"] is not None:
        made.default_value.CopyFrom(_default(values["defaultValue"], dtype))
    return made


def struct_schema(given: Mapping[str, Any]) -> Any:
    """Return a ``StructArrayFieldSchema``.

    Raises:
        MilvusError: As for a whole schema.
    """
    values = read_all(FIELD, {"dataType": "ArrayOfStruct", **given}, "field.")
    if not values["fields"]:
        raise missing(f"the struct '{values['fieldName']}' has no 'fields'")
    params = values["elementTypeParams"] | values["typeParams"]
    shared = {name: value for name, value in params.items() if name == "max_capacity"}
    made = messages.StructArrayFieldSchema(
        name=values["fieldName"],
        description=values["description"],
        nullable=values["nullable"],
        type_params=write_pairs(params),
    )
    for one in values["fields"]:
        part = made.fields.add()
        part.CopyFrom(_part(one, shared))
    return made


def _part(given: Mapping[str, Any], shared: Mapping[str, Any]) -> Any:
    """Return a field of a struct: an array of what it is declared as."""
    part = field_schema(given)
    if part.data_type not in (_ARRAY, _ARRAY_OF_VECTOR):
        is_vector = messages.DataType.Name(part.data_type).endswith("Vector")
        part.element_type = part.data_type
        part.data_type = _ARRAY_OF_VECTOR if is_vector else _ARRAY
    held = read_pairs(part.type_params)
    part.type_params.extend(write_pairs({n: v for n, v in shared.items() if n not in held}))
    return part


def function_schema(given: Mapping[str, Any]) -> Any:
    """Return a ``FunctionSchema``.

    Raises:
        MilvusError: Members are missing, or the type is unknown.
    """
    values = read_all(FUNCTION, given, "function.")
    if values["type"] not in messages.FunctionType.keys():  # noqa: SIM118 - an enumeration
        raise invalid(f"function data type {values['type']} is invalid(case sensitive)")
    return messages.FunctionSchema(
        name=values["name"],
        description=values["description"],
        type=messages.FunctionType.Value(values["type"]),
        input_field_names=values["inputFieldNames"],
        output_field_names=values["outputFieldNames"],
        params=write_pairs(values["params"]),
    )


def index_params(given: Mapping[str, Any]) -> list[Any]:
    """Return the parameters of an index, read already, as ``CreateIndex`` takes them."""
    params = given["params"]
    made = {"index_type": given["indexType"] or params.get("index_type") or ""}
    made["metric_type"] = given["metricType"] or params.get("metric_type") or ""
    inner = {n: v for n, v in params.items() if n not in made}
    pairs: dict[str, Any] = {name: value for name, value in made.items() if value}
    if inner:
        pairs["params"] = json.dumps(inner)
    return write_pairs(pairs)


def _data_type(name: str, what: str) -> int:
    if name not in messages.DataType.keys() or name == "None":  # noqa: SIM118 - an enumeration
        raise MilvusError(
            INVALID_PARAMETER, f"invalid parameter, {what} {name} is invalid(case sensitive)."
        )
    return int(messages.DataType.Value(name))


def _default(value: Any, dtype: int) -> Any:
    """Return the default value of a field."""
    name = messages.DataType.Name(dtype)
    kinds: dict[str, tuple[str, type | tuple[type, ...]]] = {
        "Bool": ("bool_data", bool),
        "Int8": ("int_data", int),
        "Int16": ("int_data", int),
        "Int32": ("int_data", int),
        "Int64": ("long_data", int),
        "Float": ("float_data", (int, float)),
        "Double": ("double_data", (int, float)),
        "String": ("string_data", str),
        "VarChar": ("string_data", str),
        "Text": ("string_data", str),
        "Timestamptz": ("string_data", str),
    }
    if name == "JSON":
        return messages.ValueField(bytes_data=json.dumps(value).encode())
    if name not in kinds:
        raise invalid(f"Unexpected default value type: {name}")
    member, kind = kinds[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise invalid(f'cannot use "{value}" as {name} default value')
    bound = 2**63 if member == "long_data" else 2**31
    if isinstance(value, int) and kind is int and not -bound <= value < bound:
        raise invalid(f"default value {value} is out of the range of {name}")
    return messages.ValueField(**{member: value})


def shown_field(field: Any) -> dict[str, Any]:
    """Return a ``FieldSchema`` as ``collections/describe`` shows it."""
    made: dict[str, Any] = {
        "id": field.fieldID,
        "name": field.name,
        "type": messages.DataType.Name(field.data_type),
        "primaryKey": field.is_primary_key,
        "partitionKey": field.is_partition_key,
        "clusteringKey": field.is_clustering_key,
        "autoId": field.autoID,
        "description": field.description,
        "nullable": field.nullable,
    }
    if field.HasField("default_value"):
        kind = field.default_value.WhichOneof("data")
        value = None if kind is None else getattr(field.default_value, kind)
        made["defaultValue"] = value.decode() if isinstance(value, bytes) else value
    if field.is_function_output:
        made["isFunctionOutput"] = True
    if field.type_params:
        made["params"] = shown_pairs(field.type_params)
    if field.data_type in (_ARRAY, _ARRAY_OF_VECTOR):
        made["elementType"] = messages.DataType.Name(field.element_type)
    return made


def shown_struct(struct: Any) -> dict[str, Any]:
    """Return a ``StructArrayFieldSchema`` as ``collections/describe`` shows it."""
    made = {
        "id": struct.fieldID,
        "name": struct.name,
        "type": "ArrayOfStruct",
        "description": struct.description,
        "nullable": struct.nullable,
        "fields": [shown_field(field) for field in struct.fields],
    }
    if struct.type_params:
        made["params"] = shown_pairs(struct.type_params)
    return made


def shown_function(function: Any) -> dict[str, Any]:
    """Return a ``FunctionSchema`` as ``collections/describe`` shows it."""
    return {
        "name": function.name,
        "id": function.id,
        "description": function.description,
        "type": function.type,
        "inputFieldNames": list(function.input_field_names),
        "outputFieldNames": list(function.output_field_names),
        "params": shown_pairs(function.params),
    }


def shown_pairs(pairs: Iterable[Any]) -> list[dict[str, str]]:
    """Return ``KeyValuePair`` messages as Milvus sends them in JSON."""
    return [{"key": pair.key, "value": pair.value} for pair in pairs]


def consistency_level(name: str | None) -> dict[str, Any]:
    """Return the fields of a request that say how fresh its answer has to be.

    Raises:
        MilvusError: There is no such level.
    """
    if not name:
        return {"consistency_level": 2, "use_default_consistency": True}
    if name not in common.ConsistencyLevel.keys():  # noqa: SIM118 - an enumeration
        raise invalid(
            "consistencyLevel can only be [Strong, Session, Bounded, Eventually, Customized], "
            f"default: Bounded, err: parameter:'{name}' is incorrect, please check it"
        )
    return {"consistency_level": common.ConsistencyLevel.Value(name)}


def texts(values: Mapping[str, Any]) -> list[Any]:
    """Return properties as ``KeyValuePair`` messages; their values become texts."""
    return write_pairs({name: as_text(value) for name, value in values.items()})
