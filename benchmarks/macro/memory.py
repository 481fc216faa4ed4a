"""How much memory and processor time does this process take, with its children? Linux only; needs
nothing but Python.

``steady_bytes`` is what is resident now: ``anonymous_bytes`` of it are the process's own,
``file_bytes`` are pages of mapped files, which the system may drop and read again. ``peak_bytes``
is the most that was ever resident.
"""

from __future__ import annotations

import os
from pathlib import Path


def memory_of_process_tree(root: int | None = None) -> dict[str, int]:
    """Return the sums over a process, this one where none is named, and all below it, in bytes."""
    totals = {"steady_bytes": 0, "anonymous_bytes": 0, "file_bytes": 0, "peak_bytes": 0}
    names = {
        "VmRSS": "steady_bytes",
        "RssAnon": "anonymous_bytes",
        "RssFile": "file_bytes",
        "VmHWM": "peak_bytes",
    }
    for process in _process_tree(os.getpid() if root is None else root):
        for line in _status(process):
            key, _, value = line.partition(":")
            if key in names:
                totals[names[key]] += int(value.split()[0]) * 1024
    return totals


def busy_seconds_of_process_tree(root: int) -> dict[int, float]:
    """Return the processor time that each process has taken, by its number, the first one first."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for process in _process_tree(root):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        found[process] = (int(fields[11]) + int(fields[12])) / ticks
    return found


def _process_tree(root: int) -> list[int]:
    found = [root]
    for process in found:
        for task in Path(f"/proc/{process}/task").iterdir():
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except FileNotFoundError:
                continue  # the thread has ended meanwhile
    return found


def _status(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/status").read_text().splitlines()
    except FileNotFoundError:
        return []
