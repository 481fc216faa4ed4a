"""How far is a large merge?

A merge that takes a while keeps a folder ``merge/<uuid>/`` in its collection: which segments it
reads, which of their rows were dead when it began, and what is written so far. A merge that ended
early, because the process was killed or the database closed, goes on from there. Rows that died
since then are carried over like those that die during any merge.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pyroaring import BitMap

from elanus.kernels.bitset import Bitset
from elanus.storage.directory import Directory
from elanus.storage.job_records import JobRecords
from elanus.storage.manifest import SegmentInfo, segment_from_json, segment_to_json

MERGES_FOLDER = "merge"
MERGE_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class MergedSegment:
    """A segment that is merged into another.

    Attributes:
        uuid: The segment.
        alive: The rows of it that are taken over.
    """

    uuid: uuid.UUID
    alive: Bitset


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """How far a merge is.

    Attributes:
        job: Name of its folder.
        merged: What it reads, in order.
        made: The new segment with the indexes that are written; None before its columns are.
        version: Number of this record.
    """

    job: uuid.UUID
    merged: tuple[MergedSegment, ...]
    made: SegmentInfo | None = None
    version: int = 0


def save_merge(directory: Directory, path: str, record: MergeRecord) -> MergeRecord:
    """Write the next record of a merge, durably; return it as it was written."""
    saved = replace(record, version=record.version + 1)
    content = {
        "version": saved.version,
        "merged": [_to_json(segment) for segment in saved.merged],
        "made": None if saved.made is None else segment_to_json(saved.made),
    }
    _records(directory, path).save(saved.job, saved.version, content)
    return saved


def list_merges(directory: Directory, path: str) -> list[MergeRecord]:
    """Return the newest record of each unfinished merge of a collection.

    One that is damaged is left out with a warning: the merge then starts anew.

    Raises:
        FormatVersionError: Written by a newer version of elanus.
    """
    return _records(directory, path).newest(_parse)


def delete_merge(directory: Directory, path: str, job: uuid.UUID) -> None:
    """Forget a merge, durably; its segment is left to whoever owns it."""
    _records(directory, path).delete(job)


def delete_other_merges(directory: Directory, path: str, kept: uuid.UUID | None) -> None:
    """Forget all merges but one, those included that left no readable record."""
    _records(directory, path).delete_others(kept)


def _parse(job: uuid.UUID, stored: Mapping[str, Any]) -> MergeRecord:
    made = stored["made"]
    return MergeRecord(
        job,
        tuple(_from_json(segment) for segment in stored["merged"]),
        None if made is None else segment_from_json(made),
        int(stored["version"]),
    )


def _to_json(segment: MergedSegment) -> dict[str, Any]:
    dead = BitMap((~segment.alive).to_rows().astype(np.uint32))
    dead.run_optimize()
    return {
        "segment": str(segment.uuid),
        "rows": segment.alive.num_bits,
        "dead": base64.b64encode(dead.serialize()).decode("ascii"),
    }


def _from_json(stored: Mapping[str, Any]) -> MergedSegment:
    # The checksum of the record covers these bytes: a bitmap is not parsed safely from others.
    dead = BitMap.deserialize(base64.b64decode(stored["dead"]))
    rows = int(stored["rows"])
    dead_rows = np.array(dead.to_array(), dtype=np.int64)
    return MergedSegment(uuid.UUID(stored["segment"]), ~Bitset.from_rows(dead_rows, rows))


def _records(directory: Directory, path: str) -> JobRecords:
    return JobRecords(directory, path, MERGES_FOLDER, MERGE_FORMAT_VERSION)
