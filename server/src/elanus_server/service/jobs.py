"""What goes on in the background, and how far is it?

A job is kept from the moment that it is asked for, so a server that was ended says what became of
it: what can go on goes on, and everything else has failed and says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from elanus.errors import ElanusError
from elanus_server.clock import now
from elanus_server.kept import Kept

_log = logging.getLogger(__name__)

PENDING, RUNNING, COMPLETED, FAILED = "pending", "running", "completed", "failed"
MAX_KEPT = 200
"""Jobs that are remembered; the oldest that have ended are forgotten first."""
_PROPERTY = "jobs"
_ENDED = "the server was ended before the job was; start it again"


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        number: Names it.
        kind: ``import``, ``restore``, ``export`` or ``prewarm``.
        database: Of the collection.
        collection: That it is about.
        asked: What was asked, as JSON values; what continues it after a restart.
        state: ``pending``, ``running``, ``completed`` or ``failed``.
        progress: Percent, 0 to 100.
        reason: Why it failed.
        started: When it was asked for, milliseconds since 1970.
        ended: When it ended; 0 before that.
        results: What it has done so far.
    """

    number: int
    kind: str
    database: str
    collection: str
    asked: Mapping[str, Any]
    state: str = PENDING
    progress: int = 0
    reason: str = ""
    started: int = 0
    ended: int = 0
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes any more."""
        return self.state in (COMPLETED, FAILED)


Tell = Callable[..., None]
"""Takes note of progress: attributes of the job by name."""
Work = Callable[[Job, Tell], Mapping[str, Any]]
"""Does a job and returns its results."""


class StoppedError(Exception):
    """The server ends while a job runs."""


class Jobs:
    """The jobs of a folder. Safe from many threads.

    Each kind has a thread of its own, which does one job after the other.

    Args:
        kept: Where they are remembered.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._stopping = False
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._jobs = {job.number: job for job in _read(kept.read(_PROPERTY, []))}

    def resume(self, works: Mapping[str, tuple[Work, bool]]) -> None:
        """Settle what an earlier server left open.

        Args:
            works: By kind: what does such a job, and whether it may be done once more.
        """
        for job in [job for job in self.all() if not job.has_ended]:
            work, goes_on = works.get(job.kind, (None, False))
            if work is not None and goes_on:
                self._submit(replace(job, state=PENDING), work)
            else:
                self._note(job.number, state=FAILED, reason=_ENDED, ended=_milliseconds())

    def start(
        self, kind: str, database: str, collection: str, asked: Mapping[str, Any], work: Work
    ) -> Job:
        """Remember a job, and do it as soon as those before it are done."""
        job = Job(now(), kind, database, collection, asked, started=_milliseconds())
        self._store(job)
        self._submit(job, work)
        return job

    def find(self, kind: str, number: int) -> Job | None:
        """Return a job of a kind by its number."""
        found = self._jobs.get(number)
        return found if found is not None and found.kind == kind else None

    def all(self, kind: str | None = None) -> list[Job]:
        """Return the jobs of a kind, or all, the newest first."""
        with self._lock:
            jobs = list(self._jobs.values())
        return sorted((j for j in jobs if kind in (None, j.kind)), key=lambda job: -job.number)

    def close(self) -> None:
        """End what runs; what can go on does so when the folder is served again."""
        self._stopping = True
        with self._lock:
            threads = list(self._threads.values())
        for one in threads:
            one.shutdown(cancel_futures=True)

    # --- doing ------------------------------------------------------------------------------

    def _submit(self, job: Job, work: Work) -> None:
        with self._lock:
            self._jobs[job.number] = job
            if job.kind not in self._threads:
                self._threads[job.kind] = ThreadPoolExecutor(1, f"elanus-{job.kind}")
            threads = self._threads[job.kind]
        threads.submit(self._run, job, work)

    def _run(self, job: Job, work: Work) -> None:
        if self._stopping:
            return
        try:
            self._tell(job.number, state=RUNNING)
            results = work(job, lambda **told: self._tell(job.number, **told))
        except StoppedError:
            return
        except ElanusError as error:
            self._end(job.number, state=FAILED, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the edge of the process
            _log.exception("%s job %d failed", job.kind, job.number)
            self._end(job.number, state=FAILED, reason=f"{type(error).__name__}: {error}")
        else:
            self._end(job.number, state=COMPLETED, progress=100, results=dict(results))

    def _tell(self, number: int, **told: Any) -> None:
        """Take note of something that need not survive."""
        if self._stopping:
            raise StoppedError
        with self._lock:
            self._jobs[number] = replace(self._jobs[number], **told)

    def _end(self, number: int, **told: Any) -> None:
        try:
            self._note(number, ended=_milliseconds(), **told)
        except ElanusError as error:
            _log.warning("job %d has ended, which could not be kept: %s", number, error)

    def _note(self, number: int, **told: Any) -> None:
        with self._lock:
            changed = replace(self._jobs[number], **told)
        self._store(changed)

    def _store(self, job: Job) -> None:
        """Remember a job, durably; then everybody sees it."""

        def changed(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
            jobs = [one for one in stored if one["number"] != job.number]
            jobs.append(asdict(job))
            ended = [one for one in jobs if one["state"] in (COMPLETED, FAILED)]
            gone = {one["number"] for one in ended[: max(0, len(jobs) - MAX_KEPT)]}
            return [one for one in jobs if one["number"] not in gone]

        left = {one["number"] for one in self._kept.change(_PROPERTY, [], changed)}
        with self._lock:
            self._jobs[job.number] = job
            self._jobs = {n: one for n, one in self._jobs.items() if n in left}


def _read(stored: list[dict[str, Any]]) -> list[Job]:
    return [Job(**one) for one in stored]


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
