"""Our dense index beside every peer library, on one core, in one interleaved run.

Every index lives in a worker process of its own, in the environment of its library, and stays
there. After the builds, one effort of one index is timed at a time, and all (effort, index) pairs
take turns round by round, so that whatever else the machine does hits all of them.

Run: ``python -m benchmarks graph`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.graph.contestants import PEERS, Contestant, own_names, selected, start
from benchmarks.graph.datasets import DATA_SETS, QUERIES, prepare
from benchmarks.machine import describe_run
from benchmarks.macro.environments import EnvironmentMissingError, cache_folder
from benchmarks.macro.worker_process import WorkerFailedError
from benchmarks.report import render, write_result

QUICK_ROWS, QUICK_QUERIES, QUICK_ROUNDS = 5_000, 200, 2


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run on one data set.

    Attributes:
        data: Name of the data set.
        rows: How many of its vectors; None: all.
        queries: How many of its queries, 1 to ``QUERIES``.
        rounds: Turns of each index with each effort.
        budget_s: CPU seconds of one turn; an index that has spent them stops there.
        names: Contestants.
    """

    data: str
    rows: int | None
    queries: int
    rounds: int
    budget_s: float
    names: tuple[str, ...]

    @property
    def core(self) -> int:
        """The processor that all workers keep to; this process uses the others."""
        return max(os.sched_getaffinity(0))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks graph",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", default="passages64k", help=f"of {','.join(DATA_SETS)}; several with commas"
    )
    parser.add_argument("--rows", type=int, help="only so many vectors of the data set")
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"1 to {QUERIES}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each index and effort")
    parser.add_argument("--budget", type=float, default=1.0, help="CPU seconds of one turn")
    parser.add_argument(
        "--systems", default="", help=f"libraries or variants, of elanus,{','.join(PEERS)}"
    )
    parser.add_argument("--index-types", default="AUTO", help="of ours, by name of the registry")
    parser.add_argument("--index-params", default="{}", help="of ours, as JSON")
    parser.add_argument(
        "--cpus", default="auto,avx2,generic", help="variants of our kernels (ELANUS_CPU)"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the programs")
    parser.add_argument("--name", help="name of the result file; default: graph_<data set>")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    os.environ["ELANUS_BENCH_INDEX_PARAMS"] = json.dumps(json.loads(arguments.index_params))
    ours = own_names(arguments.index_types.split(","), arguments.cpus.split(","))
    unknown = set(arguments.data.split(",")) - set(DATA_SETS)
    if unknown:
        sys.exit(f"no data set {', '.join(sorted(unknown))}; there are {', '.join(DATA_SETS)}")
    try:
        names = selected([*ours, *PEERS], [s for s in arguments.systems.split(",") if s])
    except ValueError as error:
        sys.exit(str(error))
    for data in arguments.data.split(","):
        plan = Plan(
            data=data,
            rows=QUICK_ROWS if arguments.quick and not arguments.rows else arguments.rows,
            queries=QUICK_QUERIES if arguments.quick else arguments.queries,
            rounds=QUICK_ROUNDS if arguments.quick else arguments.rounds,
            budget_s=arguments.budget,
            names=tuple(names),
        )
        default = f"graph_{data}_quick" if arguments.quick else f"graph_{data}"
        result = run(plan)
        file = write_result(arguments.name or default, result)
        print(render(result))
        print(f"written to {file}", file=sys.stderr)


def run(plan: Plan) -> dict[str, Any]:
    """Measure everything on one data set and return the result."""
    started = time.perf_counter()
    folder = prepare(plan.data, plan.rows)
    say(started, f"{plan.data}: exact neighbours are known")
    result: dict[str, Any] = {
        "benchmark": "graph",
        **describe_run("benchmarks.graph.compare"),
        "data": json.loads((folder / "about.json").read_text("utf-8")),
        "about": DATA_SETS[plan.data].about,
        "queries": plan.queries,
        "rounds": plan.rounds,
    }
    with ExitStack() as stack:
        contestants, result["missing"] = _build_all(plan, folder, stack, started)
        for contestant in contestants:
            contestant.warm_up(plan.queries, plan.budget_s)
        for number in range(plan.rounds):
            # Back and forth, so that nobody always comes after the same neighbour.
            _play_round(plan, contestants if number % 2 == 0 else contestants[::-1])
            say(started, f"round {number + 1} of {plan.rounds}")
        result["indexes"] = [contestant.to_json() for contestant in contestants]
    result["wall_s"] = time.perf_counter() - started
    return result


def _build_all(
    plan: Plan, folder: Path, stack: ExitStack, started: float
) -> tuple[list[Contestant], dict[str, str]]:
    """Return the indexes that were built and tried, and why the others were not."""
    logs = cache_folder() / "graph-logs"
    logs.mkdir(parents=True, exist_ok=True)
    contestants, missing = [], {}
    for name in plan.names:
        log = logs / f"{name.replace('/', '-')}.log"
        log.unlink(missing_ok=True)
        try:
            contestant = start(name, folder, plan.core, log)
            stack.callback(contestant.worker.stop)
            contestant.build = contestant.worker.call("build")
            contestant.try_efforts(plan.queries)
        except (EnvironmentMissingError, WorkerFailedError) as error:
            missing[name] = str(error)
            say(started, f"{name}: {error}")
            continue
        contestants.append(contestant)
        say(started, f"{name} built in {contestant.build['cpu_s']:.1f} s")
    return contestants, missing


def _play_round(plan: Plan, contestants: list[Contestant]) -> None:
    most = max((len(contestant.trials) for contestant in contestants), default=0)
    for place in range(most):
        for contestant in contestants:
            contestant.take_turn(place, plan.queries, plan.budget_s)


def say(started: float, text: str) -> None:
    print(f"{time.perf_counter() - started:7.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
