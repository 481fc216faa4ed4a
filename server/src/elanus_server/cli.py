"""``elanus serve``: a folder becomes a server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import TextIO

import elanus
from elanus_server.settings import DEFAULT_PORT, Settings

NAME = "serve"
HELP = "Serve a database with Milvus' protocol: every Milvus client can use it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help="folder of the database; made when there is none")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"port of gRPC ({DEFAULT_PORT})"
    )
    parser.add_argument(
        "--threads", type=int, default=16, help="calls that are answered at once (16)"
    )


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Serve until the process is asked to end."""
    # Whoever only asks for help need not wait for gRPC.
    from elanus_server.app import serve

    settings = Settings(
        arguments.path, arguments.host, arguments.port, threads=max(1, arguments.threads)
    )
    asyncio.run(serve(settings, ready=partial(_announce, settings, out)))
    return 0


def _announce(settings: Settings, out: TextIO, port: int) -> None:
    out.write(
        f"elanus serves {settings.path} on {settings.host}:{port}, for Milvus clients at "
        f"http://{settings.host}:{port}. Ctrl-C ends it.\n"
    )
    out.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; return the exit status."""
    parser = argparse.ArgumentParser(prog="elanus-server", description=HELP)
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv), sys.stdout)
    except elanus.ElanusError as error:
        sys.stderr.write(f"elanus-server: {error}\n")
        return 1
