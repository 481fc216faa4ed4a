"""Elanus beside Milvus Lite, LanceDB and Chroma on 100,000 passages, in one run.

Every system runs in its own process and its own environment. Loading takes turns system by system
and may use every core. Searches keep to one core and one thread and ask one query per call; the
systems take turns round by round, so that whatever else the machine does hits all of them.

Run: ``python -m benchmarks.macro.passages`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from typing import Any

from benchmarks.machine import describe_run
from benchmarks.macro.environments import cache_folder
from benchmarks.macro.loading import load_systems
from benchmarks.macro.plan import SYSTEMS, Plan, open_contestants, prepare_task
from benchmarks.macro.searching import measure_searches
from benchmarks.macro.starting import measure_numpy_import, measure_starts
from benchmarks.report import render, write_result


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.macro.passages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000, help="passages to load")
    parser.add_argument("--queries", type=int, default=1_000, help="queries to ask, 1 to 1000")
    parser.add_argument("--rounds", type=int, default=5, help="parts the queries are asked in")
    parser.add_argument("--starts", type=int, default=3, help="fresh processes for start times")
    parser.add_argument(
        "--budget", type=float, default=5.0, help="seconds for one system and one kind of search"
    )
    parser.add_argument(
        "--systems", default=",".join(SYSTEMS), help=f"of {','.join(SYSTEMS)} (the default)"
    )
    parser.add_argument("--name", default="passages", help="name of the result file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    unknown = set(arguments.systems.split(",")) - set(SYSTEMS)
    if unknown:
        sys.exit(f"no system named {', '.join(sorted(unknown))}; there are {', '.join(SYSTEMS)}")
    plan = Plan(
        rows=arguments.rows,
        queries=arguments.queries,
        rounds=arguments.rounds,
        starts=arguments.starts,
        budget_s=arguments.budget,
        systems=tuple(arguments.systems.split(",")),
        work=cache_folder() / f"run-{os.getpid()}",
    )
    plan.work.mkdir(parents=True)
    try:
        result = run(plan)
    finally:
        shutil.rmtree(plan.work, ignore_errors=True)
    file = write_result(arguments.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


def run(plan: Plan) -> dict[str, Any]:
    """Measure everything and return the result."""
    started = time.perf_counter()
    result: dict[str, Any] = {
        "benchmark": "passages",
        **describe_run("benchmarks.macro.passages"),
        "rows": plan.rows,
        "queries": plan.queries,
    }
    task = prepare_task(plan)
    say(started, "exact answers are known")
    systems, missing = open_contestants(plan)
    result["missing"] = missing
    result["loads"] = load_systems(plan, systems, lambda text: say(started, text))
    result["starts"] = measure_starts(plan, systems, result["loads"])
    result["numpy_import_s"] = measure_numpy_import(plan)
    say(started, "start times are measured")
    result["contestants"], result["searches"] = measure_searches(
        plan, task, systems, result["loads"], lambda text: say(started, text)
    )
    result["wall_s"] = time.perf_counter() - started
    return result


def say(started: float, text: str) -> None:
    print(f"{time.perf_counter() - started:7.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
