"""How do searches on one and two threads read as tables?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table

FIGURES = {
    "one_thread": "one thread",
    "two_threads": "two threads",
    "two_processes": "two processes",
    "batch_on_one": "batch, one processor",
    "batch_on_two": "batch, two processors",
}
RATIOS = {
    "threads_ratio": "two threads to one",
    "processes_ratio": "two processes to one thread",
    "threads_to_processes": "two threads to two processes",
    "batch_threads_ratio": "batch, two to one",
    "batch_ratio": "batch to one",
}


def threads(result: Mapping[str, Any]) -> list[str]:
    """Return the table of ``benchmarks.macro.threads``."""
    head = (
        f"{result['rows']:,} passages, {result['queries']:,} queries, top-{result['limit']}, "
        f"queries per second; the best of {result['rounds']} rounds in turns, and the median of "
        "the ratios within a round."
    )
    kinds = result["kinds"]
    # Results of before have no processes.
    speeds = {n: head for n, head in FIGURES.items() if any(n in k for k in kinds.values())}
    ratios = {n: head for n, head in RATIOS.items() if any(n in k for k in kinds.values())}
    rows = []
    for kind, figures in kinds.items():
        shown = [f"{figures[name]:,.0f}" if name in figures else "" for name in speeds]
        shown += [f"{figures[name]:.2f}" if name in figures else "" for name in ratios]
        rows.append([kind, *shown])
    heads = ["search", *speeds.values(), *ratios.values()]
    return [head, table(heads, rows)]


THREADS_RENDERERS = {"threads": threads}
