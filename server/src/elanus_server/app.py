"""A running server: one database and its listeners."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import elanus
from elanus.errors import InvalidArgumentError
from elanus_server.grpc_server import GrpcServer, credentials
from elanus_server.security.accounts import AccountStore
from elanus_server.security.guard import Guard
from elanus_server.service.context import Host
from elanus_server.settings import Settings


async def serve(
    settings: Settings,
    *,
    ready: Callable[[int], None] = lambda port: None,
    new_password: Callable[[str], None] = lambda password: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve a database until the process is asked to end, or ``stop`` is set.

    Args:
        settings: How.
        ready: Called with the port once calls are answered.
        new_password: Called with the password of ``root`` when one was made up.
        stop: Ends the server; None: SIGTERM and SIGINT do.

    Raises:
        DatabaseLockedError: Another process writes into the folder.
        InvalidArgumentError: The port is taken.
    """
    with elanus.connect(settings.path) as database:
        guard = Guard(AccountStore(database), is_on=settings.auth)
        if settings.auth:
            made_up = guard.set_up(settings.root_password)
            if made_up is not None:
                new_password(made_up)
        host = Host(database, guard)
        server = GrpcServer(
            host, threads=settings.threads, max_message_bytes=settings.max_message_bytes
        )
        address = f"{settings.host}:{settings.port}"
        try:
            port = server.listen(address, credentials(settings))
        except RuntimeError as error:
            raise InvalidArgumentError(
                f"cannot listen on {address}: {error}; choose another port with --port, or end the "
                f"program that uses it"
            ) from error
        asked = stop or _stopped_by_signals()
        await server.start()
        ready(port)
        await asked.wait()
        await server.stop(settings.grace_s)
        host.close()


def _stopped_by_signals() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextlib.contextmanager
def serve_local(path: str, *, port: int = 0) -> Iterator[str]:
    """Serve a folder from a thread of this process, for as long as the block runs.

    Args:
        path: Folder of the database, or ``":memory:"``.
        port: To listen on, on this machine only; 0 takes a free one.

    Yields:
        The address, for ``MilvusClient(uri)``.

    Raises:
        DatabaseLockedError: Another process writes into the folder.
        InvalidArgumentError: The port is taken.
    """
    local = _LocalServer(Settings(path, port=port))
    with local:
        yield f"http://127.0.0.1:{local.port}"


class _LocalServer:
    """A server in a thread, with an event loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="elanus-server", daemon=True)
        self.port = 0

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            # Whoever started the server hears of it; see __enter__.
            self._failed = error
            self._ready.set()
            if not isinstance(error, elanus.ElanusError):
                raise

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._settings, ready=self._started, stop=self._stop)

    def _started(self, port: int) -> None:
        self.port = port
        self._ready.set()

    def __enter__(self) -> _LocalServer:
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
