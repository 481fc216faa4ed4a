"""Indexes of segments, warming them, and calls that tell of the server as a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from elanus import DataType
from elanus_server.failures import INDEX_NOT_FOUND, UNAVAILABLE, MilvusError, invalid
from elanus_server.service.admin import sealed_segments
from elanus_server.service.context import Call, Host, Hosted
from elanus_server.service.jobs import COMPLETED, FAILED, PENDING, RUNNING, Job, Tell
from elanus_server.service.namespaces import namespace_of
from elanus_server.service.registry import rpc
from elanus_server.wire import common, feder, milvus

PREWARM = "prewarm"
_STATES = {PENDING: "Pending", RUNNING: "Warming", COMPLETED: "Completed", FAILED: "Failed"}


def _indexed(call: Call, request: Any) -> Hosted:
    hosted = call.hosted(request)
    if request.index_name not in hosted.record.indexes:
        raise MilvusError(INDEX_NOT_FOUND, f"index not found[index={request.index_name}]")
    return hosted


@rpc("ListIndexedSegment")
def list_indexed_segment(call: Call, request: Any) -> Any:
    numbers = [number for number, _ in sealed_segments(_indexed(call, request))]
    return feder.ListIndexedSegmentResponse(segmentIDs=numbers)


@rpc("DescribeSegmentIndexData")
def describe_segment_index_data(call: Call, request: Any) -> Any:
    """Refuse to show the inside of an index, in Milvus' words: it shows none either."""
    _indexed(call, request)
    raise MilvusError(UNAVAILABLE, "service unavailable: unimp", retriable=True)


@rpc("Prewarm")
def prewarm(call: Call, request: Any) -> Any:
    """Open the indexes of a collection in the background, so that the first search need not."""
    hosted = call.hosted(request)
    hosted.check_loaded()
    schema = hosted.collection.schema
    for name in request.load_fields:
        if name not in schema:
            raise invalid(f"field {name} does not exist")
    namespace = namespace_of(hosted, request) if request.HasField("namespace") else None
    fields = [f.name for f in schema.vector_fields if f.name in (request.load_fields or schema)]
    host = call.host
    job = host.jobs.start(
        PREWARM,
        hosted.database,
        hosted.collection.name,
        {"fields": fields},
        lambda job, tell: run_prewarm(host, job, tell),
    )
    return milvus.PrewarmResponse(taskID=str(job.number), namespace=namespace)


def run_prewarm(host: Host, job: Job, tell: Tell) -> Mapping[str, Any]:
    """Do a job that opens indexes: search each of them once."""
    collection = host.collection(job.database, job.collection)
    names = job.asked["fields"]
    for place, name in enumerate(names):
        tell(progress=100 * place // len(names))
        field = collection.schema.field(name)
        if field.source is not None:
            collection.search("a", name, 1)
        elif field.dtype is DataType.SPARSE_FLOAT_VECTOR:
            collection.search({0: 1.0}, name, 1)
        elif field.dtype is DataType.BINARY_VECTOR:
            collection.search(bytes((field.dim or 8) // 8), name, 1)
        else:
            kind = np.int8 if field.dtype is DataType.INT8_VECTOR else np.float32
            collection.search(np.ones(field.dim or 1, kind), name, 1)
    return {}


@rpc("DescribePrewarmTask")
def describe_prewarm_task(call: Call, request: Any) -> Any:
    number = int(request.taskID) if request.taskID.isdecimal() else 0
    job = call.host.jobs.find(PREWARM, number)
    guard = call.host.guard
    if job is None or not guard.sees_collection(call.user, job.database, job.collection):
        raise invalid(f"prewarm task {request.taskID} not found")
    return milvus.DescribePrewarmTaskResponse(
        taskID=request.taskID,
        state=milvus.PrewarmTaskState.Value(f"PrewarmTaskState{_STATES[job.state]}"),
        progress=job.progress,
        error_message=job.reason,
    )


@rpc("RegisterLink")
def register_link(call: Call, request: Any) -> Any:
    """Say, as a standalone Milvus does, that clients talk to this server itself."""
    return milvus.RegisterLinkResponse(status=common.Status(reason="STANDALONE"))


@rpc("Dummy")
def dummy(call: Call, request: Any) -> Any:
    """Answer as Milvus does to everything but the queries of its own tests."""
    return milvus.DummyResponse(response='{"status": "fail"}')
