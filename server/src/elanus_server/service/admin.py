"""Connections, health, flushes, compaction, and what a server of one process says of itself."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import elanus
from elanus_server.clock import now
from elanus_server.codec.pairs import loose_value
from elanus_server.failures import MilvusError, invalid
from elanus_server.service.context import Call, Host, Hosted
from elanus_server.service.partitions import partition_names, partition_number
from elanus_server.service.registry import rpc
from elanus_server.service.resource_groups import NODE, node_group
from elanus_server.wire import common, milvus

_identifiers = itertools.count(int(time.time() * 1000))


@rpc("Connect")
def connect(call: Call, request: Any) -> Any:
    call.host.database(call.database)
    return milvus.ConnectResponse(
        identifier=next(_identifiers),
        server_info=common.ServerInfo(
            build_tags=Host.version,
            build_time="",
            git_commit=elanus.__version__,
            go_version="",
            deploy_mode="STANDALONE",
        ),
    )


@rpc("GetVersion")
def get_version(call: Call, request: Any) -> Any:
    return milvus.GetVersionResponse(version=Host.version)


@rpc("CheckHealth")
def check_health(call: Call, request: Any) -> Any:
    return milvus.CheckHealthResponse(isHealthy=True)


@rpc("GetComponentStates")
def get_component_states(call: Call, request: Any) -> Any:
    healthy = milvus.ComponentInfo(
        nodeID=NODE, role="standalone", state_code=common.StateCode.Value("Healthy")
    )
    return milvus.ComponentStates(state=healthy, subcomponent_states=[healthy])


@rpc("AllocTimestamp")
def alloc_timestamp(call: Call, request: Any) -> Any:
    return milvus.AllocTimestampResponse(timestamp=now())


@rpc("GetMetrics")
def get_metrics(call: Call, request: Any) -> Any:
    """Answer ``system_info``, which tools ask to learn what there is."""
    asked = loose_value(request.request)
    kind = asked.get("metric_type") if isinstance(asked, dict) else None
    if kind != "system_info":
        raise invalid(f"metric type {kind!r} is not supported; take system_info")
    stats = call.host.root.stats()
    node = {
        "identifier": NODE,
        "connected": None,
        "infos": {
            "has_error": False,
            "error_reason": "",
            "name": "standalone",
            "type": "standalone",
            "id": NODE,
            "system_info": {"system_version": Host.version, "deploy_mode": "STANDALONE"},
            "hardware_infos": {"disk_usage": stats.disk_bytes},
        },
    }
    return milvus.GetMetricsResponse(
        response=json.dumps({"nodes_info": [node]}), component_name="standalone"
    )


@rpc("Flush")
def flush(call: Call, request: Any) -> Any:
    made = milvus.FlushResponse(db_name=call.database_of(request))
    if not request.collection_names:
        raise invalid("collection_names: expected at least one, got none")
    for name in request.collection_names:
        hosted = call.hosted(request, name)
        hosted.collection.flush()
        numbers = [number for number, _ in sealed_segments(hosted)]
        made.coll_segIDs[name].data.extend([])
        made.flush_coll_segIDs[name].data.extend(numbers)
        made.coll_seal_times[name] = int(time.time())
        made.coll_flush_ts[name] = now()
    return made


@rpc("GetFlushState")
def get_flush_state(call: Call, request: Any) -> Any:
    return milvus.GetFlushStateResponse(flushed=True)


@rpc("FlushAll")
def flush_all(call: Call, request: Any) -> Any:
    names = [request.db_name] if request.db_name else call.host.list_databases()
    for name in names:
        handle = call.host.database(name)
        for collection in handle.list_collections():
            handle.collection(collection).flush()
    return milvus.FlushAllResponse(flush_all_ts=now())


@rpc("GetFlushAllState")
def get_flush_all_state(call: Call, request: Any) -> Any:
    return milvus.GetFlushAllStateResponse(flushed=True)


@rpc("ManualCompaction")
def manual_compaction(call: Call, request: Any) -> Any:
    hosted = (
        call.hosted(request)
        if request.collection_name
        else call.by_number(request.collectionID, request)
    )
    hosted.collection.compact()
    return milvus.ManualCompactionResponse(compactionID=now(), compactionPlanCount=1)


@rpc("GetCompactionState")
def get_compaction_state(call: Call, request: Any) -> Any:
    """A compaction is over when ``ManualCompaction`` returns."""
    return milvus.GetCompactionStateResponse(
        state=common.CompactionState.Value("Completed"), completedPlanNo=1
    )


@rpc("GetCompactionStateWithPlans")
def get_compaction_state_with_plans(call: Call, request: Any) -> Any:
    return milvus.GetCompactionPlansResponse(state=common.CompactionState.Value("Completed"))


def sealed_segments(hosted: Hosted) -> list[tuple[int, Any]]:
    """Return the sealed segments and a number for each."""
    found = [s for s in hosted.collection.stats().segments if s.name.startswith("segment ")]
    return [(int(segment.name.split()[1], 16) + 1, segment) for segment in found]


@rpc("GetPersistentSegmentInfo")
def get_persistent_segment_info(call: Call, request: Any) -> Any:
    hosted = call.hosted(request, request.collectionName)
    number = hosted.record.number
    partition = partition_number(number, partition_names(hosted)[0])
    return milvus.GetPersistentSegmentInfoResponse(
        infos=[
            milvus.PersistentSegmentInfo(
                segmentID=segment_number,
                collectionID=number,
                partitionID=partition,
                num_rows=segment.rows,
                state=common.SegmentState.Value("Flushed"),
                level=common.SegmentLevel.Value("L1"),
            )
            for segment_number, segment in sealed_segments(hosted)
        ]
    )


@rpc("GetQuerySegmentInfo")
def get_query_segment_info(call: Call, request: Any) -> Any:
    hosted = call.hosted(request, request.collectionName)
    if not hosted.record.is_loaded:
        return milvus.GetQuerySegmentInfoResponse()  # No node has its segments.
    number = hosted.record.number
    partition = partition_number(number, partition_names(hosted)[0])
    names = sorted(hosted.record.indexes)
    return milvus.GetQuerySegmentInfoResponse(
        infos=[
            milvus.QuerySegmentInfo(
                segmentID=segment_number,
                collectionID=number,
                partitionID=partition,
                num_rows=segment.rows,
                mem_size=segment.size_bytes,
                index_name=names[0] if names else "",
                state=common.SegmentState.Value("Sealed"),
                nodeID=NODE,
                nodeIds=[NODE],
                level=common.SegmentLevel.Value("L1"),
            )
            for segment_number, segment in sealed_segments(hosted)
        ]
    )


@rpc("GetReplicas")
def get_replicas(call: Call, request: Any) -> Any:
    hosted = (
        call.hosted(request)
        if request.collection_name
        else call.by_number(request.collectionID, request)
    )
    if not hosted.record.is_loaded:
        raise MilvusError(400, f"replica not found[collection={hosted.collection.name}]")
    number = hosted.record.number
    return milvus.GetReplicasResponse(
        replicas=[
            milvus.ReplicaInfo(
                replicaID=number + 1,
                collectionID=number,
                partition_ids=[partition_number(number, n) for n in partition_names(hosted)],
                node_ids=[NODE],
                resource_group_name=node_group(call.host),
                shard_replicas=[
                    milvus.ShardReplica(leaderID=NODE, node_ids=[NODE], dm_channel_name="0")
                ],
            )
        ]
    )
