"""What a request of HTTP/2 has to look like (RFC 9113, sections 8.2 and 8.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from elanus_server.http2.hpack import Header

_PSEUDO = frozenset((":authority", ":method", ":path", ":scheme"))
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_IN_NO_VALUE = re.compile("[\0\r\n]")
# These mean a connection of HTTP/1.1.
_OF_OTHERS = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
)
# What clients of Milvus send with each call, which is looked at no further.
_USUAL = frozenset(
    (
        *("accept-encoding", "authorization", "client-request-id", "client-request-unixmsec"),
        *("client_request_id", "content-type", "dbname", "grpc-accept-encoding", "grpc-encoding"),
        *("grpc-timeout", "identifier", "user-agent"),
    )
)


class MalformedError(ValueError):
    """A request that is none, though its headers could be read."""


def check_request(headers: Sequence[Header]) -> int | None:
    """Look at the headers of a request.

    Returns:
        Bytes that its body will have; None: it does not say.

    Raises:
        MalformedError: It breaks a rule.
    """
    pseudo: dict[str, str] = {}
    length: int | None = None
    for place, (name, value) in enumerate(headers):
        if name in _PSEUDO:
            if name in pseudo or place != len(pseudo):
                raise MalformedError(f"{name} comes twice, or behind others")
            pseudo[name] = value
        elif name not in _USUAL:
            length = _check_field(name, value, length)
    method = pseudo.get(":method")
    needed = (":authority",) if method == "CONNECT" else (":method", ":path", ":scheme")
    for name in needed:
        if not pseudo.get(name):
            raise MalformedError(f"a request without {name}")
    _check_values(headers)
    return length


def check_trailers(headers: Sequence[Header]) -> None:
    """Look at what follows the body of a request.

    Raises:
        MalformedError: It breaks a rule.
    """
    for name, value in headers:
        _check_field(name, value, None)
    _check_values(headers)


def _check_values(headers: Sequence[Header]) -> None:
    if _IN_NO_VALUE.search("".join([value for _, value in headers])):
        raise MalformedError("a value that goes over a line")


def _check_field(name: str, value: str, length: int | None) -> int | None:
    """Look at a field that is not HTTP/2's own; return the length of the body, if it is known."""
    if not _NAME.fullmatch(name):
        raise MalformedError(f"{name!r} is no name")
    if name in _OF_OTHERS or (name == "te" and value != "trailers"):
        raise MalformedError(f"{name} is of HTTP/1.1")
    return _length(value, length) if name == "content-length" else length


def _length(value: str, before: int | None) -> int:
    if not (value.isascii() and value.isdigit()):
        raise MalformedError(f"a body of {value} bytes")
    if before not in (None, int(value)):
        raise MalformedError("two lengths of a body")
    return int(value)
