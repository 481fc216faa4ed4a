"""``elanus export``: write a collection to a file."""

from __future__ import annotations

import argparse
from typing import TextIO

from elanus.api.database import connect
from elanus.cli.formats import count_text

NAME = "export"
HELP = (
    "Write a collection to a JSON lines, CSV, Parquet, Arrow or NumPy file. Reads only, also "
    "beside a writing process."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")
    parser.add_argument("collection", help="name of the collection")
    parser.add_argument("file", help="the new file; its suffix says the format")
    parser.add_argument("--format", help="format of the file, when its name does not say it")
    parser.add_argument("--filter", help="write only what matches, as in 'year >= 2020'")
    parser.add_argument("--output", help="fields to write, separated by commas (default: all)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Export the collection and say what was written."""
    output = arguments.output.split(",") if arguments.output else None
    with connect(arguments.path, read_only=True) as database:
        result = database.collection(arguments.collection).export_data(
            arguments.file,
            filter=arguments.filter,
            output=output,
            format=arguments.format,
            overwrite=arguments.overwrite,
            progress=False if arguments.quiet else None,
        )
    out.write(
        f"{result.path}: {count_text(result.rows, 'row')}, {result.size_bytes:,} bytes in "
        f"{result.seconds:.1f} s\n"
    )
    return 0
