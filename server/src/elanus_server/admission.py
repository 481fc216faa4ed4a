"""Which calls are answered now, which wait, and which are refused?

A server answers a number of calls at once, each with a thread of its own; a process that only reads
needs none for those that are short (``pace``). A bounded number waits,
with a bounded number of bytes, which are counted before they are read; what comes beyond is refused
at once, which clients take better than memory that is over. A call whose time is over while it
waits is not begun, and one that nobody waits for any more ends: its kernels look about every
millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from elanus import Cancellation
from elanus_server.failures import RATE_LIMIT, MilvusError
from elanus_server.pace import Pace
from elanus_server.threads import Job, Threads, Told

Answer = TypeVar("Answer")
CHEAP = frozenset({"CheckHealth", "Connect", "GetComponentStates", "GetVersion"})
"""Calls that clients begin with, and try only once. They have a thread of their own."""


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


def kind_of(name: str, authorization: str, raw: bytes) -> Hashable:
    """Return what a call has in common with calls that take about as long.

    Who asks for the first time has a password that is to be checked, which takes long.

    Args:
        name: Of the call, or its path.
        authorization: The header.
        raw: The request.
    """
    return hash((name, authorization, len(raw).bit_length()))


@dataclass(frozen=True, slots=True)
class Load:
    """What is under way, and what came to nothing.

    Attributes:
        running: Calls that have a thread.
        waiting: Calls that wait for one.
        held_bytes: Bytes of the requests of both, and of those that are being read.
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


class Room:
    """Bytes of one request that are in memory, or are about to be.

    It is given up when everybody has who keeps it: whoever reads the request, and the thread that
    works on it, which may go on when nobody waits for it any more.
    """

    __slots__ = ("_admission", "_keepers", "size")

    def __init__(self, admission: Admission, size: int) -> None:
        self._admission = admission
        self._keepers = 1
        self.size = size

    def grow(self, size: int) -> None:
        """Let it have some bytes, if it has fewer.

        Raises:
            TooBusyError: There would be too many.
        """
        if size > self.size:
            self._admission.take(size - self.size, beside=self.size)
            self.size = size

    def keep(self) -> None:
        """Let it be given up once more."""
        with self._admission.lock:
            self._keepers += 1

    def give_up(self) -> None:
        """Say that the bytes are needed no longer, by one of those who kept it."""
        with self._admission.lock:
            self._keepers -= 1
            if not self._keepers:
                self._admission.leave(self.size)


class Begun:
    """A call under way."""

    __slots__ = ("_admission", "_cancellation", "_job", "_threads")

    def __init__(
        self, admission: Admission, threads: Threads, job: Job, cancellation: Cancellation
    ) -> None:
        self._admission = admission
        self._threads = threads
        self._job = job
        self._cancellation = cancellation

    def cancel(self) -> None:
        """End it: nobody waits any more. It must not have come to something yet.

        One that waits makes room for others at once, or clients that give up and try again would
        be kept out by what they gave up.
        """
        self._admission.abandon()
        self._threads.cancel(self._job)
        self._cancellation.cancel()


