"""Hundreds of writers killed one after the other; see tests/fault/test_kill.py."""

import pytest

from support.kill_checker import run_kills

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_writers_lose_nothing(tmp_path, seed):
    expected = run_kills(tmp_path / "kb", 170, seed=seed, seconds=0.8)
    assert expected.acknowledged > 2000
