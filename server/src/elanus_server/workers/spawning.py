"""How is a process started that only reads?

A command starts all of them as copies of itself, before it opens anything: modules are read once,
and their memory is shared. Later, when there are threads and connections, a process is started
anew. What to serve, each is told by its socket.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import NamedTuple, NoReturn, Protocol


class Process(Protocol):
    """What is done with a process that was started."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> int:
        """Return its status when it has ended."""


class Spawned(NamedTuple):
    """A process that was started.

    Attributes:
        process: It.
        control: Socket that it is told through; when it closes, the process ends, and the other
            way round.
    """

    process: Process
    control: socket.socket


def spawn() -> Spawned:
    """Start a process that waits to be told what to serve."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "elanus_server.workers.process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    return Spawned(process, ours)


def start(count: int) -> list[Spawned]:
    """Start processes as the first thing that a command does."""
    if count and sys.platform == "linux" and threading.active_count() == 1:
        return _fork(count)
    # While this one reads its own modules, so do they.
    return [spawn() for _ in range(count)]


def _fork(count: int) -> list[Spawned]:
    # All that they need is read before there are several.
    from elanus_server.workers import process  # noqa: F401

    made: list[Spawned] = []
    for _ in range(count):
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            _serve(theirs, [ours, *(one.control for one in made)])
        theirs.close()
        made.append(Spawned(_Copy(pid), ours))
    return made


def _serve(control: socket.socket, others: Iterable[socket.socket]) -> NoReturn:
    """Be the new process, and nothing of what the old one is."""
    status = 1
    try:
        # A socket closes when the last process does that has it.
        for one in others:
            one.close()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        from elanus_server.workers.process import main

        main([str(control.detach())])
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - nobody is left to hear of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class _Copy:
    """A process that is a copy of this one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status: int | None = None
        self._lock = threading.Lock()
        self._waiting = threading.Lock()

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        # Once it was waited for, another process may have its number.
        with self._lock:
            if self._status is None:
                os.kill(self._pid, number)

    def wait(self) -> int:
        with self._waiting:
            if self._status is None:
                # Its number stays its own until it is asked for its status, which it tells at once.
                os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
                with self._lock:
                    _, status = os.waitpid(self._pid, 0)
                    self._status = os.waitstatus_to_exitcode(status)
            return self._status
