"""What do all collections of one database share?"""

from __future__ import annotations

import os
import threading
import time
import uuid
from dataclasses import dataclass, field

from elanus.engine.maintenance import Maintenance
from elanus.errors import ReadOnlyError, StateError
from elanus.storage.directory import Directory


SEQ_COUNTER_BITS = 18
"""Low bits of a sequence number that count writes of one millisecond: 262,144 of them."""


class SequenceClock:
    """Sequence numbers of writes: database-wide, strictly growing, and close to the time of day.

    A hybrid logical clock: milliseconds since 1970 times 2^18, or one more than the last number
    when that is larger, so a clock that is set back does no harm.

    Source: Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally
    Distributed Databases", 2014; the split of the bits is that of Milvus' timestamps.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        """Return the next sequence number."""
        with self._lock:
            self._last = max(self._last + 1, seq_at(time.time()))
            return self._last

    def advance(self, seq: int) -> None:
        """Make the next number larger than ``seq``."""
        with self._lock:
            self._last = max(self._last, seq)


def seq_at(timestamp_s: float) -> int:
    """Return the smallest sequence number of a time, in seconds since 1970."""
    return int(timestamp_s * 1000) << SEQ_COUNTER_BITS


def time_of(seq: int) -> float:
    """Return the time of a sequence number, in seconds since 1970, to the millisecond."""
    return (seq >> SEQ_COUNTER_BITS) / 1000


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
