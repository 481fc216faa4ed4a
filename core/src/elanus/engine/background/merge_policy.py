"""Which segments are merged next?

Pure functions over sizes. Tiered: segments of about the same size are merged when there are enough
of them, so that a row is rewritten a logarithmic number of times. A graph takes in the segments
that have none once they have grown to a share of it, so that every row enters a graph once. A
segment with many deleted rows is rewritten alone, one without any row left is dropped.

Source: O'Neil et al., "The log-structured merge-tree", 1996; tiers as in Lucene's
TieredMergePolicy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

TIER_FACTOR = 4
"""Segments of one tier that start a merge, and how many times larger the next tier is."""
MOST_MERGED = 8
"""Segments that one merge takes: when a load was faster than the merges, fewer are made."""
SMALLEST_TIER_ROWS = 4_096
"""Segments below this share the lowest tier."""
MAX_MERGED_ROWS = 8_000_000
"""A merged segment does not grow beyond this; larger ones are merged by hand only."""
DELETED_SHARE = 0.25
"""A segment is rewritten when more of its rows are deleted: it bounds wasted space, as merges
alone would not touch a large segment."""
ABSORBED_SHARE = 0.25
"""A graph takes in segments without one when they have this share of its rows: rewriting a row
some five times in all is cheap beside building a second graph and throwing it away."""
WORTH_REWRITING = 0.05
"""Deleted rows from which a segment is rewritten alone when the disk has no room for more."""


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """What the policy knows about a segment.

    Attributes:
        rows: Visible rows.
        deleted: Rows that died since it was written.
        size_bytes: Bytes on disk, indexes included.
        has_graph: Whether it has the vector indexes that the settings ask for.
    """

    rows: int
    deleted: int
    size_bytes: int = 0
    has_graph: bool = False

    @property
    def deleted_share(self) -> float:
        """Deleted rows as a share of all."""
        return self.deleted / max(self.rows + self.deleted, 1)

    @property
    def merged_bytes(self) -> int:
        """Bytes that its visible rows take in a new segment, roughly."""
        return int(self.size_bytes * (1 - self.deleted_share))


class MergeKind(Enum):
    """Why segments are merged."""

    DROP = "drop"
    TIER = "tier"
    ABSORB = "absorb"
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Segments to merge into one, by position, ascending."""

    kind: MergeKind
    positions: tuple[int, ...]


def plan_merge(
    sizes: Sequence[SegmentSize],
    free_bytes: int | None = None,
    *,
    max_bytes: int | None = None,
) -> MergePlan | None:
    """Return what to merge now; None when all is well or nothing fits.

    Args:
        sizes: The segments, oldest first.
        free_bytes: Bytes that may be written before the merged segments go; None is unlimited.
        max_bytes: Bytes that segments may have together when they are merged; None is unlimited.
            A segment alone is rewritten whatever its size.
    """
    dead = tuple(p for p, size in enumerate(sizes) if not size.rows)
    if dead:
        # Nothing is written, so a full disk gets this space back first.
        return MergePlan(MergeKind.DROP, dead)
    for plan in _plans(sizes):
        needed = _needed(sizes, plan.positions)
        is_small = max_bytes is None or needed <= max_bytes or len(plan.positions) == 1
        if is_small and (free_bytes is None or needed <= free_bytes):
            return plan
    return None


def plan_everything(
    sizes: Sequence[SegmentSize], max_bytes: int | None = None, free_bytes: int | None = None
) -> tuple[int, ...]:
    """Return what to merge next so that as few segments as possible remain; nothing in the end.

    Args:
        sizes: The segments, oldest first.
        max_bytes: As for ``plan_merge``.
        free_bytes: As for ``plan_merge``. When not all fits, segments are rewritten one by one:
            each gives back what its deleted rows take, which makes room for the next.
    """
    chosen = _plan_large(sizes, max_bytes)
    if free_bytes is None or _needed(sizes, chosen) <= free_bytes:
        return chosen
    wasteful = [p for p, size in enumerate(sizes) if size.deleted]
    fitting = [p for p in wasteful if sizes[p].merged_bytes <= free_bytes]
    if fitting:
        return (max(fitting, key=lambda p: sizes[p].size_bytes - sizes[p].merged_bytes),)
    # Without deleted rows there is no space to gain. With some, trying says what is missing.
    return chosen if wasteful else ()


