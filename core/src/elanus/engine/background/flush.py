"""How do rows in memory become a segment on disk?

The oldest frozen memtable is written as a segment without any lock; only putting it in place takes
the writer lock. Rows that die meanwhile are carried over as tombstones, and the log is deleted
last of all.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from elanus.engine.background.clustering import rows_to_seal
from elanus.engine.background.segment_files import write_sealed
from elanus.engine.indexing.segment_indexes import row_mapping
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState


class MemtableFlush:
    """Flushes the frozen memtables of one collection, one thread at a time."""

    def __init__(self, state: CollectionState) -> None:
        self._state = state
        self._one_at_a_time = threading.Lock()

    def run(self) -> None:
        """Flush until no memtable is frozen.

        Raises:
            StorageError: Writing failed; the log still has every row.
        """
        with self._one_at_a_time:
            self._flush_all()

    @contextlib.contextmanager
    def drained(self) -> Iterator[None]:
        """Hold the writer lock while every row is in a segment and no log has any.

        Writers wait until what is in memory is on disk, so call ``run`` before.

        Raises:
            StorageError: Writing failed; the log still has every row.
        """
        with self._one_at_a_time, self._state.lock:
            self._state.freeze()
            self._flush_all()
            yield

    def _flush_all(self) -> None:
        while (frozen := self._state.oldest_frozen()) is not None:
            rows = rows_to_seal(self._state.schema, frozen)
            made: SealedSegment | None = None
            self._state.context.reserve.make_room(frozen.size_bytes)
            if len(rows):
                made = write_sealed(self._state, frozen.content(rows))
            with self._state.lock:
                if made is not None:
                    mapping = row_mapping(frozen.num_rows, rows, 0)
                    made.kill_where_dead(mapping, frozen.alive_mask())
                self._state.install_flushed(frozen, made)
            self._state.context.reserve.restore()
