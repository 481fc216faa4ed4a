"""What was a write answered with that comes again?

A client whose connection broke cannot know whether its write was applied, so it sends it again with
the same key. The server applies it once and answers twice the same.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

KEPT_S = 600.0
"""Seconds that an answer is remembered: longer than clients try."""
KEPT_ANSWERS = 10_000
BUSY = 503
"""Status of a request that was refused for now."""
KEPT_BYTES = 64 << 20
_Key = tuple[str, str]
"""User, and key that the client made up."""
Told = tuple[int, bytes]
"""Status and body."""


@dataclass(slots=True)
class _Entry:
    began_s: float
    is_done: threading.Event = field(default_factory=threading.Event)
    told: Told | None = None


class Answers:
    """Answers by key. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0

    def once(self, key: _Key, answer: Callable[[], Told]) -> Told:
        """Return what a request with this key is or was answered with; it is answered once.

        Args:
            key: Of the request.
            answer: Answers it, and raises nothing.
        """
        with self._lock:
            entry = self._entries.get(key)
            is_first = entry is None
            if entry is None:
                self._forget_old()
                entry = self._entries[key] = _Entry(time.monotonic())
        if is_first:
            return self._answered(key, entry, answer)
        # The first one may be under way still.
        entry.is_done.wait()
        assert entry.told is not None
        return entry.told

    def knows(self, key: _Key) -> bool:
        """Whether a request with this key has come."""
        with self._lock:
            return key in self._entries

    def _answered(self, key: _Key, entry: _Entry, answer: Callable[[], Told]) -> Told:
        entry.told = answer()
        entry.is_done.set()
        with self._lock:
            if entry.told[0] == BUSY:
                # Nothing was done: it may come again, and be done then.
                self._entries.pop(key, None)
            elif key in self._entries:
                self._bytes += len(entry.told[1])
        return entry.told

    def _forget_old(self) -> None:
        least_s = time.monotonic() - KEPT_S
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            is_over = self._bytes > KEPT_BYTES or len(self._entries) >= KEPT_ANSWERS
            if entry.told is None or not (is_over or entry.began_s < least_s):
                return
            del self._entries[key]
            self._bytes -= len(entry.told[1])
