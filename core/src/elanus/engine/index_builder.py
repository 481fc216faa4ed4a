"""When does a segment get its vector index?

In the background, the smallest segment first. Until its index is attached a segment is scanned,
so nobody waits for a build; a segment that is small enough to scan never gets one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from elanus.engine.sealed import SealedSegment
from elanus.engine.segment_indexes import IndexFile, write_index
from elanus.engine.state import CollectionState
from elanus.index.base import VectorIndexType
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
                if not self._is_current(segment, field):
                    return segment, field
        return None

    def _is_current(self, segment: SealedSegment, field: str) -> bool:
        kind, params = self._wanted(segment, field)
        if segment.indexes.vectors(field).index_type != kind.name:
            return False
        entry = segment.info.indexes.get(field)
        return entry is None or dict(entry.params) == dict(params)

    def _wanted(
        self, segment: SealedSegment, field: str
    ) -> tuple[VectorIndexType, Mapping[str, Any]]:
        """Return the index type and parameters that a field of a segment should have."""
        choice = self._state.settings.index(field)
        is_small = choice.type == AUTO and segment.num_rows < MIN_INDEXED_ROWS
        kind = index_type(FlatIndex.index_type if is_small else choice.type)
        return kind, kind.parse_params(choice.params)

    def _build(self, segment: SealedSegment, field: str, checkpoint: Callable[[], None]) -> None:
        kind, params = self._wanted(segment, field)
        index = kind.build(segment.indexes.rows(field), params, checkpoint=checkpoint)
        indexes = dict(segment.info.indexes)
        if kind.name == FlatIndex.index_type:
            indexes.pop(field, None)
        else:
            file = IndexFile(field, kind.name, params, *index.to_arrays())
            indexes[field] = write_index(
                self._state.directory, self._state.path, segment.info.uuid, file
            )
        if self._state.install_indexes(segment, indexes):
            segment.indexes.attach(field, index)
