"""Routes of jobs, resource groups and what else an operator asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from elanus_server.codec.pairs import read_integer, read_pairs
from elanus_server.rest.exchange import COLLECTION, Exchange, forward, route
from elanus_server.rest.parameters import Parameter, not_json
from elanus_server.rest.schemas import texts
from elanus_server.wire import common, milvus

_COLLECTION = Parameter("collectionName", field="collection_name")
_JOB = Parameter("jobId", required=True)
_GROUP = Parameter("name", field="resource_group", required=True)
_RESOURCE = Parameter("name", field="name", required=True)
_SNAPSHOT = Parameter("snapshotName", field="name", required=True)


def _number(text: str) -> int:
    return read_integer("jobId", text)


@route(
    "jobs/import/create",
    "Import files",
    "Import",
    COLLECTION,
    Parameter("partitionName", field="partition_name"),
    Parameter("files", "files", required=True),
    Parameter("options", "object", default={}),
)
def create_import(exchange: Exchange) -> Any:
    files = [path for group in exchange.values["files"] for path in group]
    options = texts(exchange.values["options"])
    done = exchange.ask("Import", **exchange.filled(), files=files, options=options)
    return {"jobId": ",".join(str(task) for task in done.tasks)}


_IMPORT_STATES = {
    "ImportPending": "Pending",
    "ImportFailed": "Failed",
    "ImportCompleted": "Completed",
}


def _moment(milliseconds: int) -> str:
    """Return a moment as ISO 8601 in UTC; an empty text for 0."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _shown_job(task: Any) -> dict[str, Any]:
    infos = read_pairs(task.infos)
    made = {
        "jobId": str(task.id),
        "collectionName": infos.get("collection", ""),
        "state": _IMPORT_STATES.get(common.ImportState.Name(task.state), "Importing"),
        "progress": int(infos.get("progress_percent", "0")),
        "importedRows": task.row_count,
        "totalRows": task.row_count,
        "completeTime": _moment(int(infos.get("complete_time", "0"))),
    }
    reason = infos.get("failed_reason", "")
    return made | ({"reason": reason} if reason else {})


forward(
    "jobs/import/list",
    "List the imports",
    "ListImportTasks",
    _COLLECTION,
    shape=lambda response: {"records": [_shown_job(task) for task in response.tasks]},
)


@route("jobs/import/get_progress", "Say how far an import is", "GetImportState", _JOB)
@route("jobs/import/describe", "Say how far an import is", "GetImportState", _JOB)
def describe_import(exchange: Exchange) -> Any:
    task = _number(exchange.values["jobId"])
    return _shown_job(exchange.ask("GetImportState", task=task))


# Milvus answers these two by calls between its own parts, which are not in the protocol.
forward("jobs/import/commit", "Make an import visible", "CommitImport", _JOB)
forward("jobs/import/abort", "Give an import up", "AbortImport", _JOB)


forward(
    "snapshots/create",
    "Keep what a collection is at this moment",
    "CreateSnapshot",
    COLLECTION,
    _SNAPSHOT,
    Parameter("description", field="description"),
    Parameter("compactionProtectionSeconds", "long", field="compaction_protection_seconds"),
)
forward("snapshots/drop", "Drop a snapshot", "DropSnapshot", COLLECTION, _SNAPSHOT)
forward(
    "snapshots/list",
    "List the snapshots of a database or a collection",
    "ListSnapshots",
    _COLLECTION,
    shape=lambda response: list(response.snapshots),
)


@route("snapshots/describe", "Describe a snapshot", "DescribeSnapshot", COLLECTION, _SNAPSHOT)
def describe_snapshot(exchange: Exchange) -> Any:
    found = exchange.ask("DescribeSnapshot", **exchange.filled())
    return {
        "snapshotName": found.name,
        "description": found.description,
        "collectionName": found.collection_name,
        "partitionNames": list(found.partition_names),
        "createTs": exchange.number(found.create_ts),
        "s3Location": found.s3_location,
    }


def _shown_restore(info: Any) -> dict[str, Any]:
    return {
        "jobId": str(info.job_id),
        "snapshotName": info.snapshot_name,
        "dbName": info.db_name,
        "collectionName": info.collection_name,
        "state": milvus.RestoreSnapshotState.Name(info.state),
        "progress": info.progress,
        "reason": info.reason,
        "startTime": info.start_time,
        "timeCost": info.time_cost,
    }


@route("jobs/snapshot/describe", "Say how far a restore is", "GetRestoreSnapshotState", _JOB)
def describe_restore(exchange: Exchange) -> Any:
    number = _number(exchange.values["jobId"])
    return _shown_restore(exchange.ask("GetRestoreSnapshotState", job_id=number).info)


forward(
    "jobs/snapshot/list",
    "List the restores",
    "ListRestoreSnapshotJobs",
    _COLLECTION,
    shape=lambda response: {"records": [_shown_restore(job) for job in response.jobs]},
)
forward(
    "jobs/snapshot/export",
    "Copy a snapshot elsewhere",
    "ExportSnapshot",
    COLLECTION,
    _SNAPSHOT,
    Parameter("targetS3Path", field="target_s3_path", required=True),
    Parameter("externalSpec", field="external_spec"),
    shape=lambda response: {"snapshotMetadataURI": response.snapshot_metadata_uri},
)
forward(
    "jobs/snapshot/restore_external",
    "Restore a snapshot from elsewhere",
    "RestoreExternalSnapshot",
    Parameter("targetCollectionName", field="target_collection_name", required=True),
    Parameter("snapshotMetadataURI", field="snapshot_metadata_uri", required=True),
    Parameter("externalSpec", field="external_spec"),
    shape=lambda response: {"jobId": str(response.job_id)},
)
forward(
    "jobs/external_collection/refresh",
    "Read an external collection anew",
    "RefreshExternalCollection",
    COLLECTION,
    Parameter("externalSource", field="external_source"),
    Parameter("externalSpec", field="external_spec"),
    shape=lambda response: {"jobId": str(response.job_id)},
)


