"""A server in a thread of the test."""

from __future__ import annotations

import asyncio
import threading

from elanus_server import Settings, serve
from elanus_server.app import Ports


class Running:
    """A server in a thread with every port its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.ports = Ports(0, None, None)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._settings, ready=self._started, stop=self._stop)

    def _started(self, ports: Ports) -> None:
        self.ports = ports
        self._ready.set()

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
