"""Which vector index should a segment have, and has it that?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.index.base import VectorIndexType
from elanus.index.dense.flat import FlatIndex
from elanus.index.registry import AUTO, index_type

MIN_INDEXED_ROWS = 8_192
"""Segments below this are scanned when the type is AUTO: that takes about a millisecond."""
MIN_INDEXED_VECTORS = 65_536
"""Vectors of lists, as ``MIN_INDEXED_ROWS``: they are scanned as products of matrices."""


MIN_PRESENT_SHARE = 0.9
"""Share of rows with a vector from which a segment gets an index of a nullable field."""
BUILT_COPIES, ADOPTED_COPIES = 2, 3
"""How often a graph is in memory while it is made and written: itself and its arrays, and the
arrays that it was adopted from."""


class IndexChoices:
    """The indexes that the settings of a collection ask for."""

    def __init__(self, state: CollectionState) -> None:
        self._state = state

    def wanted(self, field: str, num_vectors: int) -> tuple[VectorIndexType, Mapping[str, Any]]:
        """Return index type and build parameters for so many vectors of a field."""
        choice = self._state.settings.index(field)
        declared = self._state.schema.field(field)
        least = MIN_INDEXED_VECTORS if declared.is_vector_list else MIN_INDEXED_ROWS
        is_small = choice.type == AUTO and num_vectors < least
        kind = index_type(FlatIndex.index_type if is_small else choice.type)
        if not kind.supports(declared.vector_type, declared.metric_type.of_vectors):
            kind = index_type(FlatIndex.index_type)  # AUTO resolved to another kind of vectors
        return kind, kind.parse_params(choice.params)

    def wanted_of(
        self, segment: SealedSegment, field: str
    ) -> tuple[VectorIndexType, Mapping[str, Any]]:
        """Return index type and build parameters for a field of a segment."""
        declared = segment.fields.schema.field(field)
        is_nullable = declared.nullable and not declared.is_vector_list
        if is_nullable and segment.present_share(field) < MIN_PRESENT_SHARE:
            # Nulls would be one crowded place of the graph; the others are scanned alone.
            return index_type(FlatIndex.index_type), {}
        count = segment.num_vectors(field)
        # A segment of empty lists has nothing to build an index of.
        return self.wanted(field, count) if count else (index_type(FlatIndex.index_type), {})

    def wants_graph(self, field: str, num_vectors: int) -> bool:
        """Whether so many vectors of a field are to have more than a scan."""
        return self.wanted(field, num_vectors)[0].name != FlatIndex.index_type

    def fits(self, segment: SealedSegment, field: str, *, copies: int = BUILT_COPIES) -> bool:
        """Whether the memory has room to make the index of a field."""
        size = self.index_bytes(segment, field)
        return self._state.context.memory.can_ever_lease(copies * size)

    def fits_disk(self, segment: SealedSegment, field: str) -> bool:
        """Whether the disk has room to write the index of a field, and for rows beside it.

        A disk that fills up keeps its last room for deletes, flushes and merges.
        """
        return self._state.context.reserve.has_room(self.index_bytes(segment, field))

    def index_bytes(self, segment: SealedSegment, field: str) -> int:
        """Return what the index of a field takes in memory."""
        count = segment.num_vectors(field)
        kind, params = self.wanted(field, count)
        declared = segment.fields.schema.field(field)
        return kind.memory_bytes(count, declared.dim or 0, declared.vector_type, params)

    def is_current(self, segment: SealedSegment, field: str) -> bool:
        """Whether a segment has the index that a field of it should have."""
        kind, params = self.wanted_of(segment, field)
        entry = segment.info.indexes.get(field)
        if kind.name == FlatIndex.index_type:
            return entry is None
        if entry is None or entry.type != kind.name or dict(entry.params) != dict(params):
            return False
        return segment.indexes.has_vectors(field)

    def has_graphs(self, segment: SealedSegment) -> bool:
        """Whether every dense field that is to have a graph in a large segment has it here."""
        wanted = [f for f in segment.fields.indexed if self.wants_graph(f, 1 << 62)]
        entries = segment.info.indexes
        return any(f in entries for f in wanted) and all(
            self.is_current(segment, f) for f in wanted
        )
