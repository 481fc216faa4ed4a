"""Is every stored byte what was written?

Reads every file that the catalog and the manifests name and compares all checksums; also lists
what nobody names. Changes nothing, works beside a writer and on read-only media.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from elanus.errors import CorruptionError, NotFoundError, StorageError
from elanus.schema.collection import Schema
from elanus.schema.serialization import schema_from_json
from elanus.storage.catalog import (
    CATALOG_FOLDER,
    COLLECTIONS_FOLDER,
    FORMAT_FILE,
    Catalog,
    check_is_database,
    collection_path,
    is_catalog_missing,
    list_catalogs,
    load_catalog_version,
    read_format,
)
from elanus.storage.census import Need, take_census, walk_files
from elanus.storage.directory import TEMPORARY_SUFFIX, Directory, join_path
from elanus.storage.findings import REPAIR, RESTORE, SALVAGE, Finding, Severity
from elanus.storage.lock import LOCK_FILE
from elanus.storage.log_check import LogScan, frame_rows, log_findings, scan_logs
from elanus.storage.manifest import (
    MANIFEST_FOLDER,
    Manifest,
    SegmentInfo,
    list_versions,
    load_newest,
    load_version,
)
from elanus.storage.publication import read_publication
from elanus.storage.segment_check import INDEX_KIND, SegmentCheck

__all__ = ["DAMAGED_FOLDER", "INDEX_KIND", "Verified", "verify_database"]

DAMAGED_FOLDER = "damaged"
"""Where a repair puts the files that it replaced."""

_ATTEMPTS = 20
"""How often a collection is read again because a writer replaced what was about to be read."""


_Identity: TypeAlias = tuple[uuid.UUID, str | None, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was read of one collection, or of the database's own files.

    Attributes:
        collection: Its name; empty for the database's own files.
        manifests: Manifests, or catalogs, that were read.
        segments: Sealed segments.
        rows: Rows in them, deleted ones included.
        logs: Write-ahead logs.
        records: Records in them.
        torn_bytes: Bytes at the end of the last log that were never acknowledged.
        findings: What is not as it was written.
    """

    collection: str
    manifests: int
    segments: int = 0
    rows: int = 0
    logs: int = 0
    records: int = 0
    torn_bytes: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged; what is merely left over does not count."""
        return all(f.severity is Severity.HARMLESS for f in self.findings)


def verify_database(directory: Directory) -> Iterator[Verified]:
    """Verify the database's own files, then one collection after the other, by name.

    Damage is yielded, not raised.

    Raises:
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: The folder holds no database.
    """
    check_is_database(directory)
    findings: list[Finding] = []
    catalog = read_known(directory, findings)
    versions = list_catalogs(directory)
    findings += _unless_written(directory, _leftovers(directory, catalog))
    yield Verified("", manifests=len(versions), findings=tuple(findings))
    for name, collection in sorted(catalog.collections.items()):
        yield verify_collection(directory, catalog, name, collection)


def read_known(directory: Directory, findings: list[Finding]) -> Catalog:
    """Return the newest catalog that can be read, and add what is wrong to ``findings``.

    Raises:
        FormatVersionError: Written by a newer version of elanus.
    """
    db_uuid = _read_owner(directory, findings)
    versions = list_catalogs(directory)
    best: Catalog | None = None
    for version in reversed(versions):
        try:
            found = load_catalog_version(directory, version)
        except CorruptionError as error:
            findings.append(_damaged_catalog(directory, version, versions, error))
            continue
        if best is None:
            best = found
    if best is None:
        if not versions and is_catalog_missing(directory):
            findings.append(_missing_catalog())
        return Catalog(0, db_uuid or uuid.UUID(int=0), _folders(directory))
    if db_uuid is not None and best.db_uuid != db_uuid:
        findings.append(
            Finding(
                "",
                CATALOG_FOLDER,
                f"{CATALOG_FOLDER}: belongs to database {best.db_uuid}, FORMAT says {db_uuid}",
                "files of two databases were mixed",
                RESTORE,
                Severity.DAMAGE,
            )
        )
    return best


def _read_owner(directory: Directory, findings: list[Finding]) -> uuid.UUID | None:
    try:
        return read_format(directory)
    except CorruptionError as error:
        what = str(error)
    except NotFoundError:
        what = f"{FORMAT_FILE}: the file is missing"
    meaning = "the database cannot be opened; the catalog and the manifests say the same"
    findings.append(Finding("", FORMAT_FILE, what, meaning, REPAIR, Severity.DERIVABLE))
    return None


def _missing_catalog() -> Finding:
    return Finding(
        "",
        CATALOG_FOLDER,
        f"{CATALOG_FOLDER}: there is none although collections hold entities",
        "the list of collections is gone",
        SALVAGE,
        Severity.DAMAGE,
    )


def _damaged_catalog(
    directory: Directory, version: int, versions: Sequence[int], error: CorruptionError
) -> Finding:
    path = error.path or CATALOG_FOLDER
    what = str(error).partition(". ")[0]
    if version != versions[-1]:
        meaning = "an older catalog, which only a repair would go back to"
        return Finding("", path, what, meaning, REPAIR, Severity.DERIVABLE, error.offset)
    meaning = "the list of collections cannot be read"
    return Finding("", path, what, meaning, SALVAGE, Severity.DAMAGE, error.offset)


def _folders(directory: Directory) -> dict[str, uuid.UUID]:
    """Return the collections whose folders are there, by the name in their manifest."""
    found: dict[str, uuid.UUID] = {}
    for name in directory.list_names(COLLECTIONS_FOLDER):
        try:
            manifest = load_newest(directory, join_path(COLLECTIONS_FOLDER, name))
        except (CorruptionError, NotFoundError):
            continue
        found[manifest.name] = manifest.collection_uuid
    return found


def _leftovers(directory: Directory, catalog: Catalog) -> Iterator[Finding]:
    """Yield temporary files outside of collections, and folders that the catalog does not name."""
    for name in directory.list_names(""):
        if name in (COLLECTIONS_FOLDER, DAMAGED_FOLDER):
            continue
        for file in walk_files(directory, name) if directory.is_dir(name) else [name]:
            if file.endswith(TEMPORARY_SUFFIX):
                yield _leftover("", file, _size(directory, file))
    known = {collection_path(c) for c in catalog.collections.values()}
    for name in directory.list_names(COLLECTIONS_FOLDER):
        path = join_path(COLLECTIONS_FOLDER, name)
        if path not in known:
            size = sum(_size(directory, file) for file in walk_files(directory, path))
            yield _leftover("", path, size, "the catalog names no such collection")


def _unless_written(directory: Directory, leftovers: Iterator[Finding]) -> list[Finding]:
    """List what is left over, which is nothing while somebody writes.

    A writer deletes it when it begins; what nobody names then is what it is writing.
    """
    written = directory.is_locked(LOCK_FILE)
    found = list(leftovers)
    return [] if written or directory.is_locked(LOCK_FILE) else found


def _leftover(
    collection: str, path: str, size: int, what: str = "its writing never finished"
) -> Finding:
    return Finding(
        collection,
        path,
        f"{path}: {what}",
        "nobody misses it; deleted when the database is opened for writing",
        "",
        Severity.HARMLESS,
        size_bytes=size,
    )


def _size(directory: Directory, path: str) -> int:
    try:
        return directory.size(path)
    except NotFoundError:
        return 0


def verify_collection(
    directory: Directory, catalog: Catalog, name: str, collection: uuid.UUID
) -> Verified:
    """Verify one collection.

    Raises:
        FormatVersionError: Written by a newer version of elanus.
    """
    path = collection_path(collection)
    verified = _verify_once(directory, catalog, name, path)
    for _ in range(_ATTEMPTS):
        newest = list_versions(directory, path)[-1:]
        if verified.is_whole:
            break
        # What a writer replaces and deletes meanwhile is not damage.
        again = _verify_once(directory, catalog, name, path)
        if list_versions(directory, path)[-1:] == newest and again == verified:
            break
        verified = again
    return verified


def _verify_once(directory: Directory, catalog: Catalog, name: str, path: str) -> Verified:
    versions = list_versions(directory, path)
    if not versions:
        finding = Finding(
            name,
            join_path(path, MANIFEST_FOLDER),
            f"{join_path(path, MANIFEST_FOLDER)}: there is no manifest",
            "what the collection consists of is not known",
            RESTORE,
            Severity.DAMAGE,
        )
        return Verified(name, 0, findings=(finding,))
    findings: list[Finding] = []
    manifests = _read_manifests(directory, path, name, versions, findings)
    current = manifests.pop(versions[-1], None)
    if current is None:
        return Verified(name, len(versions), findings=tuple(findings))
    published = read_publication(directory, path)
    if published is not None and published.manifest_version > current.version:
        findings.append(_missing_manifest(name, path, published.manifest_version))
        return Verified(name, len(versions), findings=tuple(findings))
    if current.db_uuid != catalog.db_uuid:
        findings.append(
            Finding(
                name,
                path,
                f"{path}: belongs to database {current.db_uuid}, expected {catalog.db_uuid}",
                "the folder was copied here from another database",
                RESTORE,
                Severity.DAMAGE,
            )
        )
    schema = schema_from_json(current.schema)
    for segment in current.segments:
        findings += SegmentCheck(directory, path, name, schema, segment).findings()
    findings += _snapshot_findings(directory, catalog, name, path, current, manifests)
    logs = scan_logs(
        directory,
        path,
        db_uuid=current.db_uuid,
        wal_start=current.wal_start,
        published=published,
    )
    findings += log_findings(name, schema, logs)
    unneeded = _unneeded(directory, path, name, current, list(manifests.values()))
    findings += _unless_written(directory, unneeded)
    return _summary(name, len(versions), current, logs, findings)


def _missing_manifest(name: str, path: str, version: int) -> Finding:
    file = join_path(path, MANIFEST_FOLDER, f"{version:020d}.man")
    return Finding(
        name,
        file,
        f"{file}: the file is missing although the writer had published it",
        "what the collection consists of now cannot be read; an older state is taken for it",
        SALVAGE,
        Severity.DAMAGE,
    )


def _summary(
    name: str,
    manifests: int,
    current: Manifest,
    logs: Sequence[LogScan],
    findings: Sequence[Finding],
) -> Verified:
    return Verified(
        name,
        manifests=manifests,
        segments=len(current.segments),
        rows=sum(s.num_rows for s in current.segments),
        logs=len(logs),
        records=sum(len(log.frames) for log in logs),
        torn_bytes=sum(log.contents.torn_bytes for log in logs if log.contents is not None),
        findings=tuple(findings),
    )


def _read_manifests(
    directory: Directory,
    path: str,
    name: str,
    versions: Sequence[int],
    findings: list[Finding],
) -> dict[int, Manifest]:
    """Return the manifests that can be read, by version."""
    found: dict[int, Manifest] = {}
    for version in versions:
        try:
            found[version] = load_version(directory, path, version)
        except NotFoundError:
            continue  # deleted by the writer meanwhile
        except CorruptionError as error:
            what = str(error).partition(". ")[0]
            where = error.path or join_path(path, MANIFEST_FOLDER)
            if version == versions[-1]:
                meaning = "what the collection consists of now cannot be read"
                severity, cure = Severity.DAMAGE, SALVAGE
            else:
                meaning = "an older state cannot be read; the current one is not concerned"
                severity, cure = Severity.DERIVABLE, REPAIR
            findings.append(Finding(name, where, what, meaning, cure, severity, error.offset))
    return found


def _snapshot_findings(
    directory: Directory,
    catalog: Catalog,
    name: str,
    path: str,
    current: Manifest,
    manifests: dict[int, Manifest],
) -> Iterator[Finding]:
    """Yield what is damaged of states that named snapshots hold."""
    checked: set[_Identity] = {_identity(s) for s in current.segments}
    for snapshot, held in sorted(catalog.snapshots.items()):
        manifest = manifests.get(held.versions.get(current.collection_uuid, 0))
        if manifest is None:
            continue
        schema: Schema = schema_from_json(manifest.schema)
        for segment in manifest.segments:
            if _identity(segment) in checked:
                continue
            checked.add(_identity(segment))
            for found in SegmentCheck(directory, path, name, schema, segment).findings():
                if found.severity is Severity.DAMAGE:
                    yield Finding(
                        name,
                        found.path,
                        found.message,
                        f"only of snapshot {snapshot!r}, not of the current state: {found.meaning}",
                        f"drop snapshot {snapshot!r}",
                        Severity.DAMAGE,
                        found.offset,
                    )


def _identity(segment: SegmentInfo) -> _Identity:
    """Return what tells states of segments apart whose files differ."""
    deletes = None if segment.deletes is None else segment.deletes.file
    return segment.uuid, deletes, frozenset(segment.columns.values())


def _unneeded(
    directory: Directory, path: str, name: str, current: Manifest, older: Sequence[Manifest]
) -> Iterator[Finding]:
    try:
        census = take_census(directory, path, current, older)
    except StorageError:
        return  # a folder went away while it was listed
    for file in census:
        if file.need is Need.UNFINISHED:
            yield _leftover(name, file.path, file.size)
        elif file.need is Need.ORPHAN:
            yield _leftover(name, file.path, file.size, "no manifest names it")


def count_rows(path: str, log: LogScan, schema: Schema) -> int:
    """Return the rows and deleted keys in the records of a log."""
    return sum(frame_rows(path, frame, schema) for frame in log.frames)
