"""Who did what, when, from where, and how did it end?

A file of JSON, one object a line. Calls hand their records to a bounded queue and go on; one thread
writes. When the disk is full or too slow, records are lost and counted (``elanus_audit_count``),
and the server goes on serving: a log that could stop it would be a way to stop it. It does not
start with a file that cannot be written.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from elanus.errors import InvalidArgumentError
from elanus_server.failures import NOT_AUTHENTICATED, NOT_PERMITTED, RATE_LIMIT
from elanus_server.security.privileges import OPEN, READING, needed_privilege

MAX_WAITING = 10_000
"""Records that wait to be written: some megabytes."""
WAIT_S = 0.05
"""Seconds that a call waits when the queue is full, before its record is given up."""
KEPT_FILES = 5
"""Older files beside the one that is written: ``FILE.1`` is the youngest of them."""
_DAILY = READING | {"Insert", "Upsert", "Delete", "Flush", "Load", "Release"}
_REFUSALS = frozenset({NOT_AUTHENTICATED, NOT_PERMITTED, RATE_LIMIT})
_STOP = object()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One call. It holds names and numbers: no filter, no text, no vector, no secret.

    Attributes:
        at: Seconds since 1970 when it began.
        user: Who asked; of a wrong password whose it was to be, if there is such a user.
        token: Number of their token.
        address: Of the client, where it is known.
        call: Its name.
        database: That it was about.
        collection: That it was about.
        code: Milvus' number of how it ended; 0: well.
        seconds: That it took.
        rows: Entities that were returned or written; None where that means nothing.
    """

    at: float
    user: str
    token: str
    address: str
    call: str
    database: str
    collection: str
    code: int
    seconds: float
    rows: int | None = None

    def line(self) -> bytes:
        """Return it as a line of JSON."""
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        made = {
            "time": when.replace("+00:00", "Z"),
            "user": self.user,
            "token": self.token,
            "address": self.address,
            "call": self.call,
            "database": self.database,
            "collection": self.collection,
            "code": self.code,
            "duration_ms": round(self.seconds * 1000, 3),
            "rows": self.rows,
        }
        return json.dumps({n: v for n, v in made.items() if v not in ("", None)}).encode() + b"\n"


def is_recorded(method: str, request_type: object, code: int) -> bool:
    """Whether a call is recorded where not every call is: it was refused, or it changes more than
    entities, such as users, rights, collections and indexes."""
    if code in _REFUSALS:
        return True
    return method not in OPEN and needed_privilege(method, request_type) not in _DAILY


class AuditLog:
    """Writes records to a file. Safe from many threads.

    Args:
        path: The file; it is made for its owner alone.
        max_bytes: Size from which a new one is begun.
        every_call: Also calls that only read or write entities.
        count: Called with ``written`` or ``lost`` for each record.

    Raises:
        InvalidArgumentError: The file cannot be written.
    """

    def __init__(
        self,
        path: str,
        *,
        max_bytes: int,
        every_call: bool,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.every_call = every_call
        self._path = path
        self._max_bytes = max_bytes
        self._count = count
        self._has_failed = self._is_torn = False
        self._queue: queue.Queue[Any] = queue.Queue(MAX_WAITING)
        try:
            self._file: int | None = self._opened()
        except OSError as error:
            raise InvalidArgumentError(
                f"audit log: cannot write {path}: {error.strerror}; choose another file"
            ) from error
        self._thread = threading.Thread(target=self._run, name="elanus-audit", daemon=True)
        self._thread.start()

    def add(self, record: AuditRecord) -> None:
        """Hand over a record; it is written a little later, or lost and counted."""
        try:
            self._queue.put(record, timeout=WAIT_S)
        except queue.Full:
            self._count("lost")

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._queue.put(_STOP)
        self._thread.join()

    def _run(self) -> None:
        while True:
            record = self._queue.get()
            if record is _STOP:
                break
            try:
                self._write(record.line())
                self._has_failed = False
                self._count("written")
            except OSError as error:
                self._count("lost")
                if not self._has_failed:
                    self._has_failed = True
                    _log.error("audit log %s: cannot write: %s", self._path, error.strerror)
                self._close_file()
        self._close_file()

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._opened()
        size = os.fstat(self._file).st_size
        if size and size + len(line) > self._max_bytes:
            self._rotate()
            self._file = self._opened()
        if self._is_torn:
            line = b"\n" + line
        self._is_torn = True
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._is_torn = False

    def _rotate(self) -> None:
        self._close_file()
        names = [self._path, *(f"{self._path}.{n}" for n in range(1, KEPT_FILES + 1))]
        for newer, older in reversed([*itertools.pairwise(names)]):
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)
