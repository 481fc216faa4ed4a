"""How large is a collection, on disk and in memory?

The numbers are meant to add up to what the operating system reports: disk is every file in the
folder; memory is what this process took for itself, and apart from it how much of the mapped files
is in memory at the moment, which the system may take back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elanus.engine.growing import GrowingSegment
from elanus.engine.sealed import SealedSegment
from elanus.errors import NotFoundError
from elanus.storage.directory import Directory, join_path
from elanus.storage.wal_format import WAL_FOLDER

_MAP = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ +(?P<path>/.*)\Z")
_RESIDENT = re.compile(r"Rss: +([0-9]+) kB")


@dataclass(frozen=True, slots=True)
class SegmentStats:
    """One source of a collection.

    Attributes:
        name: As in ``explain``.
        rows: Rows, deleted ones included.
        deleted: Rows that are deleted but not yet compacted away.
        size_bytes: On disk for a sealed segment, in memory for a memtable.
        indexes: Type of the index of each dense field, scalar field and JSON path that has one.
    """

    name: str
    rows: int
    deleted: int
    size_bytes: int
    indexes: dict[str, str]


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """One index of a collection.

    Attributes:
        name: The field or JSON path.
        type: As it was asked for; segments may have another that ``AUTO`` chose.
        params: Build parameters.
        indexed_rows: Rows of the segments that have it, deleted ones included.
        total_rows: Rows of all segments and memtables.
        pending_rows: Rows of segments that are to get it and do not have it yet; what is scanned
            for good is not among them. 0 in a process that only reads.
        failure: What building an index failed with, if the last build did.
    """

    name: str
    type: str
    params: dict[str, Any]
    indexed_rows: int
    total_rows: int
    pending_rows: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """What a collection holds in memory, in bytes.

    Attributes:
        memtables: Rows not flushed yet, with their postings.
        graphs: Vector indexes that were just built, or that are copied when they are opened.
        caches: Columns that filters decoded.
        mapped: Files of segments and indexes that are mapped; costs address space only.
        resident: How much of the mapped files is in memory now; None where the system does not
            say. These pages are the system's, which takes them back when memory is short.
    """

    memtables: int
    graphs: int
    caches: int
    mapped: int
    resident: int | None

    @property
    def private(self) -> int:
        """What the process has taken for itself."""
        return self.memtables + self.graphs + self.caches


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """Rows, bytes and background work of a collection.

    Attributes:
        rows: Visible entities.
        segments: Its sources.
        disk_bytes: All files of its folder.
        wal_bytes: Of them the write-ahead log: what opening the collection reads anew.
        memory_bytes: Memtables, graphs and caches: ``memory.private``.
        memory: The same by purpose, and mapped files.
        background_error: What background work failed with, or None.
    """

    rows: int
    segments: tuple[SegmentStats, ...]
    disk_bytes: int
    wal_bytes: int
    memory_bytes: int
    memory: MemoryStats
    background_error: str | None


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """Bytes of a database.

    Attributes:
        disk_bytes: All files of its folder, those kept for a full disk included.
        memory_bytes: What its open collections hold for themselves.
        collections: Statistics of the open collections by name.
    """

    disk_bytes: int
    memory_bytes: int
    collections: dict[str, CollectionStats]


def collection_stats(
    directory: Directory,
    path: str,
    segments: Sequence[SealedSegment | GrowingSegment],
    background_error: str | None,
) -> CollectionStats:
    """Return the statistics of a collection.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        segments: Its sources.
        background_error: What background work failed with.
    """
    sealed = [s for s in segments if isinstance(s, SealedSegment)]
    memory = MemoryStats(
        memtables=sum(s.size_bytes for s in segments if isinstance(s, GrowingSegment)),
        graphs=sum(s.indexes.held_bytes() for s in sealed),
        caches=sum(s.cache.size_bytes for s in segments),
        mapped=sum(s.size_bytes for s in sealed),
        resident=resident_bytes(directory.location, path),
    )
    found = tuple(
        SegmentStats(s.name, s.num_rows, s.num_deleted, s.size_bytes, s.index_names())
        for s in segments
    )
    return CollectionStats(
        rows=sum(s.rows - s.deleted for s in found),
        segments=found,
        disk_bytes=folder_bytes(directory, path),
        wal_bytes=folder_bytes(directory, join_path(path, WAL_FOLDER)),
        memory_bytes=memory.private,
        memory=memory,
        background_error=background_error,
    )


def folder_bytes(directory: Directory, path: str) -> int:
    """Return the length of all files in a folder; those that go away meanwhile are left out."""
    total = 0
    for name in directory.list_names(path):
        child = join_path(path, name)
        if directory.is_dir(child):
            total += folder_bytes(directory, child)
            continue
        try:
            total += directory.size(child)
        except NotFoundError:
            continue
    return total


def resident_bytes(location: str, path: str) -> int | None:
    """Return how much of the mapped files of a folder is in memory.

    Args:
        location: Folder of the database.
        path: A folder in it.

    Returns:
        None for databases in memory, and on systems without ``/proc/self/smaps``.
    """
    if not os.path.isabs(location):
        return None
    folder = os.path.join(os.path.realpath(location), path) + os.sep
    total, counts = 0, False
    try:
        with open("/proc/self/smaps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                if line[0] in "0123456789abcdef":
                    found = _MAP.match(line.rstrip("\n"))
                    counts = found is not None and found["path"].startswith(folder)
                elif counts and (resident := _RESIDENT.match(line)):
                    total += int(resident[1]) << 10
    except OSError:
        return None
    return total
