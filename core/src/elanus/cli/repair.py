"""``elanus repair``: open a damaged database again, with as much as can be kept."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TextIO

from elanus.api.repair import repair
from elanus.cli.formats import count_text
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.repair.report import RepairReport
from elanus.storage.repair.workshop import LOST_ROWS_FILE
from elanus.storage.verification import verify_database

NAME = "repair"
HELP = "Repair a damaged database. Originals are moved to damaged/ inside the database."

_SHOWN_ROWS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database; no process may have it open")
    parser.add_argument(
        "--salvage",
        action="store_true",
        help="keep what verifies where something is lost for good, and list what is lost",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print what was repaired; the status is 1 when damage is left."""
    report = repair(arguments.path, salvage=arguments.salvage, dry_run=arguments.dry_run)
    if arguments.json:
        out.write(json.dumps(report.to_json(), indent=1) + "\n")
        return 0 if report.is_complete else 1
    _write_actions(report, out)
    _write_refused(report, arguments, out)
    if report.folder is not None:
        out.write(f"The files that were replaced are in {arguments.path}/{report.folder}\n")
    if not report.actions and not report.refused:
        out.write("Nothing is damaged.\n")
    if report.dry_run or not report.is_complete:
        return 0 if report.is_complete else 1
    return _check_again(arguments.path, out)


def _write_actions(report: RepairReport, out: TextIO) -> None:
    mark = "would be" if report.dry_run else "repaired"
    for action in report.actions:
        out.write(f"{mark}  {action.path}\n")
        out.write(f"          {action.done}\n")
        if action.lost:
            out.write(f"          lost: {action.lost}\n")
    if report.lost_rows:
        out.write(f"{count_text(len(report.lost_rows), 'row')} could not be kept")
        known = [repr(row.pk) for row in report.lost_rows[:_SHOWN_ROWS] if row.pk is not None]
        if known:
            more = ", ..." if len(report.lost_rows) > len(known) else ""
            out.write(f": primary keys {', '.join(known)}{more}")
        out.write("\n")
        if report.folder is not None:
            out.write(f"All of them are listed in {report.folder}/{LOST_ROWS_FILE}\n")


def _write_refused(report: RepairReport, arguments: argparse.Namespace, out: TextIO) -> None:
    for finding in report.refused:
        out.write(f"left      {finding.message}\n")
        out.write(f"          {finding.meaning}\n")
        out.write(f"          cure: {finding.cure}\n")
    if report.refused and not arguments.salvage:
        out.write(
            f"What is left cannot be repaired without a loss. Restore a backup if there is one; "
            f"otherwise see what can be kept with: elanus repair {arguments.path} --salvage "
            f"--dry-run\n"
        )


def _check_again(path: str, out: TextIO) -> int:
    parts = list(verify_database(LocalDirectory(Path(path), read_only=True)))
    damaged = [finding for part in parts if not part.is_whole for finding in part.findings]
    if not damaged:
        out.write("Checked again: every byte is what was written.\n")
        return 0
    for finding in damaged:
        out.write(f"DAMAGE    {finding.message}\n")
    return 1
