"""How much memory may a database take, and for what?

A limit is divided into shares: rows not flushed yet, graphs, what filters decoded, and what a
merge or a flush holds for a moment. Whoever wants memory of a share asks first and does without
when there is none: memtables are flushed earlier, a graph that does not fit is neither loaded nor
built (its segment is scanned over the map), and decoded columns are dropped, least recently used
first. Mapped files do not count: their pages belong to the system, which takes them back.
"""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import Protocol

from elanus.errors import InvalidArgumentError

SMALLEST_LIMIT = 16 << 20
"""Below this a batch of vectors and its log record would be most of the limit."""
FLUSH_PART, MEMTABLES_PART = 16, 4
"""Parts of the limit: one memtable, and all that are not flushed yet."""
GRAPHS_PART, CACHES_PART = 2, 8
"""Parts of the limit: graphs in memory, and columns that filters decoded."""
SEGMENT_PART = 4
"""Part of the limit that a merged segment may be large: what a merge holds of it (keys, postings)
and what a filter decodes of it is at most about as much."""
STREAMED_PART = 64
"""Part of the limit that is copied in one go when segments are merged."""

_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(I?B)?\s*\Z", re.IGNORECASE)


def parse_limit(limit: int | str | None) -> int | None:
    """Return a limit in bytes, given as bytes or as text such as ``"512MB"``; None is no limit.

    Raises:
        InvalidArgumentError: It is neither, or too small to work with.
    """
    if limit is None:
        return None
    found: int | None = None
    if isinstance(limit, str):
        match = _SIZE.match(limit)
        if match:
            found = int(float(match[1]) * _UNITS[f"{match[2].upper()}B"])
    elif isinstance(limit, int) and not isinstance(limit, bool):
        found = limit
    if found is None:
        raise InvalidArgumentError(
            f"memory_limit must be bytes or text such as '512MB', got {limit!r}"
        )
    if found < SMALLEST_LIMIT:
        raise InvalidArgumentError(
            f"memory_limit must be at least {SMALLEST_LIMIT >> 20}MB, got {limit!r}"
        )
    return found


class Droppable(Protocol):
    """Something decoded that can be decoded again."""

    @property
    def size_bytes(self) -> int:
        """Bytes it holds, roughly."""
        ...

    def clear(self) -> None:
        """Forget it; readers that use it keep what they hold."""
        ...


class Lease:
    """Memory of a graph, held until it is released."""

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self.size = size

    def shrink(self, size: int) -> None:
        """Give back what is more than ``size``."""
        self._budget.give_back(self.size - size)
        self.size = size

    def release(self) -> None:
        """Give everything back. Idempotent."""
        self.shrink(0)


class MemoryBudget:
    """The memory of one database. Safe from many threads.

    Args:
        limit: Bytes; None is no limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._graphs = 0
        # The collector may run the destructor of a graph at any allocation, in a thread that holds
        # the lock too: giving back only queues, which waits for nobody.
        self._given_back: SimpleQueue[int] = SimpleQueue()
        # In order of use; a cache goes with the segment that owns it.
        self._caches: dict[int, weakref.ref[Droppable]] = {}

    def share(self, part: int) -> int | None:
        """Return a part of the limit in bytes; None without a limit."""
        return None if self.limit is None else self.limit // part

    def is_over(self, size: int, part: int) -> bool:
        """Whether ``size`` bytes are more than a part of the limit."""
        return self.limit is not None and size > self.limit // part

    @property
    def graph_bytes(self) -> int:
        """Bytes of the graphs in memory."""
        with self._lock:
            self._settle()
            return self._graphs

    def can_ever_lease(self, size: int) -> bool:
        """Whether a graph of that size fits when no other one is in memory."""
        return not self.is_over(size, GRAPHS_PART)

    def lease(self, size: int) -> Lease | None:
        """Return the right to hold ``size`` bytes of graphs; None when there is no room."""
        with self._lock:
            self._settle()
            if self.is_over(self._graphs + size, GRAPHS_PART):
                return None
            self._graphs += size
        return Lease(self, size)

    def give_back(self, size: int) -> None:
        """Take note of released memory. May be called from anywhere, a destructor included."""
        self._given_back.put(size)

    def hold(self, size: int, owner: object) -> None:
        """Count ``size`` bytes of graphs, room or not, for as long as ``owner`` lives."""
        with self._lock:
            self._graphs += size
        weakref.finalize(owner, Lease(self, size).release)

    def for_child(self) -> MemoryBudget:
        """Return the budget of a forked child: the lock may be held by a thread it has not."""
        return MemoryBudget(self.limit)

    def _settle(self) -> None:
        """Subtract what was given back; called under the lock."""
        with contextlib.suppress(Empty):
            while True:
                self._graphs -= self._given_back.get_nowait()

    def touch(self, cache: Droppable) -> None:
        """Note the use of a cache; drop others, the least recently used first, to make room."""
        if self.limit is None:
            return
        with self._lock:
            self._caches.pop(id(cache), None)
            self._caches[id(cache)] = weakref.ref(cache)
            alive = [(key, found) for key, ref in self._caches.items() if (found := ref())]
            self._caches = {key: self._caches[key] for key, _ in alive}
            total = sum(found.size_bytes for _, found in alive)
            for _, found in alive[:-1]:
                if not self.is_over(total, CACHES_PART):
                    return
                total -= found.size_bytes
                found.clear()
