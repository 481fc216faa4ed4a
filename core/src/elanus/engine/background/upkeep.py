"""When are rows flushed, segments merged and indexes built?

Flushes come first, then merges, then index builds; each gets its turn at the checkpoints of the
less urgent ones. Every flush, every index and every deleted row may make a merge due. Indexes wait
until a load pauses, unless a segment has become large: what is merged in a moment is not indexed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from elanus.engine.background.compaction import Compaction
from elanus.engine.background.flush import MemtableFlush
from elanus.engine.background.maintenance import Checkpoint, Job, Priority
from elanus.engine.context import EngineContext
from elanus.engine.indexing.index_builder import IndexBuilder
from elanus.engine.indexing.index_choice import IndexChoices
from elanus.engine.state import CollectionState
from elanus.engine.stats import IndexDescription
from elanus.errors import ElanusError

LEAST_QUIET_S, MOST_QUIET_S = 1.0, 10.0
"""Seconds without a flush from which a load has paused: twice the time between the last two
flushes, within these bounds."""
LARGE_ROWS = 131_072
"""Rows of a segment that is indexed at once: scanning it takes tens of milliseconds."""


class Upkeep:
    """The background work of one collection that is open for writing."""

    def __init__(self, context: EngineContext, state: CollectionState) -> None:
        self._context = context
        self._state = state
        choices = IndexChoices(state)
        self._flush = MemtableFlush(state)
        self._compaction = Compaction(state, choices)
        self._index_builder = IndexBuilder(state, choices)
        self._last_flush = time.monotonic()
        self._quiet_s = LEAST_QUIET_S
        state.on_frozen = self.submit_flush

    def start(self) -> None:
        """Queue whatever an earlier process left undone."""
        for segment in self._state.sealed():
            segment.indexes.on_lost = self.submit_index_build
        if self._state.num_frozen():
            self.submit_flush()
        self._submit_compaction()

    @property
    def memtable_flush(self) -> MemtableFlush:
        """What writes memtables as segments."""
        return self._flush

    def after_load(self) -> None:
        """Queue merges and index builds of imported segments."""
        self._submit_compaction()

    def flush(self) -> None:
        """Write every memtable as a segment, in the calling thread."""
        self._flush.run()
        now = time.monotonic()
        self._quiet_s = min(max(2 * (now - self._last_flush), LEAST_QUIET_S), MOST_QUIET_S)
        self._last_flush = now
        self._submit_compaction()

    def compact(self, checkpoint: Checkpoint) -> None:
        """Merge all segments into one and build its indexes, in the calling thread."""
        # With little memory or disk several merges of some segments take the place of one.
        rounds = 2 * len(self._state.sealed()) if self._compaction.takes_several() else 1
        for _ in range(rounds):
            if not self._compaction.run(everything=True, checkpoint=checkpoint):
                break
        self._index_builder.run(checkpoint)
        self._state.tidy()

    def after_deletes(self) -> None:
        """Queue a merge when so many rows have died that one is due."""
        if self._state.has_wasteful_memtable() and not self._state.num_frozen():
            self._submit(Priority.FLUSH, "freeze", self._freeze)
        if self._compaction.is_wasteful():
            self._submit_compaction()

    def submit_flush(self) -> None:
        """Queue a flush of the frozen memtables."""
        self._submit(Priority.FLUSH, "flush", self._background_flush)

    def submit_index_build(self) -> None:
        """Queue index builds, as the settings have changed."""
        self._submit(Priority.INDEX, "index", self._background_index)

    def described(self, indexes: Iterable[IndexDescription]) -> list[IndexDescription]:
        """Return descriptions of indexes with how much is still to be built."""
        pending, failure = self._index_builder.pending_rows(), self._index_builder.failure
        return [
            replace(one, pending_rows=pending[one.name], failure=failure)
            if one.name in pending
            else one
            for one in indexes
        ]

    def _freeze(self, checkpoint: Checkpoint) -> None:
        self._state.freeze()

    def _background_flush(self, checkpoint: Checkpoint) -> None:
        self.flush()

    def _submit_compaction(self) -> None:
        self._submit(Priority.COMPACT, "compact", self._background_compaction)

    def _background_compaction(self, checkpoint: Checkpoint) -> None:
        while self._compaction.run(everything=False, checkpoint=checkpoint):
            # Nobody holds the merged segments any more, unless a search does.
            self._state.tidy()
        self._plan_index_build()

    def _plan_index_build(self) -> None:
        missing = self._index_builder.missing_rows()
        if missing:
            wait_s = self._last_flush + self._quiet_s - time.monotonic()
            delay_s = 0.0 if missing >= LARGE_ROWS else max(wait_s, 0.0)
            self._submit(Priority.INDEX, "index", self._background_index, delay_s=delay_s)

    def _background_index(self, checkpoint: Checkpoint) -> None:
        if self._index_builder.build_next(checkpoint):
            # A graph may take in segments without one, which spares theirs: that comes first.
            self._submit_compaction()

    def _submit(self, priority: Priority, what: str, job: Job, *, delay_s: float = 0.0) -> None:
        def unless_dropped(checkpoint: Callable[[], None]) -> None:
            if self._state.closed:
                return
            try:
                job(checkpoint)
            except ElanusError:
                # Its files went away under it: the collection was dropped meanwhile.
                if not self._state.closed:
                    raise

        self._context.maintenance.submit(
            priority, f"{what} {self._state.path}", unless_dropped, delay_s=delay_s
        )
