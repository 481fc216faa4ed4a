"""Which files lie in the folder of a collection, and who needs each of them?"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from elanus.errors import NotFoundError
from elanus.storage.directory import TEMPORARY_SUFFIX, Directory, join_path
from elanus.storage.load_record import IMPORTS_FOLDER, list_loads
from elanus.storage.manifest import MANIFEST_FOLDER, Manifest, SegmentInfo
from elanus.storage.merge_record import MERGES_FOLDER, list_merges
from elanus.storage.publication import PUBLICATION_FILE
from elanus.storage.segment_writer import segment_path
from elanus.storage.wal_format import WAL_FOLDER

_NUMBER = re.compile(r"([0-9]{20})\.(?:man|wal)\Z")


class Need(Enum):
    """Why a file is there.

    ``CURRENT``: the current state consists of it. ``OLDER``: a manifest before the current one
    names it, as retention and named snapshots want. ``IMPORT``: an import goes on with it.
    ``MERGE``: a merge goes on with it.
    ``UNFINISHED``: its writing never finished, or is going on. ``ORPHAN``: no manifest names it.
    """

    CURRENT = "current"
    OLDER = "older"
    IMPORT = "import"
    MERGE = "merge"
    UNFINISHED = "unfinished"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a collection.

    Attributes:
        path: Its place within the database.
        size: Length in bytes.
        need: Why it is there.
    """

    path: str
    size: int
    need: Need


def take_census(
    directory: Directory, path: str, current: Manifest, older: Sequence[Manifest] = ()
) -> list[StoredFile]:
    """Return every file of a collection, by path. Files that vanish meanwhile are left out.

    Args:
        directory: Where the database is.
        path: Folder of the collection.
        current: Its current manifest.
        older: Manifests before it that are there.
    """
    named = _named(path, [current])
    older_named = _named(path, older)
    imported, merged = _imported(directory, path), _merged(directory, path)
    oldest_log = min([current.wal_start, *(m.wal_start for m in older)])
    found: list[StoredFile] = []
    for file in walk_files(directory, path):
        if _is_unfinished(file):
            need = Need.UNFINISHED
        elif file in named or file == join_path(path, PUBLICATION_FILE):
            need = Need.CURRENT
        elif file in older_named:
            need = Need.OLDER
        elif file in imported or file.startswith(join_path(path, IMPORTS_FOLDER) + "/"):
            need = Need.IMPORT
        elif file in merged or file.startswith(join_path(path, MERGES_FOLDER) + "/"):
            need = Need.MERGE
        else:
            need = _need_of_numbered(file, path, current, oldest_log)
        with contextlib.suppress(NotFoundError):
            found.append(StoredFile(file, directory.size(file), need))
    return found


def walk_files(directory: Directory, path: str) -> Iterator[str]:
    """Yield all files below a folder, by path."""
    for name in directory.list_names(path):
        child = join_path(path, name)
        if directory.is_dir(child):
            yield from walk_files(directory, child)
        else:
            yield child


def _is_unfinished(file: str) -> bool:
    return any(part.endswith(TEMPORARY_SUFFIX) for part in file.split("/"))


def _need_of_numbered(file: str, path: str, current: Manifest, oldest_log: int) -> Need:
    folder, _, name = file.rpartition("/")
    match = _NUMBER.search(name)
    if match is None:
        return Need.ORPHAN
    number = int(match[1])
    if folder == join_path(path, MANIFEST_FOLDER):
        return Need.CURRENT if number == current.version else Need.OLDER
    if folder == join_path(path, WAL_FOLDER):
        if number >= current.wal_start:
            return Need.CURRENT
        return Need.OLDER if number >= oldest_log else Need.ORPHAN
    return Need.ORPHAN


def _imported(directory: Directory, path: str) -> frozenset[str]:
    loads = list_loads(directory, path)
    return frozenset(f for load in loads for s in load.segments for f in files_of(path, s))


def _merged(directory: Directory, path: str) -> frozenset[str]:
    made = [merge.made for merge in list_merges(directory, path)]
    return frozenset(f for s in made if s is not None for f in files_of(path, s))


def _named(path: str, manifests: Sequence[Manifest]) -> frozenset[str]:
    return frozenset(f for m in manifests for s in m.segments for f in files_of(path, s))


def files_of(path: str, segment: SegmentInfo) -> list[str]:
    """Return every file of a segment, tombstones and indexes included."""
    folder = segment_path(path, segment.uuid)
    found = [join_path(folder, name) for name in segment.files]
    found += [join_path(path, entry.file) for entry in segment.indexes.values()]
    if segment.deletes is not None:
        found.append(join_path(path, segment.deletes.file))
    return found
