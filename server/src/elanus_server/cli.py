"""``elanus serve``: a folder becomes a server."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, TextIO

import elanus
from elanus_server.settings import (
    DEFAULT_AUDIT_BYTES,
    DEFAULT_METRICS_PORT,
    DEFAULT_PORT,
    SHARED,
    Settings,
)

if TYPE_CHECKING:
    from elanus_server.app import Ports

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
        "--auth",
        action="store_true",
        help="clients have to say who they are; the user root is made at the first start, with the "
        "password in ELANUS_ROOT_PASSWORD or one that is printed once",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate, PEM: clients talk TLS")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, PEM")
    parser.add_argument(
        "--tls-client-ca", metavar="FILE", help="clients need a certificate signed by one of these"
    )
    parser.add_argument(
        "--rest-port",
        type=_rest_port,
        default=SHARED,
        metavar="PORT",
        help="port of the RESTful API: a number, 'shared' for that of gRPC (the default), or "
        "'none'; gRPC is a little faster with a port to itself",
    )
    parser.add_argument(
        "--metrics-port",
        type=_port,
        default=DEFAULT_METRICS_PORT,
        metavar="PORT",
        help=f"port of health and metrics, or 'none' ({DEFAULT_METRICS_PORT})",
    )
    _add_limits_and_audit(parser)
    parser.add_argument(
        "--threads", type=int, default=16, help="calls that are answered at once (16)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that answer searches beside the one that writes; about one for each core "
        "(0: that one does everything)",
    )


def _add_limits_and_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--import-folder",
        metavar="FOLDER",
        help="folder whose files clients may import, and use in analyzers; none by default",
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what each user may ask for, such as dql.searchRate.max=100 searches per second; may "
        "be given several times, docs/guide/server.md lists the names",
    )
    parser.add_argument(
        "--audit-log", metavar="FILE", help="write down who did what, as lines of JSON"
    )
    parser.add_argument(
        "--audit-every-call",
        action="store_true",
        help="also calls that only read or write entities",
    )
    parser.add_argument(
        "--audit-max-bytes",
        type=int,
        default=DEFAULT_AUDIT_BYTES,
        metavar="BYTES",
        help="size from which a new file is begun (100 MiB)",
    )


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Serve until the process is asked to end."""
    # Whoever only asks for help need not wait for gRPC.
    from elanus_server.app import serve

    settings = Settings(
        arguments.path,
        arguments.host,
        arguments.port,
        rest_port=arguments.rest_port,
        metrics_port=arguments.metrics_port,
        threads=max(1, arguments.threads),
        workers=max(0, arguments.workers),
        auth=arguments.auth,
        root_password=os.environ.get("ELANUS_ROOT_PASSWORD"),
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        tls_client_ca=arguments.tls_client_ca,
        import_folder=arguments.import_folder,
        limits=dict(arguments.limit),
        audit_log=arguments.audit_log,
        audit_every_call=arguments.audit_every_call,
        audit_max_bytes=arguments.audit_max_bytes,
    )
    say = partial(_say, out)
    asyncio.run(
        serve(
            settings,
            ready=lambda ports: say(_announcement(settings, ports)),
            new_password=lambda password: say(_ROOT_NOTE.format(password=password)),
        )
    )
    return 0


def _port(text: str) -> int | None:
    """Return a port; None switches off what would listen there."""
    if text.lower() in ("none", "0"):
        return None
    number = int(text)
    if not 0 < number < 65_536:
        raise ValueError(text)
    return number


def _rest_port(text: str) -> int | Literal["shared"] | None:
    return SHARED if text.lower() == SHARED else _port(text)


def _limit(text: str) -> tuple[str, float]:
    """Return name and value of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(text)
    return name.strip(), float(value)


_ROOT_NOTE = (
    "The user root was made with the password {password}\n"
    "It is shown this once; change it with update_password."
)


def _announcement(settings: Settings, ports: Ports) -> str:
    scheme = "http" if settings.tls_cert is None else "https"
    lines = [
        f"elanus serves {settings.path} to Milvus clients at {scheme}://{settings.host}:{ports.grpc}"
    ]
    if ports.rest is not None:
        lines.append(f"RESTful API: {scheme}://{settings.host}:{ports.rest}/docs")
    if ports.metrics is not None:
        lines.append(f"Health and metrics: http://{settings.host}:{ports.metrics}/metrics")
    is_local = settings.host in ("127.0.0.1", "localhost", "::1")
    if not settings.auth and not is_local:
        lines.append("Everybody who reaches this address may do everything: consider --auth.")
    lines.append("Ctrl-C ends it.")
    return "\n".join(lines)


def _say(out: TextIO, text: str) -> None:
    out.write(f"{text}\n")
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
