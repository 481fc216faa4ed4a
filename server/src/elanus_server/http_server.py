"""An application that HTTP/1.1 is spoken with, inside of the server's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from elanus_server.unread import Unread

KEEP_ALIVE_S = 75
"""Seconds that a connection may be idle between two requests; clients that pool them expect some
time."""
_MAX_HEAD_BYTES = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to whoever runs the event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Corked:
    """A transport that sends in one piece what is written in one turn of the event loop.

    The head of a response and its body are written one after the other; two packets cost a small
    one more than its headers do.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        self._flush()
        self._transport.close()


class _Connection(HttpToolsProtocol):
    """A connection whose client does not leave us waiting in the middle of a request.

    The head of a request has to be there within some seconds, and so has each next part of a body:
    who sends a byte now and then would hold a connection for ever. So does who asks, and does not
    read the answer.
    """

    silence_s = 20.0
    unread: Unread
    closed: Callable[[], None] = staticmethod(lambda: None)
    _impatience: asyncio.TimerHandle | None = None
    _is_read: asyncio.TimerHandle | None = None
    # What is read: the head of a request, or nothing, since it is there as a whole.
    _is_head = True
    _is_whole = False
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast(Any, _Corked(transport, self.loop)))
        self._wait()

    def data_received(self, data: bytes) -> None:
        was_head = self._is_head
        super().data_received(data)
        if self._is_whole or self.transport.is_closing():
            self._stop_waiting()
            return
        self._head_bytes = self._head_bytes + len(data) if self._is_head else 0
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.send_400_response("the headers are too long")
            return
        # More of a head does not begin the time anew.
        if not (was_head and self._is_head and self._impatience is not None):
            self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head, self._is_whole, self._head_bytes = True, False, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # Nobody reads those behind a body, of which there could be any number.
        if self._is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_whole = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._keep(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def leave(self) -> None:
        """End the connection at once: its client does not read."""
        self.transport.abort()

    def _keep(self, size: int) -> None:
        """Look later whether the client has taken something of what is kept for it."""
        self._is_read = self.loop.call_later(self.silence_s, self._look, size)
        self.unread.keep(self, size)

    def _look(self, before: int) -> None:
        size = self.transport.get_write_buffer_size()
        if size >= before:
            self.unread.leave(self)
        else:
            self._keep(size)

    def _taken(self) -> None:
        if self._is_read is not None:
            self._is_read.cancel()
            self._is_read = None
            self.unread.keep(self, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._taken()
        super().connection_lost(exc)
        self.closed()

    def _wait(self) -> None:
        self._stop_waiting()
        self._impatience = self.loop.call_later(self.silence_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _give_up(self) -> None:
        self._impatience = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            # It is us who do not read on.
            self._wait()
            return
        self.transport.abort()


class HttpServer:
    """Answers HTTP/1.1.

    Args:
        app: An ASGI application.
        listener: A socket that is bound; None: connections come by ``connection``.
        unread: Counts what clients do not take of their answers.
        grace_s: Seconds that requests under way have when it stops.
        silence_s: Seconds that a client may leave us waiting in the middle of a request, or of an
            answer.
        secure: For TLS; None: without.
    """

    def __init__(
        self,
        app: Any,
        listener: socket.socket | None,
        unread: Unread,
        *,
        grace_s: float,
        silence_s: float,
        secure: ssl.SSLContext | None = None,
    ) -> None:
        kind = type("Connection", (_Connection,), {"silence_s": silence_s, "unread": unread})
        self._config = uvicorn.Config(
            app,
            http=kind,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(grace_s)),
        )
        self._config.load()
        self._config.ssl = secure
        self._server = _Server(self._config)
        self._listeners = [] if listener is None else [listener]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=self._listeners))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.002)

    def connection(self, closed: Callable[[], None] = lambda: None) -> asyncio.Protocol:
        """Return what speaks with a client that somebody else has accepted.

        Args:
            closed: Called when the client is gone.
        """
        kind: Any = self._config.http_protocol_class
        made: _Connection = kind(
            config=self._config, server_state=self._server.server_state, app_state={}
        )
        made.closed = closed
        return made

    async def stop(self) -> None:
        """Take no more requests, and wait for those under way."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
