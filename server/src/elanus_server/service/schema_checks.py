"""May a collection be made like this? The limits of Milvus, in its words where it may not.

The library itself has wider ones: what it makes is served as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from elanus import DataType
from elanus_server.codec.pairs import read_pairs
from elanus_server.failures import (
    ILLEGAL_SCHEMA,
    MISSING_PARAMETER,
    VECTOR_CLUSTERING_KEY,
    MilvusError,
    invalid,
)
from elanus_server.service.names import checked_field
from elanus_server.wire import schema as messages

MAX_FIELDS = 64
MAX_SHARDS = 16
MAX_PARTITIONS = 1_024
_MAX_TTL_SECONDS = 3_155_760_000
SYSTEM_FIELDS = ("RowID", "Timestamp")
_KEYS = ("Int64", "VarChar")
_ELEMENTS = ("Bool", "Int8", "Int16", "Int32", "Int64", "Float", "Double", "VarChar")
_CLUSTERING = (*_ELEMENTS, "Timestamptz")


def type_name(number: int) -> str:
    """Return the name of a data type of the protocol; its number where it has none."""
    known = messages.DataType.DESCRIPTOR.values_by_number
    return known[number].name if number in known else str(number)


def check_schema(request: Any, schema: Any, max_vector_fields: int) -> None:
    """Refuse a collection that Milvus would not make.

    Args:
        request: The ``CreateCollectionRequest``.
        schema: Its ``CollectionSchema``.
        max_vector_fields: How many it may have.

    Raises:
        MilvusError: It has too many fields, shards or partitions, wrong keys or wrong fields.
    """
    if request.shards_num > MAX_SHARDS:
        raise invalid(f"maximum shards's number should be limited to {MAX_SHARDS}")
    parts = [part for struct in schema.struct_array_fields for part in struct.fields]
    fields = [*schema.fields, *parts]
    if len(fields) > MAX_FIELDS:
        raise invalid(f"maximum field's number should be limited to {MAX_FIELDS}")
    if sum(map(is_vector, fields)) > max_vector_fields:
        raise invalid(f"maximum vector field's number should be limited to {max_vector_fields}")
    _check_primary(schema.fields)
    for field in schema.fields:
        check_field(field, request.collection_name)
    _check_partition_key(request, [f for f in schema.fields if f.is_partition_key])
    _check_clustering_key(
        request.collection_name, [f for f in schema.fields if f.is_clustering_key]
    )


def is_vector(field: Any) -> bool:
    """Return whether a ``FieldSchema`` holds vectors."""
    return type_name(field.data_type).endswith("Vector")


def check_field(field: Any, collection: str) -> None:
    """Refuse a field that Milvus would not make.

    Args:
        field: The ``FieldSchema``.
        collection: Name of its collection.

    Raises:
        MilvusError: Its name, type or parameters are wrong.
    """
    checked_field(field.name)
    if field.name in SYSTEM_FIELDS:
        raise invalid(f"schema contains system field: {', '.join(SYSTEM_FIELDS)}")
    kind, params = type_name(field.data_type), read_pairs(field.type_params)
    if kind == "String":
        raise invalid("string data type not supported yet, please use VarChar type instead")
    if kind == "None":
        raise invalid("data type None is not valid")
    if kind == "SparseFloatVector" and "dim" in params:
        raise invalid(f"dim should not be specified for sparse vector field {field.name}(0)")
    if kind == "Array":
        _check_array(field, params, collection)


def _check_array(field: Any, params: Mapping[str, str], collection: str) -> None:
    element = type_name(field.element_type)
    if element == "None":
        raise invalid("element data type None is not valid")
    if element not in _ELEMENTS:
        raise invalid(f"element type {element} is not supported")
    if not params.get("max_capacity"):
        raise MilvusError(
            MISSING_PARAMETER,
            f"type param(max_capacity) should be specified for array field {field.name} of "
            f"collection {collection}: missing parameter",
        )


def _check_primary(fields: Iterable[Any]) -> None:
    keys = [field for field in fields if field.is_primary_key]
    if not keys:
        raise invalid("primary key is not specified")
    if len(keys) > 1:
        names = f"{keys[0].name}, {keys[1].name}"
        raise invalid(f"there are more than one primary key, field name = {names}")
    if type_name(keys[0].data_type) not in _KEYS:
        raise invalid("the data type of primary key should be Int64 or VarChar")
    for field in fields:
        if field.autoID and not field.is_primary_key:
            raise invalid(
                f"only primary field can speficy AutoID with true, field name = {field.name}"
            )


def _check_partition_key(request: Any, keys: list[Any]) -> None:
    count = request.num_partitions
    if not keys:
        if count:
            raise invalid(
                "num_partitions should only be specified with partition key field enabled"
            )
        return
    key = keys[0]
    if len(keys) > 1:
        names = f"{key.name}, {keys[1].name}"
        raise invalid(f"there are more than one partition key, field name = {names}")
    if key.is_primary_key:
        raise invalid("the partition key field must not be primary field")
    if key.nullable:
        raise invalid("partition key field not support nullable")
    if type_name(key.data_type) not in _KEYS:
        raise invalid("the data type of partition key should be Int64 or VarChar")
    if count < 0:
        raise invalid("the specified partitions should be greater than 0 if partition key is used")
    if count > MAX_PARTITIONS:
        raise invalid(f"partition number ({count}) exceeds max configuration ({MAX_PARTITIONS})")


def _check_clustering_key(collection: str, keys: list[Any]) -> None:
    for key in keys:
        kind = type_name(key.data_type)
        if is_vector(key):
            raise MilvusError(
                VECTOR_CLUSTERING_KEY,
                f"vector clustering key not allowed[collection={collection}]",
            )
        if kind not in _CLUSTERING:
            raise illegal_schema(
                collection, f"clustering key field {key.name} has unsupported data type {kind}"
            )
    if len(keys) > 1:
        names = f"{keys[0].name}, {keys[1].name}"
        raise illegal_schema(
            collection, f"there are more than one clustering key, field name = {names}"
        )


def illegal_schema(collection: str, reason: str) -> MilvusError:
    """Return the error of a schema that contradicts itself."""
    return MilvusError(
        ILLEGAL_SCHEMA, f"{reason}: illegal collection schema[collection={collection}]"
    )


def check_properties(
    collection: str, properties: Mapping[str, str], types: Mapping[str, DataType], *, keyed: bool
) -> None:
    """Refuse values of properties in Milvus' words.

    Args:
        collection: Name of it.
        properties: As given, by name.
        types: Type of each field by name.
        keyed: Whether there is a partition key.

    Raises:
        MilvusError: A value that the property cannot have.
    """
    if "collection.ttl.seconds" in properties:
        _check_ttl(properties["collection.ttl.seconds"])
    for name in ("timezone", "collection.timezone"):
        _check_timezone(properties.get(name, "UTC"))
    field = properties.get("ttl_field")
    if field is not None:
        if field not in types:
            raise invalid(f"ttl field name {field} not found in schema")
        if types[field] is not DataType.TIMESTAMPTZ:
            raise invalid(f"ttl field must be timestamptz, field name = {field}")
        if "collection.ttl.seconds" in properties:
            raise invalid("collection TTL and ttl field cannot be set at the same time")
    if properties.get("partitionkey.isolation", "").lower() == "true" and not keyed:
        raise illegal_schema(
            collection,
            "partition key isolation mode is enabled but no partition key field is set. Please "
            "set the partition key first",
        )


def _check_timezone(name: str) -> None:
    try:
        known = name == "UTC" or ZoneInfo(name) is not None
    except (OSError, ValueError, ZoneInfoNotFoundError):
        known = False
    if not known:
        raise invalid(f"unknown or invalid IANA Time Zone ID: {name}")


def _check_ttl(text: str) -> None:
    try:
        seconds = int(text)
    except ValueError:
        raise invalid("collection TTL is not a valid positive integer") from None
    if not -1 <= seconds <= _MAX_TTL_SECONDS:
        raise invalid(
            f"collection TTL is out of range, expect [-1, {_MAX_TTL_SECONDS}], got {seconds}"
        )
