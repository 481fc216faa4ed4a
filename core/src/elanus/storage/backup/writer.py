"""How does a backup get into its folder?

Data first, each file durable before the next step, the record last: a backup that is killed leaves
the earlier ones as they were, and what it copied is used by the next one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from elanus.errors import (
    CorruptionError,
    DatabaseLockedError,
    InvalidArgumentError,
)
from elanus.kernels.checksum import crc32c
from elanus.storage.backup.cut import (
    CollectionCut,
    DatabaseCut,
    HeldFile,
    take_cut,
    without_files,
)
from elanus.storage.backup.record import (
    RECORDS_FOLDER,
    TARGET_LOCK,
    BackupCollection,
    BackupFile,
    BackupRecord,
    backup_folder,
    commit_backup,
    delete_record,
    list_backups,
    load_backup,
    prepare_target,
    record_path,
)
from elanus.storage.backup.verified_copy import check_block_file, verified_blocks
from elanus.storage.catalog import COLLECTIONS_FOLDER, check_is_database
from elanus.storage.directory import Directory, join_path, parent_path
from elanus.storage.json_file import encode_json_file
from elanus.storage.manifest import (
    MANIFEST_FOLDER,
    MANIFEST_FORMAT_VERSION,
    manifest_to_json,
)

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes of the whole backup."""


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made.

    Attributes:
        number: Its number in the target folder.
        files: Files that it consists of.
        copied_bytes: Bytes that were written for it.
        reused_bytes: Bytes of files that an earlier backup had copied.
        seconds: How long it took.
        left_out: Damaged or missing files that are derived again after a restore.
        deleted: Numbers of the older backups that were deleted.
    """

    number: int
    files: int
    copied_bytes: int
    reused_bytes: int
    seconds: float
    left_out: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()


def back_up(
    source: Directory,
    target: Directory,
    *,
    keep: int | None = None,
    progress: Progress = lambda done, total: None,
) -> BackupResult:
    """Copy a database as of now. Takes no lock of the database and never makes a writer wait.

    Args:
        source: Where the database is.
        target: The folder of its backups; created when missing.
        keep: Delete all but this many of the newest backups afterwards; None keeps all.
        progress: Told how far the copy is.

    Raises:
        CorruptionError: A file of the database is damaged; no backup was made.
        DatabaseLockedError: Another backup into this folder is running.
        InvalidArgumentError: The folder is inside the database, or holds something else.
        StorageError: The medium failed; no backup was made, and earlier ones are as they were.
    """
    started = time.monotonic()
    if keep is not None and keep < 1:
        raise InvalidArgumentError(f"keep must be at least 1, got {keep}")
    check_places(source.location, target.location)
    check_is_database(source)
    cut = take_cut(source)
    prepare_target(target, cut.db_uuid)
    lock = target.try_lock(TARGET_LOCK, str(os.getpid()).encode("ascii"))
    if lock is None:
        raise DatabaseLockedError(
            f"{target.location}: another backup into this folder is running; wait for it"
        )
    try:
        copy = _copy(cut, target, progress)
        deleted = () if keep is None else prune_backups(target, keep)
    finally:
        lock.release()
    return BackupResult(
        number=copy.number,
        files=len(copy.files),
        copied_bytes=copy.copied_bytes,
        reused_bytes=copy.reused_bytes,
        seconds=time.monotonic() - started,
        left_out=tuple(copy.left_out),
        deleted=deleted,
    )


def _copy(cut: DatabaseCut, target: Directory, progress: Progress) -> _Copy:
    numbers = list_backups(target)
    number = numbers[-1] + 1 if numbers else 1
    # No record names what an unfinished backup of this number left behind.
    target.delete_dir(backup_folder(number))
    target.make_dir(backup_folder(number))  # also for a database without collections
    copy = _Copy(target, number, progress, _size_of(cut))
    for collection in cut.collections:
        copy.collection(collection)
    commit_backup(target, _record(cut, number, copy.files))
    return copy


def check_places(database: str, target: str) -> None:
    """Refuse a backup folder inside the database, and the database inside the backup folder.

    Raises:
        InvalidArgumentError: One contains the other.
    """
    if not (os.path.isabs(database) and os.path.isabs(target)):
        return  # one of them is in memory
    inner, outer = os.path.realpath(target), os.path.realpath(database)
    if inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep):
        raise InvalidArgumentError(
            f"{target} lies inside the database {database}; choose a folder outside of it, best on "
            f"another disk"
        )
    if outer.startswith(inner.rstrip(os.sep) + os.sep):
        raise InvalidArgumentError(
            f"the database {database} lies inside {target}; choose a folder of its own for the "
            f"backups"
        )


@dataclass(slots=True)
class _Copy:
    """One backup while it is made."""

    target: Directory
    number: int
    progress: Progress
    total_bytes: int
    files: list[BackupFile] = field(default_factory=list)
    copied_bytes: int = 0
    reused_bytes: int = 0
    left_out: list[str] = field(default_factory=list)

    def collection(self, cut: CollectionCut) -> None:
        left_out = list(cut.left_out)
        for held in cut.files:
            try:
                self.shared_file(held)
            except CorruptionError:
                if not held.is_derivable:
                    raise
                left_out.append(held.path)
        for log in cut.logs:
            self.own_file(log.path, log.raw)
        named = without_files(cut.path, cut.manifest, left_out)
        manifest = encode_json_file("manifest", MANIFEST_FORMAT_VERSION, manifest_to_json(named))
        self.left_out += left_out
        name = f"{cut.manifest.version:020d}.man"
        self.own_file(join_path(cut.path, MANIFEST_FOLDER, name), memoryview(manifest))

    def shared_file(self, held: HeldFile) -> None:
        """Copy an immutable file unless a backup has it already."""
        size = len(held.raw)
        stored = self.place_for(held)
        if self.target.exists(stored):
            check_block_file(held.raw, held.path, size=size, crc=held.crc)
            self.reused_bytes += size
        else:
            self.target.make_dir(parent_path(stored))
            self.target.write_new(
                stored, verified_blocks(held.raw, held.path, size=size, crc=held.crc)
            )
            self.copied_bytes += size
        self.note(BackupFile(held.path, stored, size, held.crc, is_block_file=True))

    def place_for(self, held: HeldFile) -> str:
        """Return where a file goes; when something is there, it is this very file."""
        for stored in (held.path, f"{held.path}.{held.crc:08x}"):
            if not self.target.exists(stored):
                return stored
            try:
                check_block_file(self.target.read(stored), stored, size=len(held.raw), crc=held.crc)
            except CorruptionError:
                if not _is_sound(self.target, stored):
                    # Damaged in the backup: whichever backup names it gets a good one again.
                    self.target.delete(stored)
                    return stored
                continue
            return stored
        raise CorruptionError(
            f"{self.target.location}/{held.path}: two other files have its name; choose another "
            f"folder for the backups",
            path=held.path,
        )

    def own_file(self, path: str, raw: memoryview) -> None:
        """Write a file that belongs to this backup alone."""
        stored = join_path(backup_folder(self.number), path)
        self.target.make_dir(parent_path(stored))
        self.target.write_new(stored, [raw])
        self.copied_bytes += len(raw)
        self.note(BackupFile(path, stored, len(raw), crc32c(raw), is_block_file=False))

    def note(self, file: BackupFile) -> None:
        self.files.append(file)
        self.progress(self.copied_bytes + self.reused_bytes, self.total_bytes)


def _is_sound(target: Directory, stored: str) -> bool:
    """Return whether every block of a file verifies, whichever file it is."""
    raw = target.read(stored)
    try:
        crc = int.from_bytes(raw[-4:], "little")
        for _ in verified_blocks(raw, stored, size=len(raw), crc=crc):
            pass
    except CorruptionError:
        return False
    return True


def prune_backups(target: Directory, keep: int) -> tuple[int, ...]:
    """Delete all but the newest backups, and every file that no backup names.

    Returns:
        The numbers of the backups that were deleted.

    Raises:
        CorruptionError: The record of a backup that stays is damaged, so which files it needs is
            unknown; no file was deleted.
    """
    numbers = list_backups(target)
    unwanted = numbers[: max(0, len(numbers) - keep)]
    needed: set[str] = set()
    for number in numbers[len(unwanted) :]:
        needed.update(file.stored for file in load_backup(target, number).files)
    for number in unwanted:
        delete_record(target, number)
        target.delete_dir(backup_folder(number))
    _delete_except(target, COLLECTIONS_FOLDER, needed)
    kept = {backup_folder(n) for n in numbers} | {record_path(n) for n in numbers}
    for name in target.list_names(RECORDS_FOLDER):
        path = join_path(RECORDS_FOLDER, name)
        if path not in kept:
            _delete_any(target, path)
    return tuple(unwanted)


def _delete_except(target: Directory, folder: str, needed: Iterable[str]) -> bool:
    """Delete files below a folder that are not needed; return whether the folder is empty."""
    is_empty = True
    for name in target.list_names(folder):
        path = join_path(folder, name)
        if target.is_dir(path):
            if _delete_except(target, path, needed):
                target.delete_dir(path)
            else:
                is_empty = False
        elif path in needed:
            is_empty = False
        else:
            target.delete(path)
    return is_empty


def _delete_any(target: Directory, path: str) -> None:
    if target.is_dir(path):
        target.delete_dir(path)
    else:
        target.delete(path)


def _size_of(cut: DatabaseCut) -> int:
    files = sum(len(file.raw) for c in cut.collections for file in c.files)
    return files + sum(len(log.raw) for c in cut.collections for log in c.logs)


def _record(cut: DatabaseCut, number: int, files: list[BackupFile]) -> BackupRecord:
    return BackupRecord(
        number=number,
        db_uuid=cut.db_uuid,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        catalog_version=cut.catalog.version,
        collections={
            c.name: BackupCollection(c.path.rpartition("/")[2], c.manifest.version, c.last_seq)
            for c in cut.collections
        },
        files=tuple(files),
        aliases=cut.catalog.aliases,
        databases=cut.catalog.databases,
    )
