"""Which indexes are compared, and what does each of them do in its turn?"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.macro.environments import interpreter_for
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

OURS = "elanus"
PEERS = (
    "scalable_vs/f16",
    "scalable_vs/lvq4x8",
    "scalable_vs/lvq8",
    "scalable_vs/leanvec4x8",
    "scalable_vs/leanvec8x8",
    "pyvsag/sq8",
    "pyvsag/sq8_reorder",
    "pyvsag/sq4_reorder",
    "pyvsag/fp32",
    "scann/tree_ah",
    "scann/tree_ah_bf16",
    "faiss/hnsw_sq8",
    "faiss/hnsw_flat",
    "faiss/ivfpq",
    "usearch/bf16",
    "usearch/f16",
    "usearch/i8",
    "hnswlib/m16",
    "voyager/f32",
    "voyager/e4m3",
    "ngt/anng",
    "ngt/onng",
    "diskannpy/r64",
    "flatnav/m32",
    "zvec/hnsw_int8",
    "zvec/hnsw_rabitq",
    "zvec/vamana_f16",
)
"""``library/variant``, in the order in which they take turns."""

LOW_RECALL = 0.85
"""Efforts below this are not timed, but for the last one before."""
HIGH_RECALL = 0.995
"""The first effort that reaches this is the last one."""
STALLED_GAIN = 0.001
"""Two efforts that gain no more than this together are the last ones, from ``LOW_RECALL`` on."""
TRIAL_BUDGET_S = 10.0


def own_names(index_types: Sequence[str], processors: Sequence[str]) -> list[str]:
    """Return contestants for our index types and the variants of our kernels.

    Args:
        index_types: Names of the registry.
        processors: Values of ``ELANUS_CPU``; ``auto`` leaves the choice to the machine.
    """
    return [
        f"{OURS}/{kind}" if processor == "auto" else f"{OURS}/{kind}@{processor}"
        for kind in index_types
        for processor in processors
    ]


def selected(names: Sequence[str], systems: Sequence[str]) -> list[str]:
    """Return the names of which a library, or the whole name, is in ``systems``; empty: all.

    Raises:
        ValueError: An entry of ``systems`` selects nothing.
    """
    for wanted in systems:
        if not any(wanted in (name, name.partition("/")[0]) for name in names):
            raise ValueError(f"no library or variant {wanted!r}; there are {', '.join(names)}")
    return [
        name
        for name in names
        if not systems or name in systems or name.partition("/")[0] in systems
    ]


@dataclass(slots=True)
class Contestant:
    """One index, and what was measured of it."""

    name: str
    worker: WorkerProcess
    description: dict[str, Any]
    build: dict[str, Any] = field(default_factory=dict)
    trials: list[dict[str, Any]] = field(default_factory=list)
    turns: defaultdict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    error: str | None = None

    def try_efforts(self, queries: int) -> None:
        """Climb the efforts until the recall is high; keep those that are worth timing."""
        tried = []
        for effort in self.description["efforts"]:
            found = self.worker.call(
                "single", effort=effort, queries=queries, budget_s=TRIAL_BUDGET_S
            )
            tried.append({"effort": effort, **found})
            if found["recall"] >= HIGH_RECALL or has_stalled(tried):
                break
        self.trials = worth_timing(tried)

    def take_turn(self, place: int, queries: int, budget_s: float) -> None:
        """Time one effort once; ``place`` beyond the last one does nothing."""
        if self.error is not None or place >= len(self.trials):
            return
        effort = self.trials[place]["effort"]
        try:
            found = self.worker.call("single", effort=effort, queries=queries, budget_s=budget_s)
            answered = found["answered"]
            found["batch_qps"] = self.worker.call("batch", effort=effort, queries=answered)["qps"]
        except WorkerFailedError as error:
            self.error = str(error)
            return
        self.turns[place].append(found)

    def warm_up(self, queries: int, budget_s: float) -> None:
        """Take a turn that does not count: the others were built since the last one."""
        self.take_turn(0, queries, budget_s)
        self.turns.clear()

    def points(self) -> list[dict[str, Any]]:
        """Return the medians over the rounds; recall is that of all queries."""
        points = []
        for place, turns in sorted(self.turns.items()):
            trial = self.trials[place]
            point = {key: trial[key] for key in ("effort", "recall", "short")}
            for key in ("qps", "p50_us", "p99_us"):
                point[key] = statistics.median(turn[key] for turn in turns)
            rates = [turn["qps"] for turn in turns]
            point["qps_range"] = [min(rates), max(rates)]
            batches = [turn["batch_qps"] for turn in turns if turn["batch_qps"] is not None]
            point["batch_qps"] = statistics.median(batches) if batches else None
            point["other_threads"] = any(turn["other_threads"] for turn in turns)
            points.append(point)
        return points

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": self.description["versions"],
            "settings": self.description["settings"],
            "build": self.build,
            "points": self.points(),
            **({} if self.error is None else {"error": self.error}),
        }


def has_stalled(tried: Sequence[dict[str, Any]]) -> bool:
    """Return whether more effort no longer finds more: the rest is lost in the codes."""
    recalls = [trial["recall"] for trial in tried]
    return (
        len(recalls) > 2 and recalls[-3] >= LOW_RECALL and recalls[-1] - recalls[-3] <= STALLED_GAIN
    )


def worth_timing(tried: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the trials from the last one below ``LOW_RECALL`` on.

    Where none reaches it, the last two are kept.
    """
    first_high = next(
        (i for i, trial in enumerate(tried) if trial["recall"] >= LOW_RECALL), len(tried) - 1
    )
    return list(tried[max(first_high - 1, 0) :])


def start(name: str, folder: Path, core: int, log: Path) -> Contestant:
    """Start the worker of a contestant.

    Raises:
        EnvironmentMissingError: The library cannot be installed.
        WorkerFailedError: The worker did not come up, or it does not have the metric.
    """
    library, _, variant = name.partition("/")
    processor = variant.partition("@")[2] if library == OURS else ""
    worker = WorkerProcess(
        interpreter_for(library),
        name,
        folder,
        core=core,
        log=log,
        module="benchmarks.graph.worker",
        prefix=("env", f"ELANUS_CPU={processor}") if processor else (),
    )
    try:
        description = worker.call("describe")
        if not description["supported"]:
            raise WorkerFailedError(f"{name} does not have this metric")
    except WorkerFailedError:
        worker.stop()
        raise
    return Contestant(name, worker, description)
