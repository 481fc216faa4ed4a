"""A running server: one database and its listeners."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import elanus
from elanus.errors import InvalidArgumentError
from elanus_server.admission import Admission
from elanus_server.answering import Answering, Answers
from elanus_server.front import EITHER, GRPC, HTTP, Front
from elanus_server.grpc_server import GrpcServer, tls_context
from elanus_server.http_server import HttpServer
from elanus_server.native.app import NativeApp
from elanus_server.operations import Health, operations_app
from elanus_server.pace import Pace
from elanus_server.rest.app import RestApp
from elanus_server.security.accounts import AccountStore
from elanus_server.security.guard import Guard
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import Host
from elanus_server.service.unfinished import decide_writes, resume_jobs
from elanus_server.settings import SHARED, Settings
from elanus_server.tracing import Tracer
from elanus_server.unread import Unread
from elanus_server.workers.channel import Paths
from elanus_server.workers.crew import Crew
from elanus_server.workers.forwarding import ForwardedCalls, ForwardedRequests
from elanus_server.workers.spawning import Spawned


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a running server listens.

    Attributes:
        grpc: Port of gRPC.
        rest: Port of the RESTful API, which may be the same; None: it is off.
        metrics: Port of health and metrics; None: they are off.
    """

    grpc: int
    rest: int | None
    metrics: int | None


async def serve(
    settings: Settings,
    *,
    ready: Callable[[Ports], None] = lambda ports: None,
    new_password: Callable[[str], None] = lambda password: None,
    stop: asyncio.Event | None = None,
    spawned: Iterable[Spawned] = (),
) -> None:
    """Serve a database until the process is asked to end, or ``stop`` is set.

    Args:
        settings: How.
        ready: Called with the ports once calls are answered.
        new_password: Called with the password of ``root`` when one was made up.
        stop: Ends the server; None: SIGTERM and SIGINT do.
        spawned: Processes that are going to read, where some were started already.

    Raises:
        DatabaseLockedError: Another process writes into the folder.
        InvalidArgumentError: A port is taken.
        StateError: A process that was to read could not be started.
    """
    _check_folders(settings)
    with elanus.connect(settings.path) as database:
        guard = Guard(AccountStore(database), is_on=settings.auth)
        if settings.auth:
            made_up = guard.set_up(settings.root_password)
            if made_up is not None:
                new_password(made_up)
        host = _host(settings, database, guard)
        health = Health()
        host.metrics.watch_process("writer")
        asked = stop or _stopped_by_signals()
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(host.close)
            if settings.audit_log is not None:
                stack.callback(host.begin_audit(settings).close)
            resume_jobs(host)
            if settings.workers:
                decide_writes(host)
            listeners = Listeners(settings, host, stack)
            metrics = await listeners.operations(health)
            grpc, rest = await listeners.calls(spawned)
            health.is_ready = True
            ready(Ports(grpc, rest, metrics))
            await asked.wait()
            health.is_ready = False


def _host(settings: Settings, database: elanus.Database, guard: Guard) -> Host:
    host = Host(database, guard, import_folder=settings.import_folder, limits=settings.limits)
    host.max_vector_fields = settings.max_vector_fields
    return host


