"""Which collections does a database have, and which database is this?

``FORMAT`` is written once and names the database. The catalog maps names of collections to their
folders; it changes like a manifest does, by its next number.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elanus.errors import AlreadyExistsError, CorruptionError, NotFoundError, StorageError
from elanus.storage.directory import Directory
from elanus.storage.json_file import decode_json_file, encode_json_file
from elanus.storage.publication import Publication, PublicationReader, PublicationWriter
from elanus.storage.versions import VersionFolder
from elanus.storage.wal_format import HEADER_BYTES

DATABASE_FORMAT_VERSION = 1
"""The version of the layout of folders. A larger one is refused by name."""

CATALOG_FORMAT_VERSION = 1
FORMAT_FILE = "FORMAT"
CATALOG_FOLDER = "catalog"
COLLECTIONS_FOLDER = "c"
RESTORE_MARKER = "RESTORING"
"""There while a backup is being restored into the folder, and when that was interrupted."""


@dataclass(frozen=True, slots=True)
class NamedSnapshot:
    """A state of the whole database, or of one collection, that is kept until somebody drops it.

    Attributes:
        seq: Sequence number of the last write that belongs to it.
        created: When it was made, ISO 8601, UTC.
        versions: Version of the manifest of each collection that it starts from.
        description: Free text.
    """

    seq: int
    created: str
    versions: Mapping[uuid.UUID, int]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The collections of a database.

    Attributes:
        version: Number of this catalog; 0 when none was ever committed.
        db_uuid: The folder.
        collections: Identifier of each collection by name; a collection of another database than
            the default one is called ``database/name``.
        aliases: Name of a collection by alias, spelled like the names of collections.
        databases: Properties of each database besides the default one, by name.
        snapshots: Kept states by name; that of one collection alone is called
            ``identifier/name``, so that it stays what it is when the collection is renamed.
        dropped: Collections whose folders may still be there. A folder that is neither here nor
            in ``collections`` is never deleted, unless nothing was ever written to it.
    """

    version: int
    db_uuid: uuid.UUID
    collections: Mapping[str, uuid.UUID] = field(default_factory=dict)
    snapshots: Mapping[str, NamedSnapshot] = field(default_factory=dict)
    dropped: tuple[uuid.UUID, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    databases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def collection_path(collection: uuid.UUID) -> str:
    """Return the folder of a collection."""
    return f"{COLLECTIONS_FOLDER}/{collection}"


def create_database(directory: Directory) -> uuid.UUID:
    """Turn a folder into a database, or return the one that it is already.

    The caller holds the writer's lock.

    Returns:
        Identifier of the database.

    Raises:
        CorruptionError: ``FORMAT`` is damaged.
        FormatVersionError: Written by a newer version of elanus.
        StorageError: The medium failed.
    """
    if directory.exists(FORMAT_FILE):
        return read_format(directory)
    if directory.exists(RESTORE_MARKER):
        raise StorageError(
            f"{directory.location}: a restore into this folder did not finish; restore the backup "
            f"again, or empty the folder"
        )
    directory.make_dir(CATALOG_FOLDER)
    directory.make_dir(COLLECTIONS_FOLDER)
    made = uuid.uuid4()
    raw = encode_json_file("format", DATABASE_FORMAT_VERSION, {"db_uuid": str(made)})
    try:
        directory.write_new(FORMAT_FILE, [raw])
    except AlreadyExistsError:
        return read_format(directory)
    return made


def is_database(directory: Directory) -> bool:
    """Return whether a folder holds a database."""
    return directory.exists(FORMAT_FILE)


def check_is_database(directory: Directory) -> None:
    """Refuse a folder that holds no database, not even a damaged one.

    Raises:
        NotFoundError: It holds none.
    """
    if directory.exists(FORMAT_FILE):
        return
    if directory.exists(RESTORE_MARKER):
        raise NotFoundError(
            f"{directory.location}: a restore into this folder did not finish; restore the backup "
            f"again"
        )
    if not directory.list_names(CATALOG_FOLDER):
        raise NotFoundError(f"no elanus database in {directory.location}; check the path")


def read_format(directory: Directory) -> uuid.UUID:
    """Return the identifier of a database.

    Raises:
        CorruptionError: ``FORMAT`` is damaged.
        FormatVersionError: The database was written by a newer version of elanus.
        NotFoundError: The folder holds no database.
    """
    content = decode_json_file(
        directory.read(FORMAT_FILE),
        kind="format",
        version=DATABASE_FORMAT_VERSION,
        path=FORMAT_FILE,
    )
    try:
        return uuid.UUID(content["db_uuid"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptionError(
            f"{FORMAT_FILE}: no identifier of the database in it: {error!r}", path=FORMAT_FILE
        ) from error


def load_catalog(directory: Directory, db_uuid: uuid.UUID) -> Catalog:
    """Return the current catalog; an empty one of version 0 in a new database.

    Raises:
        CorruptionError: It is damaged, or belongs to another database.
        FormatVersionError: Written by a newer version of elanus.
    """
    folder = _folder(directory)
    if not folder.numbers():
        if is_catalog_missing(directory):
            raise CorruptionError(
                f"{CATALOG_FOLDER}: there is none although collections hold entities. Restore a "
                f"backup, or make one of what is there with 'elanus repair --salvage'",
                path=CATALOG_FOLDER,
            )
        return Catalog(0, db_uuid)
    catalog = _catalog_from_json(folder.load_newest())
    if catalog.db_uuid != db_uuid:
        raise CorruptionError(
            f"{CATALOG_FOLDER}: belongs to database {catalog.db_uuid}, expected {db_uuid}",
            path=CATALOG_FOLDER,
        )
    return catalog


def load_catalog_version(directory: Directory, version: int) -> Catalog:
    """Return one catalog, such as the one before a damaged one.

    Raises:
        CorruptionError: It is damaged.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: It does not exist (any more).
    """
    return _catalog_from_json(_folder(directory).load(version))


def list_catalogs(directory: Directory) -> list[int]:
    """Return the versions of the catalog that are there, ascending."""
    return _folder(directory).numbers()


def is_catalog_missing(directory: Directory) -> bool:
    """Return whether there is no catalog although a collection was written to.

    A crash before the first catalog leaves at most an empty collection.
    """
    if _folder(directory).numbers():
        return False
    for name in directory.list_names(COLLECTIONS_FOLDER):
        path = f"{COLLECTIONS_FOLDER}/{name}"
        if directory.list_names(f"{path}/seg"):
            return True
        logs = directory.list_names(f"{path}/wal")
        if len(logs) > 1 or any(directory.size(f"{path}/wal/{n}") > HEADER_BYTES for n in logs):
            return True
    return False


class CatalogWatch:
    """Looks whether a catalog is still current, which costs no system call.

    Not safe from several threads at once.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._published = PublicationReader(directory, CATALOG_FOLDER)

    def is_current(self, catalog: Catalog) -> bool:
        """Whether no other catalog was acknowledged since this one."""
        self._published.changed()
        found = self._published.current
        told = None if found is None or not found.is_of_this_boot else found.manifest_version
        if told == catalog.version:
            return True
        return max(_folder(self._directory).numbers(), default=0) == catalog.version

    def close(self) -> None:
        """Close the file that is looked at. A second call does nothing."""
        self._published.close()


def publish_catalog(directory: Directory, catalog: Catalog) -> None:
    """Tell processes that read which catalog is current; the caller holds the writer's lock."""
    told = PublicationWriter(directory, CATALOG_FOLDER)
    told.publish(Publication(catalog.version, 0, 0, 0, 0, 0))
    told.close()


def commit_catalog(directory: Directory, catalog: Catalog) -> None:
    """Make ``catalog`` current, durably; its version is one more than the current one.

    Raises:
        StorageFailedError: Another writer took the version, or the medium failed so that the new
            catalog may or may not be there: open the database again.
        StorageError: The medium failed, and nothing was committed.
    """
    folder = _folder(directory)
    content = {
        "version": catalog.version,
        "parent": catalog.version - 1,
        "db_uuid": str(catalog.db_uuid),
        "collections": {name: str(found) for name, found in catalog.collections.items()},
        "aliases": dict(catalog.aliases),
        "databases": {name: dict(found) for name, found in catalog.databases.items()},
        "dropped": [str(found) for found in catalog.dropped],
        "snapshots": {
            name: {
                "seq": snapshot.seq,
                "created": snapshot.created,
                "versions": {str(found): v for found, v in snapshot.versions.items()},
                **({"description": snapshot.description} if snapshot.description else {}),
            }
            for name, snapshot in catalog.snapshots.items()
        },
    }
    folder.commit(catalog.version, content)
    publish_catalog(directory, catalog)
    folder.delete_older(catalog.version)


def _catalog_from_json(stored: Mapping[str, Any]) -> Catalog:
    try:
        collections = {name: uuid.UUID(found) for name, found in stored["collections"].items()}
        snapshots = {n: _snapshot(found) for n, found in stored.get("snapshots", {}).items()}
        dropped = tuple(uuid.UUID(found) for found in stored.get("dropped", ()))
        db_uuid = uuid.UUID(stored["db_uuid"])
        aliases = {str(a): str(name) for a, name in stored.get("aliases", {}).items()}
        databases = {n: dict(found) for n, found in stored.get("databases", {}).items()}
        return Catalog(
            int(stored["version"]), db_uuid, collections, snapshots, dropped, aliases, databases
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptionError(
            f"{CATALOG_FOLDER}: version {stored.get('version')}: not understood: {error!r}",
            path=CATALOG_FOLDER,
        ) from error


def _snapshot(stored: Mapping[str, Any]) -> NamedSnapshot:
    versions = {uuid.UUID(found): int(v) for found, v in stored["versions"].items()}
    description = str(stored.get("description", ""))
    return NamedSnapshot(int(stored["seq"]), str(stored["created"]), versions, description)


def _folder(directory: Directory) -> VersionFolder:
    return VersionFolder(
        directory, CATALOG_FOLDER, kind="catalog", format_version=CATALOG_FORMAT_VERSION
    )
