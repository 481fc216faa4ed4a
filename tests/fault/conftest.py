"""Merges write down how far they are, however small; and at the end how much was injected."""

import pytest

from elanus.engine import merge_job
from support.tally import report_lines


@pytest.fixture(autouse=True)
def _merges_are_recorded(monkeypatch):
    monkeypatch.setattr(merge_job, "RECORDED_BYTES", 0)


def pytest_terminal_summary(terminalreporter):
    lines = report_lines()
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
