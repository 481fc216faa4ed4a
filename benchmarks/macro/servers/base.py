"""What is asked of every client of a server?

A client runs in a process beside the server, under the interpreter of the system it belongs to, so
this file needs NumPy only. ``Asking`` are connections of one kind; those of libraries are threads
that call the library, those of the lean clients are tasks of one event loop, which leave most of
the client's processor time aside.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from benchmarks.macro.adapters.base import Rows

WARM_S = 0.2
"""How long each turn is asked before it counts."""
START_WITHIN_S = 60.0
"""How long a server is waited for."""

Vectors = npt.NDArray[np.float32]


def wait_until_listening(uri: str) -> None:
    """Return when a server that was started listens.

    Raises:
        OSError: It does not within a minute.
    """
    where = urlsplit(uri)
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            socket.create_connection((where.hostname, where.port or 0)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return


class Answers:
    """What was asked and answered within a time.

    Args:
        num_queries: Queries that there are; they are asked again from the first.
        seconds: That answers count.
        warm_s: Seconds before that.
        most: Queries to ask at most.
    """

    def __init__(
        self, num_queries: int, seconds: float, *, warm_s: float = WARM_S, most: int | None = None
    ) -> None:
        self._next = itertools.count()
        self._num_queries = num_queries
        self._most = most
        self._begin = time.perf_counter() + warm_s
        self._end = self._begin + seconds
        self._started_cpu: float | None = None
        self.queries: list[int] = []
        self.ids: list[list[int]] = []
        self.ns: list[int] = []
        self.asked = 0

    def take(self) -> int | None:
        """Return the number of the next query; None when the time is over."""
        now = time.perf_counter()
        if now >= self._end:
            return None
        if self._started_cpu is None and now >= self._begin:
            self._started_cpu = time.process_time()
        number = next(self._next)
        if self._most is not None and number >= self._most:
            return None
        return number % self._num_queries

    def add(self, query: int, ids: list[int], began: float) -> None:
        """Keep an answer, if it came within the time that counts."""
        ended = time.perf_counter()
        self.asked += 1
        if self._begin <= ended <= self._end:
            self.queries.append(query)
            self.ids.append(ids)
            self.ns.append(int((ended - began) * 1e9))

    def to_json(self) -> dict[str, Any]:
        """Return them with the processor time that this process took for them."""
        spent = 0.0 if self._started_cpu is None else time.process_time() - self._started_cpu
        return {
            "queries": self.queries,
            "ids": self.ids,
            "ns": self.ns,
            "seconds": self._end - self._begin,
            "client_cpu_s": spent,
            "asked": self.asked,
        }


class Asking(ABC):
    """Some clients of one kind, connected to one server.

    Args:
        uri: Of the server, or the folder of an embedded database.

    Attributes:
        is_exact: Whether searches look at every row.
    """

    PACKAGES: Sequence[str] = ()

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.is_exact = False

    def create(self, name: str, dim: int) -> None:
        """Make a collection."""
        raise NotImplementedError

    def insert(self, name: str, rows: Rows) -> None:
        """Store a batch."""
        raise NotImplementedError

    def complete(self, name: str) -> None:
        """Do what it takes until the indexes of the rows are there, if that takes anything."""
        return

    def drop(self, name: str) -> None:
        """Give a collection up."""
        raise NotImplementedError

    @abstractmethod
    def open(self, name: str, queries: Vectors, clients: int) -> None:
        """Connect that many clients, which are going to ask these queries."""

    @abstractmethod
    def ask(self, answers: Answers) -> None:
        """Let all clients ask one query after the other until the time is over."""

    def close(self) -> None:
        """Give the connections up, if they do not end by themselves."""
        return


class Threads(Asking):
    """Clients that are threads, each with a handle of its own."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._handles: list[Any] = []
        self._queries: Vectors = np.empty((0, 0), np.float32)

    @abstractmethod
    def connect(self, name: str) -> Any:
        """Return what ``search`` needs of one client."""

    @abstractmethod
    def search(self, handle: Any, vector: Any) -> list[int]:
        """Return the ids of the hits."""

    def prepared(self, queries: Vectors) -> Sequence[Any]:
        """Return the queries as the library takes them."""
        return list(queries)

    def open(self, name: str, queries: Vectors, clients: int) -> None:
        self._queries = queries
        self._asked = self.prepared(queries)
        self._handles = [self.connect(name) for _ in range(clients)]

    def ask(self, answers: Answers) -> None:
        errors: list[BaseException] = []

        def work(handle: Any) -> None:
            try:
                while (number := answers.take()) is not None:
                    began = time.perf_counter()
                    answers.add(number, self.search(handle, self._asked[number]), began)
            except BaseException as error:  # noqa: BLE001 - told by the thread that waits
                errors.append(error)

        threads = [threading.Thread(target=work, args=(handle,)) for handle in self._handles]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


class Tasks(Asking):
    """Clients that are tasks of one event loop, each with a connection of its own."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._loop = asyncio.new_event_loop()
        self._connections: list[Any] = []
        self._requests: Sequence[Any] = ()

    @abstractmethod
    def requests(self, name: str, queries: Vectors) -> Sequence[Any]:
        """Return the requests for queries, made before the clock runs."""

    @abstractmethod
    async def connect(self) -> Any:
        """Return a connection."""

    @abstractmethod
    async def search(self, connection: Any, request: Any) -> list[int]:
        """Return the ids of the hits."""

    async def disconnect(self, connection: Any) -> None:
        """Give a connection up."""

    def open(self, name: str, queries: Vectors, clients: int) -> None:
        self._requests = self.requests(name, queries)

        async def connect() -> list[Any]:
            return [await self.connect() for _ in range(clients)]

        self._connections = self._loop.run_until_complete(connect())

    def ask(self, answers: Answers) -> None:
        async def work(connection: Any) -> None:
            while (number := answers.take()) is not None:
                began = time.perf_counter()
                answers.add(number, await self.search(connection, self._requests[number]), began)

        async def everybody() -> None:
            await asyncio.gather(*[work(connection) for connection in self._connections])

        self._loop.run_until_complete(everybody())

    def close(self) -> None:
        async def disconnect() -> None:
            for connection in self._connections:
                await self.disconnect(connection)

        self._loop.run_until_complete(disconnect())
        self._connections = []