class Listeners:
    """Opens the ports of a server; they close, last opened first, when the stack does."""

    def __init__(
        self,
        settings: Settings,
        host: Host,
        stack: contextlib.AsyncExitStack,
        *,
        writer: Paths | None = None,
    ) -> None:
        """Make what answers calls.

        Args:
            settings: Of the server.
            host: What is served.
            stack: Closes everything.
            writer: Where the process answers that writes; None: it is this one.
        """
        self._settings = settings
        self._host = host
        self._stack = stack
        if settings.tracing:
            host.tracer = Tracer()
            stack.callback(host.tracer.close)
        self._admission = Admission(
            settings.threads,
            settings.max_waiting,
            settings.max_waiting_bytes,
            None if writer is None else Pace(),
        )
        stack.callback(self._admission.close)
        self._unread = Unread(settings.max_waiting_bytes)
        host.metrics.watch_load(lambda: self._admission.load, self._unread)
        self._tls = tls_context(settings)
        size = settings.max_message_bytes
        rest = RestApp(host, self._admission, max_body_bytes=size)
        native = NativeApp(host, self._admission, rest, max_body_bytes=size)
        stack.callback(native.service.close)
        self._instance = native.service.instance
        self._rest: Any = native
        self._answers: Answers = Answering(host, self._admission)
        if writer is not None:
            native.service.instance = writer.instance
            self._rest = ForwardedRequests(writer.http, native, self._admission)
            forwarded = ForwardedCalls(writer.grpc, self._answers, self._admission)
            stack.push_async_callback(forwarded.close)
            self._answers = forwarded

    async def operations(self, health: Health) -> int | None:
        """Begin to tell health and metrics; return the port."""
        port = self._settings.metrics_port
        if port is None:
            return None
        listener = self._bound(port, "--metrics-port")
        await self.http(operations_app(self._host, health), listener)
        return _port_of(listener)

    async def calls(self, spawned: Iterable[Spawned] = ()) -> tuple[int, int | None]:
        """Begin to answer calls; return the ports of gRPC and of the RESTful API.

        Args:
            spawned: Processes that are going to read, where some were started already.
        """
        settings = self._settings
        if settings.workers:
            return await self._by_workers(spawned)
        is_shared = settings.rest_port == SHARED
        listener = self._bound(settings.port, "--port")
        rest = None
        if settings.rest_port is not None and not is_shared:
            rest_listener = self._bound(int(settings.rest_port), "--rest-port")
            await self.http(self._rest, rest_listener, self._tls)
            rest = _port_of(rest_listener)
        front = await self.front()
        await front.listen(listener, EITHER if is_shared else GRPC)
        self._stack.callback(front.stop)
        port = _port_of(listener)
        return port, port if is_shared else rest

    async def front(self, paths: Paths | None = None) -> Front:
        """Return what goes on with connections of either protocol.

        Args:
            paths: Sockets where other processes of the server are answered, too; None: none are.
        """
        settings = self._settings
        listener = None
        if paths is not None:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(paths.http)
        http = await self.http(self._rest, listener)
        grpc = GrpcServer(
            METHODS,
            self._answers,
            self._admission,
            self._unread,
            max_message_bytes=settings.max_message_bytes,
            silence_s=settings.silence_s,
        )
        self._stack.push_async_callback(grpc.stop, settings.grace_s)
        front = Front(
            grpc.connection,
            http.connection,
            silence_s=settings.silence_s,
            secure=self._tls,
            hand_off=grpc.hand_off,
        )
        if paths is not None:
            await front.listen_here(paths.grpc)
            self._stack.callback(front.stop)
        return front

    async def _by_workers(self, spawned: Iterable[Spawned]) -> tuple[int, int | None]:
        """Begin to let other processes answer; return the ports."""
        settings = self._settings
        is_shared = settings.rest_port == SHARED
        public = [(self._bound(settings.port, "--port"), EITHER if is_shared else GRPC)]
        if not is_shared and settings.rest_port is not None:
            public.append((self._bound(int(settings.rest_port), "--rest-port"), HTTP))
        folder = self._folder()
        paths = Paths(f"{folder}/grpc", f"{folder}/http", self._instance)
        crew = Crew(settings, paths, await self.front(paths), spawned)
        self._stack.push_async_callback(crew.stop)
        ports = [_port_of(listener) for listener, _ in public]
        for listener, speaks in public:
            crew.listen(listener, speaks)
        await crew.start()
        self._host.metrics.watch_others(crew, crew.samples)
        if is_shared:
            return ports[0], ports[0]
        return ports[0], ports[1] if len(ports) > 1 else None

    def _folder(self) -> str:
        """Return a new folder for sockets, which nobody else may enter."""
        return self._stack.enter_context(tempfile.TemporaryDirectory(prefix="elanus-"))

    async def http(
        self, app: Any, listener: socket.socket | None = None, secure: ssl.SSLContext | None = None
    ) -> HttpServer:
        """Begin to answer HTTP/1.1, on a socket that is bound if there is one."""
        settings = self._settings
        server = HttpServer(
            app,
            listener,
            self._unread,
            grace_s=settings.grace_s,
            silence_s=settings.silence_s,
            secure=secure,
        )
        await server.start()
        self._stack.push_async_callback(server.stop)
        return server

    def _bound(self, port: int, option: str) -> socket.socket:
        """Return a socket that has a port."""
        host = self._settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With its protocol named: asyncio sends small messages at once on such sockets only.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise _taken(f"{host}:{port}", option, error) from error
        return listener


def _check_folders(settings: Settings) -> None:
    """Refuse what can be seen before anything is opened.

    Raises:
        InvalidArgumentError: Workers of a database in memory, or no such import folder.
    """
    if settings.workers and settings.path == ":memory:":
        raise InvalidArgumentError("workers: other processes read a folder; :memory: has none")
    folder = settings.import_folder
    if folder is not None and not os.path.isdir(os.path.expanduser(folder)):
        raise InvalidArgumentError(
            f"import_folder: there is no folder {folder}; make it, or name another one"
        )


def _port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _taken(address: str, option: str, error: OSError) -> InvalidArgumentError:
    of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
    advice = (
        f"another port with {option}, or end the program that uses it"
        if of_port
        else "an address of this machine with --host"
    )
    return InvalidArgumentError(f"cannot listen on {address}: {error}; choose {advice}")


def _stopped_by_signals() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextlib.contextmanager
def serve_local(
    path: str,
    *,
    port: int = 0,
    metrics_port: int | None = None,
    **settings: Any,
) -> Iterator[str]:
    """Serve a folder from a thread of this process, for as long as the block runs.

    Args:
        path: Folder of the database, or ``":memory:"``.
        port: To listen on, on this machine only; 0 takes a free one.
        metrics_port: Port of health and metrics; None: there are none.
        **settings: Others of ``Settings``, such as ``import_folder``, or ``auth=True`` with
            ``root_password``.

    Yields:
        The address, for ``MilvusClient(uri)`` and for requests to the RESTful API.

    Raises:
        DatabaseLockedError: Another process writes into the folder.
        InvalidArgumentError: The port is taken, or ``auth`` comes without ``root_password``.
        TypeError: There is no such setting.
    """
    chosen = Settings(path, port=port, metrics_port=metrics_port, **settings)
    if chosen.auth and chosen.root_password is None:
        # One that is made up is shown to people who start a command.
        raise InvalidArgumentError(
            "serve_local: auth=True needs root_password=, which the user root gets when it is made"
        )
    local = _LocalServer(chosen)
    scheme = "http" if chosen.tls_cert is None else "https"
    with local:
        yield f"{scheme}://127.0.0.1:{local.port}"


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

    def _started(self, ports: Ports) -> None:
        self.port = ports.grpc
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
