"""Which calls are so short that handing them to a thread costs more than they do?

A search of a few hundred microseconds pays as much again for a thread that has to wake, to take
the interpreter, and to wake the event loop. Calls of a kind that were short many times in a row are
therefore answered in the event loop. One that is not short there holds up the others once; its kind
goes back to the threads, for longer each time. One that is only a little longer counts against some
short ones: where threads compete for a processor, many a short call takes longer than it would
alone, and would never get to the event loop, where it is short again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

Found = TypeVar("Found")

_SHORT_S = 0.001
"""Seconds of a processor that a short call takes at most."""
_LITTLE_S, _LITTLE = 0.003, 8
"""Seconds up to which one is only a little longer, and short calls that make up for it."""
_FAR_S, _FAR_WAIT_S = 0.01, 0.05
"""Seconds of a processor, and of waiting for anything, after which one was far from short."""
_FIRST = 32
"""Calls in a row that have to be short; in the event loop, one of so many may be longer."""
_MOST = 65_536
_FORGIVEN = 1_000
"""Short calls after which a mistake counts half."""
_KINDS = 1_024


class _Kind:
    """What is known of calls that tend to be alike."""

    __slots__ = ("needed", "row", "since")

    def __init__(self) -> None:
        self.row = self.since = 0
        self.needed = _FIRST

    def add(self) -> None:
        """Count a short call in the event loop."""
        self.row = min(self.row + 1, 2 * self.needed)
        self.since += 1
        if self.since >= _FORGIVEN:
            self.since, self.needed = 0, max(_FIRST, self.needed // 2)

    def add_little(self) -> None:
        """Count one that was a little longer."""
        self.row = max(0, self.row - _LITTLE)

    def miss(self, *, is_far: bool) -> None:
        """Count one that was not short."""
        self.since = 0
        self.row -= self.needed
        if is_far or self.row < self.needed:
            self.row, self.needed = 0, min(2 * self.needed, _MOST)


class Pace:
    """Remembers how long calls took. Safe from many threads, which may lose a count."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[Hashable, _Kind] = OrderedDict()

    def is_short(self, kind: Hashable) -> bool:
        """Whether a call is most likely short.

        Args:
            kind: What calls have in common that take about the same time.
        """
        known = self._kinds.get(kind)
        return known is not None and known.row >= known.needed

    def timed(self, kind: Hashable, work: Callable[[], Found]) -> Callable[[], Found]:
        """Return what does something in a thread and remembers how long that took."""

        def work_there() -> Found:
            busy = time.thread_time()
            try:
                return work()
            finally:
                self.took_in_thread(kind, time.thread_time() - busy)

        return work_there

    def timed_here(self, kind: Hashable, work: Callable[[], Found]) -> Callable[[], Found]:
        """Return what does something while the event loop waits, and remembers how long."""

        def work_here() -> Found:
            began, busy = time.perf_counter(), time.thread_time()
            try:
                return work()
            finally:
                self.took_here(kind, time.thread_time() - busy, time.perf_counter() - began)

        return work_here

    def took_in_thread(self, kind: Hashable, busy_s: float) -> None:
        """Remember a call that had a thread.

        Args:
            kind: As before.
            busy_s: Seconds of a processor.
        """
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind()
            if len(self._kinds) > _KINDS:
                self._kinds.popitem(last=False)
        if busy_s < _SHORT_S:
            known.row += 1
        elif busy_s < _LITTLE_S:
            known.add_little()
        else:
            known.row = 0

    def took_here(self, kind: Hashable, busy_s: float, waited_s: float) -> None:
        """Remember a call that the event loop waited for.

        Args:
            kind: As before.
            busy_s: Seconds of a processor.
            waited_s: Seconds from its begin to its end.
        """
        known = self._kinds.get(kind)
        if known is None:
            return
        is_far = busy_s > _FAR_S or waited_s > _FAR_WAIT_S
        if is_far or busy_s >= _LITTLE_S:
            known.miss(is_far=is_far)
        elif busy_s < _SHORT_S:
            known.add()
        else:
            known.add_little()
