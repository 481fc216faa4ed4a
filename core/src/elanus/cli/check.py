"""``elanus check``: is every byte what was written?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from elanus.storage.local_directory import LocalDirectory
from elanus.storage.verification import verify_database

NAME = "check"
HELP = "Read every file and compare all checksums. Changes nothing."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Print what is damaged; the status is 1 when rows are."""
    is_whole = True
    for verified in verify_database(LocalDirectory(Path(arguments.path), read_only=True)):
        state = "damaged" if verified.findings else "ok"
        out.write(
            f"{verified.collection}: {state}, {verified.segments} segments and "
            f"{verified.logs} logs read\n"
        )
        for finding in verified.findings:
            cure = "derived again at the next opening" if finding.is_derivable else "rows are lost"
            out.write(f"  {finding.message} ({cure})\n")
            is_whole = is_whole and finding.is_derivable
    return 0 if is_whole else 1
