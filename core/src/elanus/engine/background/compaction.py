"""How are segments merged?

Columns and postings are streamed into a new segment, and the largest graph among the old segments
is adopted by it. All of that happens while the old segments serve; one manifest puts the new one,
index and all, in their place. Searches and writes go on meanwhile; rows that die during a merge
are carried over as tombstones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from elanus.engine.background.clustering import merged_order
from elanus.engine.background.merge_job import MergeJob
from elanus.engine.background.merge_policy import (
    DELETED_SHARE,
    MergeKind,
    SegmentSize,
    plan_everything,
    plan_merge,
)
from elanus.engine.background.merged_columns import Kept, merged_streams
from elanus.engine.background.segment_files import write_merged
from elanus.engine.indexing.index_choice import ADOPTED_COPIES, IndexChoices
from elanus.engine.indexing.segment_indexes import IndexFile, write_index
from elanus.engine.memory import SEGMENT_PART, STREAMED_PART
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.errors import DiskFullError
from elanus.index.base import VectorIndex, VectorIndexType
from elanus.index.vector_lists import list_column, moved_vectors
from elanus.storage.segment_writer import SegmentStreams
from elanus.types import Int64Array

_log = logging.getLogger(__name__)

Checkpoint = Callable[[], None]

SPARE_BYTES = 128 << 10
"""Room for the manifest, tombstones and folders of a merge, and for the ends of its files."""


class Compaction:
    """Merges segments of one collection, one merge at a time."""

    def __init__(self, state: CollectionState, choices: IndexChoices) -> None:
        self._state = state
        self._choices = choices
        self._has_resumed = False

    def run(self, *, everything: bool, checkpoint: Checkpoint = lambda: None) -> bool:
        """Merge once; return whether there was anything to merge.

        Args:
            everything: Merge all segments into one, whatever the policy says.
            checkpoint: Called between the steps; may raise to cancel.

        Raises:
            StorageError: The medium failed; the old segments stay.
        """
        with self._state.reorganise_lock:
            if self._resume(checkpoint) and not everything:
                return True
            segments = self._state.sealed()
            sizes = [self._size(s) for s in segments]
            max_bytes = self._state.context.memory.share(SEGMENT_PART)
            if everything:
                positions = plan_everything(sizes, max_bytes, self._free_bytes())
                chosen = [segments[p] for p in positions]
            else:
                plan = plan_merge(sizes, self._free_bytes(), max_bytes=max_bytes)
                if plan is not None and plan.kind is MergeKind.DROP:
                    self._state.install_compacted([segments[p] for p in plan.positions], None)
                    return True
                chosen = [] if plan is None else [segments[p] for p in plan.positions]
            if not chosen:
                return False
            self._merge(MergeJob.begin(self._state, chosen), checkpoint)
            return True

    def _resume(self, checkpoint: Checkpoint) -> bool:
        """Go on with a merge that an earlier process has left; return whether there was one."""
        if self._has_resumed:
            return False
        self._has_resumed = True
        job = MergeJob.unfinished(self._state)
        if job is not None:
            self._merge(job, checkpoint)
        return job is not None

    def takes_several(self) -> bool:
        """Whether merging everything takes more than one merge, for want of memory or disk."""
        free = self._free_bytes()
        needed = sum(self._size(segment).merged_bytes for segment in self._state.sealed())
        return self._state.context.memory.limit is not None or (free is not None and needed > free)

    def is_wasteful(self) -> bool:
        """Whether so many rows of a segment have died that it should be rewritten."""
        return any(s.num_deleted > DELETED_SHARE * s.num_rows for s in self._state.sealed())

    def _size(self, segment: SealedSegment) -> SegmentSize:
        return SegmentSize(
            segment.num_rows - segment.num_deleted,
            segment.num_deleted,
            segment.size_bytes,
            self._choices.has_graphs(segment),
        )

    def _free_bytes(self) -> int | None:
        room = self._state.directory.room()
        if room is None:
            return None
        # A merge is planned with the sizes of the old files; the new ones are not quite the same.
        return max(0, room.free - room.free // 16 - SPARE_BYTES)

    def _merge(self, job: MergeJob, checkpoint: Checkpoint) -> None:
        kept = [(s, rows) for s, rows in zip(job.segments, job.rows, strict=True) if len(rows)]
        order = self._order(kept)
        sources = placed(kept, order)
        try:
            made = self._written(job, kept, sources, order, checkpoint)
        except BaseException as error:
            job.fail(error)
            raise
        with self._state.lock:
            if made is not None:
                for segment, mapping in sources:
                    made.kill_where_dead(mapping, segment.alive_mask())
            self._state.install_compacted(job.segments, made)
        job.end()

    def _order(self, kept: Kept) -> Int64Array | None:
        """Return in which order the rows are written; None: as they lie, end to end."""
        name = self._state.schema.order_field
        if name is None or not kept:
            return None
        return merged_order([(segment.reader.column(name), rows) for segment, rows in kept])

    def _written(
        self,
        job: MergeJob,
        kept: Kept,
        sources: Sequence[tuple[SealedSegment, Int64Array]],
        order: Int64Array | None,
        checkpoint: Checkpoint,
    ) -> SealedSegment | None:
        """Return a segment of the rows, with the indexes it starts with; None without a row."""
        if not kept:
            return None
        state = self._state
        part_bytes = state.context.memory.share(STREAMED_PART)

        def streams() -> SegmentStreams:
            mappings = [mapping for _, mapping in sources]
            return merged_streams(
                state.schema, kept, mappings, checkpoint, part_bytes=part_bytes, order=order
            )

        made = write_merged(state, job, streams, sources, checkpoint)
        return self._indexed(job, made, sources, checkpoint)

    def _indexed(
        self,
        job: MergeJob,
        made: SealedSegment,
        sources: Sequence[tuple[SealedSegment, Int64Array]],
        checkpoint: Checkpoint,
    ) -> SealedSegment:
        """Give a merged segment graphs, unless it can wait for them as its rows did before."""
        built: dict[str, VectorIndex] = {}
        for field in made.fields.indexed:
            if field in job.written.indexes:
                continue
            kind, params = self._choices.wanted_of(made, field)
            index = self._carried(made, field, sources, kind, params, checkpoint)
            if index is None:
                continue
            file = IndexFile(field, kind.name, params, *index.to_arrays())
            try:
                entry = write_index(self._state.directory, self._state.path, made.info.uuid, file)
            except DiskFullError as error:
                # Merging makes room, a scan meanwhile answers as well.
                _log.warning("%s: scanned until the disk has room: %s", made.name, error)
                continue
            job.note_index(field, entry)
            built[field] = index
        if not built:
            return made
        state = self._state
        made = SealedSegment.open(
            state.directory, state.path, made.fields, job.written, state.context.memory
        )
        for field, index in built.items():
            state.context.memory.hold(made.indexes.graph_bytes(field), index)
            made.indexes.attach(field, index)
        return made

    def _carried(
        self,
        made: SealedSegment,
        field: str,
        sources: Sequence[tuple[SealedSegment, Int64Array]],
        kind: VectorIndexType,
        params: Mapping[str, Any],
        checkpoint: Checkpoint,
    ) -> VectorIndex | None:
        """Return the graph of a merged segment; None when it may be built later.

        It is made now when more than half of the rows had one: a merge never makes a search
        slower than it was.
        """
        if not self._choices.wants_graph(field, made.num_vectors(field)):
            return None
        if not self._choices.fits(made, field, copies=ADOPTED_COPIES):
            return None
        current = [
            (int((mapping >= 0).sum()), segment, mapping)
            for segment, mapping in sources
            if field in segment.info.indexes and self._choices.is_current(segment, field)
        ]
        if 2 * sum(rows for rows, _, _ in current) <= made.num_rows:
            return None
        _, largest, mapping = max(current, key=lambda entry: entry[0])
        rows = made.indexes.rows(field)
        graph = largest.indexes.loaded(field)
        # A graph whose file turned out to be damaged has become a scan.
        if graph.index_type == kind.name:
            if field in made.fields.lists:
                mapping = moved_vectors(
                    list_column(largest.reader.column(field)).offsets,
                    list_column(made.reader.column(field)).offsets,
                    mapping,
                )
            adopted = kind.adopt(graph, rows, mapping, params, checkpoint=checkpoint)
            if adopted is not None:
                return adopted
        return kind.build(rows, params, checkpoint=checkpoint)


def placed(kept: Kept, order: Int64Array | None) -> list[tuple[SealedSegment, Int64Array]]:
    """Return for each segment int64: the new row of each of its rows, or -1.

    Args:
        kept: Segments, and the rows of each that are taken over.
        order: Which of them, counted end to end, comes at each place; None: they stay so.
    """
    total = sum(len(rows) for _, rows in kept)
    places = np.arange(total, dtype=np.int64)
    if order is not None:
        places[order] = np.arange(total, dtype=np.int64)
    sources = []
    first = 0
    for segment, rows in kept:
        mapping = np.full(segment.num_rows, -1, dtype=np.int64)
        mapping[rows] = places[first : first + len(rows)]
        sources.append((segment, mapping))
        first += len(rows)
    return sources
