"""How long does a fresh process take to import the library, and to its first answer?

The files are in the page cache: every process but the first finds them there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.macro.plan import Plan, System
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess, child_environment

_IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def measure_starts(
    plan: Plan, systems: Sequence[System], loads: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return medians over ``plan.starts`` fresh processes, the systems taking turns."""
    imports: dict[str, list[float]] = {s.name: [] for s in systems}
    opens: dict[str, list[dict[str, float]]] = {s.name: [] for s in systems}
    failed: dict[str, str] = {}
    for turn in range(plan.starts + 1):
        for system in systems:
            seconds = _import_seconds(system.interpreter, system.description["import"])
            opened: dict[str, float] | None = None
            if "error" not in loads[system.name]:
                try:
                    opened = _open(plan, system)
                except WorkerFailedError as error:
                    failed[system.name] = str(error)
            if turn:  # the first one fills the page cache
                imports[system.name].append(seconds)
                opens[system.name] += [opened] if opened else []
    found = {}
    for system in systems:
        figures: dict[str, Any] = {"import_s": median(imports[system.name])}
        samples = opens[system.name]
        for key in ("open_s", "first_answer_s", "process_to_answer_s"):
            figures[key] = median(sample[key] for sample in samples) if samples else None
        if system.name in failed:
            figures["error"] = failed[system.name]
        found[system.name] = figures
    return found


def measure_numpy_import(plan: Plan) -> float:
    """Return the median time of importing NumPy alone, which every system imports too."""
    return median(_import_seconds(sys.executable, "import numpy") for _ in range(plan.starts))


def _import_seconds(interpreter: str, statement: str) -> float:
    command = [interpreter, "-c", _IMPORT.format(statement)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=child_environment()
    )
    return float(done.stdout.splitlines()[-1])


def _open(plan: Plan, system: System) -> dict[str, float]:
    with WorkerProcess(
        system.interpreter, system.name, plan.bundle, core=plan.core, log=plan.log(system.name)
    ) as worker:
        opened: dict[str, float] = worker.call(
            "open", folder=str(plan.database(system.name)), spawned_ns=worker.spawned_ns
        )
        worker.call("close")
    return opened
