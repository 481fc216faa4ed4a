"""How does a backup become a database again, and are the backups of a folder whole?

Every byte is verified while it is copied. The new database gets an identifier of its own, so that
it and the one it was copied from are never taken for each other. ``FORMAT`` comes last: without it
there is no database.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from elanus.errors import CorruptionError, InvalidArgumentError, NotFoundError, StorageError
from elanus.storage.backup.record import (
    BackupFile,
    BackupRecord,
    is_backup_folder,
    list_backups,
    load_backup,
    read_owner,
)
from elanus.storage.backup.verified_copy import verified_blocks, verified_bytes
from elanus.storage.catalog import (
    CATALOG_FOLDER,
    COLLECTIONS_FOLDER,
    DATABASE_FORMAT_VERSION,
    FORMAT_FILE,
    RESTORE_MARKER,
    Catalog,
    commit_catalog,
)
from elanus.storage.directory import Bytes, Directory, join_path, parent_path
from elanus.storage.json_file import decode_json_file, encode_json_file
from elanus.storage.lock import LOCK_FILE, WriterLock
from elanus.storage.manifest import (
    MANIFEST_FOLDER,
    MANIFEST_FORMAT_VERSION,
    commit,
    manifest_from_json,
)
from elanus.storage.wal_format import HEADER_BYTES, WalHeader, encode_wal_header
from elanus.storage.wal_reader import read_wal, read_wal_header

_IGNORED = frozenset({LOCK_FILE, "lost+found"})
_TEMPORARY_MARKER = re.compile(rf"{RESTORE_MARKER}\.[0-9a-f]+\.tmp\Z")
_FOLDERS = (MANIFEST_FOLDER, "wal", "seg", "del", "idx")

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes of the whole backup."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """A backup that was restored.

    Attributes:
        number: Its number.
        created: When it was made, ISO 8601, UTC.
        collections: Names of the collections.
        files: Files that were written.
        size_bytes: Their length together.
        seconds: How long it took.
    """

    number: int
    created: str
    collections: tuple[str, ...]
    files: int
    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class VerifiedBackup:
    """What reading all of a backup found.

    Attributes:
        number: Its number.
        created: When it was made, ISO 8601, UTC; empty when the record is damaged.
        files: Files that were read.
        size_bytes: Their length together.
        findings: What is damaged or missing.
    """

    number: int
    created: str
    files: int
    size_bytes: int
    findings: tuple[str, ...]


def restore_backup(
    target: Directory,
    database: Directory,
    *,
    number: int | None = None,
    progress: Progress = lambda done, total: None,
) -> RestoreResult:
    """Make a new database of a backup, durably and all or nothing.

    Args:
        target: The folder of the backups.
        database: The folder of the new database: missing or empty.
        number: Which backup; the newest one by default.
        progress: Told how far the copy is.

    Raises:
        CorruptionError: The backup is damaged; no database was made.
        InvalidArgumentError: The folder of the new database is not empty.
        NotFoundError: There is no such backup.
        StorageError: The medium failed; no database was made.
    """
    started = time.monotonic()
    read_owner(target)
    record = load_backup(target, number)
    _check_free(database)
    database.make_dir("")
    with WriterLock.acquire(database):
        _check_free(database)
        _clear(database)
        if not database.exists(RESTORE_MARKER):
            database.write_new(RESTORE_MARKER, [b"a restore into this folder did not finish\n"])
        try:
            _Restore(target, database, record, progress).run()
        except BaseException:
            # The failure that matters is the first one; the marker says what is left here.
            with contextlib.suppress(StorageError):
                _clear(database)
                database.delete(RESTORE_MARKER)
            raise
        database.delete(RESTORE_MARKER)
        database.sync_dir("")
    return RestoreResult(
        number=record.number,
        created=record.created,
        collections=tuple(sorted(record.collections)),
        files=len(record.files),
        size_bytes=record.size_bytes,
        seconds=time.monotonic() - started,
    )


def verify_backups(target: Directory, *, number: int | None = None) -> Iterator[VerifiedBackup]:
    """Read every byte of one backup, or of all in a folder, oldest first.

    Raises:
        NotFoundError: There is no backup.
    """
    read_owner(target)
    if not list_backups(target):
        raise NotFoundError(f"{target.location} holds no backup; check the path")
    for found in list_backups(target) if number is None else [number]:
        try:
            record = load_backup(target, found)
        except CorruptionError as error:
            yield VerifiedBackup(found, "", 0, 0, (str(error),))
            continue
        findings: list[str] = []
        for file in record.files:
            try:
                for _ in verified_content(target, file, record.db_uuid):
                    pass
            except CorruptionError as error:
                findings.append(str(error))
        yield VerifiedBackup(
            found, record.created, len(record.files), record.size_bytes, tuple(findings)
        )


def verified_content(
    target: Directory, file: BackupFile, db_uuid: uuid.UUID
) -> Iterable[memoryview]:
    """Return the bytes of a file of a backup in parts, each verified before it is given.

    Raises:
        CorruptionError: It is missing or damaged; perhaps only when the parts are taken.
    """
    try:
        raw = target.read(file.stored)
    except NotFoundError as error:
        raise CorruptionError(f"{file.stored}: the file is missing", path=file.stored) from error
    if file.is_block_file:
        return verified_blocks(raw, file.stored, size=file.size, crc=file.crc)
    verified_bytes(raw, file.stored, size=file.size, crc=file.crc)
    if _is_log(file.path):
        read_wal(target, file.stored, db_uuid=db_uuid, is_last=False)
    return [raw]


@dataclass(slots=True)
class _Restore:
    """One restore while it runs."""

    target: Directory
    database: Directory
    record: BackupRecord
    progress: Progress

    def run(self) -> None:
        made = uuid.uuid4()
        self._make_folders()
        done = 0
        folders: set[str] = set()
        for file in self.record.files:
            if not _is_manifest(file.path):
                folders.add(parent_path(file.path))
                self.database.make_dir(parent_path(file.path))
                self.database.write_file(file.path, self._content(file, made))
            done += file.size
            self.progress(done, self.record.size_bytes)
        for folder in sorted(folders):
            self.database.sync_dir(folder)
        for file in self.record.files:
            if _is_manifest(file.path):
                self._manifest(file, made)
        collections = {n: uuid.UUID(c.uuid) for n, c in self.record.collections.items()}
        record = self.record
        catalog = Catalog(1, made, collections, aliases=record.aliases, databases=record.databases)
        commit_catalog(self.database, catalog)
        stored = encode_json_file("format", DATABASE_FORMAT_VERSION, {"db_uuid": str(made)})
        self.database.write_new(FORMAT_FILE, [stored])

    def _make_folders(self) -> None:
        self.database.make_dir(CATALOG_FOLDER)
        self.database.make_dir(COLLECTIONS_FOLDER)
        for collection in self.record.collections.values():
            for folder in _FOLDERS:
                path = join_path(COLLECTIONS_FOLDER, collection.uuid, folder)
                self.database.make_dir(path)

    def _content(self, file: BackupFile, made: uuid.UUID) -> Iterable[Bytes]:
        parts = verified_content(self.target, file, self.record.db_uuid)
        if not _is_log(file.path):
            return parts
        (raw,) = parts
        return [_header_for(raw, file, self.target, self.record.db_uuid, made), raw[HEADER_BYTES:]]

    def _manifest(self, file: BackupFile, made: uuid.UUID) -> None:
        (raw,) = verified_content(self.target, file, self.record.db_uuid)
        stored = decode_json_file(
            raw, kind="manifest", version=MANIFEST_FORMAT_VERSION, path=file.stored
        )
        try:
            manifest = replace(manifest_from_json(stored), db_uuid=made)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptionError(
                f"{file.stored}: not understood: {error!r}", path=file.stored
            ) from error
        commit(self.database, parent_path(parent_path(file.path)), manifest)


def _header_for(
    raw: memoryview, file: BackupFile, target: Directory, owner: uuid.UUID, made: uuid.UUID
) -> bytes:
    """Return the header of a log with another owner; records only know the salt."""
    header = read_wal_header(target, file.stored, db_uuid=owner)
    if header is None or len(raw) < HEADER_BYTES:
        raise CorruptionError(f"{file.stored}: damaged: the header is missing", path=file.stored)
    number = int(file.path.rpartition("-")[2].removesuffix(".wal"))
    return encode_wal_header(WalHeader(header.salt, header.previous_end), made, number)


def _is_log(path: str) -> bool:
    return path.endswith(".wal")


def _is_manifest(path: str) -> bool:
    return parent_path(path).endswith(f"/{MANIFEST_FOLDER}")


def _check_free(database: Directory) -> None:
    if database.exists(FORMAT_FILE):
        raise InvalidArgumentError(
            f"{database.location} is a database already; restore into an empty folder"
        )
    if is_backup_folder(database):
        raise InvalidArgumentError(
            f"{database.location} holds backups; restore into an empty folder"
        )
    if database.exists(RESTORE_MARKER):
        return
    names = [
        name
        for name in database.list_names("")
        if name not in _IGNORED and not _TEMPORARY_MARKER.match(name)
    ]
    if names:
        raise InvalidArgumentError(
            f"{database.location} is not empty (found {names[0]!r}); restore into an empty folder"
        )


def _clear(database: Directory) -> None:
    """Delete what an unfinished restore left; the marker goes last, by somebody else."""
    for name in database.list_names(""):
        if name in _IGNORED or name == RESTORE_MARKER:
            continue
        if database.is_dir(name):
            database.delete_dir(name)
        else:
            database.delete(name)
