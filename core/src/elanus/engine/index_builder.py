"""When does a segment get its vector index?

In the background, the smallest segment first. Until its index is attached a segment is scanned,
so nobody waits for a build; a segment that is small enough to scan never gets one.
"""

from __future__ import annotations

from collections.abc import Callable

from elanus.engine.sealed import SealedSegment
from elanus.engine.segment_indexes import IndexFile, write_index
from elanus.engine.state import CollectionState
from elanus.index.dense.flat import FlatIndex
from elanus.index.registry import AUTO, index_type

MIN_INDEXED_ROWS = 8_192
"""Segments below this are scanned when the type is AUTO: that takes about a millisecond."""


class IndexBuilder:
    """Builds the missing vector indexes of one collection."""

    def __init__(self, state: CollectionState) -> None:
        self._state = state

    def run(self, checkpoint: Callable[[], None]) -> None:
        """Build until every segment has the index that the settings ask for.

        Args:
            checkpoint: Called often; may raise to cancel.
        """
        with self._state.reorganise_lock:
            while (missing := self._next()) is not None:
                checkpoint()
                self._build(*missing, checkpoint)

    def _next(self) -> tuple[SealedSegment, str] | None:
        for segment in sorted(self._state.sealed(), key=lambda s: s.num_rows):
            for field in segment.fields.dense:
                if self._wanted(segment, field) != segment.indexes.vectors(field).index_type:
                    return segment, field
        return None

    def _wanted(self, segment: SealedSegment, field: str) -> str:
        """Return the index type that a field of a segment should have."""
        choice = self._state.settings.index(field)
        if choice.type == AUTO and segment.num_rows < MIN_INDEXED_ROWS:
            return FlatIndex.index_type
        return index_type(choice.type).name

    def _build(self, segment: SealedSegment, field: str, checkpoint: Callable[[], None]) -> None:
        wanted = self._wanted(segment, field)
        choice = self._state.settings.index(field)
        kind = index_type(wanted)
        params = kind.parse_params(choice.params)
        index = kind.build(segment.indexes.rows(field), params, checkpoint=checkpoint)
        indexes = dict(segment.info.indexes)
        if wanted == FlatIndex.index_type:
            indexes.pop(field, None)
        else:
            header, arrays = index.to_arrays()
            file = IndexFile(field, wanted, params, header, arrays)
            indexes[field] = write_index(
                self._state.directory, self._state.path, segment.info.uuid, file
            )
        if self._state.install_indexes(segment, indexes):
            segment.indexes.attach(field, index)
