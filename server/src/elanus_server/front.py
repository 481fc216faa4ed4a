"""One port for gRPC and for HTTP/1.1, as Milvus has.

The first bytes of a connection tell which it is: HTTP/2, which gRPC speaks, begins with a preface
of its own. The connection is handed to the server of its protocol as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

_PREFACE = b"PRI"
"""With what HTTP/2 begins, and no request of HTTP/1.1 does: there is no method of this name."""
EITHER, GRPC, HTTP = b"e", b"g", b"h"
"""What the clients of a port may speak: gRPC or HTTP/1.1, or only one of them."""
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""After how many seconds of silence the system asks whether the other side is still there, how many
seconds apart, and how often."""
Made = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes what speaks with a client, and calls something when it is gone."""


class _Unknown(asyncio.Protocol):
    """A connection of which is not known what its client speaks."""

    def __init__(self, front: Front, speaks: bytes) -> None:
        self._front = front
        self._speaks = speaks
        self._begun = b""
        self._transport: asyncio.Transport
        self._silence: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        keep_alive(transport.get_extra_info("socket"))
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._front.silence_s, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._begun += data
        if len(self._begun) < len(_PREFACE):
            return
        self._silence.cancel()
        is_grpc = self._begun.startswith(_PREFACE)
        if self._speaks == GRPC and not is_grpc:
            self._transport.abort()
            return
        made = self._front.grpc if is_grpc else self._front.http
        protocol = made(self._front.closed)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._begun)

    def connection_lost(self, error: Exception | None) -> None:
        self._silence.cancel()
        self._front.closed()


class Front:
    """Shares one port.

    Args:
        grpc: Makes what speaks gRPC with a client.
        http: Makes what speaks HTTP/1.1.
        silence_s: Seconds that a client may take to say what it speaks.
        secure: For TLS, which ends here; None: without.
        hand_off: Lets so many clients of gRPC connect anew, at most; returns how many do.

    Attributes:
        closed: Called for each connection that has ended.
    """

    def __init__(
        self,
        grpc: Made,
        http: Made,
        *,
        silence_s: float,
        secure: ssl.SSLContext | None,
        hand_off: Callable[[int], int],
    ) -> None:
        self.grpc = grpc
        self.hand_off = hand_off
        self.http = http
        self.silence_s = silence_s
        self.closed: Callable[[], None] = _nothing
        self._secure = secure
        self._handshake_s = None if secure is None else silence_s
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(self, listener: socket.socket, speaks: bytes = EITHER) -> None:
        """Take the connections of a socket that is bound.

        Args:
            listener: It.
            speaks: What its clients may speak.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Unknown(self, speaks),
            sock=listener,
            ssl=self._secure,
            ssl_handshake_timeout=self._handshake_s,
            backlog=1_024,
        )
        self._servers.append(server)

    async def listen_here(self, path: str) -> None:
        """Take connections of gRPC of this machine, without TLS, by a socket with a path."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(lambda: self.grpc(_nothing), path))

    async def adopt(self, connection: socket.socket, speaks: bytes) -> None:
        """Go on with a connection that somebody else has accepted.

        Args:
            connection: It.
            speaks: What its client may speak.
        """
        loop = asyncio.get_running_loop()

        def client() -> asyncio.Protocol:
            return self.http(self.closed) if speaks == HTTP else _Unknown(self, speaks)

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
        for server in self._servers:
            server.close()


def _nothing() -> None:
    pass


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
