"""A writer that is killed loses no acknowledged row, and no call is half there."""

import pytest

from support.kill_checker import run_kills


@pytest.mark.slow
def test_killed_writers_lose_nothing(tmp_path):
    # Few: CI also runs the hundreds of the soak tests.
    expected = run_kills(tmp_path / "kb", 16, seed=20261122, seconds=0.6)
    assert expected.acknowledged > 200
