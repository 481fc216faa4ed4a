"""Does what it is told with one system, in that system's own interpreter.

Run as ``python -m benchmarks.macro.worker ADAPTER BUNDLE CORE``: commands come as JSON lines on
standard input, answers go as JSON lines to standard output. ``CORE`` is the processor that it
keeps to, or ``-`` for all. This file and what it imports need NumPy only, besides the system.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.macro.adapters.base import Adapter, Query, Rows
from benchmarks.macro.bundle import read_batches, read_queries
from benchmarks.macro.memory import memory_of_process_tree

SEARCHABLE_WITHIN_S = 60.0
"""How long the last inserted row is waited for."""


class Worker:
    """One system and one database of it."""

    def __init__(self, adapter_name: str, bundle: Path) -> None:
        started = time.perf_counter()
        module = importlib.import_module(f"benchmarks.macro.adapters.{adapter_name}")
        self._import_s = time.perf_counter() - started
        self._adapter: Adapter = module.ADAPTER()
        self._bundle = bundle
        self._texts, self._vectors = read_queries(bundle)

    def describe(self) -> dict[str, Any]:
        """Return versions and abilities of the system."""
        adapter = self._adapter
        return {
            "versions": {name: _version(name) for name in adapter.PACKAGES},
            "import": adapter.IMPORT,
            "kinds": list(adapter.KINDS),
            "ladders": {state: asdict(ladder) for state, ladder in adapter.LADDERS.items()},
            "settings": adapter.SETTINGS,
        }

    def load(self, folder: str, batch_rows: int) -> dict[str, Any]:
        """Create a database, insert everything, complete the indexes; return the times."""
        Path(folder).mkdir(parents=True)
        self._adapter.create(folder, self._vectors.shape[1])
        batch_s = []
        last: Rows | None = None
        for rows in read_batches(self._bundle, batch_rows):
            started = time.perf_counter()
            self._adapter.insert(rows)
            batch_s.append(time.perf_counter() - started)
            last = rows
        if last is None:
            raise ValueError(f"the bundle {self._bundle} holds no rows")
        searchable_s = self._wait_until_found(last)
        disk_inserted = disk_bytes(Path(folder))
        steps, complete_s = {}, 0.0
        for step in self._adapter.steps():
            started = time.perf_counter()
            step.run()
            steps[step.name] = time.perf_counter() - started
            complete_s += steps[step.name] if step.counted else 0.0
            if step.snapshot is not None:
                shutil.copytree(folder, f"{folder}-{step.snapshot}")
        memory = memory_of_process_tree()
        self._adapter.close()
        return {
            "insert_s": sum(batch_s),
            "batch_s": batch_s,
            "searchable_s": searchable_s,
            "steps_s": steps,
            "complete_s": complete_s,
            "disk_inserted_bytes": disk_inserted,
            "memory": memory,
        }

    def _wait_until_found(self, rows: Rows) -> float:
        started = time.perf_counter()
        query = Query(rows.texts[-1], rows.vectors[-1])
        while rows.ids[-1] not in self._adapter.dense(query):
            if time.perf_counter() - started > SEARCHABLE_WITHIN_S:
                raise TimeoutError("the last row was not found in time")
        return time.perf_counter() - started

    def open(self, folder: str, spawned_ns: int) -> dict[str, Any]:
        """Open a database and answer one dense search.

        Args:
            folder: Where ``load`` made it.
            spawned_ns: ``time.monotonic_ns()`` when this process was started.
        """
        started = time.perf_counter()
        self._adapter.open(folder)
        opened = time.perf_counter()
        self._adapter.dense(Query(self._texts[0], self._vectors[0]))
        answered = time.perf_counter()
        return {
            "import_s": self._import_s,
            "open_s": opened - started,
            "first_answer_s": answered - started,
            "process_to_answer_s": (time.monotonic_ns() - spawned_ns) / 1e9,
        }

    def search(
        self, case: dict[str, Any], queries: list[int], effort: dict[str, Any], budget_s: float
    ) -> dict[str, Any]:
        """Answer queries one after the other; stop when the budget is spent.

        Returns:
            ``ids`` and ``ns`` of each answered query, in the order asked.
        """
        self._adapter.prepare(effort)
        ask: Callable[[Query], list[int]] = getattr(self._adapter, case["kind"])
        ids, ns = [], []
        deadline = time.perf_counter() + budget_s
        for number in queries:
            query = Query(
                self._texts[number],
                self._vectors[number],
                below=case["below"],
                source=case["source"],
                with_text=case["with_text"],
                effort=effort,
            )
            started = time.perf_counter_ns()
            found = ask(query)
            ns.append(time.perf_counter_ns() - started)
            ids.append(found)
            if time.perf_counter() > deadline:
                break
        return {"ids": ids, "ns": ns}

    def memory(self) -> dict[str, Any]:
        """Return the memory of this process and its children now, and its peak."""
        return memory_of_process_tree()

    def close(self) -> dict[str, Any]:
        """Close the database."""
        self._adapter.close()
        return {}


def disk_bytes(folder: Path) -> int:
    """Return the bytes that the files below ``folder`` take on the disk."""
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def serve(make: Callable[[str, Path], object]) -> None:
    """Answer commands with the methods of one worker, until the input ends.

    Args:
        make: Makes the worker of a system, by name, for a bundle.
    """
    name, bundle, core = sys.argv[1:]
    if core != "-":
        os.sched_setaffinity(0, {int(core)})
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = make(name, Path(bundle))
    for line in sys.stdin:
        command = json.loads(line)
        operation = getattr(worker, command.pop("op"))
        try:
            answer = operation(**command)
        except Exception as error:  # noqa: BLE001 - edge of the process: the caller reports it
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(Worker)
