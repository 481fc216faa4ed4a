"""What makes up a collection right now?

A ``Manifest`` names every file of a collection's state. Replacing it is the commit point of
flush, compaction, index building and deletes; nothing else ever changes what is live.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from elanus.errors import CorruptionError
from elanus.schema.ranges import ValueRange
from elanus.storage.directory import Directory, join_path
from elanus.storage.versions import VersionFolder

MANIFEST_FORMAT_VERSION = 1
MANIFEST_FOLDER = "manifest"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """An immutable file.

    Attributes:
        size: Length in bytes.
        crc: CRC32C of its footer, which covers every block of it.
    """

    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class DeletesEntry:
    """The tombstones of a segment.

    Attributes:
        file: Path within the collection.
        size: Length in bytes.
        crc: CRC32C of its footer.
        num_deleted: Rows that are deleted.
    """

    file: str
    size: int
    crc: int
    num_deleted: int


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An index of one field of a segment. Derivable: it can be built again from the rows.

    Attributes:
        file: Path within the collection.
        size: Length in bytes.
        crc: CRC32C of its footer.
        type: Name of the index type.
        params: The parameters that it was built with, as JSON values.
    """

    file: str
    size: int
    crc: int
    type: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """An immutable segment.

    Attributes:
        uuid: Name of its folder under ``seg/``.
        num_rows: Rows, deleted ones included.
        min_seq: Smallest sequence number of its rows.
        max_seq: Largest sequence number of its rows.
        files: Its files by name.
        columns: Name of the file of each field.
        deletes: Its tombstones; None when no row is deleted.
        indexes: Its indexes by field.
        sorted_by: Field in whose order its rows are, nulls and NaN last; None: in no such order.
        ranges: Bounds of fields; deleted rows are within them.
    """

    uuid: uuid.UUID
    num_rows: int
    min_seq: int
    max_seq: int
    files: Mapping[str, FileEntry]
    columns: Mapping[str, str]
    deletes: DeletesEntry | None = None
    indexes: Mapping[str, IndexEntry] = field(default_factory=dict)
    sorted_by: str | None = None
    ranges: Mapping[str, ValueRange] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk, tombstones and indexes included."""
        rows = sum(entry.size for entry in self.files.values())
        indexes = sum(entry.size for entry in self.indexes.values())
        return rows + indexes + (self.deletes.size if self.deletes else 0)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The state of a collection.

    Attributes:
        version: Number of this manifest; the parent is one less.
        db_uuid: The database it belongs to.
        collection_uuid: The collection it belongs to.
        name: Name of the collection when this was written; the catalog decides.
        schema: The schema as JSON values (``schema.serialization``).
        properties: Settings of the collection as JSON values.
        segments: Its sealed segments, oldest first.
        wal_start: Number of the first write-ahead log whose rows are in no segment.
        next_seq: Smallest sequence number that no row in a segment has reached.
        next_auto_id: Smallest automatic primary key that was never given out.
        created: When the collection was made, ISO 8601, UTC.
    """

    version: int
    db_uuid: uuid.UUID
    collection_uuid: uuid.UUID
    name: str
    schema: Mapping[str, Any]
    wal_start: int
    next_seq: int
    next_auto_id: int
    created: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[SegmentInfo, ...] = ()


def load_newest(directory: Directory, path: str) -> Manifest:
    """Return the current manifest of a collection.

    Args:
        directory: Where the database is.
        path: Folder of the collection.

    Raises:
        CorruptionError: It is damaged; an older one is never taken silently in its place.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is none.
    """
    folder = _folder(directory, path)
    return _parsed(manifest_from_json, folder.load_newest(), join_path(path, MANIFEST_FOLDER))


def load_version(directory: Directory, path: str, version: int) -> Manifest:
    """Return one manifest of a collection, such as the one before a damaged one.

    Raises:
        CorruptionError: It is damaged.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: It does not exist (any more).
    """
    folder = _folder(directory, path)
    return _parsed(manifest_from_json, folder.load(version), join_path(path, MANIFEST_FOLDER))


def list_versions(directory: Directory, path: str) -> list[int]:
    """Return the versions of a collection's manifest that are there, ascending."""
    return _folder(directory, path).numbers()


