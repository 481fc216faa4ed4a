"""A process that only reads. It is started by the one that writes, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import elanus
from elanus_server.app import Listeners
from elanus_server.front import allow_many_connections
from elanus_server.operations import Health, operations_app
from elanus_server.security.accounts import AccountStore
from elanus_server.security.guard import Guard
from elanus_server.service.context import Host
from elanus_server.settings import Settings
from elanus_server.workers.channel import CLOSED, HAND_OFF, OPERATIONS, READY, Paths

_MOST_AT_ONCE = 64


def main(argv: list[str]) -> None:
    """Read what to do from the socket with a number, and serve until it is closed."""
    # Ctrl-C reaches every process of a terminal; the one that writes says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    allow_many_connections()
    with socket.socket(fileno=int(argv[0])) as control:
        told = json.loads(_line(control))
        asyncio.run(
            _serve(told["number"], Settings(**told["settings"]), Paths(**told["paths"]), control)
        )


def _line(control: socket.socket) -> bytes:
    # One byte at a time: what follows the line may be a connection.
    read = b""
    while not read.endswith(b"\n"):
        part = control.recv(1)
        if not part:
            raise SystemExit(1)
        read += part
    return read


async def _serve(number: int, settings: Settings, paths: Paths, control: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    with elanus.connect(settings.path, read_only=True) as database:
        guard = Guard(AccountStore(database), is_on=settings.auth)
        host = Host(database, guard, limits=settings.limits)
        host.metrics.watch_process(f"worker-{number}")
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(host.close)
            if settings.audit_log is not None:
                # A file for each process: none rotates what another writes.
                own = replace(settings, audit_log=f"{settings.audit_log}.worker-{number}")
                stack.callback(host.begin_audit(own).close)
            listeners = Listeners(settings, host, stack, writer=paths)
            operations = await listeners.http(operations_app(host, Health(is_ready=True)))
            front = await listeners.front()
            front.closed = lambda: _tell(control, CLOSED)

            def take(kind: bytes, connection: socket.socket) -> None:
                if kind == OPERATIONS:
                    made = operations.connection()
                    front.begin(loop.connect_accepted_socket(lambda: made, connection))
                else:
                    front.begin(front.adopt(connection, kind))

            # What is there now stays: looking through it for garbage would hold up calls.
            gc.freeze()
            control.setblocking(False)
            loop.add_reader(control, _heard, control, take, front.hand_off, stop)
            _tell(control, READY)
            await stop.wait()
            loop.remove_reader(control)


def _heard(
    control: socket.socket,
    take: Callable[[bytes, socket.socket], Any],
    hand_off: Callable[[int], Any],
    stop: asyncio.Event,
) -> None:
    try:
        kinds, numbers, _, _ = socket.recv_fds(control, _MOST_AT_ONCE, _MOST_AT_ONCE)
    except BlockingIOError:
        return
    except OSError:
        kinds, numbers = b"", []
    if not kinds:
        # The process that writes is gone.
        stop.set()
        return
    hand_off(kinds.count(HAND_OFF))
    kinds = kinds.replace(HAND_OFF, b"")
    for place, number in enumerate(numbers):
        connection = socket.socket(fileno=number)
        connection.setblocking(False)
        take(kinds[place : place + 1], connection)


def _tell(control: socket.socket, what: bytes) -> None:
    with contextlib.suppress(OSError):
        control.send(what)


if __name__ == "__main__":
    main(sys.argv[1:])
