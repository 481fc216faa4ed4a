"""Which segments are merged."""

import pytest

from elanus.engine.background.merge_policy import (
    MergeKind,
    MergePlan,
    SegmentSize,
    plan_everything,
    plan_merge,
    tier_of,
)


def sizes(*segments):
    """(rows, deleted) or (rows, deleted, has_graph) each, 100 bytes a row."""
    return [
        SegmentSize(rows, deleted, 100 * (rows + deleted), bool(graph))
        for rows, deleted, *graph in segments
    ]


def plan(kind, *positions):
    return MergePlan(kind, positions)


@pytest.mark.parametrize(
    ("segments", "chosen"),
    [
        ([], None),
        ([(100, 0)] * 3, None),
        ([(100, 0)] * 4, plan(MergeKind.TIER, 0, 1, 2, 3)),
        # When merges lag behind, one takes more.
        ([(100, 0)] * 9, plan(MergeKind.TIER, *range(8))),
        (
            [(50_000, 0), (100, 0), (100, 0), (60_000, 0), (100, 0), (100, 0)],
            plan(MergeKind.TIER, 1, 2, 4, 5),
        ),
        ([(5_000, 0)] * 3 + [(100, 0)] * 3, None),
        ([(3_000_000, 0)] * 4, None),
        # Dead rows: rewritten alone above a quarter, dropped when all are dead.
        ([(80, 20), (100, 0)], None),
        ([(100, 0), (70, 30)], plan(MergeKind.REWRITE, 1)),
        ([(100, 0), (0, 30), (0, 5), (50, 50)], plan(MergeKind.DROP, 1, 2)),
        # A graph takes in what has none, once that is a quarter of it.
        ([(32_000, 0, True), (8_000, 0)], plan(MergeKind.ABSORB, 0, 1)),
        ([(32_000, 0, True), (7_000, 0)], None),
        ([(4_000, 0), (32_000, 0, True), (5_000, 0)], plan(MergeKind.ABSORB, 0, 1, 2)),
        ([(32_000, 0, True), (16_000, 0, True)], None),
        ([(32_000, 0, True), (90_000, 0)], None),
        ([(32_000, 0, True), (100_000, 0, True), (9_000, 0)], plan(MergeKind.ABSORB, 0, 2)),
    ],
)
def test_plan(segments, chosen):
    assert plan_merge(sizes(*segments)) == chosen


def test_a_merge_fits_the_disk():
    tier = sizes(*[(100, 0)] * 4)
    assert plan_merge(tier, free_bytes=40_000) == plan(MergeKind.TIER, 0, 1, 2, 3)
    assert plan_merge(tier, free_bytes=39_999) == plan(MergeKind.TIER, 0, 1)
    assert plan_merge(tier, free_bytes=19_999) is None
    # Dead rows are not written again.
    assert plan_merge(sizes((100, 300)), free_bytes=10_000) == plan(MergeKind.REWRITE, 0)


def test_a_full_disk_gets_back_what_costs_nothing_then_what_frees_most():
    assert plan_merge(sizes((900, 600), (0, 10)), free_bytes=0) == plan(MergeKind.DROP, 1)
    segments = sizes((9_000, 6_000), (700, 100), (500, 100), (990, 10))
    # The large one would free the most, but only the smaller ones fit: the emptiest first.
    assert plan_merge(segments, free_bytes=80_000) == plan(MergeKind.REWRITE, 2)


def test_tiers_grow_by_the_factor():
    assert [tier_of(n) for n in (0, 4_095, 4_096, 16_383, 16_384, 65_536)] == [0, 0, 1, 1, 2, 3]


def test_everything_is_rewritten_piece_by_piece_when_the_disk_has_no_room_for_all():
    # 1024, 4096 and 8192 bytes are left of them.
    few = [SegmentSize(1, 7, 8192), SegmentSize(1, 1, 8192), SegmentSize(100, 0, 8192)]
    assert plan_everything(few, None, 13312) == (0, 1, 2)
    assert plan_everything(few, None, 13311) == (0,)
    assert plan_everything(few[1:], None, 4096) == (0,)
    # Nothing to gain without deleted rows; with some the attempt says what is missing.
    assert plan_everything(few[2:] * 2, None, 10) == ()
    assert plan_everything(few[1:], None, 10) == (0, 1)
