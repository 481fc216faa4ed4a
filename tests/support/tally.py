"""How many faults, kills and rows the tests went through; printed once at the end of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_counts: Counter[str] = Counter()


def count(what: str, number: int = 1) -> None:
    """Add to a line of the final report."""
    _counts[what] += number


def take_counts() -> dict[str, int]:
    """Return what was counted and start again from zero."""
    counts = dict(_counts)
    _counts.clear()
    return counts


def take_over(counts: Mapping[str, int]) -> None:
    """Add what another process counted."""
    _counts.update(counts)


def report_lines() -> list[str]:
    """Return the lines of the report and start again from zero."""
    return [f"{what}: {number:,}" for what, number in sorted(take_counts().items())]
