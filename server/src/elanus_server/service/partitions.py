"""Partitions, and what is loaded."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from elanus.errors import AlreadyExistsError
from elanus_server.codec.pairs import write_pairs
from elanus_server.failures import (
    INDEX_NOT_FOUND,
    PARTITION_NOT_FOUND,
    MilvusError,
    invalid,
)
from elanus_server.service.context import Call, Hosted
from elanus_server.service.key_partitions import rows_of_key_partition
from elanus_server.service.names import checked_partition
from elanus_server.service.registry import rpc
from elanus_server.service.schema_checks import MAX_PARTITIONS
from elanus_server.wire import common, milvus

DEFAULT_PARTITION = "_default"


def partition_names(hosted: Hosted) -> list[str]:
    """Return the names of the partitions as Milvus shows them."""
    count = hosted.record.key_partitions
    if count:
        return [f"{DEFAULT_PARTITION}_{number}" for number in range(count)]
    return hosted.collection.list_partitions()


def check_partitions(hosted: Hosted, names: Iterable[str], *, reads: bool = False) -> list[str]:
    """Return names of partitions of a collection.

    Args:
        hosted: The collection.
        names: As given.
        reads: They are searched or queried: Milvus has other words for what is not there then.

    Raises:
        MilvusError: One does not exist, or the collection chooses partitions by its key.
    """
    wanted = list(names)
    if wanted and hosted.record.key_partitions:
        raise invalid(
            "not support manually specifying the partition names if partition key mode is used"
        )
    known = hosted.collection.list_partitions() if wanted else []
    for name in wanted:
        if name not in known:
            checked_partition(name.strip())
            if reads:
                raise invalid(f"partition name {name} not found")
            raise MilvusError(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
    return wanted


def _refuse_keyed(hosted: Hosted, what: str) -> None:
    if hosted.record.key_partitions:
        raise invalid(f"disable {what} if partition key mode is used")


@rpc("CreatePartition")
def create_partition(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    _refuse_keyed(hosted, "create partition")
    name = checked_partition(request.partition_name)
    count = len(hosted.collection.list_partitions())
    if count >= MAX_PARTITIONS and not hosted.collection.has_partition(name):
        raise invalid(
            f"partition number ({count}) exceeds max configuration ({MAX_PARTITIONS}), "
            f"collection: {hosted.collection.name}"
        )
    try:
        hosted.collection.create_partition(name)
    except AlreadyExistsError:
        return  # making it again is no error, as with Milvus
    if hosted.record.unloaded:
        # Where single partitions are loaded, new ones are not.
        hosted.change(lambda known: replace(known, unloaded=known.unloaded | {name}))


@rpc("DropPartition")
def drop_partition(call: Call, request: Any) -> None:
    hosted, name = call.hosted(request), request.partition_name
    _refuse_keyed(hosted, "drop partition")
    checked_partition(name)
    if name == DEFAULT_PARTITION:
        raise invalid("default partition cannot be deleted")
    if name not in hosted.collection.list_partitions():
        return
    record = hosted.record
    if record.is_loaded and name not in record.unloaded:
        raise invalid("partition cannot be dropped, partition is loaded, please release it first")
    hosted.collection.drop_partition(name)
    hosted.change(lambda known: replace(known, unloaded=known.unloaded - {name}))


@rpc("HasPartition")
def has_partition(call: Call, request: Any) -> Any:
    found = request.partition_name in partition_names(call.hosted(request))
    if not found:
        checked_partition(request.partition_name)
    return milvus.BoolResponse(value=found)


@rpc("ShowPartitions")
def show_partitions(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    record = hosted.record
    made = milvus.ShowPartitionsResponse()
    for name in partition_names(hosted):
        if request.partition_names and name not in request.partition_names:
            continue
        is_loaded = record.is_loaded and name not in record.unloaded
        made.partition_names.append(name)
        made.partitionIDs.append(partition_number(record.number, name))
        made.created_timestamps.append(record.created)
        made.created_utc_timestamps.append(record.created >> 18)
        made.inMemory_percentages.append(100 if is_loaded else 0)
    return made


def partition_number(collection: int, name: str) -> int:
    """Return the number of a partition."""
    return collection + zlib.crc32(name.encode()) + 1


@rpc("GetPartitionStatistics")
def get_partition_statistics(call: Call, request: Any) -> Any:
    hosted, name = call.hosted(request), request.partition_name
    names = partition_names(hosted)
    if name not in names:
        raise MilvusError(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
    if hosted.record.key_partitions:
        rows = rows_of_key_partition(hosted, names.index(name))
    else:
        rows = hosted.collection.count(partitions=name)
    return milvus.GetPartitionStatisticsResponse(stats=write_pairs({"row_count": str(rows)}))


@rpc("LoadCollection")
def load_collection(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    _check_load_fields(hosted, request.load_fields)
    _check_indexed(hosted)
    if not hosted.record.is_loaded or hosted.record.unloaded:
        hosted.change(lambda known: replace(known, is_loaded=True, unloaded=frozenset()))
    hosted.collection.load()


def _check_load_fields(hosted: Hosted, names: Iterable[str]) -> None:
    """Refuse a choice of fields without which nothing can be searched; it is a hint otherwise."""
    wanted, schema = list(names), hosted.collection.schema
    if not wanted:
        return
    for name in wanted:
        if name not in schema:
            raise invalid(f"failed to get field schema by name: fieldName({name}) not found")
    told = f"load field list [{' '.join(wanted)}] does not contain"
    if schema.primary.name not in wanted:
        raise invalid(f"{told} primary key field {schema.primary.name}")
    for field in schema.fields:
        if (field.partition_key or field.clustering_key) and field.name not in wanted:
            what = "partition" if field.partition_key else "clustering"
            raise invalid(f"{told} {what} key field {field.name}")
    if not any(schema.field(name).vector_type.is_vector for name in wanted):
        raise invalid(f"{told} vector field")


def _check_indexed(hosted: Hosted) -> None:
    """Refuse to load what has a vector field without an index, as Milvus does."""
    record = hosted.record
    targets = {index.target for index in record.indexes.values()}
    vectors = [f.name for f in hosted.collection.schema.fields if f.dtype.is_vector]
    lists = [f.name for f in hosted.collection.schema.vector_lists]
    missing = [name for name in (*vectors, *lists) if name not in targets]
    if missing:
        raise MilvusError(
            INDEX_NOT_FOUND,
            f"there is no vector index on field: [{' '.join(missing)}], please create index "
            f"firstly: index not found[collection={hosted.collection.name}]",
        )


@rpc("ReleaseCollection")
def release_collection(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    if hosted.record.is_loaded:
        hosted.change(lambda known: replace(known, is_loaded=False, unloaded=frozenset()))
    hosted.collection.release()


@rpc("LoadPartitions")
def load_partitions(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    _refuse_keyed(hosted, "load partitions")
    wanted = set(check_partitions(hosted, request.partition_names))
    if not wanted:
        raise invalid("due to no partition specified")
    _check_load_fields(hosted, request.load_fields)
    _check_indexed(hosted)
    record = hosted.record
    others = record.unloaded if record.is_loaded else frozenset(partition_names(hosted))
    left = others - wanted
    hosted.change(lambda known: replace(known, is_loaded=True, unloaded=left))
    hosted.collection.load()


@rpc("ReleasePartitions")
def release_partitions(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    _refuse_keyed(hosted, "release partitions")
    gone = hosted.record.unloaded | set(check_partitions(hosted, request.partition_names))
    left = set(partition_names(hosted)) - gone
    if left:
        hosted.change(lambda known: replace(known, unloaded=frozenset(gone)))
    else:
        hosted.change(lambda known: replace(known, is_loaded=False, unloaded=frozenset()))


@rpc("GetLoadingProgress")
def get_loading_progress(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    hosted.check_loaded(list(request.partition_names))
    return milvus.GetLoadingProgressResponse(progress=100, refresh_progress=100)


@rpc("GetLoadState")
def get_load_state(call: Call, request: Any) -> Any:
    if not call.handle_of(request).has_collection(request.collection_name):
        return milvus.GetLoadStateResponse(state=common.LoadState.Value("LoadStateNotExist"))
    hosted = call.hosted(request)
    record, wanted = hosted.record, set(request.partition_names)
    for name in wanted.difference(partition_names(hosted)):
        raise MilvusError(PARTITION_NOT_FOUND, f"partition not found[partition={name}]")
    is_loaded = record.is_loaded and not (record.unloaded & wanted)
    name = "LoadStateLoaded" if is_loaded else "LoadStateNotLoad"
    return milvus.GetLoadStateResponse(state=common.LoadState.Value(name))
