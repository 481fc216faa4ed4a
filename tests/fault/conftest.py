"""Merges write down how far they are, however small."""

import pytest

from elanus.engine.background import merge_job


@pytest.fixture(autouse=True)
def _merges_are_recorded(monkeypatch):
    monkeypatch.setattr(merge_job, "RECORDED_BYTES", 0)
