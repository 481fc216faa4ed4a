"""Which segments are merged, and how?

Tiered: segments of about the same size are merged when there are enough of them, so that a row is
rewritten a logarithmic number of times; a segment with many deleted rows is rewritten alone.
Searches and writes go on meanwhile; rows that die during a merge are carried over as tombstones.

Source of the policy: O'Neil et al., "The log-structured merge-tree", 1996; tiers as in Lucene's
TieredMergePolicy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from elanus.engine.content import SegmentContent
from elanus.engine.sealed import SealedSegment
from elanus.engine.segment_files import write_sealed
from elanus.engine.segment_indexes import row_mapping
from elanus.engine.state import CollectionState
from elanus.index.sparse.bm25 import merge_sealed as merge_text
from elanus.index.sparse.inverted import merge_sealed as merge_sparse
from elanus.schema.batches import ColumnBatch, concat_columns
from elanus.types import Int64Array

TIER_FACTOR = 4
"""Segments of one tier that are merged, and how many times larger the next tier is."""
SMALLEST_TIER_ROWS = 4_096
"""Segments below this share the lowest tier."""
MAX_MERGED_ROWS = 8_000_000
"""A merged segment does not grow beyond this; larger ones are merged by hand only."""
DELETED_SHARE = 0.25
"""A segment is rewritten when more of its rows are deleted: it bounds wasted space, as merges
alone would not touch a large segment."""


def pick_segments(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Return which segments to merge now, by position; nothing when all is well.

    Args:
        sizes: Visible rows and deleted rows of each segment, oldest first.
    """
    tiers: dict[int, list[int]] = {}
    for position, (alive, _) in enumerate(sizes):
        tiers.setdefault(tier_of(alive), []).append(position)
    for tier in sorted(tiers):
        members = tiers[tier][:TIER_FACTOR]
        fits = sum(sizes[p][0] for p in members) <= MAX_MERGED_ROWS
        if len(members) == TIER_FACTOR and fits:
            return members
    for position, (alive, deleted) in enumerate(sizes):
        if deleted > DELETED_SHARE * (alive + deleted):
            return [position]
    return []


def tier_of(rows: int) -> int:
    """Return the tier of a segment with this many visible rows; 0 is the lowest."""
    tier = 0
    while rows >= SMALLEST_TIER_ROWS * TIER_FACTOR**tier:
        tier += 1
    return tier


class Compaction:
    """Merges segments of one collection, one merge at a time."""

    def __init__(self, state: CollectionState) -> None:
        self._state = state

    def run(self, *, everything: bool, checkpoint: Callable[[], None] = lambda: None) -> bool:
        """Merge once; return whether there was anything to merge.

        Args:
            everything: Merge all segments into one, whatever the policy says.
            checkpoint: Called between the steps; may raise to cancel.
        """
        with self._state.reorganise_lock:
            segments = self._state.sealed()
            if everything:
                wasted = any(s.num_deleted for s in segments)
                chosen = segments if len(segments) > 1 or wasted else []
            else:
                sizes = [(s.num_rows - s.num_deleted, s.num_deleted) for s in segments]
                chosen = [segments[p] for p in pick_segments(sizes)]
            if not chosen:
                return False
            self._merge(chosen, checkpoint)
            return True

    def _merge(self, segments: Sequence[SealedSegment], checkpoint: Callable[[], None]) -> None:
        kept = [segment.alive_rows() for segment in segments]
        made: SealedSegment | None = None
        if any(len(rows) for rows in kept):
            content = merged_content(segments, kept)
            checkpoint()
            made = write_sealed(self._state, content)
        with self._state.lock:
            if made is not None:
                first = 0
                for segment, rows in zip(segments, kept, strict=True):
                    made.kill_where_dead(rows, segment.alive_mask(), first=first)
                    first += len(rows)
            self._state.install_compacted(segments, made)


def merged_content(segments: Sequence[SealedSegment], kept: Sequence[Int64Array]) -> SegmentContent:
    """Return the rows ``kept`` of each segment, end to end, with their postings."""
    parts = [segment.content(rows) for segment, rows in zip(segments, kept, strict=True)]
    columns = {
        name: concat_columns([p.batch.columns[name] for p in parts])
        for name in parts[0].batch.columns
    }
    mappings: list[Int64Array] = []
    first = 0
    for segment, rows in zip(segments, kept, strict=True):
        mappings.append(row_mapping(segment.num_rows, rows, first))
        first += len(rows)
    fields = segments[0].fields
    text = {
        name: merge_text([(s.text(name), m) for s, m in zip(segments, mappings, strict=True)])
        for name in fields.analyzers
    }
    sparse = {
        name: merge_sparse([(s.sparse(name), m) for s, m in zip(segments, mappings, strict=True)])
        for name in fields.sparse
    }
    return SegmentContent(
        ColumnBatch(first, columns), np.concatenate([p.seqs for p in parts]), text, sparse
    )
