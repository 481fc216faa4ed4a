"""Repair as users call it: the files first, then what is derived from them."""

from __future__ import annotations

import os
from pathlib import Path

from elanus.engine.indexing.postings_repair import rebuild_postings
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.repair.report import RepairReport
from elanus.storage.repair.run import repair_database


def repair(
    path: str | os.PathLike[str], *, salvage: bool = False, dry_run: bool = False
) -> RepairReport:
    """Repair a damaged database in a folder.

    Indexes that had to be dropped are built again: postings before this returns, graphs in the
    background once the database is open.

    Args:
        path: The folder; no process may have it open for writing.
        salvage: Also keep what verifies where something is lost for good.
        dry_run: Change nothing; the report says what would be done.

    Raises:
        DatabaseLockedError: A process has it open for writing.
        NotFoundError: There is no database.
        StorageError: The medium failed; run it again.
    """
    directory = LocalDirectory(Path(path).expanduser().resolve(), read_only=dry_run)
    report = repair_database(directory, salvage=salvage, dry_run=dry_run)
    if report.actions and report.is_complete and not dry_run:
        rebuild_postings(directory)
    return report
