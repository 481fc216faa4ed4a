"""When do entities of a collection expire, and who deletes them?

Reads hide what has expired, to the second; the housekeeper deletes it durably a little later, under
the writer lock, so that an entity that was written again meanwhile stays.
"""

from __future__ import annotations

import threading
import time
import weakref

from elanus.engine.context import seq_at
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.snapshot import Snapshot
from elanus.kernels.bitset import Bitset
from elanus.query.expiry import Expiry, UnexpiredSource, fresh_rows
from elanus.query.sources import SearchSource
from elanus.schema.collection import Schema

PURGE_S = 10.0
"""Seconds between two deletions of what has expired."""


def expiry_at(settings: CollectionSettings, schema: Schema, moment_s: float) -> Expiry | None:
    """Return what has expired at a time in seconds since 1970; None when nothing ever does."""
    field = settings.ttl_field if settings.ttl_field in schema else None
    if settings.ttl_s is None and field is None:
        return None
    oldest = 0 if settings.ttl_s is None else seq_at(max(moment_s - settings.ttl_s, 0.0))
    is_micros = field is not None and not schema.field(field).dtype.is_number
    return Expiry(oldest, field, moment_s * 1e6 if is_micros else moment_s)


class ExpiringSnapshots:
    """Hides what has expired from the snapshots of one collection. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: weakref.WeakKeyDictionary[SearchSource, tuple[Expiry, Bitset | None]] = (
            weakref.WeakKeyDictionary()
        )

    def at(self, snapshot: Snapshot, expiry: Expiry) -> Snapshot:
        """Return a snapshot without what has expired."""
        sources: list[SearchSource] = []
        for source in snapshot.sources:
            fresh = self._fresh_rows(source, expiry)
            shown = source if fresh is None else UnexpiredSource(source, fresh)
            if shown.num_alive:
                sources.append(shown)
        return Snapshot(snapshot.seq, tuple(sources), snapshot.fields)

    def _fresh_rows(self, source: SearchSource, expiry: Expiry) -> Bitset | None:
        with self._lock:
            known = self._fresh.get(source)
        if known is None or known[0] != expiry:
            known = expiry, fresh_rows(source, expiry)
            with self._lock:
                self._fresh[source] = known
        return known[1]


def whole_second() -> float:
    """Return the time as reads see it: answers of one second are computed once."""
    return float(int(time.time()))
