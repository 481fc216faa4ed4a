"""Data that lies elsewhere: external collections, and snapshots in object stores.

Everything that a server of elanus has is in its folder, so these answer that there is nothing of
the kind, or that it cannot be done.
"""

from __future__ import annotations

from typing import Any

from elanus_server.failures import MISSING_PARAMETER, MilvusError, invalid
from elanus_server.service.context import Call
from elanus_server.service.names import checked_name
from elanus_server.service.registry import rpc
from elanus_server.service.replication import unimplemented
from elanus_server.service.snapshots import snapshot_of
from elanus_server.wire import milvus


@rpc("ExportSnapshot")
def export_snapshot(call: Call, request: Any) -> Any:
    checked_name(request.name, "snapshot")
    for name in ("collection_name", "target_s3_path"):
        if not getattr(request, name):
            raise invalid(f"{name} is required for export snapshot")
    snapshot_of(call, request)
    raise unimplemented("export snapshot: snapshots stay in the folder; use elanus backup")


@rpc("GetExportSnapshotState")
def get_export_snapshot_state(call: Call, request: Any) -> Any:
    raise invalid(f"export job {request.job_id} not found")


@rpc("RestoreExternalSnapshot")
def restore_external_snapshot(call: Call, request: Any) -> Any:
    if not request.snapshot_metadata_uri:
        raise invalid("snapshot_metadata_uri is required for restore external snapshot")
    call.handle_of(request)
    checked_name(request.target_collection_name, "collection")
    raise unimplemented("restore external snapshot: only snapshots of the folder can be restored")


@rpc("RefreshExternalCollection")
def refresh_external_collection(call: Call, request: Any) -> Any:
    checked_name(request.collection_name, "collection")
    source, spec = request.external_source, request.external_spec
    if bool(source) != bool(spec):
        raise invalid(
            f"external_source and external_spec must be both provided or both omitted on refresh "
            f'(got source="{source}", spec="{spec}")'
        )
    raise _not_external(call, request)


def _not_external(call: Call, request: Any) -> MilvusError:
    call.hosted(request)  # one that is not there is another error
    return invalid(f"collection {request.collection_name} is not an external collection")


@rpc("GetRefreshExternalCollectionProgress")
def get_refresh_external_collection_progress(call: Call, request: Any) -> Any:
    if not request.job_id:
        raise MilvusError(MISSING_PARAMETER, "job_id is required: missing parameter")
    raise invalid(f"refresh job {request.job_id} not found")


@rpc("ListRefreshExternalCollectionJobs")
def list_refresh_external_collection_jobs(call: Call, request: Any) -> Any:
    """List nothing: no collection is external, and so is none that is asked for by name."""
    if request.collection_name:
        raise _not_external(call, request)
    return milvus.ListRefreshExternalCollectionJobsResponse()


@rpc("BatchUpdateManifest")
def batch_update_manifest(call: Call, request: Any) -> None:
    if not request.collection_name:
        raise invalid("collection name is empty")
    if not request.items:
        raise invalid("items is empty")
    call.hosted(request)
    raise unimplemented("batch update manifest: only the server itself changes its segments")
