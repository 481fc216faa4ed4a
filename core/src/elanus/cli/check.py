"""``elanus check``: is every byte what was written?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from elanus.cli.formats import count_text, size_text
from elanus.storage.backup.restore import VerifiedBackup, verify_backups
from elanus.storage.findings import Finding, Severity
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.verification import Verified, verify_database

NAME = "check"
HELP = "Read every file and compare all checksums. Changes nothing."

_MARKS = {Severity.DAMAGE: "DAMAGE", Severity.DERIVABLE: "rebuild", Severity.HARMLESS: "leftover"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")
    parser.add_argument(
        "--backup", action="store_true", help="the folder holds backups: read all of them"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print what is damaged; the status is 1 when anything is."""
    directory = LocalDirectory(Path(arguments.path), read_only=True)
    if arguments.backup:
        return _run_backups(verify_backups(directory), arguments, out)
    return _run_database(verify_database(directory), arguments, out)


def _run_database(parts: Iterable[Verified], arguments: argparse.Namespace, out: TextIO) -> int:
    if arguments.json:
        listed = list(parts)
        is_whole = all(part.is_whole for part in listed)
        content = {
            "path": arguments.path,
            "whole": is_whole,
            "parts": [_as_json(p) for p in listed],
        }
        out.write(json.dumps(content, indent=1) + "\n")
        return 0 if is_whole else 1
    damaged: list[Finding] = []
    for part in parts:
        out.write(_headline(part) + "\n")
        _write_findings(part.findings, out)
        damaged += [f for f in part.findings if f.severity is not Severity.HARMLESS]
    out.write(_verdict(arguments.path, damaged) + "\n")
    return 1 if damaged else 0


def _headline(part: Verified) -> str:
    state = "ok" if part.is_whole else "damaged"
    if not part.collection:
        return f"database: {state}, {count_text(part.manifests, 'catalog')} read"
    read = ", ".join(
        [
            count_text(part.manifests, "manifest"),
            f"{count_text(part.segments, 'segment')} with {count_text(part.rows, 'row')}",
            f"{count_text(part.logs, 'log')} with {count_text(part.records, 'record')}",
        ]
    )
    torn = (
        f"; {count_text(part.torn_bytes, 'byte')} of a write that was never acknowledged"
        if part.torn_bytes
        else ""
    )
    return f"{part.collection}: {state}, {read} read{torn}"


def _write_findings(findings: Sequence[Finding], out: TextIO) -> None:
    for finding in findings:
        mark = _MARKS[finding.severity]
        if finding.severity is Severity.HARMLESS:
            out.write(f"  {mark:<8}  {finding.message} ({size_text(finding.size_bytes)})\n")
            continue
        out.write(f"  {mark:<8}  {finding.message}\n")
        out.write(f"            {finding.meaning}\n")
        out.write(f"            cure: {finding.cure}\n")


def _verdict(path: str, damaged: Sequence[Finding]) -> str:
    if not damaged:
        return "Every byte is what was written."
    lost = [f for f in damaged if f.severity is Severity.DAMAGE]
    places = count_text(len(damaged), "place")
    if not lost:
        return (
            f"Damaged in {places}; no row is lost. Close the database and run: elanus repair {path}"
        )
    return (
        f"Damaged in {places}, of which {len(lost)} cannot be derived from other files. Restore a "
        f"backup, or see what can be kept: elanus repair {path} --salvage --dry-run"
    )


def _as_json(part: Verified) -> dict[str, object]:
    findings = [{**asdict(f), "severity": f.severity.value} for f in part.findings]
    return {**asdict(part), "whole": part.is_whole, "findings": findings}


def _run_backups(
    parts: Iterable[VerifiedBackup], arguments: argparse.Namespace, out: TextIO
) -> int:
    listed: list[VerifiedBackup] = []
    for part in parts:
        listed.append(part)
        if arguments.json:
            continue
        state = "damaged" if part.findings else "ok"
        of = f" of {part.created}" if part.created else ""
        read = f"{count_text(part.files, 'file')}, {size_text(part.size_bytes)} read"
        out.write(f"backup {part.number}{of}: {state}, {read}\n")
        for finding in part.findings:
            out.write(f"  DAMAGE    {finding}\n")
    is_whole = not any(part.findings for part in listed)
    if arguments.json:
        content = {
            "path": arguments.path,
            "whole": is_whole,
            "backups": [asdict(p) for p in listed],
        }
        out.write(json.dumps(content, indent=1) + "\n")
    elif not is_whole:
        out.write(
            "A damaged backup cannot be restored. The next backup of the database copies damaged "
            "files that it still has again.\n"
        )
    return 0 if is_whole else 1
