"""How fast does each system answer, and how many of the right rows does it find?

A contestant is one state of one system's database: complete, or a copy from before its last
steps. Every contestant is measured at its defaults; the complete one also at the cheapest setting
that reaches ``EQUAL_RECALL``, so that speed can be compared at equal recall.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.macro.adapters.base import COMPLETE, Effort, Ladder
from benchmarks.macro.exact import Answer
from benchmarks.macro.measures import Samples, latency
from benchmarks.macro.plan import CASES, Case, Plan, System, Task
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

EQUAL_RECALL = 0.95
TUNING_QUERIES = 200
TUNING_MARGIN = 0.01
"""Added while choosing, since fewer queries are asked then than are measured."""
TUNING_BUDGET_S = 2.0
WORTH_IT = 0.97
"""A cheaper setting is taken when its median time is below this share of that of the default."""
WARM_UP_QUERIES = 30
TURN_WARM_UP_QUERIES = 5
"""Asked at the start of each turn: another system has used the caches of the core meanwhile."""


@dataclass(slots=True)
class Contestant:
    """An open database and its worker."""

    system: System
    state: str
    worker: WorkerProcess
    first_ms: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def name(self) -> str:
        """System and state."""
        return self.system.name if self.state == COMPLETE else f"{self.system.name} ({self.state})"

    def can(self, case: Case) -> bool:
        """Whether the system offers such a search, and the state can make a difference to it."""
        differs = self.state == COMPLETE or (case.kind != "bm25" and not case.with_text)
        return differs and case.kind in self.system.description["kinds"]


@dataclass(slots=True)
class Series:
    """One row of the result: a contestant, a case and a setting.

    ``variant`` is ``default`` or ``tuned``.
    """

    contestant: Contestant
    case: Case
    variant: str
    effort: Effort
    samples: Samples = field(default_factory=Samples)
    error: str | None = None

    def ask(self, queries: Sequence[int], budget_s: float) -> dict[str, Any]:
        """Return ids and times of the answers."""
        answer: dict[str, Any] = self.contestant.worker.call(
            "search",
            case=self.case.to_json(),
            queries=list(queries),
            effort=self.effort,
            budget_s=budget_s,
        )
        return answer


def measure_searches(
    plan: Plan,
    task: Task,
    systems: Sequence[System],
    loads: Mapping[str, Mapping[str, Any]],
    say: Callable[[str], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return figures of the contestants, and of every contestant, case and setting."""
    with ExitStack() as stack:
        contestants = _open_contestants(plan, systems, loads, stack)
        series = _warm_series(plan, contestants)
        say("every system is warm")
        series += _tuned_series(plan, task, series)
        say("settings for equal recall are chosen")
        for number, part in enumerate(plan.parts(), 1):
            for case in CASES:
                for one in series:
                    if one.case is case:
                        _take_turn(one, part, plan.budget_s / plan.rounds)
            say(f"round {number} of {plan.rounds} is done")
        figures = [_state_figures(contestant) for contestant in contestants]
    return figures, [_figures(one, task) for one in series]


def _state_figures(contestant: Contestant) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "name": contestant.name,
        "system": contestant.system.name,
        "state": contestant.state,
        "first_ms": contestant.first_ms,
    }
    try:
        figures["memory"] = contestant.worker.call("memory")
    except WorkerFailedError as error:
        figures["error"] = str(error)
    return figures


def _open_contestants(
    plan: Plan,
    systems: Sequence[System],
    loads: Mapping[str, Mapping[str, Any]],
    stack: ExitStack,
) -> list[Contestant]:
    contestants = []
    for system in systems:
        load = loads[system.name]
        for state in () if "error" in load else (COMPLETE, *load["snapshots"]):
            log = plan.log(system.name)
            worker = stack.enter_context(
                WorkerProcess(system.interpreter, system.name, plan.bundle, core=plan.core, log=log)
            )
            folder = plan.database(system.name if state == COMPLETE else f"{system.name}-{state}")
            contestant = Contestant(system, state, worker)
            try:
                worker.call("open", folder=str(folder), spawned_ns=worker.spawned_ns)
            except WorkerFailedError as error:
                contestant.error = str(error)
            contestants.append(contestant)
    return contestants


