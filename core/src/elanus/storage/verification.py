"""Is every stored byte what was written?

Reads every file that the catalog and the manifests name and compares all checksums. Changes
nothing and needs no lock.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.serialization import schema_from_json
from elanus.storage.block_file import BlockFile
from elanus.storage.catalog import collection_path, load_catalog, read_format
from elanus.storage.deletes import read_alive
from elanus.storage.directory import Directory, join_path
from elanus.storage.manifest import Manifest, load_newest
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.wal import list_wals, read_wal, wal_path

INDEX_KIND = "index"
"""What index files are called in their head."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written.

    Attributes:
        collection: Name of the collection.
        message: What is damaged, where.
        is_derivable: It is derived from the rows again when the database is opened.
    """

    collection: str
    message: str
    is_derivable: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """What was read of one collection.

    Attributes:
        collection: Its name.
        segments: Sealed segments.
        logs: Write-ahead logs.
        findings: Damage.
    """

    collection: str
    segments: int
    logs: int
    findings: tuple[Finding, ...]


def verify_database(directory: Directory) -> Iterator[Verified]:
    """Verify one collection after the other.

    Raises:
        CorruptionError: The database's own files are damaged.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: The folder holds no database.
    """
    db_uuid = read_format(directory)
    catalog = load_catalog(directory, db_uuid)
    for name, collection in sorted(catalog.collections.items()):
        path = collection_path(collection)
        try:
            manifest = load_newest(directory, path)
        except (CorruptionError, NotFoundError) as error:
            yield Verified(name, 0, 0, (Finding(name, str(error), is_derivable=False),))
            continue
        numbers = [n for n in list_wals(directory, path) if n >= manifest.wal_start]
        damage = [
            *_damaged_segments(directory, path, manifest),
            *_damaged_logs(directory, path, db_uuid, numbers),
        ]
        findings = tuple(Finding(name, message, derivable) for message, derivable in damage)
        yield Verified(name, len(manifest.segments), len(numbers), findings)


def _damaged_segments(
    directory: Directory, path: str, manifest: Manifest
) -> Iterator[tuple[str, bool]]:
    schema = schema_from_json(manifest.schema)
    for info in manifest.segments:
        try:
            SegmentReader.open(directory, path, schema=schema, info=info, verify="full")
            read_alive(directory, path, info)
        except CorruptionError as error:
            yield str(error), False
        for entry in info.indexes.values():
            try:
                BlockFile.open(
                    directory,
                    join_path(path, entry.file),
                    kind=INDEX_KIND,
                    crc=entry.crc,
                    verify="full",
                )
            except CorruptionError as error:
                yield str(error), True


def _damaged_logs(
    directory: Directory, path: str, db_uuid: uuid.UUID, numbers: list[int]
) -> Iterator[tuple[str, bool]]:
    for number in numbers:
        try:
            read_wal(
                directory,
                wal_path(path, number),
                db_uuid=db_uuid,
                is_last=number == numbers[-1],
            )
        except CorruptionError as error:
            yield str(error), False
