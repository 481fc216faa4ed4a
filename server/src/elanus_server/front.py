"""One port for gRPC and for HTTP/1.1, as Milvus has.

The first bytes of a connection tell which it is: HTTP/2, which gRPC speaks, begins with a preface
of its own. What speaks HTTP/1.1 is handed to the server of that protocol as it is. gRPC takes no
connection from anybody, so bytes go to and fro between the client and a socket of this process's
own, where it listens. That costs a search about 0.16 ms; whoever cannot spare them gives the
RESTful API a port of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import secrets
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any, cast

_PREFACE = b"PRI"
"""With what HTTP/2 begins, and no request of HTTP/1.1 does: there is no method of this name."""
EITHER, GRPC, HTTP = b"e", b"g", b"h"
"""What the clients of a port may speak: gRPC or HTTP/1.1, or only one of them."""
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""After how many seconds of silence the system asks whether the other side is still there, how many
seconds apart, and how often."""
RELAYED = "elanus-for-"
"""Before the address of a client in the name of the socket that stands for it."""


class _Side(asyncio.Protocol):
    """One end of a connection, which writes to the other what it reads."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.transport is not None:
            if not self.other.transport.can_write_eof():
                # TLS knows no half of a connection.
                self.other.transport.close()
                return False
            self.other.transport.write_eof()
        # The other direction may go on, where there is one: TLS ends both.
        return self.transport is not None and self.transport.can_write_eof()

    def pause_writing(self) -> None:
        # Whoever reads slowly makes the one who writes wait.
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class _Client(_Side):
    """The end where a client is; it finds out what the client speaks."""

    def __init__(self, front: Front, speaks: bytes = EITHER) -> None:
        super().__init__()
        self._front = front
        self._speaks = speaks
        self._begun = b""
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        keep_alive(transport.get_extra_info("socket"))
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._front.silence_s, self._give_up)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            super().data_received(data)
            return
        # What comes before the other side is there waits with the first bytes.
        self._begun += data
        is_known = len(self._begun) >= len(_PREFACE)
        if not is_known or self.other is not None or self.transport is None:
            return
        self._listened_to()
        if not self._begun.startswith(_PREFACE):
            if self._speaks == GRPC:
                self.transport.abort()
            else:
                self._hand_over(self.transport)
            return
        self.transport.pause_reading()
        self.other = _Side()
        self._front.begin(self._connect(self.other))

    def _hand_over(self, transport: asyncio.Transport) -> None:
        """Let the server of HTTP/1.1 go on."""
        protocol = self._front.http(self._front.closed)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._begun)

    async def _connect(self, other: _Side) -> None:
        other.other = self
        try:
            await connect_for(self.transport, lambda: other, self._front.grpc_path)
        except OSError:
            if self.transport is not None:
                self.transport.abort()
            return
        super().data_received(self._begun)
        self._begun = b""
        if self.transport is not None:
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._listened_to()
        self._front.closed()
        super().connection_lost(error)

    def _listened_to(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _give_up(self) -> None:
        if self.transport is not None:
            self.transport.abort()


async def connect_for(
    client: asyncio.BaseTransport | None, made: Callable[[], asyncio.Protocol], path: str
) -> None:
    """Connect to a socket of this process's own with a name that says for which client.

    Where there are no sockets with such names, the server behind does not know the client.
    """
    loop = asyncio.get_running_loop()
    address = None if client is None else client.get_extra_info("peername")
    if not sys.platform.startswith("linux") or not address:
        await loop.create_unix_connection(made, path)
        return
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.bind(f"\0{RELAYED}{address[0]}-{secrets.token_hex(8)}")
        await loop.sock_connect(connection, path)
        await loop.create_unix_connection(made, sock=connection)
    except BaseException:
        connection.close()
        raise


class Front:
    """Shares one port.

    Args:
        grpc_path: Socket where gRPC is answered.
        http: Makes what speaks HTTP/1.1 with a client, and calls something when it is gone.
        silence_s: Seconds that a client may take to say what it speaks.
        secure: For TLS, which ends here; None: without.

    Attributes:
        closed: Called for each connection that has ended.
    """

    def __init__(
        self,
        grpc_path: str,
        http: Callable[[Callable[[], None]], asyncio.Protocol],
        *,
        silence_s: float,
        secure: ssl.SSLContext | None,
    ) -> None:
        self.grpc_path = grpc_path
        self.http = http
        self.silence_s = silence_s
        self.closed: Callable[[], None] = lambda: None
        self._secure = secure
        self._handshake_s = None if secure is None else silence_s
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(self, listener: socket.socket) -> None:
        """Take the connections of a socket that is bound."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Client(self),
            sock=listener,
            ssl=self._secure,
            ssl_handshake_timeout=self._handshake_s,
            backlog=1_024,
        )

    async def adopt(self, connection: socket.socket, speaks: bytes) -> None:
        """Go on with a connection that somebody else has accepted.

        Args:
            connection: It.
            speaks: What its client may speak.
        """
        loop = asyncio.get_running_loop()

        def client() -> asyncio.Protocol:
            return self.http(self.closed) if speaks == HTTP else _Client(self, speaks)

        try:
            await loop.connect_accepted_socket(
                client,
                connection,
                ssl=self._secure,
                ssl_handshake_timeout=self._handshake_s,
            )
        except OSError:
            self.closed()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Take no more connections; those there are end with the servers behind them."""
        if self._server is not None:
            self._server.close()


def allow_many_connections() -> None:
    """Let this process hold as many connections as the system allows, rather than 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def keep_alive(connection: socket.socket | None) -> None:
    """Let the system find out when the other side is gone without a word, and send at once.

    The event loop sees to the latter only for sockets that name their protocol; an answer in two
    pieces would wait 40 ms for its second one.
    """
    if connection is None or connection.family == getattr(socket, "AF_UNIX", None):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
