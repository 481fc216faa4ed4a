"""Which calls are answered now, which wait, and which are refused?

A server answers a number of calls at once, each with a thread of its own. A bounded number waits,
with a bounded number of bytes; what comes beyond is refused at once, which clients take better than
memory that is over. A call whose time is over while it waits is not begun, and one that nobody
waits for any more ends: its kernels look about every millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from elanus import Cancellation
from elanus_server.failures import RATE_LIMIT, MilvusError

Answer = TypeVar("Answer")


class TooBusyError(MilvusError):
    """More calls than the server lets wait. Milvus' clients try again a little later."""

    def __init__(self, what: str) -> None:
        super().__init__(
            RATE_LIMIT,
            f"rate limit exceeded: {what}; try again later, or start the server with more threads "
            f"or workers",
            retriable=True,
        )


class TooLateError(MilvusError):
    """The time of a call was over before it was answered."""

    def __init__(self) -> None:
        super().__init__(RATE_LIMIT, "deadline exceeded", retriable=True)


@dataclass(frozen=True, slots=True)
class Load:
    """What is under way, and what came to nothing.

    Attributes:
        running: Calls that have a thread.
        waiting: Calls that wait for one.
        held_bytes: Bytes of the requests of both.
        refused: Calls that were too many.
        late: Calls whose time was over before they were answered.
        abandoned: Calls that were ended since nobody waited for them any more.
    """

    running: int = 0
    waiting: int = 0
    held_bytes: int = 0
    refused: int = 0
    late: int = 0
    abandoned: int = 0


class Admission:
    """Gives calls a thread, in the order in which they come. Safe from many threads.

    Args:
        threads: Calls that are answered at once.
        max_waiting: Calls that may wait.
        max_bytes: Of the requests of all of them; a single one may always come.
    """

    def __init__(self, threads: int, max_waiting: int, max_bytes: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="elanus-call")
        self._max_calls = threads + max_waiting
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._calls = self._running = self._bytes = 0
        self._refused = self._late = self._abandoned = 0

    @property
    def load(self) -> Load:
        """What is under way."""
        with self._lock:
            return Load(
                self._running,
                self._calls - self._running,
                self._bytes,
                self._refused,
                self._late,
                self._abandoned,
            )

    async def run(
        self,
        answer: Callable[[Cancellation], Answer],
        *,
        size: int,
        timeout_s: float | None = None,
    ) -> Answer:
        """Return what a call comes to; it is ended when the task is cancelled.

        Args:
            answer: Answers it in a thread. What is handed to it ends the reads of the call.
            size: Bytes of the request.
            timeout_s: Seconds that the client waits; None: for as long as it takes.

        Raises:
            TooBusyError: Too many calls wait.
            TooLateError: The time was over before there was an answer.
        """
        if timeout_s is not None and timeout_s <= 0:
            raise self._too_late()
        cancellation = Cancellation(timeout_s)
        future = self._begin(answer, cancellation, size)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            with self._lock:
                self._abandoned += 1
            cancellation.cancel()
            raise

    @contextlib.contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Count a call that another process answers.

        Raises:
            TooBusyError: Too many calls are under way.
        """
        self._enter(size)
        try:
            yield
        finally:
            self._leave(size)

    def _begin(
        self, answer: Callable[[Cancellation], Answer], cancellation: Cancellation, size: int
    ) -> Future[Answer]:
        self._enter(size)

        def work() -> Answer:
            with self._lock:
                self._running += 1
            try:
                if cancellation.remaining_s == 0:
                    raise self._too_late()
                found = answer(cancellation)
                if cancellation.remaining_s == 0:
                    # Whatever it came to: the client has given up at this moment.
                    raise self._too_late()
                return found
            finally:
                with self._lock:
                    self._running -= 1

        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._leave(size)
            raise TooBusyError("the server is stopping") from None
        # Also when it is cancelled before it was begun.
        future.add_done_callback(lambda _: self._leave(size))
        return future

    def _enter(self, size: int) -> None:
        with self._lock:
            if self._calls >= self._max_calls:
                self._refused += 1
                raise TooBusyError(f"{self._calls} calls are under way")
            if self._bytes and self._bytes + size > self._max_bytes:
                self._refused += 1
                raise TooBusyError(f"requests of {self._bytes} bytes are under way")
            self._calls += 1
            self._bytes += size

    def _leave(self, size: int) -> None:
        with self._lock:
            self._calls -= 1
            self._bytes -= size

    def _too_late(self) -> TooLateError:
        with self._lock:
            self._late += 1
        return TooLateError()

    def close(self) -> None:
        """Wait for the calls under way; those that wait are not begun."""
        self._pool.shutdown(cancel_futures=True)
