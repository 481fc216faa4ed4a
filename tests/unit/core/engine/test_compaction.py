"""Which segments are merged."""

import pytest

from elanus.engine.compaction import pick_segments, tier_of


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([], []),
        ([(100, 0)] * 3, []),
        ([(100, 0)] * 4, [0, 1, 2, 3]),
        ([(100, 0)] * 9, [0, 1, 2, 3]),
        ([(50_000, 0), (100, 0), (100, 0), (60_000, 0), (100, 0), (100, 0)], [1, 2, 4, 5]),
        ([(5_000, 0)] * 3 + [(100, 0)] * 3, []),
        ([(80, 20), (100, 0)], []),
        ([(100, 0), (70, 30)], [1]),
        ([(3_000_000, 0)] * 4, []),
    ],
)
def test_pick_segments(sizes, chosen):
    assert pick_segments(sizes) == chosen


def test_tiers_grow_by_the_factor():
    assert [tier_of(n) for n in (0, 4_095, 4_096, 16_383, 16_384, 65_536)] == [0, 0, 1, 1, 2, 3]