def _plan_large(sizes: Sequence[SegmentSize], max_bytes: int | None) -> tuple[int, ...]:
    group: list[int] = []
    total = 0
    for position, size in enumerate(sizes):
        if group and max_bytes is not None and total + size.merged_bytes > max_bytes:
            if len(group) > 1 or sizes[group[0]].deleted:
                break
            group, total = [], 0
        group.append(position)
        total += size.merged_bytes
    if len(group) > 1 or (group and sizes[group[0]].deleted):
        return tuple(group)
    return ()


def tier_of(rows: int) -> int:
    """Return the tier of a segment with this many visible rows; 0 is the lowest."""
    tier = 0
    while rows >= SMALLEST_TIER_ROWS * TIER_FACTOR**tier:
        tier += 1
    return tier


def _plans(sizes: Sequence[SegmentSize]) -> list[MergePlan]:
    """Return what is worth doing, the best first."""
    plans = [*_tiers(sizes), *_absorbed(sizes)]
    wasteful = [p for p, s in enumerate(sizes) if s.deleted_share > DELETED_SHARE]
    # Only when nothing better fits on the disk: the most space for the least room.
    others = [p for p, s in enumerate(sizes) if s.deleted_share > WORTH_REWRITING]
    others.sort(key=lambda p: -sizes[p].deleted_share)
    due = bool(plans) or bool(wasteful)
    plans += [MergePlan(MergeKind.REWRITE, (p,)) for p in wasteful]
    if due:
        plans += [MergePlan(MergeKind.REWRITE, (p,)) for p in others if p not in wasteful]
    return plans


def _tiers(sizes: Sequence[SegmentSize]) -> list[MergePlan]:
    tiers: dict[int, list[int]] = {}
    for position, size in enumerate(sizes):
        tiers.setdefault(tier_of(size.rows), []).append(position)
    plans = []
    for tier in sorted(tiers):
        members = tiers[tier]
        if len(members) < TIER_FACTOR:
            continue
        most = _longest_fitting(sizes, members[:MOST_MERGED])
        if len(most) >= TIER_FACTOR:
            plans.append(MergePlan(MergeKind.TIER, most))
            # Half as many need half the room.
            plans.append(MergePlan(MergeKind.TIER, most[: TIER_FACTOR // 2]))
    return plans


def _longest_fitting(sizes: Sequence[SegmentSize], members: Sequence[int]) -> tuple[int, ...]:
    """Return the first members that together stay below the largest segment allowed."""
    taken: list[int] = []
    rows = 0
    for position in members:
        rows += sizes[position].rows
        if rows > MAX_MERGED_ROWS:
            break
        taken.append(position)
    return tuple(taken)


def _absorbed(sizes: Sequence[SegmentSize]) -> list[MergePlan]:
    plans = []
    graphs = [p for p, s in enumerate(sizes) if s.has_graph]
    for target in sorted(graphs, key=lambda p: -sizes[p].rows):
        room = MAX_MERGED_ROWS - sizes[target].rows
        taken: list[int] = []
        rows = 0
        for position, size in enumerate(sizes):
            smaller = not size.has_graph and size.rows <= sizes[target].rows
            if smaller and rows + size.rows <= room and len(taken) < MOST_MERGED:
                taken.append(position)
                rows += size.rows
        if taken and rows >= ABSORBED_SHARE * sizes[target].rows:
            plans.append(MergePlan(MergeKind.ABSORB, tuple(sorted([target, *taken]))))
    return plans


def _needed(sizes: Sequence[SegmentSize], positions: Sequence[int]) -> int:
    """Return the bytes that a merge writes before the old segments can go."""
    return sum(sizes[p].merged_bytes for p in positions)
