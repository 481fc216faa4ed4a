"""Threads that work for an event loop.

What ``loop.run_in_executor`` does, with a third of its cost: a search takes less than a tenth of a
millisecond, and two futures and a task for each are a good part of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

Told = Callable[[Any, BaseException | None], None]
"""Is told in the event loop what came of something, or why nothing did."""
_MOST_CANCELLED = 1_024
"""Jobs that are cancelled before those that wait are gone through for them."""


class Job:
    """Something to do, made in the event loop that is told what comes of it.

    Args:
        work: Does it.
        done: Called in the end, in any thread, with whether it was begun.
        told: Is told, unless the job was cancelled.
    """

    __slots__ = ("_done", "_is_cancelled", "_loop", "_told", "_turn", "_work")

    def __init__(self, work: Callable[[], Any], done: Callable[[bool], None], told: Told) -> None:
        self._work = work
        self._done = done
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._is_cancelled = False
        # Whoever takes what is in it begins the job or leaves it; two cannot.
        self._turn = [None]

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for it."""
        return self._is_cancelled

    def cancel(self) -> bool:
        """Say that nobody waits: it is not begun, and nobody is told. Called in the event loop.

        Returns:
            Whether it waited still: then it is done with, and holds nothing any more.
        """
        self._is_cancelled = True
        return self._leave()

    def _is_ours(self) -> bool:
        """Whether nobody else has begun it, or left it."""
        try:
            self._turn.pop()
        except IndexError:
            return False
        return True

    def _leave(self) -> bool:
        if not self._is_ours():
            return False
        done = self._done
        # The message and the room for it.
        del self._work, self._done
        done(False)
        return True

    def run(self) -> None:
        """Do it, in a thread, if it was not left."""
        if self._is_ours():
            self._tell(*self._come_to())

    def run_here(self) -> None:
        """Do it in the event loop; whoever waits is told with its next turn."""
        self._turn.clear()
        self._loop.call_soon(self._settle, *self._come_to())

    def _come_to(self) -> tuple[Any, BaseException | None]:
        found = error = None
        try:
            found = self._work()
        except BaseException as raised:  # noqa: BLE001 - whoever waits for it is told
            error = raised
        self._done(True)
        return found, error

    def drop(self, error: BaseException) -> None:
        """Leave it: nobody will do it any more."""
        if self._leave():
            self._tell(None, error)

    def _tell(self, found: Any, error: BaseException | None) -> None:
        # A loop that is closed waits for nothing.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, found, error)

    def _settle(self, found: Any, error: BaseException | None) -> None:
        if not self._is_cancelled:
            self._told(found, error)


class Threads:
    """Do jobs in the order in which they come. Safe from many threads.

    Args:
        count: Jobs that are done at once; a thread is started when it is needed first.
        name: Before the number of each thread.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._cancelled = 0
        self._is_closed = False

    def give(self, job: Job) -> bool:
        """Let a job be done; return False when no more are."""
        with self._lock:
            if self._is_closed:
                return False
            self._jobs.put(job)
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._count:
                name = f"{self._name}_{len(self._threads)}"
                made = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(made)
                made.start()
        return True

    def cancel(self, job: Job) -> None:
        """Cancel a job that was given, in the event loop."""
        if not job.cancel():
            return
        with self._lock:
            self._cancelled += 1
            if self._cancelled < _MOST_CANCELLED or self._is_closed:
                return
            self._cancelled = 0
            waiting = []
            with contextlib.suppress(Empty):
                while True:
                    waiting.append(self._jobs.get_nowait())
            for one in waiting:
                if one is not None and not one.is_cancelled:
                    self._jobs.put(one)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                with self._lock:
                    self._idle += 1
                job = self._jobs.get()
            if job is None:
                return
            job.run()
            # It holds the message and the answer.
            del job

    def close(self, error: BaseException) -> None:
        """Wait for the jobs that were begun; the others come to an error."""
        with self._lock:
            self._is_closed = True
        with contextlib.suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                job.drop(error)
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
