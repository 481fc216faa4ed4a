"""A server in a thread of the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

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

    def call(self, function: Callable[[], Any]) -> None:
        """Call something in the event loop of the server, and wait for it."""
        assert self._loop is not None
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (function(), done.set()))
        assert done.wait(30)

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


WORKERS_VARIABLE = "ELANUS_TEST_WORKERS"
"""Processes that read, of the servers that tests of clients share."""


@contextlib.contextmanager
def shared_server(path: str, **settings: Any) -> Iterator[str]:
    """Serve a folder by as many processes as the environment says; yield the address."""
    workers = int(os.environ.get(WORKERS_VARIABLE, "0"))
    given = Settings(path, port=0, metrics_port=None, workers=workers, **settings)
    with Running(given) as server:
        yield f"http://127.0.0.1:{server.ports.grpc}"
