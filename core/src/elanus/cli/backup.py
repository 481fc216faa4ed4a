"""``elanus backup``: copy a database while it is written."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from elanus.api.backup import back_up_to
from elanus.cli.formats import count_text, size_text
from elanus.cli.progress import Progress
from elanus.storage.local_directory import LocalDirectory

NAME = "backup"
HELP = "Copy a database into a folder of backups, also beside a writing process."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")
    parser.add_argument("target", help="folder of its backups; created when missing")
    parser.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="delete all but the N newest backups, and files that no backup needs",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print what was copied."""
    source = LocalDirectory(Path(arguments.path).expanduser().resolve(), read_only=True)
    with Progress(sys.stderr, "copied") as progress:
        made = back_up_to(source, arguments.target, keep=arguments.keep, progress=progress)
    if arguments.json:
        out.write(json.dumps(asdict(made), indent=1) + "\n")
        return 0
    out.write(
        f"backup {made.number}: {count_text(made.files, 'file')}, {size_text(made.copied_bytes)} "
        f"copied, {size_text(made.reused_bytes)} in earlier backups already, "
        f"{made.seconds:.1f} s\n"
    )
    for file in made.left_out:
        out.write(
            f"  left out: {file} is damaged; it is derived again from the rows. Repair the "
            f"database with: elanus repair {arguments.path}\n"
        )
    if made.deleted:
        out.write(f"  deleted: {count_text(len(made.deleted), 'older backup')}\n")
    return 0
