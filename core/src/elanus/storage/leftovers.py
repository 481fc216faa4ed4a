"""Which files does nobody need?

What a crash leaves behind is never in the way: temporary names are swept when a database is opened
for writing, and files that no manifest names are deleted. Files of unknown names are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from elanus.storage.deletes import DELETES_FOLDER
from elanus.storage.directory import TEMPORARY_SUFFIX, Directory, join_path
from elanus.storage.load_record import list_loads
from elanus.storage.manifest import Manifest, SegmentInfo, list_versions
from elanus.storage.merge_record import list_merges
from elanus.storage.segment_writer import ADDED_PREFIX, SEGMENTS_FOLDER, segment_path
from elanus.storage.wal_format import HEADER_BYTES, list_wals, wal_path

INDEXES_FOLDER = "idx"

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID_NAME = re.compile(rf"{_UUID}\Z")
_ADDED_NAME = re.compile(rf"{ADDED_PREFIX}{_UUID}-")
_DELETES_NAME = re.compile(rf"{_UUID}-[0-9]{{20}}\.roar\Z")


def is_collection_folder(name: str) -> bool:
    """Whether a folder in ``c/`` has the name of a collection; others are left alone."""
    return _UUID_NAME.match(name) is not None


def holds_writes(directory: Directory, path: str) -> bool:
    """Whether anything was ever written to the collection in a folder."""
    logs = [wal_path(path, number) for number in list_wals(directory, path)]
    has_records = any(directory.size(log) > HEADER_BYTES for log in logs)
    return has_records or max(list_versions(directory, path), default=0) > 1


def sweep_leftovers(directory: Directory, path: str = "") -> list[str]:
    """Delete files and folders whose writing never finished. The caller holds the writer's lock.

    Args:
        directory: Where the database is.
        path: Folder to sweep, with all below it.

    Returns:
        The paths that were deleted.
    """
    swept: list[str] = []
    for name in directory.list_names(path):
        child = join_path(path, name)
        if name.endswith(TEMPORARY_SUFFIX):
            _delete(directory, child)
            swept.append(child)
        elif directory.is_dir(child) and not path.endswith(f"/{SEGMENTS_FOLDER}"):
            # A segment's own folder was complete when it got its name.
            swept += sweep_leftovers(directory, child)
    return swept


def delete_unreferenced(
    directory: Directory, path: str, manifests: Iterable[Manifest]
) -> list[str]:
    """Delete files of a collection that none of the given manifests names.

    The caller holds the writer's lock, writes no files of this collection meanwhile, and gives
    every manifest that somebody may still read: the current one and those of open snapshots.
    Segments of imports and merges that can go on are kept.

    Returns:
        The paths that were deleted.
    """
    kept = tuple(manifests)
    needed = [s for manifest in kept for s in manifest.segments]
    needed += half_made_segments(directory, path)
    unneeded = [
        *_unneeded_segments(directory, path, needed),
        *_unneeded_columns(directory, path, needed),
        *_unneeded_deletes(directory, path, kept),
        *_unneeded_indexes(directory, path, needed),
        *_unneeded_wals(directory, path, kept),
    ]
    for child in unneeded:
        _delete(directory, child)
    return unneeded


def half_made_segments(directory: Directory, path: str) -> list[SegmentInfo]:
    """Return the segments that imports and merges have written, and that no manifest names yet."""
    loads, merges = list_loads(directory, path), list_merges(directory, path)
    written = [s for load in loads for s in load.segments]
    return written + [merge.made for merge in merges if merge.made is not None]


def _unneeded_segments(directory: Directory, path: str, needed: Iterable[SegmentInfo]) -> list[str]:
    live = {str(s.uuid) for s in needed}
    folder = join_path(path, SEGMENTS_FOLDER)
    return [
        join_path(folder, name)
        for name in directory.list_names(folder)
        if _UUID_NAME.match(name) and name not in live
    ]


def _unneeded_columns(directory: Directory, path: str, needed: Sequence[SegmentInfo]) -> list[str]:
    """Columns that a segment was to get later; those that it was written with stay with it."""
    live: dict[str, set[str]] = {}
    for segment in needed:
        live.setdefault(segment_path(path, segment.uuid), set()).update(segment.files)
    return [
        join_path(folder, name)
        for folder, files in live.items()
        for name in directory.list_names(folder)
        if _ADDED_NAME.match(name) and name not in files
    ]


def _unneeded_deletes(
    directory: Directory, path: str, manifests: tuple[Manifest, ...]
) -> list[str]:
    live = {s.deletes.file for m in manifests for s in m.segments if s.deletes}
    return [
        join_path(path, DELETES_FOLDER, name)
        for name in directory.list_names(join_path(path, DELETES_FOLDER))
        if _DELETES_NAME.match(name) and join_path(DELETES_FOLDER, name) not in live
    ]


def _unneeded_indexes(directory: Directory, path: str, needed: Sequence[SegmentInfo]) -> list[str]:
    """Index files lie at ``idx/<segment>/<field>/<file>``."""
    segments = {str(s.uuid) for s in needed}
    live = {i.file for s in needed for i in s.indexes.values()}
    unneeded: list[str] = []
    for segment in directory.list_names(join_path(path, INDEXES_FOLDER)):
        folder = join_path(INDEXES_FOLDER, segment)
        if not _UUID_NAME.match(segment):
            continue
        if segment not in segments:
            unneeded.append(join_path(path, folder))
            continue
        for field in directory.list_names(join_path(path, folder)):
            names = directory.list_names(join_path(path, folder, field))
            files = [join_path(folder, field, name) for name in names if _UUID_NAME.match(name)]
            unneeded += [join_path(path, file) for file in files if file not in live]
    return unneeded


def _unneeded_wals(directory: Directory, path: str, manifests: tuple[Manifest, ...]) -> list[str]:
    if not manifests:
        return []
    start = min(m.wal_start for m in manifests)
    return [wal_path(path, n) for n in list_wals(directory, path) if n < start]


def _delete(directory: Directory, path: str) -> None:
    if directory.is_dir(path):
        directory.delete_dir(path)
    else:
        directory.delete(path)
