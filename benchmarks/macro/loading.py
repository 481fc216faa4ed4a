"""How fast does each system take the rows in, and when can they be searched?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.macro.measures import latency
from benchmarks.macro.plan import Plan, System
from benchmarks.macro.worker import disk_bytes
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

BATCH_ROWS = 1_000


def load_systems(
    plan: Plan, systems: Sequence[System], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Load every system, one after the other, with all cores; return figures by system.

    A system that fails has an entry ``error`` and nothing else.
    """
    loads: dict[str, dict[str, Any]] = {}
    for system in systems:
        try:
            loads[system.name] = _load(plan, system)
        except WorkerFailedError as error:
            loads[system.name] = {"error": str(error), "log": _tail(plan, system)}
        say(f"{system.name} is loaded")
    return loads


def _load(plan: Plan, system: System) -> dict[str, Any]:
    folder = plan.database(system.name)
    with WorkerProcess(
        system.interpreter, system.name, plan.bundle, core=None, log=plan.log(system.name)
    ) as worker:
        figures: dict[str, Any] = worker.call("load", folder=str(folder), batch_rows=BATCH_ROWS)
    batch_s = figures.pop("batch_s")
    return {
        "versions": system.description["versions"],
        "settings": system.description["settings"],
        "rows_per_s": plan.rows / figures["insert_s"],
        "rows_per_s_complete": plan.rows / (figures["insert_s"] + figures["complete_s"]),
        "batch": latency([round(s * 1e9) for s in batch_s]),
        "snapshots": _snapshots(plan, system),
        "disk_bytes": disk_bytes(folder),
        **figures,
    }


def _snapshots(plan: Plan, system: System) -> list[str]:
    """Return the states of the database that were kept, besides the last one."""
    prefix = f"{system.name}-"
    return sorted(f.name.removeprefix(prefix) for f in plan.work.glob(f"{prefix}*") if f.is_dir())


def _tail(plan: Plan, system: System) -> str:
    shutil.rmtree(plan.database(system.name), ignore_errors=True)
    return "\n".join(plan.log(system.name).read_text("utf-8").splitlines()[-5:])
