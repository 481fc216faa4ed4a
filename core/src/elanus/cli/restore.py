"""``elanus restore``: make a new database of a backup."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TextIO

from elanus.api.backup import restore
from elanus.cli.formats import count_text, size_text
from elanus.cli.progress import Progress

NAME = "restore"
HELP = "Make a new database of a backup. Every byte is verified."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", help="folder of the backups")
    parser.add_argument("path", help="folder of the new database: missing or empty")
    parser.add_argument(
        "--backup", type=int, metavar="N", help="number of the backup; the newest by default"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print what was restored."""
    with Progress(sys.stderr, "restored") as progress:
        made = restore(arguments.target, arguments.path, arguments.backup, progress=progress)
    if arguments.json:
        out.write(json.dumps(asdict(made), indent=1) + "\n")
        return 0
    names = ", ".join(made.collections) or "no collection"
    out.write(
        f"backup {made.number} of {made.created}: {count_text(made.files, 'file')}, "
        f"{size_text(made.size_bytes)}, verified and restored in {made.seconds:.1f} s\n"
        f"collections: {names}\n"
    )
    return 0
