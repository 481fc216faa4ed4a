"""Which segments has an unfinished import written so far?

An import keeps a folder ``import/<uuid>/`` in its collection with numbered records, like manifests.
The newest says what the import reads, how far it is, and which segments hold what it has read. No
manifest names those segments yet; the record keeps them from being swept, and lets the same import
go on after a crash.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elanus.storage.directory import Directory
from elanus.storage.job_records import JobRecords
from elanus.storage.manifest import SegmentInfo, segment_from_json, segment_to_json

IMPORTS_FOLDER = "import"
LOAD_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """How far an import is.

    Attributes:
        job: Name of its folder.
        request: What is imported and how, as JSON values: an import with an equal request goes on.
        progress: What the importer needs to go on, as JSON values.
        next_auto_id: Smallest automatic primary key that it has not given out.
        segments: What was written so far, in order.
        is_committed: Whether a manifest has made the segments visible.
        version: Number of this record.
    """

    job: uuid.UUID
    request: Mapping[str, Any]
    progress: Mapping[str, Any] = field(default_factory=dict)
    next_auto_id: int = 1
    segments: tuple[SegmentInfo, ...] = ()
    is_committed: bool = False
    version: int = 0


def save_load(directory: Directory, path: str, record: LoadRecord) -> LoadRecord:
    """Write the next record of an import, durably.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        record: With the version of the one before; 0 for a new import.

    Returns:
        The record as it was written.
    """
    saved = replace(record, version=record.version + 1)
    content = {
        "version": saved.version,
        "job": str(saved.job),
        "request": dict(saved.request),
        "progress": dict(saved.progress),
        "next_auto_id": saved.next_auto_id,
        "segments": [segment_to_json(s) for s in saved.segments],
        "is_committed": saved.is_committed,
    }
    _records(directory, path).save(saved.job, saved.version, content)
    return saved


def list_loads(directory: Directory, path: str) -> list[LoadRecord]:
    """Return the newest record of each unfinished import of a collection.

    One that is damaged is left out with a warning: the import then starts anew.

    Raises:
        FormatVersionError: Written by a newer version of elanus.
    """
    return _records(directory, path).newest(_parse)


def delete_load(directory: Directory, path: str, job: uuid.UUID) -> None:
    """Forget an import, durably; its segments are left to whoever owns them."""
    _records(directory, path).delete(job)


def settle_load(directory: Directory, path: str, job: uuid.UUID) -> None:
    """Return when no older record of an import can come back after a power loss."""
    _records(directory, path).settle(job)


def delete_other_loads(directory: Directory, path: str, kept: uuid.UUID | None) -> None:
    """Forget all imports but one, those included that left no readable record."""
    _records(directory, path).delete_others(kept)


def _parse(job: uuid.UUID, stored: Mapping[str, Any]) -> LoadRecord:
    return LoadRecord(
        job=job,
        request=dict(stored["request"]),
        progress=dict(stored["progress"]),
        next_auto_id=int(stored["next_auto_id"]),
        segments=tuple(segment_from_json(s) for s in stored["segments"]),
        is_committed=bool(stored["is_committed"]),
        version=int(stored["version"]),
    )


def _records(directory: Directory, path: str) -> JobRecords:
    return JobRecords(directory, path, IMPORTS_FOLDER, LOAD_FORMAT_VERSION)
