"""Who does the work that no caller waits for?

One background thread per database runs flushes, compactions and index builds, the most urgent
first. A long job calls its ``checkpoint`` often: there, urgent jobs get their turn, and closing
the database ends it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
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


Checkpoint = Callable[[], None]
Job = Callable[[Checkpoint], None]


class Maintenance:
    """A thread and its queue. Started by the first job."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[tuple[Priority, int, str, Job]] = []
        self._queued: set[str] = set()
        self._order = itertools.count()
        self._running = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def submit(self, priority: Priority, key: str, job: Job) -> None:
        """Queue a job; one with the same key that still waits is not queued twice."""
        with self._changed:
            if self._closing or key in self._queued:
                return
            self._queued.add(key)
            heapq.heappush(self._queue, (priority, next(self._order), key, job))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="elanus-maintenance", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def wait_idle(self) -> None:
        """Return when no job waits or runs.

        Raises:
            Exception: What a job failed with since the last call.
        """
        with self._changed:
            self._changed.wait_for(lambda: (not self._queue and not self._running) or self._closing)
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
            self._queued.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._closing)
                if self._closing:
                    return
                job = self._pop()
            self._run(job)

    def _pop(self) -> Job:
        _, _, key, job = heapq.heappop(self._queue)
        self._queued.discard(key)
        self._running += 1
        return job

    def _run(self, job: Job) -> None:
        try:
            job(self._checkpoint)
        except CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - edge of the thread; kept for whoever asks
            _log.exception("background job failed")
            self._failure = error
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _checkpoint(self) -> None:
        """Let urgent jobs run inside a long one; end the long one when closing."""
        while True:
            with self._changed:
                if self._closing:
                    raise CancelledError("the database is being closed")
                if not self._queue or self._queue[0][0] is not Priority.FLUSH:
                    return
                job = self._pop()
            self._run(job)
