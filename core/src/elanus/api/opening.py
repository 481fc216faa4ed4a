"""How is a database to be opened?"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple, TypedDict

from elanus.api.sharing import OpenOptions
from elanus.engine.context import Durability
from elanus.engine.memory import parse_limit
from elanus.errors import InvalidArgumentError
from elanus.schema.collection import did_you_mean

_SERVER_SCHEMES = ("http://", "https://", "grpc://", "grpcs://", "tcp://")
"""URLs of servers; all mean the same port, those that end in s with TLS."""
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d{2,5}\Z|\[[0-9a-fA-F:]+\]:\d{2,5}\Z")
_OF_SERVERS = ("timeout", "tls_ca", "tls_cert", "tls_key")
_OF_FOLDERS = ("durability", "memory_limit", "sync_interval_ms")


class ConnectOptions(TypedDict, total=False):
    """Further options of ``connect``.

    Attributes:
        wait_s: How long to wait, in seconds, while another process has the folder open for
            writing; 0. Nobody waits for a server.
        durability: What a write to a folder survives when it has returned. ``"commit"``, the
            default: a power loss. ``"interval"``: a crash of the process; a power loss loses at
            most the last ``sync_interval_ms``. ``"os"``: a crash of the process; after a power loss
            the end may be missing, as much as the operating system had not written yet.
        sync_interval_ms: Milliseconds between two syncs with ``"interval"``; 100.
        memory_limit: What the database of a folder may hold in memory, in bytes or as ``"512MB"``:
            rows not flushed yet, graphs, decoded columns, merges. Mapped files do not count. With
            little memory, segments are scanned where a graph would not fit. None is no limit.
        timeout: Seconds after which a call of a server ends with ``ServerTimeoutError``; None
            waits.
        tls_ca: File of the certificates that the server's own must be signed by, PEM; None: those
            of the system.
        tls_cert: File of the client's certificate, for a server that asks for one.
        tls_key: File of its key; None: it is in ``tls_cert``.
    """

    wait_s: float
    durability: str
    sync_interval_ms: float
    memory_limit: int | str | None
    timeout: float | None
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None


class ServerOptions(NamedTuple):
    """The options of a server; see ``ConnectOptions``."""

    timeout: float | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


def location_of(uri: object) -> str:
    """Return the text of a folder or URL.

    Raises:
        InvalidArgumentError: It is neither, or empty.
    """
    location = os.fsdecode(uri) if isinstance(uri, str | bytes | os.PathLike) else ""
    if not location:
        what = repr(uri) if isinstance(uri, str | bytes) else type(uri).__name__
        raise InvalidArgumentError(
            f"connect: expected a folder, ':memory:' or the URL of a server, got {what}; "
            f"the folder of the program itself is '.'"
        )
    return location


def is_server(uri: str) -> bool:
    """Whether a server is meant."""
    return uri.startswith(_SERVER_SCHEMES)


def resolved_folder(uri: str) -> Path:
    """Return the folder that ``uri`` names, which need not exist.

    Raises:
        InvalidArgumentError: It is a file, has another scheme, or is only a host and a port.
    """
    if "://" in uri or uri.startswith("unix:"):
        raise InvalidArgumentError(
            f"expected a folder, ':memory:' or a URL with http, https, tcp, grpc or grpcs, got "
            f"{uri.rpartition('@')[2]!r}"
        )
    if _HOST_AND_PORT.match(uri) and not os.path.exists(uri):
        raise InvalidArgumentError(
            f"{uri!r} has no scheme: write 'http://{uri}' for a server, './{uri}' for a folder"
        )
    path = Path(uri).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise InvalidArgumentError(f"{uri!r} is a file; pass a folder, or a name to create one")
    return path


def server_options(options: ConnectOptions) -> ServerOptions:
    """Return the options of a server.

    Raises:
        InvalidArgumentError: One is of folders.
        TypeError: There is no such option.
    """
    _check_names(options)
    for name in _OF_FOLDERS:
        if options.get(name) is not None:
            raise InvalidArgumentError(
                f"{name} is for who opens the folder: the server has its own"
            )
    return ServerOptions(
        options.get("timeout"),
        options.get("tls_ca"),
        options.get("tls_cert"),
        options.get("tls_key"),
    )


def folder_options(
    uri: str, read_only: bool, token: str | None, options: ConnectOptions
) -> OpenOptions:
    """Return the options of a folder, or of a database in memory.

    Raises:
        InvalidArgumentError: One is of servers, or a value is wrong.
        TypeError: There is no such option.
    """
    _check_names(options)
    for name in _OF_SERVERS:
        if options.get(name) is not None:
            raise InvalidArgumentError(f"{name} is only for servers; {uri!r} is a folder")
    if token is not None:
        raise InvalidArgumentError(f"token is only for servers; {uri!r} is a folder")
    durability = Durability(
        options.get("durability", "commit"), options.get("sync_interval_ms", 100.0)
    )
    limit = parse_limit(options.get("memory_limit"))
    return OpenOptions(read_only, options.get("wait_s", 0.0), durability, limit)


def _check_names(options: ConnectOptions) -> None:
    known = sorted([*ConnectOptions.__annotations__, "read_only", "token", "database"])
    for name in options:
        if name not in ConnectOptions.__annotations__:
            raise TypeError(f"connect() has no option {name!r}{did_you_mean(name, known)}")
