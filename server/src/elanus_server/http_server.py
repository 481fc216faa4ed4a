"""An application on a socket, inside of the server's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to whoever runs the event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Answers HTTP/1.1.

    Args:
        app: An ASGI application.
        listener: A socket that is bound.
        grace_s: Seconds that requests under way have when it stops.
        secure: For TLS; None: without.
    """

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        *,
        grace_s: float,
        secure: ssl.SSLContext | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(grace_s)),
        )
        config.load()
        config.ssl = secure
        self._server = _Server(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Take no more requests, and wait for those under way."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
