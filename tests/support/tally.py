"""How many faults, kills and rows the tests went through; printed once at the end of a run."""

from __future__ import annotations

from collections import Counter

_counts: Counter[str] = Counter()


def count(what: str, number: int = 1) -> None:
    """Add to a line of the final report."""
    _counts[what] += number


def report_lines() -> list[str]:
    """Return the lines of the report and start again from zero."""
    lines = [f"{what}: {number:,}" for what, number in sorted(_counts.items())]
    _counts.clear()
    return lines