class Admission:
    """Gives calls a thread, in the order in which they come. Safe from many threads.

    Args:
        threads: Calls that are answered at once.
        max_waiting: Calls that may wait.
        max_bytes: Of the requests of all of them; a single one may always come.
        pace: Says which calls need no thread; None: all have one.

    Attributes:
        lock: Held while something is counted.
    """

    def __init__(
        self, threads: int, max_waiting: int, max_bytes: int, pace: Pace | None = None
    ) -> None:
        self._threads = Threads(threads, "elanus-call")
        self._cheap_threads = Threads(1, "elanus-cheap")
        self._max_calls = threads + max_waiting
        self._max_bytes = max_bytes
        self._pace = pace
        self.lock = threading.Lock()
        self._calls = self._cheap = self._running = self._bytes = 0
        self._refused = self._late = self._abandoned = 0

    @property
    def load(self) -> Load:
        """What is under way."""
        with self.lock:
            return Load(
                self._running,
                self._calls + self._cheap - self._running,
                self._bytes,
                self._refused,
                self._late,
                self._abandoned,
            )

    def room(self, size: int) -> Room:
        """Count the bytes of a request before it is read.

        Raises:
            TooBusyError: There would be too many.
        """
        self.take(size)
        return Room(self, size)

    def take(self, size: int, *, beside: int = 0) -> None:
        """Count bytes of a request that has some already.

        Raises:
            TooBusyError: There would be too many.
        """
        with self.lock:
            if self._bytes > beside and self._bytes + size > self._max_bytes:
                self._refused += 1
                raise TooBusyError(f"requests of {self._bytes} bytes are under way")
            self._bytes += size

    def leave(self, size: int) -> None:
        """Count bytes no longer; the lock is held."""
        self._bytes -= size

    async def run(
        self,
        answer: Callable[[Cancellation], Answer],
        *,
        room: Room | None = None,
        timeout_s: float | None = None,
        kind: Hashable = None,
    ) -> Answer:
        """Return what a call comes to; it is ended when the task is cancelled.

        Args:
            answer: As for ``begin``.
            room: Likewise.
            timeout_s: Likewise.
            kind: Likewise.

        Raises:
            TooBusyError: Too many calls wait.
            TooLateError: The time was over before there was an answer.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def told(found: Answer, error: BaseException | None) -> None:
            if error is None:
                future.set_result(found)
            else:
                future.set_exception(error)

        call = self.begin(answer, told, room=room, timeout_s=timeout_s, kind=kind)
        try:
            return await future
        except asyncio.CancelledError:
            call.cancel()
            raise

    @contextlib.contextmanager
    def held(self, *, is_cheap: bool = False) -> Iterator[None]:
        """Count a call that another process answers.

        Args:
            is_cheap: Whether it is one of ``CHEAP``, which have a count of their own.

        Raises:
            TooBusyError: Too many calls are under way.
        """
        with self.lock:
            self._count_in(is_cheap)
        try:
            yield
        finally:
            with self.lock:
                self._count_out(is_cheap)

    def begin(
        self,
        answer: Callable[[Cancellation], Any],
        told: Told,
        *,
        room: Room | None = None,
        timeout_s: float | None = None,
        is_cheap: bool = False,
        kind: Hashable = None,
    ) -> Begun:
        """Let a call be answered; return what ends it.

        Args:
            answer: Answers it, in a thread for the most part. What is handed to it ends the reads
                of the call.
            told: Is told what it came to, in the event loop, unless it was ended.
            room: Of the request, which is kept until the thread is done with it.
            timeout_s: Seconds that the client waits; None: for as long as it takes.
            is_cheap: Whether it is one of ``CHEAP``, which do not wait for the others.
            kind: What it has in common with calls that take about as long.

        Raises:
            TooBusyError: Too many calls wait.
            TooLateError: The time was over before.
        """
        if timeout_s is not None and timeout_s <= 0:
            raise self._too_late()
        cancellation = Cancellation(timeout_s)
        with self.lock:
            self._count_in(is_cheap)
        if room is not None:
            room.keep()
        work = partial(self._work, answer, cancellation, has_end=timeout_s is not None)
        done = partial(self._leave, room, is_cheap)
        threads = self._cheap_threads if is_cheap else self._threads
        if self._pace is not None and self._pace.is_short(kind):
            job = Job(self._pace.timed_here(kind, work), done, told)
            job.run_here()
            return Begun(self, threads, job, cancellation)
        job = Job(work if self._pace is None else self._pace.timed(kind, work), done, told)
        if not threads.give(job):
            done(False)
            raise _stopping()
        return Begun(self, threads, job, cancellation)

    def _work(
        self, answer: Callable[[Cancellation], Any], cancellation: Cancellation, *, has_end: bool
    ) -> Any:
        with self.lock:
            self._running += 1
        if has_end and cancellation.remaining_s == 0:
            raise self._too_late()
        found = answer(cancellation)
        if has_end and cancellation.remaining_s == 0:
            # Whatever it came to: the client has given up at this moment.
            raise self._too_late()
        return found

    def _leave(self, room: Room | None, is_cheap: bool, has_begun: bool) -> None:
        with self.lock:
            self._running -= has_begun
            self._count_out(is_cheap)
        if room is not None:
            room.give_up()

    def _count_in(self, is_cheap: bool) -> None:
        calls, what = (self._cheap, "small calls") if is_cheap else (self._calls, "calls")
        if calls >= self._max_calls:
            self._refused += 1
            raise TooBusyError(f"{calls} {what} are under way")
        if is_cheap:
            self._cheap += 1
        else:
            self._calls += 1

    def _count_out(self, is_cheap: bool) -> None:
        if is_cheap:
            self._cheap -= 1
        else:
            self._calls -= 1

    def abandon(self) -> None:
        """Count a call that was ended since nobody waits for it any more."""
        with self.lock:
            self._abandoned += 1

    def _too_late(self) -> TooLateError:
        with self.lock:
            self._late += 1
        return TooLateError()

    def close(self) -> None:
        """Wait for the calls under way; those that wait are not begun."""
        self._threads.close(_stopping())
        self._cheap_threads.close(_stopping())


def _stopping() -> TooBusyError:
    return TooBusyError("the server is stopping")
