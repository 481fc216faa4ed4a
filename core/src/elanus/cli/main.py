"""The command ``elanus``: which commands there are, and how errors reach a person."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import elanus
from elanus.cli import backup, check, export, import_, inspect, repair, restore
from elanus.errors import DatabaseLockedError

_COMMANDS = (inspect, check, import_, export, backup, restore, repair)
_GROUP = "elanus.commands"
"""Entry points ``module:run`` of other distributions, such as ``serve`` of elanus-server; the
module has what those of this package have."""
_SIGNALLED = 128
"""What shells add to the number of the signal that ended a command."""


def _commands() -> Iterator[Any]:
    """Yield the modules of all commands: ``NAME``, ``HELP``, ``add_arguments`` and ``run``."""
    yield from _COMMANDS
    for entry in sorted(entry_points(group=_GROUP), key=lambda entry: entry.name):
        yield import_module(entry.module)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="elanus", description="Look after elanus databases.")
    parser.add_argument("--version", action="version", version=f"elanus {elanus.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    for module in _commands():
        command = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments, sys.stdout)
        sys.stdout.flush()
    except DatabaseLockedError as error:
        # What else the library offers are arguments that commands do not have.
        who = str(error).partition(": close it there")[0]
        print(f"elanus: {who}: end the other one first", file=sys.stderr)  # noqa: T201
        return 1
    except elanus.ElanusError as error:
        message = with_flags(str(error), vars(arguments))
        print(f"elanus: {message}", file=sys.stderr)  # noqa: T201 - the command line's own output
        return 1
    except BrokenPipeError:
        # Whoever reads has seen enough, as with "| head"; Python must not flush into it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SIGNALLED + signal.SIGPIPE
    except KeyboardInterrupt:
        print("elanus: ended by Ctrl-C", file=sys.stderr)  # noqa: T201
        return _SIGNALLED + signal.SIGINT
    return status


def with_flags(message: str, arguments: Mapping[str, Any]) -> str:
    """Return what the library says with the flags of the command in place of its arguments."""
    message = re.sub(r"columns=\{'([^']*)': '([^']*)'\}", r"--column '\1=\2'", message)
    for name in arguments:
        flag = f"--{name.replace('_', '-')}"
        message = re.sub(rf"\b{name}=(?!=)(?:True|\.\.\.)?(?:'(\w+)')?", rf"{flag} \1", message)
    return re.sub(r"(--[a-z-]+) (?=[ ,;.)]|\Z)", r"\1", message)
