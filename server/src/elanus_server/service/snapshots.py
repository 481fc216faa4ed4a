"""Snapshots of collections, what pins them, and collections that are restored from them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from elanus import Database
from elanus.errors import (
    AlreadyExistsError,
    CollectionExistsError,
    CollectionNotFoundError,
    NotFoundError,
)
from elanus_server.clock import LOGICAL_BITS, now
from elanus_server.failures import (
    MISSING_PARAMETER,
    UNEXPECTED,
    MilvusError,
    collection_not_found,
    invalid,
)
from elanus_server.security.policies import PROPERTY as ROW_POLICIES
from elanus_server.service.context import Call, Host, Hosted
from elanus_server.service.jobs import COMPLETED, FAILED, PENDING, RUNNING, Job, Tell
from elanus_server.service.names import checked_name
from elanus_server.service.records import PROPERTY, CollectionRecord
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

SNAPSHOT_NOT_FOUND = 2600
RESTORE = "restore"
_PINS = "pins"
_DAY_S = 24 * 3600
_MAX_PIN_S = 30 * _DAY_S
_MAX_PROTECTION_S = 7 * _DAY_S
_STATES = {
    PENDING: "RestoreSnapshotPending",
    RUNNING: "RestoreSnapshotExecuting",
    COMPLETED: "RestoreSnapshotCompleted",
    FAILED: "RestoreSnapshotFailed",
}


def snapshot_of(call: Call, request: Any) -> tuple[Hosted, str]:
    """Return the collection and the name of the snapshot that a request means.

    Raises:
        MilvusError: No such collection or snapshot, or one of the names is missing.
    """
    name = checked_name(request.name, "snapshot")
    if not request.collection_name:
        raise MilvusError(MISSING_PARAMETER, "collection_name is required: missing parameter")
    hosted = call.hosted(request)
    if name not in snapshots_of(hosted):
        raise MilvusError(SNAPSHOT_NOT_FOUND, f"snapshot not found[snapshot={name}]")
    return hosted, name


def snapshots_of(hosted: Hosted) -> Mapping[str, Any]:
    """Return the snapshots of a collection by name."""
    handle = hosted.host.database(hosted.database)
    return handle.list_snapshots(hosted.collection.name)


@rpc("CreateSnapshot")
def create_snapshot(call: Call, request: Any) -> None:
    name = checked_name(request.name, "snapshot")
    seconds = request.compaction_protection_seconds
    # Files of a snapshot stay until it is dropped, whatever is merged.
    if seconds < 0:
        raise invalid("compaction_protection_seconds must be non-negative")
    if seconds > _MAX_PROTECTION_S:
        raise invalid(f"compaction_protection_seconds must not exceed {_MAX_PROTECTION_S}")
    hosted = call.hosted(request)
    handle = call.handle_of(request)
    try:
        handle.snapshot(name, collection=hosted.collection.name, description=request.description)
    except AlreadyExistsError:
        raise invalid(f"snapshot name {name} already exists") from None


@rpc("DropSnapshot")
def drop_snapshot(call: Call, request: Any) -> None:
    hosted, name = snapshot_of(call, request)
    with call.host.changes:
        refuse_pinned(hosted, name)
        call.handle_of(request).drop_snapshot(name, collection=hosted.collection.name)


@rpc("ListSnapshots")
def list_snapshots(call: Call, request: Any) -> Any:
    if request.collection_name:
        return milvus.ListSnapshotsResponse(snapshots=sorted(snapshots_of(call.hosted(request))))
    database, handle = call.database_of(request), call.handle_of(request)
    found: list[str] = []
    for name in handle.list_collections():
        if call.host.guard.sees_collection(call.user, database, name):
            found += handle.list_snapshots(name)
    return milvus.ListSnapshotsResponse(snapshots=sorted(found))


@rpc("DescribeSnapshot")
def describe_snapshot(call: Call, request: Any) -> Any:
    hosted, name = snapshot_of(call, request)
    found = snapshots_of(hosted)[name]
    state = call.handle_of(request).describe_snapshot(name, hosted.collection.name)
    created = int(datetime.fromisoformat(found.created).timestamp() * 1000) << LOGICAL_BITS
    return milvus.DescribeSnapshotResponse(
        name=name,
        description=found.description,
        collection_name=hosted.collection.name,
        partition_names=state.partitions,
        create_ts=created,
    )


# --- restoring --------------------------------------------------------------------------------


@rpc("RestoreSnapshot")
def restore_snapshot(call: Call, request: Any) -> Any:
    hosted, name = snapshot_of(call, request)
    target = request.target_collection_name
    if not target:
        raise MilvusError(
            MISSING_PARAMETER, "target_collection_name is required: missing parameter"
        )
    database = request.target_db_name or call.database_of(request)
    handle = call.host.database(database)
    if handle.has_collection(checked_name(target, "collection")):
        raise _duplicate(database, target)
    asked = {
        "snapshot": name,
        "database": hosted.database,
        "collection": hosted.collection.name,
        # The new collection has it: after a restart it tells whether this job made it.
        "number": now(),
    }
    host = call.host
    job = host.jobs.start(
        RESTORE, database, target, asked, lambda job, tell: run_restore(host, job, tell)
    )
    return milvus.RestoreSnapshotResponse(job_id=job.number)


def run_restore(host: Host, job: Job, tell: Tell) -> Mapping[str, Any]:
    """Do a job that restores a collection; once more if a server was ended meanwhile."""
    asked = job.asked
    with suppress(NotFoundError):
        made = Hosted(host, job.database, host.collection(job.database, job.collection))
        if made.record.number == asked["number"]:
            return {}
    handle = host.database(asked["database"])
    state = handle.describe_snapshot(asked["snapshot"], asked["collection"])
    properties = restored_properties(handle, asked["collection"], state, asked["number"])
    try:
        handle.restore_snapshot(
            asked["snapshot"],
            asked["collection"],
            job.collection,
            database=job.database,
            properties=properties,
        )
    except CollectionExistsError:
        raise _duplicate(job.database, job.collection) from None
    return {}


def restored_properties(
    handle: Database, collection: str, state: Any, number: int
) -> dict[str, Any]:
    """Return what makes a restored collection another one for Milvus' clients, not loaded yet, with
    the row policies of now: who may not see a row may not see it in a copy, either.

    Args:
        handle: Database of the collection that the snapshot is of.
        collection: Its name.
        state: What the collection was in the snapshot.
        number: Of the new collection.
    """
    made: dict[str, Any] = {}
    policies = state.properties.get(ROW_POLICIES)
    with suppress(CollectionNotFoundError):
        policies = handle.collection(collection).properties.get(ROW_POLICIES) or policies
    if policies is not None:
        made[ROW_POLICIES] = policies
    stored = state.properties.get(PROPERTY)
    if stored is None:
        return made
    record = replace(
        CollectionRecord.from_json(stored),
        number=number,
        created=now(),
        updated=now(),
        is_loaded=False,
        unloaded=frozenset(),
    )
    return {**made, PROPERTY: record.to_json()}


def _duplicate(database: str, name: str) -> MilvusError:
    return MilvusError(
        UNEXPECTED, f"duplicate collection: {name} exists already in database {database}"
    )


@rpc("GetRestoreSnapshotState")
def get_restore_snapshot_state(call: Call, request: Any) -> Any:
    job = call.host.jobs.find(RESTORE, request.job_id)
    if job is None or not _sees(call, job):
        raise invalid(f"restore job {request.job_id} not found")
    return milvus.GetRestoreSnapshotStateResponse(info=_shown(job))


@rpc("ListRestoreSnapshotJobs")
def list_restore_snapshot_jobs(call: Call, request: Any) -> Any:
    jobs = [job for job in call.host.jobs.all(RESTORE) if _sees(call, job)]
    if request.db_name:
        call.handle_of(request)
        jobs = [job for job in jobs if job.database == request.db_name]
    if request.collection_name:
        jobs = [job for job in jobs if job.collection == request.collection_name]
        if not jobs and not call.handle_of(request).has_collection(request.collection_name):
            raise collection_not_found(call.database_of(request), request.collection_name)
    return milvus.ListRestoreSnapshotJobsResponse(jobs=[_shown(job) for job in jobs])


def _sees(call: Call, job: Job) -> bool:
    return call.host.guard.sees_collection(call.user, job.database, job.collection)


def _shown(job: Job) -> Any:
    return milvus.RestoreSnapshotInfo(
        job_id=job.number,
        snapshot_name=job.asked["snapshot"],
        db_name=job.database,
        collection_name=job.collection,
        state=milvus.RestoreSnapshotState.Value(_STATES[job.state]),
        progress=job.progress,
        reason=job.reason,
        start_time=job.started,
        time_cost=max(0, job.ended - job.started) if job.has_ended else 0,
    )


# --- pins -------------------------------------------------------------------------------------


@rpc("PinSnapshotData")
def pin_snapshot_data(call: Call, request: Any) -> Any:
    hosted, name = snapshot_of(call, request)
    seconds = request.ttl_seconds
    if seconds < 0:
        raise invalid("ttl_seconds must be non-negative")
    if seconds > _MAX_PIN_S:
        raise invalid(f"ttl_seconds exceeds maximum of {_MAX_PIN_S} (30 days)")
    pin = {
        "id": now(),
        "collection": hosted.record.number,
        "snapshot": name,
        "until": int(time.time()) + (seconds or _DAY_S),
    }
    with call.host.changes:
        call.host.kept.change(_PINS, [], lambda pins: [*_active(pins), pin])
    return milvus.PinSnapshotDataResponse(pin_id=pin["id"])


@rpc("UnpinSnapshotData")
def unpin_snapshot_data(call: Call, request: Any) -> None:
    """Give up a pin; one that has ended by itself is no error."""
    if not request.pin_id:
        raise MilvusError(MISSING_PARAMETER, "pin_id is required: missing parameter")
    call.host.kept.change(
        _PINS, [], lambda pins: [p for p in _active(pins) if p["id"] != request.pin_id]
    )


def refuse_pinned(hosted: Hosted, name: str | None = None) -> None:
    """Refuse to drop what somebody is copying: a snapshot, or all of a collection.

    Raises:
        MilvusError: A snapshot is pinned.
    """
    number = hosted.record.number
    for pin in _active(hosted.host.kept.read(_PINS, [])):
        if pin["collection"] == number and name in (None, pin["snapshot"]):
            raise invalid(
                f"snapshot {pin['snapshot']} is pinned (pin_id {pin['id']}), unpin it first"
            )


def _active(pins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    moment = time.time()
    return [pin for pin in pins if pin["until"] > moment]
