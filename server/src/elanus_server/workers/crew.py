"""How does the process that writes keep the others?

It takes each connection and hands it to the process that has the fewest, so that all get the same
share however few clients there are. A process that ends is started again; until it is there, and
if none can be started, connections are answered here. Once it is there, some clients of the others
are asked to connect anew, so that it gets its share.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import socket
import time
from collections.abc import Iterable
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from elanus.errors import StateError
from elanus_server.front import Front
from elanus_server.settings import Settings
from elanus_server.workers.channel import CLOSED, HAND_OFF, OPERATIONS, READY, Paths
from elanus_server.workers.samples import ask_samples
from elanus_server.workers.spawning import Spawned, spawn

_log = logging.getLogger(__name__)
_SHORT_LIFE_S = 5.0
_LONGEST_PAUSE_S = 10.0
_ALL = 1_000_000
_STOP_S = 5.0
"""Seconds beyond those of the calls under way after which a process is made to end."""


class Worker:
    """One process that reads.

    Args:
        spawned: The process.
        number: By which people know it.
        settings: Of the server.
        paths: Where the process that writes answers.

    Attributes:
        connections: That it has.
        is_ready: Whether it takes any.
        has_ended: Whether it is gone.
    """

    def __init__(self, spawned: Spawned, number: int, settings: Settings, paths: Paths) -> None:
        self._process, self._control = spawned
        self.connections = 0
        self.is_ready = asyncio.Event()
        self.has_ended = asyncio.Event()
        # It needs no password: accounts are made by the process that writes.
        told = dataclasses.asdict(dataclasses.replace(settings, root_password=None))
        line = json.dumps({"number": number, "settings": told, "paths": paths._asdict()})
        # Whether it is still there is seen soon enough.
        with contextlib.suppress(OSError):
            self._control.sendall(line.encode() + b"\n")
        self._control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._control, self._heard)

    def _heard(self) -> None:
        try:
            told = self._control.recv(4_096)
        except OSError:
            told = b""
        if not told:
            self._loop.remove_reader(self._control)
            self.has_ended.set()
        if READY in told:
            self.is_ready.set()
        self.connections -= told.count(CLOSED)

    def take(self, kind: bytes, connection: socket.socket) -> bool:
        """Hand over a connection; return whether the process has got it."""
        try:
            socket.send_fds(self._control, [kind], [connection.fileno()])
        except OSError:
            return False
        if kind != OPERATIONS:
            self.connections += 1
        return True

    def hand_off(self, count: int) -> None:
        """Let so many clients of gRPC connect anew, at most."""
        # They may as well stay.
        with contextlib.suppress(OSError):
            self._control.send(HAND_OFF * count)

    async def stands(self) -> bool:
        """Return whether it is ready, once that is decided."""
        ready = asyncio.ensure_future(self.is_ready.wait())
        ended = asyncio.ensure_future(self.has_ended.wait())
        try:
            await asyncio.wait((ready, ended), return_when="FIRST_COMPLETED")
        finally:
            ready.cancel()
            ended.cancel()
        return self.is_ready.is_set()

    async def wait(self) -> int:
        """Return the status of the process when it has ended."""
        await self.has_ended.wait()
        # Its end of the line is closed: that takes no time any more.
        return await self._loop.run_in_executor(None, self._process.wait)

    def close(self) -> None:
        """Give up what is left of a process that has ended."""
        self._loop.remove_reader(self._control)
        self._control.close()

    async def end(self, limit_s: float) -> None:
        """Let the process end what is under way, for some time."""
        self._process.terminate()
        try:
            await asyncio.wait_for(self.wait(), limit_s)
        except TimeoutError:
            self._process.kill()
            await self.wait()


class Crew:
    """The processes that read.

    Args:
        settings: Of the server.
        paths: Where the process that writes answers them.
        front: Answers connections that none of them can take.
        spawned: Processes that were started already.

    Attributes:
        restarts: How often one was started again.
    """

    def __init__(
        self, settings: Settings, paths: Paths, front: Front, spawned: Iterable[Spawned]
    ) -> None:
        self._settings = settings
        self._spawned = list(spawned)
        self._paths = paths
        self._front = front
        self._workers: dict[int, Worker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._early: list[tuple[socket.socket, bytes]] | None = []
        self.restarts = 0

    async def start(self) -> None:
        """Start all of them, and return when they are ready; connections wait so long.

        Raises:
            StateError: One ended before it was.
        """
        for number in range(1, self._settings.workers + 1):
            self._workers[number] = self._new(number)
        for number, worker in self._workers.items():
            if not await worker.stands():
                status = await worker.wait()
                await self.stop()
                raise StateError(
                    f"worker {number} ended with status {status} before it was ready; what it "
                    f"wrote to stderr says why"
                )
            self._tasks.append(asyncio.create_task(self._keep(number, worker)))
        early, self._early = self._early or [], None
        for connection, kind in early:
            self._give(connection, kind)

    def _new(self, number: int) -> Worker:
        spawned = self._spawned.pop() if self._spawned else spawn()
        return Worker(spawned, number, self._settings, self._paths)

    async def _keep(self, number: int, worker: Worker) -> None:
        """Start a process again whenever it ends."""
        pause_s = 0.0
        while True:
            began = time.monotonic()
            status = await worker.wait()
            self._workers.pop(number, None)
            worker.close()
            _log.error(
                "worker %d ended with status %d; its clients connect anew, and it is started again",
                number,
                status,
            )
            is_short = time.monotonic() - began < _SHORT_LIFE_S
            pause_s = _longer(pause_s) if is_short else 0.0
            await asyncio.sleep(pause_s)
            worker = await self._start_again(number)
            if await worker.stands():
                self._even_out()

    def _even_out(self) -> None:
        """Let a process that has just started get its share of the clients that others have."""
        ready = [w for w in self._workers.values() if w.is_ready.is_set()]
        here = self._front.hand_off(_ALL)
        share = -(-(here + sum(w.connections for w in ready)) // max(1, len(ready)))
        for worker in ready:
            if worker.connections > share:
                worker.hand_off(worker.connections - share)

    async def _start_again(self, number: int) -> Worker:
        pause_s = 0.0
        while True:
            try:
                worker = self._new(number)
            except OSError as error:
                _log.error("worker %d was not started: %s", number, error)
                pause_s = _longer(pause_s)
                await asyncio.sleep(pause_s)
                continue
            self.restarts += 1
            self._workers[number] = worker
            return worker

    def listen(self, listener: socket.socket, kind: bytes) -> None:
        """Hand out the connections of a socket that is bound."""
        listener.listen(1_024)
        listener.setblocking(False)
        self._accepting.append(asyncio.create_task(self._accept(listener, kind)))

    async def _accept(self, listener: socket.socket, kind: bytes) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:
                    # Out of file descriptors, most likely: some connection will end.
                    _log.warning("a connection was not taken: %s", error)
                    await asyncio.sleep(0.1)
                    continue
                self._give(connection, kind)

    def _give(self, connection: socket.socket, kind: bytes) -> None:
        if self._early is not None:
            self._early.append((connection, kind))
            return
        ready = [w for w in self._workers.values() if w.is_ready.is_set()]
        for worker in sorted(ready, key=lambda one: one.connections):
            if worker.take(kind, connection):
                connection.close()
                return
        self._front.begin(self._front.adopt(connection, kind))

    async def stop(self) -> None:
        """Take no more connections, and let the processes end what is under way."""
        tasks = [*self._accepting, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection, _ in self._early or []:
            connection.close()
        limit_s = self._settings.grace_s + _STOP_S
        await asyncio.gather(*(w.end(limit_s) for w in self._workers.values()))
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def samples(self) -> list[list[Any]]:
        """Return what each process has counted; called from any thread."""
        found = []
        for worker in list(self._workers.values()):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                if worker.is_ready.is_set() and worker.take(OPERATIONS, theirs):
                    theirs.close()
                    found.append(ask_samples(ours))
        return found

    def collect(self) -> Iterable[Metric]:
        """Return how many processes there are, with what, and how often one was started again."""
        for name, about, value in (
            ("elanus_workers", "Processes that read.", len(self._workers)),
            ("elanus_worker_restarts", "How often one was started again.", self.restarts),
        ):
            made = GaugeMetricFamily(name, about)
            made.add_metric([], value)
            yield made
        held = GaugeMetricFamily(
            "elanus_worker_connections", "Clients of a process.", labels=["process"]
        )
        for number, worker in sorted(self._workers.items()):
            held.add_metric([f"worker-{number}"], worker.connections)
        yield held


def _longer(pause_s: float) -> float:
    return min(max(0.1, pause_s * 2), _LONGEST_PAUSE_S)
