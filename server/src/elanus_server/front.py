"""One port for gRPC and for HTTP/1.1, as Milvus has.

The first bytes of a connection tell which it is: HTTP/2, which gRPC speaks, begins with a preface
of its own. From then on bytes go to and fro between the client and the server of that protocol,
which listens on a socket of this process's own. That costs a call about 0.05 ms; whoever cannot
spare them gives the RESTful API a port of its own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, cast

_PREFACE = b"PRI"
"""With what HTTP/2 begins, and no request of HTTP/1.1 does: there is no method of this name."""


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

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front
        self._begun = b""

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            super().data_received(data)
            return
        # What comes before the other side is there waits with the first bytes.
        self._begun += data
        is_known = len(self._begun) >= len(_PREFACE)
        if is_known and self.other is None and self.transport is not None:
            self.transport.pause_reading()
            self.other = _Side()
            self._front.begin(self._connect(self.other))

    async def _connect(self, other: _Side) -> None:
        is_grpc = self._begun.startswith(_PREFACE)
        path = self._front.grpc_path if is_grpc else self._front.http_path
        other.other = self
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: other, path)
        except OSError:
            if self.transport is not None:
                self.transport.abort()
            return
        super().data_received(self._begun)
        if self.transport is not None:
            self.transport.resume_reading()


class Front:
    """Shares one port.

    Attributes:
        grpc_path: Socket where gRPC is answered.
        http_path: Socket where HTTP/1.1 is.
    """

    def __init__(self, grpc_path: str, http_path: str) -> None:
        self.grpc_path = grpc_path
        self.http_path = http_path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int, secure: ssl.SSLContext | None) -> int:
        """Take a port; return its number.

        Args:
            host: Address to listen on.
            port: 0 takes a free one.
            secure: For TLS, which ends here; None: without.

        Raises:
            OSError: It is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), host, port, ssl=secure)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Take no more connections; those there are end with the servers behind them."""
        if self._server is not None:
            self._server.close()
