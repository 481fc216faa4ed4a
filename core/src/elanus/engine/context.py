"""What do all collections of one database share?"""

from __future__ import annotations

import itertools
import os
import threading
import uuid
from dataclasses import dataclass, field

from elanus.engine.maintenance import Maintenance
from elanus.errors import ReadOnlyError, StateError
from elanus.storage.directory import Directory


class SequenceClock:
    """Sequence numbers of writes, database-wide, strictly growing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = itertools.count(1)
        self._last = 0

    def tick(self) -> int:
        """Return the next sequence number."""
        with self._lock:
            self._last = next(self._next)
            return self._last

    def advance(self, seq: int) -> None:
        """Make the next number larger than ``seq``."""
        with self._lock:
            if seq > self._last:
                self._next = itertools.count(seq + 1)
                self._last = seq


@dataclass(frozen=True, slots=True)
class EngineContext:
    """Shared by the database and its collections.

    Attributes:
        directory: Where all files are.
        db_uuid: Identifies the database in every file.
        maintenance: The background worker.
        read_only: No write is allowed.
        owner_pid: The process that opened the database; a forked child only reads.
        clock: Sequence numbers.
    """

    directory: Directory
    db_uuid: uuid.UUID
    maintenance: Maintenance
    read_only: bool
    owner_pid: int
    clock: SequenceClock = field(default_factory=SequenceClock)

    def check_writable(self) -> None:
        """Raise unless this process may write.

        Raises:
            ReadOnlyError: Opened for reading only.
            StateError: This is a forked child of the process that opened the database.
        """
        if self.read_only:
            raise ReadOnlyError(
                "the database was opened with read_only=True; connect without it to write"
            )
        if os.getpid() != self.owner_pid:
            raise StateError(
                f"the database was opened by process {self.owner_pid}, this is its forked child "
                f"{os.getpid()}; reading works here, to write connect in one process only"
            )
