"""Who does the work that no caller waits for?

One background thread per database runs flushes, compactions and index builds, the most urgent
first. A long job calls its ``checkpoint`` often: there, more urgent jobs get their turn, and
closing the database ends it. A job that can wait is queued with a delay.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum

from elanus.errors import StateError

_log = logging.getLogger(__name__)


class Priority(IntEnum):
    """Smaller runs first."""

    FLUSH = 0
    COMPACT = 1
    INDEX = 2


class CancelledError(StateError):
    """A job was ended because its database is being closed."""


NICENESS = 5
"""How far background work steps back from those who wait for an answer: on a busy processor it gets
a quarter of the time. When that is too little for flushes, callers flush themselves."""

Checkpoint = Callable[[], None]
Job = Callable[[Checkpoint], None]


class Maintenance:
    """A thread and its queue. Started by the first job."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[tuple[Priority, int, str, Job]] = []
        self._delayed: list[tuple[float, int, Priority, str, Job]] = []
        self._queued: set[str] = set()
        self._order = itertools.count()
        # Priorities of the jobs that run: each one inside the checkpoint of the one before it.
        self._running: list[Priority] = []
        self._num_waiting = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def submit(self, priority: Priority, key: str, job: Job, *, delay_s: float = 0.0) -> None:
        """Queue a job; one with the same key that still waits is not queued twice.

        Args:
            priority: How urgent it is.
            key: Names the job.
            job: Called in the background thread with its checkpoint.
            delay_s: Seconds to wait first, unless somebody waits for all work to be done. A job
                that waits so is replaced by the next one with its key, and its delay with it.
        """
        with self._changed:
            if self._closing:
                return
            waits = delay_s > 0 and not self._num_waiting
            if key in self._queued and not self._take_delayed(key):
                return
            self._queued.add(key)
            order = next(self._order)
            if waits:
                due = time.monotonic() + delay_s
                heapq.heappush(self._delayed, (due, order, priority, key, job))
            else:
                heapq.heappush(self._queue, (priority, order, key, job))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="elanus-maintenance", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def wait_idle(self) -> None:
        """Return when no job waits or runs; delays end at once.

        Raises:
            Exception: What a job failed with since the last call.
        """
        with self._changed:
            self._num_waiting += 1
            self._queue_delayed(float("inf"))
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: (not self._queue and not self._running) or self._closing
                )
            finally:
                self._num_waiting -= 1
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    @property
    def failure(self) -> BaseException | None:
        """What a job failed with, until ``wait_idle`` reports it."""
        return self._failure

    def close(self) -> None:
        """End the running job at its next checkpoint, drop the others, stop the thread."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            self._delayed.clear()
            self._queued.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        _give_way()
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait(self._queue_delayed(time.monotonic()))
                if self._closing:
                    return
                priority, job = self._pop()
            self._run(priority, job)

    def _queue_delayed(self, now: float) -> float | None:
        """Queue the jobs whose delay is over; return the seconds until the next one's is."""
        while self._delayed and self._delayed[0][0] <= now:
            _, order, priority, key, job = heapq.heappop(self._delayed)
            heapq.heappush(self._queue, (priority, order, key, job))
        return self._delayed[0][0] - now if self._delayed else None

    def _take_delayed(self, key: str) -> bool:
        """Take a job out of those that wait for their delay; False when it is not one of them."""
        left = [entry for entry in self._delayed if entry[3] != key]
        if len(left) == len(self._delayed):
            return False
        heapq.heapify(left)
        self._delayed = left
        return True

    def _pop(self) -> tuple[Priority, Job]:
        priority, _, key, job = heapq.heappop(self._queue)
        self._queued.discard(key)
        self._running.append(priority)
        return priority, job

    def _run(self, priority: Priority, job: Job) -> None:
        try:
            job(self._checkpoint)
        except CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - edge of the thread; kept for whoever asks
            _log.exception("background job failed")
            self._failure = error
        finally:
            with self._changed:
                self._running.pop()
                self._changed.notify_all()

    def _checkpoint(self) -> None:
        """Let more urgent jobs run inside a long one; end the long one when closing."""
        while True:
            with self._changed:
                if self._closing:
                    raise CancelledError("the database is being closed")
                self._queue_delayed(time.monotonic())
                if not self._queue or self._queue[0][0] >= self._running[-1]:
                    return
                priority, job = self._pop()
            self._run(priority, job)


def _give_way() -> None:
    """Let other threads of the machine go before this one, and before threads that it starts."""
    if sys.platform == "linux":  # elsewhere niceness belongs to whole processes
        with contextlib.suppress(OSError):
            mine = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, mine, os.getpriority(os.PRIO_PROCESS, mine) + NICENESS)
