"""What iterators of clients see: the rows as they were when each began.

pymilvus asks once for the time (``session_ts``), and sends it with each page that follows
(``guarantee_timestamp``). Milvus reads every page as of then, and so does this: rows that are
deleted meanwhile still come, those that are inserted do not, and none comes twice.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any, NamedTuple

from elanus_server.clock import now

MAX_SESSIONS = 1_024
"""Iterators whose state is kept."""
IDLE_S = 900.0
"""Seconds after which that of one is given up that asks for nothing: it holds files and memory."""


class _Session(NamedTuple):
    """An iterator under way.

    Attributes:
        iterator: Of the library; as long as it lives, its state can be read.
        used_s: When a page was asked for last.
    """

    iterator: Any
    used_s: float


class Sessions:
    """States by collection and time. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, int], _Session] = OrderedDict()

    def begin(self, database: str, collection: str, iterator: Any) -> int:
        """Keep the state that an iterator of the library sees; return the time of the session."""
        moment, used_s = now(), time.monotonic()
        with self._lock:
            self._known[database, collection, moment] = _Session(iterator, used_s)
            while len(self._known) > MAX_SESSIONS or self._oldest_s() + IDLE_S < used_s:
                self._known.popitem(last=False)
        return moment

    def seq(self, database: str, collection: str, moment: int) -> int | None:
        """Return the sequence number of a session's state; None where it is not kept (any more)."""
        key = (database, collection, moment)
        with self._lock:
            found = self._known.get(key)
            if found is None:
                return None
            self._known[key] = found._replace(used_s=time.monotonic())
            self._known.move_to_end(key)
            seq: int = found.iterator.seq
            return seq

    def _oldest_s(self) -> float:
        return next(iter(self._known.values())).used_s
