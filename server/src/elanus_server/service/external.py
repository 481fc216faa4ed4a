"""Data that lies elsewhere: external collections, and snapshots in object stores.

Everything that a server of elanus has is in its folder, so these answer that there is nothing of
the kind, or that it cannot be done.
"""

from __future__ import annotations

from typing import Any

from elanus_server.failures import invalid
from elanus_server.service.context import Call, checked_name
from elanus_server.service.registry import rpc
from elanus_server.service.replication import unimplemented
from elanus_server.service.snapshots import snapshot_of
from elanus_server.wire import milvus


@rpc("ExportSnapshot")
def export_snapshot(call: Call, request: Any) -> Any:
    snapshot_of(call, request)
    raise unimplemented("export snapshot: snapshots stay in the folder; use elanus backup")


@rpc("GetExportSnapshotState")
def get_export_snapshot_state(call: Call, request: Any) -> Any:
    raise invalid(f"export job {request.job_id} not found")


@rpc("RestoreExternalSnapshot")
def restore_external_snapshot(call: Call, request: Any) -> Any:
    call.handle_of(request)
    checked_name(request.target_collection_name, "collection")
    raise unimplemented("restore external snapshot: only snapshots of the folder can be restored")


@rpc("RefreshExternalCollection")
def refresh_external_collection(call: Call, request: Any) -> Any:
    name = call.hosted(request).collection.name
    raise invalid(f"collection {name} is not an external collection")


@rpc("GetRefreshExternalCollectionProgress")
def get_refresh_external_collection_progress(call: Call, request: Any) -> Any:
    raise invalid(f"refresh job {request.job_id} not found")


@rpc("ListRefreshExternalCollectionJobs")
def list_refresh_external_collection_jobs(call: Call, request: Any) -> Any:
    """List nothing: no collection is external."""
    if request.collection_name:
        call.hosted(request)
    return milvus.ListRefreshExternalCollectionJobsResponse()


@rpc("BatchUpdateManifest")
def batch_update_manifest(call: Call, request: Any) -> None:
    call.hosted(request)
    raise unimplemented("batch update manifest: only the server itself changes its segments")
