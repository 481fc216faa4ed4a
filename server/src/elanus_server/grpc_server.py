"""The service over gRPC.

HTTP/2 is spoken in the event loop (``http2``), without a thread of anybody else's, so that a
connection can be taken from wherever it comes. Who answers is another question
(``answering.Answering``). What nothing answers is UNIMPLEMENTED: clients try every other status
again for a minute.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import grpc

from elanus.errors import InvalidArgumentError
from elanus_server.admission import Admission
from elanus_server.answering import Answers
from elanus_server.grpc_call import (
    GrpcCall,
    Rules,
    SilentCall,
    encoding_of,
    refuse,
    refuse_http,
)
from elanus_server.http2.connection import Connection
from elanus_server.http2.hpack import Header
from elanus_server.http2.streams import Receiver, Stream
from elanus_server.settings import Settings
from elanus_server.unread import Unread
from elanus_server.wire import SERVICE

_PREFIX = f"/{SERVICE.full_name}/"
_MOST_SHOWN = 255
"""Characters of a name that are sent back."""


class GrpcServer:
    """Answers the protocol's calls on connections that somebody else has accepted.

    Args:
        methods: Names of the calls that are answered.
        answers: Let a call be answered.
        admission: Bounds the bytes of requests in memory.
        unread: Counts what clients do not take of their answers.
        max_message_bytes: Largest message in either direction.
        silence_s: Seconds that a client may leave us waiting in the middle of a message, or before
            it says that it speaks gRPC.
    """

    def __init__(
        self,
        methods: Iterable[str],
        answers: Answers,
        admission: Admission,
        unread: Unread,
        *,
        max_message_bytes: int,
        silence_s: float,
    ) -> None:
        self._methods = {_PREFIX + name: name for name in methods}
        self._unanswered = {_PREFIX + one.name: one.name for one in SERVICE.methods}
        # Messages stay bytes here: a large one is read by a thread, or by another process.
        self._rules = Rules(answers, admission, max_message_bytes)
        self._unread = unread
        self._silence_s = silence_s
        self._connections: set[Connection] = set()
        self._gone = asyncio.Event()

    def connection(self, closed: Callable[[], None] = lambda: None) -> asyncio.Protocol:
        """Return what speaks with a client that somebody else has accepted.

        Args:
            closed: Called when the client is gone.
        """

        def ended(connection: Connection) -> None:
            self._connections.discard(connection)
            self._gone.set()
            closed()

        made = Connection(self._opened, ended, self._unread, silence_s=self._silence_s)
        self._connections.add(made)
        return made

    def hand_off(self, count: int) -> int:
        """Let some clients connect anew for what they ask next; return how many.

        Args:
            count: Clients, at most.
        """
        # Other processes of this server have no address, and stay.
        clients = (one for one in list(self._connections) if one.address)
        return sum(1 for _ in islice((one for one in clients if one.drain()), count))

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, and give those under way some time to end."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + grace_s
        for connection in list(self._connections):
            connection.drain()
        while any(not one.is_idle for one in self._connections) and loop.time() < ends_s:
            self._gone.clear()
            try:
                await asyncio.wait_for(self._gone.wait(), ends_s - loop.time())
            except TimeoutError:
                break
        for connection in list(self._connections):
            connection.end()

    def _opened(self, stream: Stream, headers: list[Header]) -> Receiver | None:
        """Return what answers a call."""
        given = dict(headers)
        if given.get(":method") != "POST" or not _is_grpc(given.get("content-type", "")):
            refuse_http(stream)
            return None
        path = given.get(":path", "")
        name = self._methods.get(path)
        if name is None:
            known = self._unanswered.get(path)
            told = f"{known} is not answered by elanus" if known else _unknown(path)
            refuse(stream, grpc.StatusCode.UNIMPLEMENTED, told)
            return None
        if encoding_of(headers) is None:
            told = f"messages compressed by {given['grpc-encoding']} are not read"
            refuse(stream, grpc.StatusCode.UNIMPLEMENTED, told)
            return None
        kind = SilentCall if SERVICE.methods_by_name[name].client_streaming else GrpcCall
        return kind(self._rules, stream, name, headers)


def _unknown(path: str) -> str:
    service, _, name = path.removeprefix("/").rpartition("/")
    return f"unknown method {name[:_MOST_SHOWN]} for service {service[:_MOST_SHOWN]}"


def _is_grpc(content_type: str) -> bool:
    return content_type == "application/grpc" or content_type.startswith(
        ("application/grpc+", "application/grpc;")
    )


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the certificates of a server; None where it does without TLS.

    Raises:
        InvalidArgumentError: A file cannot be read or holds something else, or one is missing.
    """
    cert, key, authority = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    if cert is None and key is None:
        if authority is not None:
            raise InvalidArgumentError("tls_client_ca: needs tls_cert and tls_key as well")
        return None
    if cert is None or key is None:
        raise InvalidArgumentError("TLS: expected both tls_cert and tls_key, got one of them")
    for name, path in (("tls_key", key), ("tls_cert", cert), ("tls_client_ca", authority)):
        _check_readable(name, path)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(cert, key)
        if authority is not None:
            made.load_verify_locations(authority)
            made.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as error:
        raise InvalidArgumentError(f"TLS: {cert} and its like: {error}") from error
    # Clients of gRPC insist on being told that HTTP/2 is spoken.
    made.set_alpn_protocols(["h2", "http/1.1"])
    return made


def _check_readable(name: str, path: str | None) -> None:
    try:
        if path is not None:
            Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"{name}: cannot read {path}: {error.strerror}") from None
