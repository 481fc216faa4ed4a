"""Making, describing and changing collections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elanus import BM25, Embedding, MinHash, Schema
from elanus.errors import CollectionExistsError, CollectionNotFoundError
from elanus_server.clock import milliseconds, now
from elanus_server.codec.pairs import read_pairs, write_pairs
from elanus_server.codec.schema import (
    Numbers,
    decode_field,
    decode_schema,
    decode_struct,
    encode_schema,
    function_of,
)
from elanus_server.failures import ALIAS_CONFLICT, MilvusError, invalid
from elanus_server.service.context import Call, Hosted
from elanus_server.service.file_resources import schema_with_contents
from elanus_server.service.functions import (
    check_droppable,
    drop_function,
    droppable_output,
    known_function,
)
from elanus_server.service.indexes import add_index
from elanus_server.service.names import checked_name
from elanus_server.service.partitions import DEFAULT_PARTITION
from elanus_server.service.properties import check_free, read_properties, shown_properties
from elanus_server.service.records import (
    DEFAULT_KEY_PARTITIONS,
    PROPERTY,
    CollectionRecord,
)
from elanus_server.service.registry import rpc
from elanus_server.service.replication import unimplemented
from elanus_server.service.schema_checks import (
    MAX_FIELDS,
    SYSTEM_FIELDS,
    check_field,
    check_properties,
    check_schema,
    is_vector,
)
from elanus_server.service.snapshots import refuse_pinned
from elanus_server.wire import milvus
from elanus_server.wire import schema as messages

_ZONES = ("timezone", "collection.timezone")
_CHANNEL = "by-dev-rootcoord-dml_0_{number}v0"
# Of fields that a function fills, where the request names none.
_OUTPUT_INDEXES: dict[type, dict[str, str]] = {
    BM25: {"metric_type": "BM25"},
    Embedding: {"metric_type": "COSINE"},
    MinHash: {"index_type": "MINHASH_LSH", "metric_type": "MHJACCARD"},
}


@rpc("CreateCollection")
def create_collection(call: Call, request: Any) -> None:
    handle, database = call.handle_of(request), call.database_of(request)
    name = checked_name(request.collection_name, "collection")
    described = messages.CollectionSchema.FromString(request.schema)
    if not described.fields:
        raise invalid("schema: expected fields, got none")
    check_schema(request, described, call.host.max_vector_fields)
    if described.external_source:
        raise unimplemented("external_source: collections hold their data themselves")
    schema = decode_schema(schema_with_contents(call.host, described))
    if schema.partition_key and described.enable_namespace:
        raise invalid("namespaces and a partition key cannot be used together")
    if not any(f.vector_type.is_vector or f.struct for f in schema.fields):
        raise invalid("schema does not contain vector field")
    numbered = encode_schema(schema, name, database, described)
    properties = {**read_pairs(described.properties), **read_pairs(request.properties)}
    check_free(*properties)
    record = CollectionRecord.made(
        numbered,
        texts=properties,
        consistency=request.consistency_level,
        shards=request.shards_num or 1,
        key_partitions=(request.num_partitions or DEFAULT_KEY_PARTITIONS)
        if schema.partition_key
        else 0,
    )
    types = {field.name: field.dtype for field in schema.fields}
    check_properties(name, properties, types, keyed=schema.partition_key is not None)
    with call.host.changes:
        if name in handle.list_aliases():
            raise MilvusError(
                ALIAS_CONFLICT,
                f"collection name [{name}] conflicts with an existing alias, please choose a "
                f"unique name",
            )
        try:
            handle.create_collection(
                name, schema, properties={**read_properties(properties), PROPERTY: record.to_json()}
            )
        except CollectionExistsError:
            known = Hosted(call.host, database, handle.collection(name))
            if not _is_made_so(known, schema, record, properties):
                raise invalid(
                    f"create duplicate collection with different parameters, collection: {name}"
                ) from None


def _is_made_so(
    hosted: Hosted, schema: Schema, wanted: CollectionRecord, properties: Mapping[str, str]
) -> bool:
    """Tell whether a collection is what one that is made again would be.

    Milvus compares what they are now: a partition or a property that came later is a difference.
    """
    record = hosted.record
    # Partitions of a key, and those of namespaces, come by themselves.
    has_own = not (record.key_partitions or wanted.known_schema.enable_namespace)
    zones = [properties.get(name) for name in _ZONES]
    of_database = hosted.host.database(hosted.database).database_properties().get("timezone")
    zone = schema.timezone or zones[0] or zones[1] or of_database or "UTC"
    # The messages know nothing of indexes: making one sets the metric of a field.
    message = encode_schema(
        schema.with_timezone(zone), hosted.collection.name, hosted.database, wanted.known_schema
    )
    shown, given = [
        {name: text for name, text in one.items() if name not in (*_ZONES, "consistency_level")}
        for one in (shown_properties(hosted), properties)
    ]
    return (
        hosted.known.message == message
        and (hosted.collection.schema.timezone or "UTC") == zone
        and record.shards == wanted.shards
        and record.consistency == wanted.consistency
        and record.key_partitions == wanted.key_partitions
        and (not has_own or hosted.collection.list_partitions() == [DEFAULT_PARTITION])
        and shown == given
    )


@rpc("HasCollection")
def has_collection(call: Call, request: Any) -> Any:
    found = call.handle_of(request).has_collection(request.collection_name)
    if not found:
        checked_name(request.collection_name, "collection")
    return milvus.BoolResponse(value=found)


@rpc("DescribeCollection")
def describe_collection(call: Call, request: Any) -> Any:
    if request.collection_name or not request.collectionID:
        return described(call.hosted(request))
    return described(call.by_number(request.collectionID, request))


@rpc("BatchDescribeCollection")
def batch_describe_collection(call: Call, request: Any) -> Any:
    found = [call.hosted(request, name) for name in request.collection_name]
    found += [call.by_number(number, request) for number in request.collectionID]
    return milvus.BatchDescribeCollectionResponse(responses=[described(one) for one in found])


def described(hosted: Hosted) -> Any:
    """Return what ``DescribeCollection`` says of a collection."""
    record, collection = hosted.record, hosted.collection
    handle = hosted.host.database(hosted.database)
    channel = _CHANNEL.format(number=record.number)
    partitions = record.key_partitions or len(collection.list_partitions())
    return milvus.DescribeCollectionResponse(
        schema=hosted.known.message,
        collectionID=record.number,
        virtual_channel_names=[channel],
        physical_channel_names=[channel.rpartition("_")[0]],
        created_timestamp=record.created,
        created_utc_timestamp=milliseconds(record.created),
        update_timestamp=record.updated,
        update_timestamp_str=str(record.updated),
        shards_num=record.shards,
        aliases=sorted(handle.list_aliases(collection.name)),
        consistency_level=record.consistency,
        collection_name=collection.name,
        db_name=hosted.database,
        num_partitions=partitions,
        properties=write_pairs(shown_properties(hosted)),
        request_time=now(),
    )


@rpc("ShowCollections")
def show_collections(call: Call, request: Any) -> Any:
    handle = call.handle_of(request)
    made = milvus.ShowCollectionsResponse()
    only_loaded = request.type == milvus.ShowType.Value("InMemory")
    guard, database = call.host.guard, call.database_of(request)
    for name in request.collection_names or handle.list_collections():
        if not guard.sees_collection(call.user, database, name):
            continue
        hosted = call.hosted(request, name)
        record = hosted.record
        if only_loaded and not record.is_loaded:
            continue
        made.collection_names.append(name)
        made.collection_ids.append(record.number)
        made.created_timestamps.append(record.created)
        made.created_utc_timestamps.append(milliseconds(record.created))
        made.inMemory_percentages.append(100 if record.is_loaded else 0)
        made.query_service_available.append(record.is_loaded)
        made.shards_num.append(record.shards)
    return made


@rpc("DropCollection")
def drop_collection(call: Call, request: Any) -> None:
    """Drop a collection; one that is not there is no error, as with Milvus."""
    handle, name = call.handle_of(request), request.collection_name
    with call.host.changes:
        aliases = handle.list_aliases()
        if name in aliases:
            raise invalid(f"cannot drop the collection via alias = {name}")
        if name not in handle.list_collections():
            checked_name(name, "collection")
            return
        used = sorted(alias for alias, collection in aliases.items() if collection == name)
        if used:
            raise invalid(
                f"unable to drop the collection [{name}] because it has associated aliases "
                f"[{', '.join(used)}], please remove all aliases before dropping the collection"
            )
        refuse_pinned(call.hosted(request))
        handle.drop_collection(name)
        call.host.collection_moved(call.database_of(request), name, None)


@rpc("TruncateCollection")
def truncate_collection(call: Call, request: Any) -> Any:
    call.hosted(request).collection.truncate()
    return milvus.TruncateCollectionResponse()


@rpc("RenameCollection")
def rename_collection(call: Call, request: Any) -> None:
    handle, new = call.handle_of(request), checked_name(request.newName, "collection")
    target = request.newDBName or call.database_of(request)
    other = call.host.database(target)
    with call.host.changes:
        if new in other.list_aliases():
            raise invalid(f"cannot rename collection to an existing alias: {new}")
        if request.oldName in handle.list_aliases():
            raise invalid(f"unsupported use an alias to rename collection, alias:{request.oldName}")
        if new in other.list_collections():
            raise invalid(f"duplicated new collection name {target}:{new} with other collection")
        try:
            handle.rename_collection(request.oldName, new, database=target)
            call.host.collection_moved(call.database_of(request), request.oldName, (target, new))
        except CollectionNotFoundError:
            call.hosted(request, request.oldName)
            raise


@rpc("GetCollectionStatistics")
def get_collection_statistics(call: Call, request: Any) -> Any:
    rows = call.hosted(request).collection.count()
    return milvus.GetCollectionStatisticsResponse(stats=write_pairs({"row_count": str(rows)}))


@rpc("AddCollectionField")
def add_collection_field(call: Call, request: Any) -> None:
    _add_field(call.hosted(request), messages.FieldSchema.FromString(request.schema))


@rpc("AddCollectionStructField")
def add_collection_struct_field(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    struct = request.struct_array_field_schema
    hosted.collection.add_field(decode_struct(struct))
    kept = hosted.schema()
    kept.struct_array_fields.add().CopyFrom(struct)
    hosted.keep_schema(kept)


@rpc("AlterCollectionSchema")
def alter_collection_schema(call: Call, request: Any) -> Any:
    """Add fields and functions, or drop some, in the order of the request."""
    action = request.action
    kind = action.WhichOneof("op")
    if kind == "add_request":
        _add_fields(call, request)
    elif kind == "drop_request":
        _drop_field(call.hosted(request), action.drop_request)
    else:
        raise invalid("alter schema: expected fields to add or to drop")
    return milvus.AlterCollectionSchemaResponse()


def _add_fields(call: Call, request: Any) -> None:
    wanted = request.action.add_request
    taken = {known.name for known in call.hosted(request).known.message.functions}
    for function in wanted.func_schema:
        if function.name in taken:
            raise invalid(f"function name already exists: {function.name}")
    made_by = dict(found for f in wanted.func_schema if (found := function_of(f)) is not None)
    for info in wanted.field_infos:
        field = info.field_schema
        _add_field(call.hosted(request), field, made_by.get(field.name))
        params = read_pairs(info.extra_params)
        if not params and field.name in made_by:
            params = _OUTPUT_INDEXES[type(made_by[field.name])]
        if params:
            add_index(call.hosted(request), field.name, info.index_name, params)
    if made_by:
        hosted = call.hosted(request)
        kept = hosted.schema()
        others = [f for f in kept.functions if made_by.keys().isdisjoint(f.output_field_names)]
        del kept.functions[:]
        kept.functions.extend([*others, *wanted.func_schema])
        hosted.keep_schema(kept)


def _drop_field(hosted: Hosted, wanted: Any) -> None:
    name = wanted.field_name
    if wanted.field_id:
        numbers = {number: field for field, number in hosted.known.numbers.items()}
        name = numbers.get(wanted.field_id, name)
        if wanted.field_id not in numbers:
            raise invalid(f"field not found with id: {wanted.field_id}")
    if wanted.WhichOneof("identifier") == "function_name":
        function = known_function(hosted, wanted.function_name)
        if not wanted.drop_function_output_fields:
            drop_function(hosted, function)
            return
        name = droppable_output(hosted, function)
    else:
        check_droppable(hosted, name)
    hosted.collection.drop_field(name)
    hosted.change(lambda record: _without_field(record, name))


def _without_field(record: CollectionRecord, name: str) -> CollectionRecord:
    indexes = {n: i for n, i in record.indexes.items() if i.field != name}
    return replace(record, indexes=indexes, updated=now())


def _check_added(hosted: Hosted, message: Any) -> None:
    """Refuse a field that Milvus would not add."""
    name, schema = message.name, hosted.known.message
    parts = [part for struct in schema.struct_array_fields for part in struct.fields]
    known = [*schema.fields, *parts]
    if len(known) >= MAX_FIELDS:
        raise invalid(f"The number of fields has reached the maximum value {MAX_FIELDS}")
    if name in hosted.collection.schema:
        raise invalid(f"duplicate field name: {name}")
    if name in SYSTEM_FIELDS:
        raise invalid(f"not support to add system field, field name = {name}")
    if message.is_primary_key:
        raise invalid(f"not support to add pk field, field name = {name}")
    if message.autoID:
        raise invalid(f"only primary field can speficy AutoID with true, field name = {name}")
    if message.is_partition_key:
        raise invalid(f"not support to add partition key field, field name  = {name}")
    if message.is_clustering_key and any(field.is_clustering_key for field in schema.fields):
        raise invalid(f"already has another clustering key field, field name: {name}")
    most = hosted.host.max_vector_fields
    if is_vector(message) and sum(map(is_vector, known)) >= most:
        raise invalid(f"maximum vector field's number should be limited to {most}")
    check_field(message, hosted.collection.name)


def _add_field(hosted: Hosted, message: Any, made_by: Any = None) -> None:
    _check_added(hosted, message)
    if not message.nullable and made_by is None and not message.HasField("default_value"):
        raise invalid(f"added field must be nullable, please check it, field name = {message.name}")
    whole = schema_with_contents(hosted.host, message)
    hosted.collection.add_field(decode_field(whole, made_by=made_by))
    kept = hosted.record.known_schema if hosted.record.schema else hosted.schema()
    added = kept.fields.add()
    added.CopyFrom(message)
    added.fieldID = Numbers(kept).of(None)
    hosted.keep_schema(kept)