def _shown_refresh(job: Any) -> dict[str, Any]:
    return {
        "jobId": str(job.job_id),
        "collectionName": job.collection_name,
        "progress": job.progress,
        "reason": job.reason,
    }


forward(
    "jobs/external_collection/list",
    "List the refreshes of external collections",
    "ListRefreshExternalCollectionJobs",
    _COLLECTION,
    shape=lambda response: {"records": [_shown_refresh(job) for job in response.jobs]},
)


@route(
    "jobs/external_collection/describe",
    "Say how far a refresh of an external collection is",
    "GetRefreshExternalCollectionProgress",
    Parameter("jobId", "long", required=True),
)
def describe_refresh(exchange: Exchange) -> Any:
    number = exchange.values["jobId"]
    found = exchange.ask("GetRefreshExternalCollectionProgress", job_id=number)
    return _shown_refresh(found.job_info)


forward(
    "resource_groups/list",
    "List the resource groups",
    "ListResourceGroups",
    shape=lambda response: list(response.resource_groups),
)
forward("resource_groups/drop", "Drop a resource group", "DropResourceGroup", _GROUP)
forward(
    "resource_groups/describe",
    "Describe a resource group",
    "DescribeResourceGroup",
    _GROUP,
    shape=lambda response: {
        "name": response.resource_group.name,
        "capacity": response.resource_group.capacity,
        "num_available_node": response.resource_group.num_available_node,
        "num_loaded_replica": dict(response.resource_group.num_loaded_replica),
        "num_outgoing_node": dict(response.resource_group.num_outgoing_node),
        "num_incoming_node": dict(response.resource_group.num_incoming_node),
    },
)
forward(
    "resource_groups/transfer_replica",
    "Move replicas to another resource group",
    "TransferReplica",
    COLLECTION,
    Parameter("sourceRgName", field="source_resource_group", required=True),
    Parameter("targetRgName", field="target_resource_group", required=True),
    Parameter("replicaNum", "long", field="num_replica", required=True),
)


def _config(given: Any, where: str) -> dict[str, Any]:
    """Return what a resource group is to hold, as fields of its message."""
    made: dict[str, Any] = {}
    for name in ("requests", "limits"):
        limit = given.get(name) or {}
        number = limit.get("node_num", 0) if isinstance(limit, dict) else None
        if type(number) is not int or not 0 <= number < 2**31:
            raise not_json(f"{where}.{name}.node_num: expected a whole number, got {number!r}")
        made[name] = {"node_num": number}
    return made


@route(
    "resource_groups/create",
    "Make a resource group",
    "CreateResourceGroup",
    _GROUP,
    Parameter("config", "object", default={}),
)
def create_group(exchange: Exchange) -> Any:
    config = _config(exchange.values["config"], "config")
    exchange.ask("CreateResourceGroup", **exchange.filled(), config=config)
    return {}


@route(
    "resource_groups/alter",
    "Change resource groups",
    "UpdateResourceGroups",
    Parameter("resource_groups", "object", required=True),
)
def alter_groups(exchange: Exchange) -> Any:
    groups = {}
    for name, given in exchange.values["resource_groups"].items():
        if not isinstance(given, dict):
            raise not_json(f"resource_groups.{name}: expected an object, got {given!r}")
        groups[name] = _config(given, f"resource_groups.{name}")
    exchange.ask("UpdateResourceGroups", resource_groups=groups)
    return {}


forward(
    "file_resources/add",
    "Add a file that analyzers use",
    "AddFileResource",
    _RESOURCE,
    Parameter("path", field="path", required=True),
)
forward("file_resources/remove", "Remove such a file", "RemoveFileResource", _RESOURCE)
forward(
    "file_resources/list",
    "List such files",
    "ListFileResources",
    shape=lambda response: [{"name": one.name, "path": one.path} for one in response.resources],
)
# Milvus' own parts answer these two; the protocol has no such calls.
forward("segments/describe", "Describe segments", "GetSegmentsInfo")
forward("quotacenter/describe", "Describe the limits on requests", "GetQuotaMetrics")


@route(
    "common/run_analyzer",
    "Show what an analyzer makes of texts",
    "RunAnalyzer",
    Parameter("text", "strings", required=True),
    Parameter("analyzerParams", "any"),
    Parameter("withDetail", "boolean", field="with_detail", default=False),
    Parameter("withHash", "boolean", field="with_hash", default=False),
    _COLLECTION,
    Parameter("fieldName", field="field_name"),
    Parameter("analyzerNames", "strings", field="analyzer_names"),
)
def run_analyzer(exchange: Exchange) -> Any:
    values = exchange.values
    (params,) = texts({"params": values["analyzerParams"] or ""})
    found = exchange.ask(
        "RunAnalyzer",
        **exchange.filled(),
        analyzer_params=params.value,
        placeholder=[text.encode() for text in values["text"]],
    )
    return {"results": [_shown_tokens(values, result.tokens) for result in found.results]}


def _shown_tokens(values: dict[str, Any], tokens: Any) -> dict[str, Any]:
    shown = []
    for token in tokens:
        one: dict[str, Any] = {"token": token.token}
        if values["withDetail"]:
            one |= {
                "startOffset": token.start_offset,
                "endOffset": token.end_offset,
                "position": token.position,
                "positionLength": token.position_length,
            }
        if values["withHash"]:
            one["hash"] = token.hash
        shown.append(one)
    return {"tokens": shown}
