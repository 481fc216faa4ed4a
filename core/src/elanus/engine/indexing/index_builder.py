"""When does a segment get its indexes?

In the background, the largest segment first: it serves the most, and smaller ones may soon be
merged into it. Until its index is attached a segment is scanned, so nobody waits for a build; a
segment that is small enough to scan never gets one. A build holds no lock that a merge needs: the
segment may be merged meanwhile, which ends its build.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Iterator

from elanus.engine.background.maintenance import CancelledError
from elanus.engine.indexing.index_choice import IndexChoices
from elanus.engine.indexing.scalar_builds import ScalarBuilds
from elanus.engine.indexing.segment_indexes import TEXT_INDEX, IndexFile, write_index
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.errors import PluginError
from elanus.index.dense.flat import FlatIndex

_log = logging.getLogger(__name__)


class _SupersededError(Exception):
    """The segment was merged into another while its index was built."""


class IndexBuilder:
    """Builds the missing vector indexes of one collection, one at a time."""

    def __init__(self, state: CollectionState, choices: IndexChoices) -> None:
        self._state = state
        self._choices = choices
        self._scalars = ScalarBuilds(state)
        self._one_at_a_time = threading.Lock()
        self._failed: weakref.WeakKeyDictionary[SealedSegment, set[str]]
        self._failed = weakref.WeakKeyDictionary()
        self.failure = ""
        """What the last build failed with, if it did."""

    def run(self, checkpoint: Callable[[], None]) -> None:
        """Build until every segment has the index that the settings ask for."""
        while self.build_next(checkpoint):
            checkpoint()

    def build_next(self, checkpoint: Callable[[], None]) -> bool:
        """Build one index; return whether one was missing.

        Args:
            checkpoint: Called often; may raise to cancel, and may merge segments.
        """
        with self._one_at_a_time:
            missing = self._missing()
            if missing is None:
                return False
            segment, field = missing

            def watched() -> None:
                checkpoint()
                if not self._state.holds(segment):
                    raise _SupersededError

            # Whoever merged it looks after the index of what it became.
            with contextlib.suppress(_SupersededError), self._noted():
                if field in segment.fields.indexed:
                    self._build(segment, field, watched)
                elif field in segment.fields.text_of:
                    watched()
                    self._write_postings(segment, field)
                else:
                    watched()
                    self._scalars.build(segment, field)
            return True

    def pending_rows(self) -> dict[str, int]:
        """Return the rows of segments that are to get an index, by its field or path."""
        pending: dict[str, int] = {}
        for segment in self._state.sealed():
            fields = [f for f in segment.fields.indexed if self._lacks(segment, f)]
            for name in (*fields, *self._scalars.all_missing(segment)):
                pending[name] = pending.get(name, 0) + segment.num_rows
        return pending

    def missing_rows(self) -> int:
        """Return the rows of the largest segment that lacks an index, 0 when none does."""
        missing = self._missing()
        return 0 if missing is None else missing[0].num_rows

    def _missing(self) -> tuple[SealedSegment, str] | None:
        for segment in sorted(self._state.sealed(), key=lambda s: -s.num_rows):
            for field in segment.fields.indexed:
                if self._lacks(segment, field):
                    return segment, field
            for field in segment.fields.analyzers:
                if field not in segment.info.indexes and field not in self._failed.get(segment, ()):
                    return segment, field
            key = self._scalars.missing(segment)
            if key is not None:
                return segment, key
        return None

    def _lacks(self, segment: SealedSegment, field: str) -> bool:
        """Whether a segment is to get another index of a field, for which there is room."""
        choices = self._choices
        if choices.is_current(segment, field):
            return False
        return choices.fits(segment, field) and choices.fits_disk(segment, field)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Remember whether a build failed; one that was ended did not."""
        try:
            yield
        except (CancelledError, _SupersededError):
            raise
        except Exception as error:
            self.failure = str(error)
            raise
        self.failure = ""

    def _write_postings(self, segment: SealedSegment, field: str) -> None:
        """Write the postings of a BM25 field that was added, or whose terms are made anew."""
        state = self._state
        try:
            postings = segment.text(field)
        except PluginError as error:
            # It fails on a text that is there: as long as it does, the field cannot be searched.
            self._failed.setdefault(segment, set()).add(field)
            _log.warning("%s: no postings of %r: %s", state.path, field, error)
            return
        file = IndexFile(field, TEXT_INDEX, {}, *postings.to_arrays())
        entry = write_index(state.directory, state.path, segment.info.uuid, file)
        state.install_indexes(segment, {**segment.info.indexes, field: entry})

    def _build(self, segment: SealedSegment, field: str, checkpoint: Callable[[], None]) -> None:
        checkpoint()
        kind, params = self._choices.wanted_of(segment, field)
        rows = segment.indexes.rows(field)
        index = kind.build(rows, params, checkpoint=checkpoint)
        indexes = dict(segment.info.indexes)
        if kind.name == FlatIndex.index_type:
            indexes.pop(field, None)
        else:
            file = IndexFile(field, kind.name, params, *index.to_arrays())
            indexes[field] = write_index(
                self._state.directory, self._state.path, segment.info.uuid, file
            )
        if self._state.install_indexes(segment, indexes):
            self._state.context.memory.hold(self._choices.index_bytes(segment, field), index)
            segment.indexes.attach(field, index)
