"""What do all collections of one database share?"""

from __future__ import annotations

import os
import threading
import time
import uuid
from dataclasses import dataclass, field, replace

from elanus.engine.background.maintenance import Maintenance
from elanus.engine.memory import MemoryBudget
from elanus.errors import InvalidArgumentError, ReadOnlyError, StateError
from elanus.storage.directory import Directory
from elanus.storage.reserve import SpaceReserve

DURABILITY_MODES = ("commit", "interval", "os")
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
    # By way of whole microseconds: a product of floats may fall just short of a millisecond.
    return round(timestamp_s * 1_000_000) // 1000 << SEQ_COUNTER_BITS


def time_of(seq: int) -> float:
    """Return the time of a sequence number, in seconds since 1970, to the millisecond."""
    return (seq >> SEQ_COUNTER_BITS) / 1000


@dataclass(frozen=True, slots=True)
class Durability:
    """What an acknowledged write survives.

    Attributes:
        mode: ``commit``: a power loss. ``interval``: a crash of the process at once, a power loss
            after ``interval_ms``. ``os``: a crash of the process; the operating system decides
            when a power loss does no harm any more.
        interval_ms: Milliseconds between two syncs of ``interval``.
    """

    mode: str = "commit"
    interval_ms: float = 100.0

    def __post_init__(self) -> None:
        if self.mode not in DURABILITY_MODES:
            raise InvalidArgumentError(
                f"durability must be one of {', '.join(DURABILITY_MODES)}, got {self.mode!r}"
            )
        is_number = isinstance(self.interval_ms, int | float)
        if not is_number or not 1 <= self.interval_ms <= 60_000:
            raise InvalidArgumentError(
                f"sync_interval_ms must be a number in 1..60000, got {self.interval_ms!r}"
            )

    @property
    def syncs_commits(self) -> bool:
        """Whether every write is synced before it is acknowledged."""
        return self.mode == "commit"

    @property
    def syncs_in_background(self) -> bool:
        """Whether a thread syncs now and then."""
        return self.mode == "interval"


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
        reserve: Keeps room for deletes and merges.
        durability: What an acknowledged write survives.
        memory: What may be held in memory.
    """

    directory: Directory
    db_uuid: uuid.UUID
    maintenance: Maintenance
    read_only: bool
    owner_pid: int
    reserve: SpaceReserve
    durability: Durability = field(default_factory=Durability)
    clock: SequenceClock = field(default_factory=SequenceClock)
    memory: MemoryBudget = field(default_factory=MemoryBudget)

    def for_child(self) -> EngineContext:
        """Return the context of a process that was forked while the database was open."""
        directory = self.directory.for_reading()
        return replace(
            self,
            directory=directory,
            maintenance=Maintenance(),
            read_only=True,
            owner_pid=os.getpid(),
            reserve=SpaceReserve(directory),
            clock=SequenceClock(),
            memory=self.memory.for_child(),
        )

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
