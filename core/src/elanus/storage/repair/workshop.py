"""How does a repair change files without ever losing an original?

Every file that is replaced is first given a second name under ``damaged/<time>/``, in the tree of
the database. Only then does its successor take its place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from elanus.errors import AlreadyExistsError, NotFoundError
from elanus.storage.directory import Bytes, FileDirectory, join_path, parent_path
from elanus.storage.findings import Finding
from elanus.storage.repair.report import Action, LostRow, RepairReport
from elanus.storage.verification import DAMAGED_FOLDER

LOST_ROWS_FILE = "lost_rows.jsonl"
REPORT_FILE = "report.json"


class Workshop:
    """Where one repair works. With ``dry_run`` nothing is written.

    Args:
        directory: Where the database is.
        salvage: Keep what verifies where something is lost for good.
        dry_run: Only say what would be done.
    """

    def __init__(self, directory: FileDirectory, *, salvage: bool, dry_run: bool) -> None:
        self.directory = directory
        self.salvage = salvage
        self.dry_run = dry_run
        self.report = RepairReport(dry_run)
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._pinned: frozenset[str] = frozenset()

    def did(self, action: Action) -> None:
        """Note what was done."""
        self.report.actions.append(action)

    def refuse(self, findings: Iterable[Finding]) -> None:
        """Note damage that is left alone."""
        self.report.refused.extend(findings)

    def lost(self, rows: Iterable[LostRow]) -> None:
        """Note rows that could not be kept."""
        self.report.lost_rows.extend(rows)

    def pin(self, files: Iterable[str]) -> None:
        """Leave these files where they are: a named snapshot needs them as they are."""
        self._pinned |= frozenset(files)

    def keep(self, path: str) -> None:
        """Give a file its second name, durably; nothing happens when it is not there."""
        if self.dry_run or not self.directory.exists(path):
            return
        kept = join_path(self._folder(), path)
        self.directory.make_dir(parent_path(kept))
        with contextlib.suppress(AlreadyExistsError):
            self.directory.link(path, kept)
        self.directory.sync_dir(parent_path(kept))

    def set_aside(self, path: str) -> None:
        """Move a file away; it keeps its second name."""
        if self.dry_run or path in self._pinned:
            return
        self.keep(path)
        self.directory.delete(path)
        with contextlib.suppress(NotFoundError):
            self.directory.sync_dir(parent_path(path))

    def replace(self, path: str, chunks: Iterable[Bytes]) -> None:
        """Put other bytes in the place of a file, durably."""
        if self.dry_run:
            return
        self.set_aside(path)
        self.directory.write_new(path, chunks)

    def kept_before(self, path: str) -> str | None:
        """Return the second name that an earlier repair gave to a file, if one did."""
        for stamp in reversed(self.directory.list_names(DAMAGED_FOLDER)):
            kept = join_path(DAMAGED_FOLDER, stamp, path)
            if self.directory.exists(kept):
                return kept
        return None

    def finish(self) -> RepairReport:
        """Write the report beside the originals and return it."""
        report = self.report
        if self.dry_run or not report.actions:
            return report
        folder = self._folder()
        self.directory.make_dir(folder)
        if report.lost_rows:
            self.directory.write_new(join_path(folder, LOST_ROWS_FILE), report.lost_row_lines())
        text = json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n"
        self.directory.write_new(join_path(folder, REPORT_FILE), [text.encode("utf-8")])
        return report

    def _folder(self) -> str:
        if self.report.folder is None:
            folder = join_path(DAMAGED_FOLDER, self._stamp)
            number = 1
            while self.directory.exists(folder):
                number += 1
                folder = join_path(DAMAGED_FOLDER, f"{self._stamp}-{number}")
            self.report.folder = folder
        return self.report.folder
