"""``elanus import``: load files into a collection."""

from __future__ import annotations

import argparse
from typing import Any, TextIO

from elanus.api.database import connect
from elanus.api.transfer import ImportResult
from elanus.cli.formats import count_text
from elanus.cli.transfer_arguments import add_columns, parse_columns
from elanus.errors import NotFoundError

NAME = "import"
HELP = (
    "Load JSON, CSV, Parquet, Arrow or NumPy files into an existing collection, all rows or "
    "none. Called again after it was interrupted, it goes on where it was."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database")
    parser.add_argument("collection", help="name of the collection")
    parser.add_argument(
        "file",
        nargs="+",
        help="files, quoted patterns such as 'parts/*.csv', or a folder, as pymilvus' bulk writer "
        "makes it",
    )
    parser.add_argument("--format", help="format of the files, when their names do not say it")
    parser.add_argument("--delimiter", help="what stands between cells of CSV (default: a comma)")
    parser.add_argument(
        "--null-cell",
        help="cells of CSV that are no value, beside \\N; '' for files of pymilvus' bulk writer",
    )
    parser.add_argument(
        "--on-conflict",
        choices=("error", "replace", "skip"),
        default="error",
        help="what becomes of a row whose primary key is taken (default: error)",
    )
    add_columns(parser)
    parser.add_argument(
        "--max-errors", type=int, default=0, help="rows at fault to leave out (default: 0)"
    )
    parser.add_argument("--errors-file", help="where rows at fault are written, as JSON lines")
    parser.add_argument(
        "--restart", action="store_true", help="begin anew instead of going on after a break"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Import the files and say what was done."""
    columns = parse_columns(arguments.column)
    options: dict[str, Any] = {
        "format": arguments.format,
        "delimiter": arguments.delimiter,
        "null_cell": arguments.null_cell,
        "errors_file": arguments.errors_file,
        "max_errors": arguments.max_errors,
        "resume": not arguments.restart,
        "progress": False if arguments.quiet else None,
    }
    # Opening for writing would create a database that is not there.
    with connect(arguments.path, read_only=True) as database:
        names = database.list_collections()
    if arguments.collection not in names:
        raise NotFoundError(
            f"{arguments.path} has no collection {arguments.collection!r} "
            f"(it has: {', '.join(names) or 'none'}); create it in Python with its schema first"
        )
    with connect(arguments.path) as database:
        result = database.collection(arguments.collection).import_data(
            arguments.file, on_conflict=arguments.on_conflict, columns=columns, **options
        )
    out.write(_summary(arguments.collection, result))
    return 0


def _summary(name: str, result: ImportResult) -> str:
    rate = result.rows / max(result.seconds, 1e-9)
    lines = [
        f"{name}: {count_text(result.rows, 'row')} in {result.seconds:.1f} s ({rate:,.0f} rows/s)"
    ]
    if result.resumed_from is not None:
        lines.append(f"  went on after {count_text(result.resumed_from, 'row')} of an earlier try")
    if result.skipped:
        lines.append(f"  {count_text(result.skipped, 'row')} skipped: the primary key is taken")
    if result.failed:
        where = f", see {result.errors_file}" if result.errors_file else ""
        lines.append(f"  {count_text(result.failed, 'row')} left out{where}")
        lines += [f"    {error}" for error in result.errors]
    return "\n".join(lines) + "\n"
