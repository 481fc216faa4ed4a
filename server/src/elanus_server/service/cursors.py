"""Search iterators that clients are going through.

Each holds a snapshot, so a few are kept: the one that was asked longest ago goes when there are too
many, and the client is told to begin anew.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from elanus_server.failures import invalid

MAX_CURSORS = 1_024
"""Iterators that are kept."""


class Cursor:
    """One iterator; a client asks it one thing after the other.

    Attributes:
        owner: Who began it, and over what: nobody else goes on with it.
        session_ts: When it began, as it tells its client.
        last_bound: Score of the last hit that was given.
    """

    def __init__(self, iterator: Any, owner: Any, session_ts: int) -> None:
        self._iterator = iterator
        self.owner = owner
        self.session_ts = session_ts
        self._lock = threading.Lock()
        self.last_bound = 0.0

    def next(self) -> Any:
        """Return the next batch; None when there is nothing left."""
        with self._lock:
            return next(self._iterator, None)


class Cursors:
    """Iterators by name. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Cursor] = OrderedDict()

    def find(self, name: str, begin: Callable[[], Cursor], owner: Any = None) -> tuple[str, Cursor]:
        """Return an iterator and its name; an empty name begins one.

        Raises:
            MilvusError: The iterator is not known any more, or belongs to another owner.
        """
        if not name:
            name, cursor = uuid.uuid4().hex, begin()
            with self._lock:
                self._known[name] = cursor
                while len(self._known) > MAX_CURSORS:
                    self._known.popitem(last=False)
            return name, cursor
        with self._lock:
            found = self._known.get(name)
            if found is None or found.owner != owner:
                raise invalid(f"search iterator {name} is not known any more; begin a new one")
            self._known.move_to_end(name)
            return name, found