def commit(directory: Directory, path: str, manifest: Manifest) -> None:
    """Make ``manifest`` current, durably. Older ones stay until ``delete_versions``.

    Args:
        directory: Where the database is.
        path: Folder of the collection; its ``manifest`` folder exists.
        manifest: ``version`` is one more than that of the current one.

    Raises:
        StorageFailedError: Another writer took the version, or the medium failed so that the new
            manifest may or may not be there: open the database again.
        StorageError: The medium failed, and nothing was committed.
    """
    _folder(directory, path).commit(manifest.version, manifest_to_json(manifest))


def delete_versions(directory: Directory, path: str, is_unneeded: Callable[[int], bool]) -> None:
    """Delete manifests of a collection by version."""
    _folder(directory, path).delete(is_unneeded)


def next_version(manifest: Manifest, **changes: Any) -> Manifest:
    """Return a copy with the next version number and other attributes replaced."""
    return replace(manifest, version=manifest.version + 1, **changes)


def manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as JSON values."""
    return {
        "version": manifest.version,
        "parent": manifest.version - 1,
        "db_uuid": str(manifest.db_uuid),
        "collection_uuid": str(manifest.collection_uuid),
        "name": manifest.name,
        "created": manifest.created,
        "schema": dict(manifest.schema),
        "properties": dict(manifest.properties),
        "wal_start": manifest.wal_start,
        "next_seq": manifest.next_seq,
        "next_auto_id": manifest.next_auto_id,
        "segments": [segment_to_json(s) for s in manifest.segments],
    }


def manifest_from_json(stored: Mapping[str, Any]) -> Manifest:
    """Return the manifest that ``manifest_to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError: Not a manifest.
    """
    return Manifest(
        version=int(stored["version"]),
        db_uuid=uuid.UUID(stored["db_uuid"]),
        collection_uuid=uuid.UUID(stored["collection_uuid"]),
        name=str(stored["name"]),
        created=str(stored["created"]),
        schema=dict(stored["schema"]),
        properties=dict(stored["properties"]),
        wal_start=int(stored["wal_start"]),
        next_seq=int(stored["next_seq"]),
        next_auto_id=int(stored["next_auto_id"]),
        segments=tuple(segment_from_json(s) for s in stored["segments"]),
    )


def segment_to_json(segment: SegmentInfo) -> dict[str, Any]:
    """Return what a manifest says about a segment, as JSON values."""
    deletes = segment.deletes
    return {
        "uuid": str(segment.uuid),
        "num_rows": segment.num_rows,
        "min_seq": segment.min_seq,
        "max_seq": segment.max_seq,
        "files": {name: {"size": f.size, "crc": f.crc} for name, f in segment.files.items()},
        "columns": dict(segment.columns),
        "deletes": None
        if deletes is None
        else {
            "file": deletes.file,
            "size": deletes.size,
            "crc": deletes.crc,
            "num_deleted": deletes.num_deleted,
        },
        "indexes": {
            name: {
                "file": index.file,
                "size": index.size,
                "crc": index.crc,
                "type": index.type,
                "params": dict(index.params),
            }
            for name, index in segment.indexes.items()
        },
        "sorted_by": segment.sorted_by,
        "ranges": {name: found.to_json() for name, found in segment.ranges.items()},
    }


def segment_from_json(stored: Mapping[str, Any]) -> SegmentInfo:
    """Return the segment that ``segment_to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError: Not a segment.
    """
    deletes = stored["deletes"]
    return SegmentInfo(
        uuid=uuid.UUID(stored["uuid"]),
        num_rows=int(stored["num_rows"]),
        min_seq=int(stored["min_seq"]),
        max_seq=int(stored["max_seq"]),
        files={name: FileEntry(**entry) for name, entry in stored["files"].items()},
        columns=dict(stored["columns"]),
        deletes=None if deletes is None else DeletesEntry(**deletes),
        indexes={name: IndexEntry(**entry) for name, entry in stored["indexes"].items()},
        sorted_by=stored.get("sorted_by"),
        ranges={n: ValueRange.from_json(r) for n, r in stored.get("ranges", {}).items()},
    )


def _folder(directory: Directory, path: str) -> VersionFolder:
    return VersionFolder(
        directory,
        join_path(path, MANIFEST_FOLDER),
        kind="manifest",
        format_version=MANIFEST_FORMAT_VERSION,
    )


def _parsed(parse: Callable[[Mapping[str, Any]], T], stored: Mapping[str, Any], path: str) -> T:
    try:
        return parse(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptionError(
            f"{path}: version {stored.get('version')}: not understood: {error!r}", path=path
        ) from error
