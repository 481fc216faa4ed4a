"""Imports of files, which run in the background."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elanus_server.clock import milliseconds
from elanus_server.codec.pairs import read_pairs, write_pairs
from elanus_server.failures import MilvusError, invalid
from elanus_server.files import SharedFolder
from elanus_server.service.context import Call, Host
from elanus_server.service.jobs import COMPLETED, FAILED, PENDING, RUNNING, Job, Tell
from elanus_server.service.partitions import partition_names
from elanus_server.service.records import IMPORTED
from elanus_server.service.registry import rpc
from elanus_server.wire import common, milvus

IMPORT = "import"
IMPORT_FAILED = 2100
MAX_FILES = 1024
_STATES = {
    PENDING: "ImportPending",
    RUNNING: "ImportStarted",
    COMPLETED: "ImportCompleted",
    FAILED: "ImportFailed",
}
# What csv files are written with, and what stands for no value.
_OPTIONS = {"sep": "delimiter", "nullkey": "null_cell"}
_OPTION_DEFAULTS = {"sep": ",", "nullkey": ""}
_SUFFIXES = (".parquet", ".json", ".npy", ".csv", ".jsonl", ".tsv", ".npz", ".arrow")
_BACKUP_OPTIONS = ("backup", "l0_import", "storage_version")


@rpc("Import")
def import_files(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    files = sources(call.host.files, list(request.files))
    partition = request.partition_name
    if partition and hosted.record.key_partitions:
        raise _failed("not allow to set partition name for collection with partition key")
    if partition and partition not in partition_names(hosted):
        raise MilvusError(200, f"partition not found[partition={partition}]")
    given = read_pairs(request.options)
    for name in _BACKUP_OPTIONS:
        if given.get(name, "").lower() not in ("", "false"):
            raise _failed(f"option {name} is for backups of Milvus, which are not read here")
    asked = {
        "files": [str(path) for path in files],
        "named": list(request.files),
        "partition": partition,
        "options": {name: given.get(key, _OPTION_DEFAULTS[key]) for key, name in _OPTIONS.items()},
    }
    host = call.host
    job = host.jobs.start(
        IMPORT,
        hosted.database,
        hosted.collection.name,
        asked,
        lambda job, tell: run_import(host, job, tell),
    )
    return milvus.ImportResponse(tasks=[job.number])


def _failed(reason: str) -> MilvusError:
    return MilvusError(IMPORT_FAILED, f"{reason}: importing data failed")


def sources(folder: SharedFolder, names: list[str]) -> list[Path]:
    """Return the files of an import; columns of NumPy as the folder that holds them.

    Raises:
        MilvusError: A file is not there, is of no known format, or is one of several columns.
    """
    if not names:
        raise _failed("import request is empty")
    if len(names) > MAX_FILES:
        raise _failed(
            f"the max number of import files should not exceed {MAX_FILES}, but got {len(names)}"
        )
    paths = [folder.path_of(name, "import") for name in names]
    found: dict[Path, None] = {}
    for name, path in zip(names, paths, strict=True):
        suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
        if not path.is_dir() and suffix not in _SUFFIXES:
            raise _failed(
                f"unexpected file type, files={name}: expected one of {', '.join(_SUFFIXES)}"
            )
        if path.suffix.lower() == ".npy":
            missing = set(path.parent.glob("*.npy")) - set(paths)
            if missing:
                raise _failed(
                    f"{name}: all columns of a folder are imported together, and "
                    f"{min(missing).name} is not among the files"
                )
            found[path.parent] = None
        else:
            found[path] = None
    return list(found)


def run_import(host: Host, job: Job, tell: Tell) -> Mapping[str, Any]:
    """Do a job that imports files; it goes on where an ended server was."""
    collection = host.collection(job.database, job.collection)
    last = collection.properties.get(IMPORTED, {})
    if last.get("job") == job.number:
        # The server ended when the rows were there, before it could say so.
        return {"rows": last["rows"]}

    def told(rows: int, share: float | None) -> None:
        tell(progress=int(99 * (share or 0)), results={"rows": rows})

    done = collection.import_data(
        list(job.asked["files"]),
        on_conflict="error" if _makes_keys(collection) else "replace",
        partition=job.asked["partition"] or None,
        progress=told,
        properties=lambda rows: {IMPORTED: {"job": job.number, "rows": rows}},
        **job.asked["options"],
    )
    return {"rows": done.rows}


def _makes_keys(collection: Any) -> bool:
    is_automatic = collection.schema.primary.auto_id
    return bool(is_automatic and not collection.properties.get("allow_insert_auto_id"))


@rpc("GetImportState")
def get_import_state(call: Call, request: Any) -> Any:
    job = call.host.jobs.find(IMPORT, request.task)
    if job is None:
        raise _failed(f"import job does not exist, jobID={request.task}")
    return _shown(call.host, job)


@rpc("ListImportTasks")
def list_import_tasks(call: Call, request: Any) -> Any:
    if request.limit < 0:
        raise invalid(f"limit: expected 0 or more, got {request.limit}")
    database = call.database_of(request)
    name = call.hosted(request).collection.name if request.collection_name else ""
    guard = call.host.guard
    jobs = [
        job
        for job in call.host.jobs.all(IMPORT)
        if job.database == database
        and name in ("", job.collection)
        and guard.sees_collection(call.user, database, job.collection)
    ]
    shown = jobs[: request.limit or None]
    return milvus.ListImportTasksResponse(tasks=[_shown(call.host, job) for job in shown])


def _shown(host: Host, job: Job) -> Any:
    infos = {
        "collection": job.collection,
        "partition": job.asked["partition"],
        "files": ",".join(job.asked["named"]),
        "progress_percent": str(job.progress),
        "failed_reason": job.reason,
        "complete_time": str(job.ended),
    }
    return milvus.GetImportStateResponse(
        state=common.ImportState.Value(_STATES[job.state]),
        row_count=job.results.get("rows", 0) if job.state != FAILED else 0,
        id=job.number,
        create_ts=milliseconds(job.number),
        infos=write_pairs({name: text for name, text in infos.items() if text}),
    )
