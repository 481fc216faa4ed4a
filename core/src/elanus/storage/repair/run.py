"""How does a damaged database open again, with as much as can be kept?"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace

from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.serialization import schema_from_json
from elanus.storage.catalog import (
    CATALOG_FOLDER,
    COLLECTIONS_FOLDER,
    DATABASE_FORMAT_VERSION,
    FORMAT_FILE,
    Catalog,
    check_is_database,
    collection_path,
    commit_catalog,
    list_catalogs,
    read_format,
)
from elanus.storage.census import files_of
from elanus.storage.directory import FileDirectory, join_path
from elanus.storage.findings import RESTORE, Finding, Severity
from elanus.storage.json_file import encode_json_file
from elanus.storage.lock import WriterLock
from elanus.storage.manifest import (
    MANIFEST_FOLDER,
    Manifest,
    commit,
    list_versions,
    load_version,
)
from elanus.storage.publication import PUBLICATION_FILE
from elanus.storage.repair.logs import repair_logs
from elanus.storage.repair.report import Action, RepairReport
from elanus.storage.repair.segments import SegmentRepair
from elanus.storage.repair.states import (
    collections_there,
    missing_version,
    newest_readable,
    rebuild_manifest,
)
from elanus.storage.repair.workshop import Workshop
from elanus.storage.segment_writer import segment_path
from elanus.storage.verification import read_known


def repair_database(
    directory: FileDirectory, *, salvage: bool = False, dry_run: bool = False
) -> RepairReport:
    """Repair what can be repaired.

    Originals are never deleted: they are moved to ``damaged/<time>/`` inside the database.

    Args:
        directory: Where the database is.
        salvage: Also keep what verifies where something is lost for good.
        dry_run: Change nothing and take no lock; only say what would be done.

    Raises:
        DatabaseLockedError: A process has the database open for writing.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: The folder holds no database.
        StorageError: The medium failed. What was repaired until then stays; run it again.
    """
    check_is_database(directory)
    workshop = Workshop(directory, salvage=salvage, dry_run=dry_run)
    with contextlib.ExitStack() as held:
        if not dry_run:
            held.enter_context(WriterLock.acquire(directory))
        catalog = _repair_catalog(workshop)
        if catalog is not None:
            for name, collection in sorted(catalog.collections.items()):
                _repair_collection(workshop, catalog, name, collection)
        return workshop.finish()


def _repair_catalog(workshop: Workshop) -> Catalog | None:
    """Repair ``FORMAT`` and the catalog; None when which collections there are stays unknown."""
    directory = workshop.directory
    findings: list[Finding] = []
    known = read_known(directory, findings)
    db_uuid = _owner(directory, known)
    versions = list_catalogs(directory)
    for finding in findings:
        if finding.path == FORMAT_FILE:
            raw = encode_json_file("format", DATABASE_FORMAT_VERSION, {"db_uuid": str(db_uuid)})
            workshop.replace(FORMAT_FILE, [raw])
            done = f"written again: this is database {db_uuid}"
            workshop.did(Action("", FORMAT_FILE, done))
        elif finding.severity is Severity.DERIVABLE:
            workshop.set_aside(finding.path)
            workshop.did(Action("", finding.path, "an older catalog, moved away"))
        elif finding.cure == RESTORE:
            workshop.refuse([finding])
            return None
    damaged = [f for f in findings if f.severity is Severity.DAMAGE]
    if not damaged:
        return known
    if not workshop.salvage:
        loss = _describe_catalog_loss(directory, known)
        workshop.refuse(replace(f, meaning=f"{f.meaning}; {loss}") for f in damaged)
        return known
    collections = collections_there(directory, COLLECTIONS_FOLDER, known.collections)
    version = versions[-1] + 1 if versions else 1
    rebuilt = replace(known, version=version, db_uuid=db_uuid, collections=collections, dropped=())
    files = [f.path for f in damaged if f.path != CATALOG_FOLDER]
    for file in files:
        workshop.keep(file)
    if not workshop.dry_run:
        commit_catalog(directory, rebuilt)
    for file in files:
        workshop.set_aside(file)
    done = f"catalog {rebuilt.version} made of what is there: {_listed(collections)}"
    lost = "names that collections were given since, and snapshots that were named since"
    workshop.did(Action("", damaged[0].path, done, lost))
    return rebuilt


def _owner(directory: FileDirectory, known: Catalog) -> uuid.UUID:
    """Return which database this is: as FORMAT, else the catalog, else the manifests say."""
    with contextlib.suppress(CorruptionError, NotFoundError):
        return read_format(directory)
    if known.version:
        return known.db_uuid
    for name in directory.list_names(COLLECTIONS_FOLDER):
        manifest = newest_readable(directory, join_path(COLLECTIONS_FOLDER, name))
        if manifest is not None:
            return manifest.db_uuid
    return uuid.uuid4()


def _describe_catalog_loss(directory: FileDirectory, known: Catalog) -> str:
    there = collections_there(directory, COLLECTIONS_FOLDER, known.collections)
    return f"salvaging makes a new one of what is there: {_listed(there)}"


def _listed(names: dict[str, uuid.UUID]) -> str:
    return ", ".join(sorted(names)) or "no collection"


def _repair_collection(
    workshop: Workshop, catalog: Catalog, name: str, collection: uuid.UUID
) -> None:
    directory = workshop.directory
    path = collection_path(collection)
    versions = list_versions(directory, path)
    base = newest_readable(directory, path)
    if base is None:
        workshop.refuse([_no_manifest(name, path)])
        return
    if base.db_uuid != catalog.db_uuid:
        workshop.refuse([_foreign(name, path, base, catalog)])
        return
    current = base
    newest = max(versions[-1], missing_version(directory, path, base))
    if base.version != newest:
        taken = _take_older(workshop, name, path, base, newest)
        if taken is None:
            return
        current = taken
    _pin_snapshots(workshop, catalog, path, current)
    schema = schema_from_json(current.schema)
    version = newest + 1
    repaired = SegmentRepair(workshop, name, path, schema, version).run(current.segments)
    changed = replace(current, segments=repaired.segments)
    if (changed != base or base.version != newest) and not workshop.dry_run:
        # Readers must not look for the state that it speaks of.
        directory.delete(join_path(path, PUBLICATION_FILE))
        commit(directory, path, replace(changed, version=version))
    # Not before: a repair that goes on later finds out from the manifest which log was moved away.
    repair_logs(workshop, name, path, current, schema)
    for file in repaired.replaced:
        workshop.set_aside(file)
    _set_damaged_manifests_aside(workshop, name, path)
    _remove_empty_folders(workshop, path, changed)


def _no_manifest(name: str, path: str) -> Finding:
    folder = join_path(path, MANIFEST_FOLDER)
    return Finding(
        name,
        folder,
        f"{folder}: no manifest can be read",
        "fields and segments of the collection are not known",
        RESTORE,
        Severity.DAMAGE,
    )


def _foreign(name: str, path: str, manifest: Manifest, catalog: Catalog) -> Finding:
    return Finding(
        name,
        path,
        f"{path}: belongs to database {manifest.db_uuid}, expected {catalog.db_uuid}",
        "the folder was copied here from another database",
        RESTORE,
        Severity.DAMAGE,
    )


def _take_older(
    workshop: Workshop, name: str, path: str, base: Manifest, damaged_version: int
) -> Manifest | None:
    """Return the manifest in the place of a damaged one; None when that is refused."""
    rebuilt = rebuild_manifest(workshop.directory, path, base)
    file = join_path(path, MANIFEST_FOLDER, f"{damaged_version:020d}.man")
    what = "damaged" if workshop.directory.exists(file) else "the file is missing"
    if not workshop.salvage:
        workshop.refuse(
            [
                Finding(
                    name,
                    file,
                    f"{file}: {what}: what the collection consists of now cannot be read",
                    f"salvaging would do this: {rebuilt.describe()}. It would lose: "
                    f"{rebuilt.describe_loss()}",
                    "elanus repair --salvage, or restore a backup",
                    Severity.DAMAGE,
                )
            ]
        )
        return None
    workshop.did(
        Action(
            name,
            file,
            f"manifest {damaged_version + 1} made of what is there: {rebuilt.describe()}",
            rebuilt.describe_loss(),
        )
    )
    # A segment that is gone was merged into one that is there, or its rows are lost; both were
    # said, and a manifest that named it would not open.
    return rebuilt.manifest


def _pin_snapshots(workshop: Workshop, catalog: Catalog, path: str, current: Manifest) -> None:
    """Leave the files alone that named snapshots read."""
    for snapshot in catalog.snapshots.values():
        version = snapshot.versions.get(current.collection_uuid)
        if version is None:
            continue
        with contextlib.suppress(CorruptionError, NotFoundError):
            held = load_version(workshop.directory, path, version)
            workshop.pin(file for s in held.segments for file in files_of(path, s))


def _set_damaged_manifests_aside(workshop: Workshop, name: str, path: str) -> None:
    refused = {finding.path for finding in workshop.report.refused}
    said = {action.path for action in workshop.report.actions}
    for version in list_versions(workshop.directory, path):
        file = join_path(path, MANIFEST_FOLDER, f"{version:020d}.man")
        try:
            load_version(workshop.directory, path, version)
        except CorruptionError:
            if file in refused:
                continue
            workshop.set_aside(file)
            if file not in said:
                workshop.did(Action(name, file, "an older manifest, moved away"))


def _remove_empty_folders(workshop: Workshop, path: str, manifest: Manifest) -> None:
    """Delete the folders of segments whose files were all moved away."""
    if workshop.dry_run:
        return
    directory = workshop.directory
    named = {segment_path(path, s.uuid) for s in manifest.segments}
    folder = join_path(path, "seg")
    for name in directory.list_names(folder):
        segment = join_path(folder, name)
        if segment not in named and directory.is_dir(segment) and not directory.list_names(segment):
            directory.delete_dir(segment)
