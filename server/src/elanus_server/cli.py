"""``elanus serve``: a folder becomes a server."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import types
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, TextIO

import elanus
from elanus_server.configuration import CONFIG_VARIABLE, Configuration, configure
from elanus_server.options import GROUPS, MORE, PREFIX, Option, options
from elanus_server.settings import Settings
from elanus_server.workers.spawning import start

if TYPE_CHECKING:
    from elanus_server.app import Ports

NAME = "serve"
HELP = "Serve a database with Milvus' protocol: every Milvus client can use it."
_EPILOG = (
    f"Every option is also a variable, {PREFIX} and its name in capitals, and a key of the file, "
    f"with _ for -. Flags win over variables, variables over the file."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: one for each setting."""
    parser.epilog = _EPILOG
    groups = {title: parser.add_argument_group(title) for title in (*GROUPS, MORE)}
    for option in options().values():
        _add(groups[option.group], option)
    configuration = parser.add_argument_group("configuration")
    configuration.add_argument(
        "--config", metavar="FILE", help=f"file of settings, TOML (variable {CONFIG_VARIABLE})"
    )
    configuration.add_argument(
        "--show-config",
        action="store_true",
        help="print every setting and where it comes from, as a file of settings, and end",
    )


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    # A sentence that goes on in the help of argparse begins in lower case.
    about = (option.about[:1].lower() + option.about[1:]).replace("%", "%%")
    if option.is_required:
        group.add_argument(option.name, nargs="?", default=None, help=about)
        return
    if option.is_secret:
        flag = f"{option.flag}-file"
        text = f"file that holds the {about} (or the variable {option.variable})"
        group.add_argument(flag, metavar="FILE", default=None, help=text)
        return
    if option.is_mapping:
        group.add_argument(
            option.flag, metavar="NAME=NUMBER", action="append", default=None, help=about
        )
        return
    is_shown = option.default is not None and option.default is not False
    default = f" ({option.shown(option.default).strip(chr(34))})" if is_shown else ""
    if bool in option.kinds:
        group.add_argument(
            option.flag,
            action=argparse.BooleanOptionalAction,
            default=None,
            help=f"{about}{default}",
        )
        return
    group.add_argument(
        option.flag, metavar=_metavar(option), default=None, help=f"{about}{default}"
    )


def _metavar(option: Option) -> str:
    endings = {
        "port": "PORT",
        "_bytes": "SIZE",
        "_s": "SECONDS",
        "folder": "FOLDER",
        "_log": "FILE",
    }
    named = next((word for end, word in endings.items() if option.name.endswith(end)), None)
    if named is not None:
        return named
    if option.name.startswith("tls_"):
        return "FILE"
    if int in option.kinds:
        return "N"
    return "TEXT" if types.NoneType in option.kinds else option.name.upper()


def configuration_of(arguments: argparse.Namespace) -> Configuration:
    """Return the settings that parsed arguments, the environment and the file come to.

    Raises:
        InvalidArgumentError: One of them is wrong; says which and where it stands.
    """
    return configure(
        {name: value for name, value in vars(arguments).items() if value is not None}, os.environ
    )


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Serve until the process is asked to end."""
    configuration = configuration_of(arguments)
    if arguments.show_config:
        _say(out, configuration.to_toml())
        return 0
    settings = configuration.settings
    is_folder = settings.path != ":memory:"
    spawned = start(settings.workers if is_folder else 0)
    # Whoever only asks for help need not wait for gRPC.
    from elanus_server.app import serve
    from elanus_server.front import allow_many_connections

    allow_many_connections()
    say = partial(_say, out)
    asyncio.run(
        serve(
            settings,
            ready=lambda ports: say(_announcement(configuration, ports)),
            new_password=lambda password: say(_ROOT_NOTE.format(password=password)),
            spawned=spawned,
        )
    )
    return 0


_ROOT_NOTE = (
    "The user root was made with the password {password}\n"
    "It is shown this once; change it with update_password."
)


def _announcement(configuration: Configuration, ports: Ports) -> str:
    settings = configuration.settings
    scheme = "http" if settings.tls_cert is None else "https"
    where = f"{scheme}://{settings.url_host}"
    lines = [f"elanus serves {settings.path} to Milvus clients at {where}:{ports.grpc}"]
    if ports.rest is not None:
        lines.append(f"Its page: {where}:{ports.rest}/ui/")
        lines.append(f"RESTful API: {where}:{ports.rest}/docs")
    if ports.metrics is not None:
        lines.append(f"Health and metrics: http://{settings.url_host}:{ports.metrics}/metrics")
    said = configuration.summary()
    if said:
        lines.append(f"Settings: {said}")
    if not settings.auth and not _is_local(settings):
        lines.append("Everybody who reaches this address may do everything: consider --auth.")
    lines.append("Ctrl-C ends it.")
    return "\n".join(lines)


def _is_local(settings: Settings) -> bool:
    return settings.host in ("127.0.0.1", "localhost", "::1")


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
