"""How do searches on one and two threads read as tables?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

FIGURES = {
    "one_thread": "one thread",
    "two_threads": "two threads",
    "batch_on_one": "batch, one processor",
    "batch_on_two": "batch, two processors",
}


def threads(result: Mapping[str, Any]) -> list[str]:
    """Return the table of ``benchmarks.macro.threads``."""
    head = (
        f"{result['rows']:,} passages, {result['queries']:,} queries, top-{result['limit']}, "
        f"queries per second; the best of {result['rounds']} rounds in turns, and the median of "
        "the ratios within a round."
    )
    heads = ["search", *FIGURES.values(), "two threads to one", "batch, two to one", "batch to one"]
    rows = []
    for kind, figures in result["kinds"].items():
        speeds = [f"{figures[name]:,.0f}" if name in figures else "" for name in FIGURES]
        names = ("threads_ratio", "batch_threads_ratio", "batch_ratio")
        ratios = [f"{figures[name]:.2f}" if name in figures else "" for name in names]
        rows.append([kind, *speeds, *ratios])
    return [head, table(heads, rows)]


THREADS_RENDERERS = {"threads": threads}
