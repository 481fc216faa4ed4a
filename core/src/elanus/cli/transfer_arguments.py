"""Arguments that commands which move rows have in common."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from elanus.errors import InvalidArgumentError


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Declare how columns of files are named otherwise than fields."""
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=FIELD",
        help="a column of the files that is called otherwise than its field; NAME= leaves it out",
    )


def parse_columns(given: Sequence[str]) -> dict[str, str | None]:
    """Return the field of each column.

    Raises:
        InvalidArgumentError: Not of the form ``NAME=FIELD``.
    """
    columns: dict[str, str | None] = {}
    for text in given:
        name, equals, field = text.partition("=")
        if not equals or not name:
            raise InvalidArgumentError(
                f"--column: expected NAME=FIELD, or NAME= to leave a column out, got {text!r}"
            )
        columns[name] = field or None
    return columns
