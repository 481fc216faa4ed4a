"""Rows per second into elanus, SQLite, LanceDB, Chroma and Milvus Lite, by batch and threads.

Every system keeps a process of its own; the systems take turns within a round, and each
measurement starts with a fresh database. Rows are 384-d vectors with the whole passage as text and
an integer; batches are prepared in the form that the system takes before the clock starts. What an
acknowledgement means is measured too: strace counts the syncs of each commit.

Run: ``python -m benchmarks storage_inserts`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.macro.measures import latency
from benchmarks.macro.storage_plan import (
    STORES,
    Site,
    chosen_stores,
    clock,
    open_site,
    write_passages,
)
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess
from benchmarks.report import render, write_result

BATCHES = (1, 100, 1_000)
THREADS = (1, 32)
CONTESTANTS = (
    ("elanus", "columns"),
    ("elanus", "rows"),
    ("elanus", "bm25"),
    ("sqlite", "rows"),
    ("lancedb", "arrow"),
    ("chroma", "lists"),
    ("milvus_lite", "rows"),
)
_TRACED_COMMITS = 128
"""Commits whose syncs are counted, beyond the first."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        rows: Most rows of one measurement.
        budget_s: Seconds of one measurement.
        rounds: Measurements of everything.
    """

    rows: int
    budget_s: float
    rounds: int


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.macro.storage_inserts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000, help="most rows of a measurement")
    parser.add_argument("--budget", type=float, default=3.0, help="seconds of a measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements; the median counts")
    parser.add_argument("--quick", action="store_true", help="20,000 rows, 1 second, one round")
    parser.add_argument("--systems", default=",".join(STORES), help="systems to measure")
    parser.add_argument("--name", default="storage_inserts", help="name of the result file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    sizes = Sizes(arguments.rows, arguments.budget, arguments.rounds)
    if arguments.quick:
        sizes = Sizes(20_000, 1.0, 1)
    say = clock()
    with open_site(chosen_stores(arguments.systems)) as (site, described, missing):
        write_passages(site.bundle, load_passages(sizes.rows, 1))
        result = {
            "benchmark": "storage_inserts",
            **describe_run("benchmarks.macro.storage_inserts"),
            "rows": sizes.rows,
            "budget_s": sizes.budget_s,
            "rounds": sizes.rounds,
            "systems": described,
            "missing": missing,
            "inserts": measure(site, sizes, say),
            "syncs": count_syncs(site, say),
        }
    file = write_result(arguments.name, result)
    print(render(result))
    say(f"written to {file}")


def measure(site: Site, sizes: Sizes, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return a row for each contestant, batch and number of threads."""
    runs: dict[tuple[str, str, int, int], list[dict[str, Any]]] = {}
    errors: dict[tuple[str, str, int, int], str] = {}
    workers = {store: site.worker(store) for store in site.interpreters}
    turns = 0
    try:
        for number in range(sizes.rounds):
            for batch_rows in BATCHES:
                for threads in THREADS:
                    turns += 1
                    for store, form in _turn(site, turns):
                        key = (store, form, batch_rows, threads)
                        try:
                            run = _insert(site, workers[store], key, sizes)
                            runs.setdefault(key, []).append(run)
                        except WorkerFailedError as error:
                            errors[key] = str(error)
                say(f"round {number + 1}: batches of {batch_rows} are measured")
    finally:
        for worker in workers.values():
            worker.stop()
    keys = sorted({**runs, **errors}, key=lambda key: CONTESTANTS.index(key[:2]))
    return [_row(key, runs.get(key, []), errors.get(key)) for key in keys]


def _turn(site: Site, number: int) -> list[tuple[str, str]]:
    """Return the contestants in random order, so that none always follows the same other one."""
    present = [c for c in CONTESTANTS if c[0] in site.interpreters]
    random.Random(number).shuffle(present)
    return present


def _insert(
    site: Site, worker: WorkerProcess, key: tuple[str, str, int, int], sizes: Sizes
) -> dict[str, Any]:
    store, form, batch_rows, threads = key
    folder = site.database(store)
    shutil.rmtree(folder, ignore_errors=True)
    run: dict[str, Any] = worker.call(
        "insert",
        folder=folder,
        form=form,
        batch_rows=batch_rows,
        threads=threads,
        max_rows=sizes.rows,
        budget_s=sizes.budget_s,
    )
    return run


def _row(
    key: tuple[str, str, int, int], runs: list[dict[str, Any]], error: str | None
) -> dict[str, Any]:
    store, form, batch_rows, threads = key
    row: dict[str, Any] = {
        "system": store,
        "form": form,
        "batch": batch_rows,
        "threads": threads,
    }
    if error is not None:
        return {**row, "error": error}
    rates = [run["rows"] / run["wall_s"] for run in runs]
    calls = [ns for run in runs for ns in run["ns"]]
    return {
        **row,
        "rows_per_s": median(rates),
        "rates": [round(rate) for rate in rates],
        "rows": [run["rows"] for run in runs],
        "call": latency(calls),
    }


def count_syncs(site: Site, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return how many syncs of files a commit of 10 rows takes, with 1 and 32 threads."""
    if shutil.which("strace") is None:
        return []
    found = []
    for store, form in CONTESTANTS:
        if store not in site.interpreters or form == "bm25":
            continue
        for threads in THREADS:
            row: dict[str, Any] = {"system": store, "form": form, "threads": threads}
            try:
                few, many = (
                    _traced_syncs(site, store, form, threads, commits)
                    for commits in (1, 1 + _TRACED_COMMITS)
                )
                row["syncs_per_commit"] = (many - few) / _TRACED_COMMITS
            except WorkerFailedError as error:
                row["error"] = str(error)
            found.append(row)
    say("syncs are counted")
    return found


def _traced_syncs(site: Site, store: str, form: str, threads: int, commits: int) -> int:
    trace = site.folder / "strace.txt"
    prefix = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,sync_file_range",
        "-o",
    ]
    with site.worker(store, prefix=[*prefix, str(trace)]) as worker:
        sizes = Sizes(10 * commits, 60.0, 1)
        _insert(site, worker, (store, form, 10, threads), sizes)
    lines = trace.read_text().splitlines()
    return sum("sync" in line and "resumed" not in line for line in lines)


if __name__ == "__main__":
    main()