def _warm_series(plan: Plan, contestants: Sequence[Contestant]) -> list[Series]:
    """Return a series at defaults for everything that can be asked, each asked a few times."""
    series = []
    for contestant in contestants:
        for case in filter(contestant.can, CASES):
            one = Series(contestant, case, "default", {}, error=contestant.error)
            series.append(one)
            if one.error:
                continue
            try:
                ns = one.ask(range(min(WARM_UP_QUERIES, plan.queries)), TUNING_BUDGET_S)["ns"]
                contestant.first_ms[case.name] = ns[0] / 1e6
            except WorkerFailedError as error:
                one.error = str(error)
    return series


def _tuned_series(plan: Plan, task: Task, series: Sequence[Series]) -> list[Series]:
    """Return a series at the cheapest sufficient setting where that is not the default.

    Where no setting suffices, the last one is taken, and its recall shows it.
    """
    step = max(plan.queries // TUNING_QUERIES, 1)
    queries = range(0, plan.queries, step)
    tuned = []
    for one in series:
        ladders = one.contestant.system.description["ladders"]
        is_plain = one.case.kind == "dense" and not one.case.with_text and not one.error
        if is_plain and one.contestant.state in ladders:
            ladder = Ladder(**ladders[one.contestant.state])
            try:
                chosen = _cheapest_effort(one, ladder, task.answers[one.case.name], queries)
            except WorkerFailedError as error:
                one.error = str(error)
                continue
            if chosen != ladder.default:
                effort = ladder.efforts[chosen]
                tuned.append(Series(one.contestant, one.case, "tuned", effort))
    return tuned


def _cheapest_effort(
    one: Series, ladder: Ladder, answers: Sequence[Answer], queries: Sequence[int]
) -> int:
    """Return the place of the first setting that reaches the recall, or of the last."""

    def trial(place: int) -> tuple[bool, float]:
        """Return whether the recall suffices, and the median time."""
        samples = Samples()
        series = Series(one.contestant, one.case, "trial", ladder.efforts[place])
        answered = series.ask(queries, TUNING_BUDGET_S)
        samples.add(list(queries), answered["ids"], answered["ns"])
        return samples.recall(answers) >= EQUAL_RECALL + TUNING_MARGIN, median(samples.ns)

    place = ladder.default
    suffices, best_ns = trial(place)
    if not suffices:
        last = len(ladder.efforts) - 1
        return next((p for p in range(place + 1, last) if trial(p)[0]), last)
    for lower in reversed(range(place)):
        suffices, ns = trial(lower)
        if not suffices:
            break
        if ns < WORTH_IT * best_ns:
            place, best_ns = lower, ns
    return place


def _take_turn(one: Series, queries: Sequence[int], budget_s: float) -> None:
    if one.error:
        return
    try:
        one.ask(queries[-TURN_WARM_UP_QUERIES:], budget_s)
        answered = one.ask(queries, budget_s)
    except WorkerFailedError as error:
        one.error = str(error)
    else:
        one.samples.add(list(queries), answered["ids"], answered["ns"])


def _figures(one: Series, task: Task) -> dict[str, Any]:
    row: dict[str, Any] = {
        "contestant": one.contestant.name,
        "case": one.case.name,
        "variant": one.variant,
        "effort": one.effort,
    }
    if one.error:
        return {**row, "error": one.error}
    answers = task.answers[one.case.name]
    return {
        **row,
        "queries": len(one.samples.ns),
        "recall": one.samples.recall(answers),
        "short_answers": one.samples.short(answers),
        **latency(one.samples.ns),
    }
