"""What does a backup consist of, and which backups does a folder hold?

A target folder holds the backups of one database: files in the tree of the database, shared by all
of its backups, and for each backup a numbered record that names them, with the manifests and logs
of that moment in a folder of the same number. A backup counts once its record is there.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from elanus.errors import CorruptionError, InvalidArgumentError, NotFoundError
from elanus.storage.catalog import FORMAT_FILE
from elanus.storage.directory import Directory, join_path
from elanus.storage.json_file import decode_json_file, encode_json_file
from elanus.storage.versions import VersionFolder

BACKUP_FORMAT_VERSION = 1
MARKER_FILE = "BACKUPS"
RECORDS_FOLDER = "backups"
TARGET_LOCK = "LOCK"
_IGNORED = frozenset({TARGET_LOCK, "lost+found"})
_TEMPORARY_MARKER = re.compile(rf"{MARKER_FILE}\.[0-9a-f]+\.tmp\Z")


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file of a backup.

    Attributes:
        path: Its place within the database.
        stored: Its place within the target folder.
        size: Length in bytes.
        crc: CRC32C of its footer for a block file, of all its bytes otherwise.
        is_block_file: Which of the two it is.
    """

    path: str
    stored: str
    size: int
    crc: int
    is_block_file: bool


@dataclass(frozen=True, slots=True)
class BackupCollection:
    """A collection in a backup.

    Attributes:
        uuid: Its identifier, which names its folder.
        manifest: Version of its manifest.
        last_seq: Sequence number of the last write in the backup.
    """

    uuid: str
    manifest: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """One backup.

    Attributes:
        number: 1 for the first backup of a folder; the larger is newer.
        db_uuid: The database that was copied.
        created: When, ISO 8601, UTC.
        catalog_version: The catalog that it was made at.
        collections: Its collections by name.
        files: All of its files.
        aliases: Names of collections by alias.
        databases: Properties of databases by name.
    """

    number: int
    db_uuid: uuid.UUID
    created: str
    catalog_version: int
    collections: Mapping[str, BackupCollection]
    files: tuple[BackupFile, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    databases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def prepare_target(target: Directory, db_uuid: uuid.UUID) -> None:
    """Make a folder ready for the backups of a database, or check that it is.

    Raises:
        InvalidArgumentError: It holds something else.
        CorruptionError: Its marker is damaged.
    """
    if is_backup_folder(target):
        owner = read_owner(target)
        if owner != db_uuid:
            raise InvalidArgumentError(
                f"{target.location} holds backups of database {owner}, and this one is {db_uuid}; "
                f"choose another folder"
            )
        return
    if target.exists(FORMAT_FILE):
        raise InvalidArgumentError(
            f"{target.location} is a database itself; choose another folder for its backups"
        )
    names = [
        n for n in target.list_names("") if n not in _IGNORED and not _TEMPORARY_MARKER.match(n)
    ]
    if names:
        raise InvalidArgumentError(
            f"{target.location} is not empty and holds no backups (found {names[0]!r}); choose an "
            f"empty folder"
        )
    target.make_dir("")
    marker = encode_json_file("backups", BACKUP_FORMAT_VERSION, {"db_uuid": str(db_uuid)})
    target.write_new(MARKER_FILE, [marker])


def is_backup_folder(target: Directory) -> bool:
    """Return whether a folder holds backups."""
    return target.exists(MARKER_FILE)


def read_owner(target: Directory) -> uuid.UUID:
    """Return which database the backups of a folder are of.

    Raises:
        CorruptionError: The marker is damaged.
        NotFoundError: The folder holds no backups.
    """
    if not is_backup_folder(target):
        raise NotFoundError(f"{target.location} holds no backups; check the path")
    stored = decode_json_file(
        target.read(MARKER_FILE),
        kind="backups",
        version=BACKUP_FORMAT_VERSION,
        path=MARKER_FILE,
    )
    try:
        return uuid.UUID(stored["db_uuid"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptionError(
            f"{MARKER_FILE}: no identifier of the database in it: {error!r}", path=MARKER_FILE
        ) from error


def list_backups(target: Directory) -> list[int]:
    """Return the numbers of the backups in a folder, ascending."""
    return _records(target).numbers()


def load_backup(target: Directory, number: int | None = None) -> BackupRecord:
    """Return the record of a backup; of the newest one by default.

    Raises:
        CorruptionError: The record is damaged; the message names the other backups.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is no such backup.
    """
    numbers = list_backups(target)
    if not numbers:
        raise NotFoundError(f"{target.location} holds no backup; check the path")
    wanted = numbers[-1] if number is None else number
    if wanted not in numbers:
        raise NotFoundError(
            f"{target.location} holds no backup {wanted}; there are {_spelled(numbers)}"
        )
    path = record_path(wanted)
    try:
        stored = decode_json_file(
            target.read(path), kind="backup", version=BACKUP_FORMAT_VERSION, path=path
        )
        return _record_from_json(stored)
    except (KeyError, TypeError, ValueError, AttributeError, CorruptionError) as error:
        others = [n for n in numbers if n != wanted]
        advice = f"; other backups there: {_spelled(others)}" if others else ""
        what = str(error) if isinstance(error, CorruptionError) else f"{path}: {error!r}"
        raise CorruptionError(f"{what}{advice}", path=path) from error


def commit_backup(target: Directory, record: BackupRecord) -> None:
    """Make a backup count, durably."""
    stored = {
        "version": record.number,
        "db_uuid": str(record.db_uuid),
        "created": record.created,
        "catalog_version": record.catalog_version,
        "collections": {n: asdict(c) for n, c in record.collections.items()},
        "aliases": dict(record.aliases),
        "databases": {n: dict(found) for n, found in record.databases.items()},
        "files": [asdict(file) for file in record.files],
    }
    _records(target).commit(record.number, stored)


def delete_record(target: Directory, number: int) -> None:
    """Make a backup count no more, durably."""
    target.delete(record_path(number))
    target.sync_dir(RECORDS_FOLDER)


def backup_folder(number: int) -> str:
    """Return the folder of what belongs to one backup alone."""
    return join_path(RECORDS_FOLDER, f"{number:020d}")


def record_path(number: int) -> str:
    """Return the file of a record."""
    return f"{backup_folder(number)}.man"


def _records(target: Directory) -> VersionFolder:
    return VersionFolder(
        target, RECORDS_FOLDER, kind="backup", format_version=BACKUP_FORMAT_VERSION
    )


def _record_from_json(stored: Mapping[str, Any]) -> BackupRecord:
    return BackupRecord(
        number=int(stored["version"]),
        db_uuid=uuid.UUID(stored["db_uuid"]),
        created=str(stored["created"]),
        catalog_version=int(stored["catalog_version"]),
        collections={n: BackupCollection(**c) for n, c in stored["collections"].items()},
        files=tuple(BackupFile(**file) for file in stored["files"]),
        aliases=dict(stored.get("aliases", {})),
        databases=dict(stored.get("databases", {})),
    )


def _spelled(numbers: list[int]) -> str:
    return ", ".join(str(n) for n in numbers)
