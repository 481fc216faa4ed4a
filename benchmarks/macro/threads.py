"""What do a second thread and a batch add to the throughput of searches?

Passages in one sealed segment: single searches from one and from two threads of Python, and all
queries as one batch, whose kernel calls may use one processor or two. Dense (the graph), BM25, and
both joined, which takes one query a call. Two processes that share nothing but the files and the
machine say what the machine has to give for a second thread. All take turns; what is compared are
ratios within a round, as another process may take a core meanwhile.

Run: ``python -m benchmarks threads``; ``--quick`` for a minute's work.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import elanus
from benchmarks.datasets import Passages, load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result

MODULE = "benchmarks.macro.threads"
LIMIT = 10
BATCH_ROWS = 2_000

KINDS = ("dense", "BM25", "hybrid")
Search = Callable[[int], object]
Ways = dict[str, tuple[Search, Callable[[], object] | None]]
"""Of each kind what makes one search, and what makes all of them as a batch."""


def load(database: elanus.Database, passages: Passages) -> elanus.Collection:
    """Return a collection of the passages in one segment, with its graph."""
    dim = passages.vectors.shape[1]
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="english"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=dim, metric="COSINE"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )
    made = database.create_collection("passages", schema)
    made.create_index("dense", "GRAPH")
    for start in range(0, passages.num_rows, BATCH_ROWS):
        part = slice(start, min(start + BATCH_ROWS, passages.num_rows))
        ids = list(range(part.start, part.stop))
        columns = {"id": ids, "text": passages.texts[part], "dense": passages.vectors[part]}
        made.insert(columns)
    made.compact()
    made.wait_indexed()
    return made


def _per_second(search: Search, count: int, threads: int) -> float:
    """Return searches per second of all threads together; each takes every n-th query."""

    def work(first: int) -> None:
        for query in range(first, count, threads):
            search(query)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: None, range(threads)))  # the threads run before the clock does
        started = time.perf_counter()
        list(pool.map(work, range(threads)))
        return count / (time.perf_counter() - started)


def _serve(asked: Connection, folder: str, rows: int, queries: int) -> None:
    """Make searches in a process of its own, each time a kind and every n-th query are named."""
    with elanus.connect(folder, read_only=True) as database:
        ways = _ways(database.collection("passages"), load_passages(rows, queries))
        for kind, (search, _) in ways.items():
            search(0)
            asked.send(kind)
        while (work := asked.recv()) is not None:
            kind, first, step = work
            for query in range(first, queries, step):
                ways[kind][0](query)
            asked.send(kind)


class Processes:
    """Two processes that search at the same time.

    Args:
        folder: Of the database.
        rows: Passages in it.
        queries: How many a round has.
    """

    def __init__(self, folder: str, rows: int, queries: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._queries = queries
        self._pipes: list[Connection] = []
        for _ in range(2):
            here, there = context.Pipe()
            arguments = there, folder, rows, queries
            context.Process(target=_serve, args=arguments, daemon=True).start()
            self._pipes.append(here)
        for pipe in self._pipes:
            for _ in KINDS:
                pipe.recv()

    def per_second(self, kind: str) -> float:
        """Return searches per second of both together; each takes every second query."""
        started = time.perf_counter()
        for first, pipe in enumerate(self._pipes):
            pipe.send((kind, first, len(self._pipes)))
        for pipe in self._pipes:
            pipe.recv()
        return self._queries / (time.perf_counter() - started)

    def stop(self) -> None:
        """End both."""
        for pipe in self._pipes:
            pipe.send(None)


def _batch_per_second(batch: Callable[[], object], count: int, processors: Sequence[int]) -> float:
    """Return queries per second of a batch that finds so many processors."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        started = time.perf_counter()
        batch()
        return count / (time.perf_counter() - started)
    finally:
        os.sched_setaffinity(0, allowed)


def measure(
    search: Search,
    batch: Callable[[], object] | None,
    in_processes: Callable[[], float],
    count: int,
    rounds: int,
) -> dict[str, float]:
    """Return queries per second of each way, the best of the rounds, and ratios within a round."""
    processors = sorted(os.sched_getaffinity(0))[:2]
    ways: dict[str, Callable[[], float]] = {
        "one_thread": lambda: _per_second(search, count, 1),
        "two_threads": lambda: _per_second(search, count, 2),
        "two_processes": in_processes,
    }
    if batch is not None:
        ways["batch_on_one"] = lambda: _batch_per_second(batch, count, processors[:1])
        ways["batch_on_two"] = lambda: _batch_per_second(batch, count, processors)
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            speeds[name].append(way())
    figures = {name: max(values) for name, values in speeds.items()}
    ratios = {
        "threads_ratio": ("two_threads", "one_thread"),
        "processes_ratio": ("two_processes", "one_thread"),
        "threads_to_processes": ("two_threads", "two_processes"),
        "batch_threads_ratio": ("batch_on_two", "batch_on_one"),
        "batch_ratio": ("batch_on_one", "one_thread"),
    }
    for name, (above, below) in ratios.items():
        if above in speeds:
            pairs = zip(speeds[above], speeds[below], strict=True)
            figures[name] = median(a / b for a, b in pairs)
    return figures


def _ways(made: elanus.Collection, passages: Passages) -> Ways:
    """Return dense, BM25 and hybrid searches."""
    vectors, texts = passages.query_vectors, passages.queries
    output = ["id"]

    def hybrid(query: int) -> object:
        legs = [elanus.Leg("dense", vectors[query]), elanus.Leg("bm25", texts[query])]
        return made.hybrid_search(legs, limit=LIMIT, output=output)

    return {
        "dense": (
            lambda query: made.search(vectors[query], "dense", LIMIT, output=output),
            lambda: made.search(vectors, "dense", LIMIT, output=output),
        ),
        "BM25": (
            lambda query: made.search(texts[query], "bm25", LIMIT, output=output),
            lambda: made.search(texts, "bm25", LIMIT, output=output),
        ),
        "hybrid": (hybrid, None),
    }


def measure_kinds(
    made: elanus.Collection, passages: Passages, processes: Processes, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the figures of dense, BM25 and hybrid searches."""
    found = {}
    for kind, (search, batch) in _ways(made, passages).items():
        search(0)
        in_processes = partial(processes.per_second, kind)
        found[kind] = measure(search, batch, in_processes, len(passages.queries), rounds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=64_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="8,000 rows, 400 queries, 9 rounds")
    parser.add_argument("--name", default="threads", help="of the result file")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rows, chosen.queries, chosen.rounds = 8_000, 400, 9
    passages = load_passages(chosen.rows, chosen.queries)
    result: dict[str, Any] = {"benchmark": "threads", **describe_run(MODULE)}
    result |= {"rows": passages.num_rows, "queries": len(passages.queries)}
    result |= {"limit": LIMIT, "rounds": chosen.rounds}
    with (
        tempfile.TemporaryDirectory(prefix="elanus-threads-") as folder,
        elanus.connect(folder) as database,
    ):
        made = load(database, passages)
        processes = Processes(folder, passages.num_rows, len(passages.queries))
        result["kinds"] = measure_kinds(made, passages, processes, chosen.rounds)
        processes.stop()
    write_result(chosen.name, result)
    print(render(result))


if __name__ == "__main__":
    main()
