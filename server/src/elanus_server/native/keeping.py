"""What is kept for clients between two of their calls?

Iterators, imports and the turns of syncs. Each is its user's alone, and is given up when nobody
asked for it for a while: it holds a snapshot, or keeps others from writing.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Protocol

from elanus.errors import NotFoundError, StateError

IDLE_S = 900.0
"""Seconds after which something is given up: a batch may take long to embed."""
MAX_KEPT = 1_024


class Kept(Protocol):
    """Something that is kept."""

    def close(self) -> None:
        """Give it up. Idempotent."""


@dataclass(slots=True)
class Entry:
    """Something that is kept.

    Attributes:
        owner: User, database and identifier of the collection.
        call: Of the collection, that began it.
        thing: It.
        lock: Held while it is asked something.
        used_s: When it was asked last.
    """

    owner: tuple[str, str, str]
    call: str
    thing: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    used_s: float = field(default_factory=time.monotonic)


class Keeping:
    """Things by number. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def keep(self, owner: tuple[str, str, str], call: str, thing: Kept) -> str:
        """Keep something; return its number.

        Raises:
            StateError: There are too many that somebody goes on with.
        """
        number = uuid.uuid4().hex
        self.give_up_idle()
        with self._lock:
            if len(self._entries) < MAX_KEPT:
                self._entries[number] = Entry(owner, call, thing)
                return number
        thing.close()
        raise StateError(
            f"{call}: clients go through {MAX_KEPT} iterators and imports already; end some"
        )

    def find(self, number: str, owner: tuple[str, str, str]) -> Entry:
        """Return something that is kept.

        Raises:
            NotFoundError: It is not, or is somebody else's.
        """
        with self._lock:
            found = self._entries.get(number)
            if found is None or found.owner != owner:
                raise NotFoundError(
                    "the iterator or import is not known any more: the server was started anew, or "
                    "nobody went on with it for too long; begin again, an iterator with token="
                )
            found.used_s = time.monotonic()
            self._entries.move_to_end(number)
            return found

    def give_up(self, number: str) -> None:
        """Give up something; nothing if it is not kept."""
        with self._lock:
            found = self._entries.pop(number, None)
        if found is not None:
            with found.lock:
                found.thing.close()

    def give_up_idle(self) -> None:
        """Give up what nobody asked for in a while."""
        least_s = time.monotonic() - IDLE_S
        with self._lock:
            # Nobody asks what is asked something right now whether it idles.
            idle = [
                number
                for number, entry in self._entries.items()
                if entry.used_s < least_s and not entry.lock.locked()
            ]
        for number in idle:
            self.give_up(number)

    def close(self) -> None:
        """Give up everything."""
        with self._lock:
            numbers = list(self._entries)
        for number in numbers:
            self.give_up(number)
