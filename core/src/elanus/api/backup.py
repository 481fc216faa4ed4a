"""Backups as users call them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from elanus.api.opening import resolved_folder
from elanus.storage.backup.restore import RestoreResult, restore_backup
from elanus.storage.backup.writer import BackupResult, back_up, check_places
from elanus.storage.directory import Directory
from elanus.storage.local_directory import LocalDirectory

__all__ = ["BackupResult", "RestoreResult", "back_up_to", "restore"]


def _no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def back_up_to(
    source: Directory,
    path: str | os.PathLike[str],
    *,
    keep: int | None = None,
    progress: Callable[[int, int], None] = _no_progress,
) -> BackupResult:
    """Copy the database in ``source`` into the folder ``path`` (``Database.backup``)."""
    target = LocalDirectory(resolved_folder(os.fspath(path)))
    return back_up(source.for_reading(), target, keep=keep, progress=progress)


def restore(
    backup: str | os.PathLike[str],
    path: str | os.PathLike[str],
    number: int | None = None,
    *,
    progress: Callable[[int, int], None] = _no_progress,
) -> RestoreResult:
    """Make a new database of a backup.

    Every byte is verified. The new database gets an identifier of its own.

    Args:
        backup: The folder of the backups.
        path: The folder of the new database: missing or empty.
        number: Which backup; None takes the newest.
        progress: Called with the bytes that are done and all bytes, after each file.

    Raises:
        CorruptionError: The backup is damaged; no database was made.
        InvalidArgumentError: ``path`` is not empty.
        NotFoundError: There is no such backup.
        StorageError: The medium failed; no database was made.
    """
    target = LocalDirectory(Path(backup).expanduser().resolve(), read_only=True)
    database = LocalDirectory(resolved_folder(os.fspath(path)))
    check_places(database.location, target.location)
    return restore_backup(target, database, number=number, progress=progress)
