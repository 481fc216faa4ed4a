"""Hundreds of writers killed one after the other; see tests/fault/test_kill.py."""

import pytest

from support.kill_checker import run_kills

pytestmark = pytest.mark.soak


@pytest.mark.parametrize(
    ("seed", "durability"), [(1, "commit"), (2, "commit"), (3, "os"), (4, "interval")]
)
def test_killed_writers_lose_nothing(tmp_path, seed, durability):
    expected = run_kills(tmp_path / "kb", 130, seed=seed, seconds=0.8, durability=durability)
    assert expected.acknowledged > 500
