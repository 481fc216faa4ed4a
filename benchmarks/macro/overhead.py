"""What does a search cost besides the index?

One collection of passages, measured through ``Collection.search`` and ``hybrid_search``. Each call
is timed in CPU time of its thread, and the searches of indexes in it by themselves; what is left is
the overhead: reading the arguments, filters, plan, merge, fusion, reading the entities. A search of
an index leaves the caches of the processor full of its rows, so the same call is also timed with
the answers that the index gave before. Searches that are one call of the kernel are timed whole,
and their indexes in turns of their own, in the same order; then both again with warm caches.

Run: ``python -m benchmarks overhead`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np

import elanus
from benchmarks.datasets import Passages, load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.graph import GraphIndex
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.sealed_bm25 import SealedBM25
from elanus.query.plain import PlainSearch

MODULE = "benchmarks.macro.overhead"
LIMIT = 10
BATCH = 64
Call = Callable[[int], object]
"""Answers the query with a number."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call; ``queries`` says how many a call answers."""

    name: str
    call: Call
    queries: int = 1


# --- the collection ---------------------------------------------------------------------------


def fill(database: elanus.Database, passages: Passages) -> elanus.Collection:
    """Create the collection with one sealed segment."""
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, max_length=65_535, analyzer="english"),
            elanus.Field("source", elanus.VARCHAR, max_length=200),
            elanus.Field("bucket", elanus.INT64),
            elanus.Field("metadata", elanus.JSON),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=384, metric="COSINE"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )
    collection = database.create_collection("passages", schema)
    step = 10_000
    for start in range(0, passages.num_rows, step):
        rows = slice(start, start + step)
        sources, buckets = passages.sources[rows], passages.buckets[rows]
        collection.insert(
            {
                "id": np.arange(start, start + len(sources)),
                "text": passages.texts[rows],
                "source": sources,
                "bucket": buckets,
                "metadata": [
                    {"source": s, "bucket": b}
                    for s, b in zip(sources, buckets.tolist(), strict=True)
                ],
                "dense": passages.vectors[rows],
            }
        )
    collection.compact()
    return collection


def cases(collection: elanus.Collection, passages: Passages) -> list[Case]:
    """Return what is measured; query ``i`` of a case is always the same."""
    vectors, texts = passages.query_vectors, passages.queries
    num = len(texts)

    def dense(i: int, **options: Any) -> object:
        return collection.search(vectors[i % num], "dense", LIMIT, **options)

    def bm25(i: int, **options: Any) -> object:
        return collection.search(texts[i % num], "bm25", LIMIT, **options)

    def hybrid(i: int, **options: Any) -> object:
        legs = [elanus.Leg("dense", vectors[i % num]), elanus.Leg("bm25", texts[i % num])]
        return collection.hybrid_search(legs, limit=LIMIT, **options)

    def batch(i: int, **options: Any) -> object:
        rows = np.arange(i * BATCH, (i + 1) * BATCH) % num
        return collection.search(vectors[rows], "dense", LIMIT, **options)

    asked = {
        "bucket 50 %": "bucket < 500",
        "bucket 10 %": "bucket < 100",
        "bucket 1 %": "bucket < 10",
        "bucket 0.1 %": "bucket < 1",
        "string equality": "source == 'man-pages'",
        "JSON string equality": "metadata['source'] == 'man-pages'",
        "JSON number range": "metadata['bucket'] < 100",
    }
    made = [Case("dense", dense), Case("dense, keys only", partial(dense, output=["id"]))]
    for name, text in asked.items():
        made.append(Case(f"dense, {name}", partial(dense, filter=text)))
    made += [
        Case(f"dense, {name}, new filter", _new_filter(dense, asked[name]))
        for name in ("bucket 10 %", "string equality", "JSON string equality")
    ]
    made += [
        Case("BM25", bm25),
        Case("BM25, bucket 10 %", partial(bm25, filter=asked["bucket 10 %"])),
        Case("hybrid", hybrid),
        Case("hybrid, bucket 10 %", partial(hybrid, filter=asked["bucket 10 %"])),
        Case(f"dense, batch of {BATCH}", batch, BATCH),
    ]
    return made


def _new_filter(call: Callable[..., object], text: str) -> Call:
    """Return calls with a filter that selects the same rows and was never asked before."""
    return lambda i: call(i, filter=f"{text} and bucket < {1000 + time.perf_counter_ns()}")


# --- measuring --------------------------------------------------------------------------------


class Timer:
    """Adds up the CPU time of searches of indexes, and can give the answers that they gave before.

    Attributes:
        spent_us: Microseconds.
        answers: Answers of the call in progress; None searches.
        given: What the last call was answered.
        prepared: The last call, if it was a single call of the kernel: nothing inside is timed.
    """

    def __init__(self) -> None:
        self.spent_us = 0.0
        self.prepared: tuple[PlainSearch, Sequence[object]] | None = None
        self.answers: list[Any] | None = None
        self.given: list[Any] = []
        self._is_inside = False

    def begin(self, answers: list[Any] | None) -> None:
        """Forget the last call."""
        self.spent_us, self.answers, self.prepared = 0.0, answers, None
        if answers is None:
            self.given = []

    def timed(self, search: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same search, timed; what it calls itself is part of it."""

        def answer(*args: Any, **kwargs: Any) -> Any:
            if self._is_inside:
                return search(*args, **kwargs)
            if self.answers is not None:
                return self.answers.pop(0)
            self._is_inside = True
            started = time.thread_time_ns()
            try:
                found = search(*args, **kwargs)
            finally:
                self.spent_us += (time.thread_time_ns() - started) / 1e3
                self._is_inside = False
            self.given.append(found)
            return found

        return answer


@contextmanager
def timed_indexes() -> Iterator[Timer]:
    """Have all indexes time their searches, also those of collections that are open."""
    timer = Timer()
    answer_at_once = PlainSearch.answer_at_once

    def answer(search: PlainSearch, queries: Sequence[object]) -> Any:
        found = answer_at_once(search, queries)
        if found is not None:
            timer.prepared = search, queries
        return found

    with ExitStack() as stack:
        for kind, name in (
            (GraphIndex, "search"),
            (FlatIndex, "search"),
            (BM25View, "search"),
            (BM25View, "search_text"),
            (SealedBM25, "search_text"),
        ):
            patched = timer.timed(getattr(kind, name))

            # A function, which becomes a method.
            def search(index: Any, *args: Any, _patched: Any = patched, **kwargs: Any) -> Any:
                return _patched(index, *args, **kwargs)

            stack.enter_context(mock.patch.object(kind, name, search))
        stack.enter_context(mock.patch.object(PlainSearch, "answer_at_once", answer))
        yield timer


def cpu_us(call: Callable[[], object]) -> float:
    """Return the CPU time of one call in this thread, in microseconds."""
    started = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - started) / 1e3


def search_legs(search: PlainSearch, queries: Sequence[object]) -> None:
    """Have the indexes alone find the candidates of a prepared search."""
    for leg, query in zip(search.legs, queries, strict=True):
        prepared = leg.prepared()
        if prepared is not None:
            prepared.count(query)


def measure(case: Case, forget: Callable[[], None], calls: int, rounds: int) -> dict[str, Any]:
    """Return the median over calls of time, index time and overhead; each the least of rounds.

    ``forget`` takes away what searches have prepared.
    """
    whole, index, warm, warm_index = (np.full((rounds, calls), np.inf) for _ in range(4))
    with timed_indexes() as timer:
        forget()
        for i in range(3):
            case.call(i)
        for r in range(rounds):
            asked = []
            for i in range(calls):
                timer.begin(None)
                whole[r, i] = cpu_us(partial(case.call, i))
                index[r, i] = timer.spent_us
                asked.append(timer.prepared)
                warm[r, i], warm_index[r, i] = warm_times(case, i, timer)
            # By themselves, and as cold as in the calls: each comes after another query.
            for i, prepared in enumerate(asked):
                if prepared is not None:
                    index[r, i] = cpu_us(partial(search_legs, *prepared))
    forget()
    # The least of each by itself: that of a difference is where the noise was largest.
    whole, index, warm, warm_index = (
        times.min(axis=0) for times in (whole, index, warm, warm_index)
    )
    return {
        "case": case.name,
        "queries_per_call": case.queries,
        "call_us": round(float(np.median(whole)), 1),
        "index_us": round(float(np.median(index)), 1),
        "overhead_us": round(float(np.median(whole - index)), 1),
        "without_index_us": round(float(np.median(warm - warm_index)), 1),
        "top": top_functions(case, calls),
    }


def warm_times(case: Case, i: int, timer: Timer) -> tuple[float, float]:
    """Return what a call takes that was just made, and what its indexes take, if they search."""
    prepared = timer.prepared
    if prepared is not None:
        again = [cpu_us(partial(case.call, i)) for _ in range(2)]
        return min(again), min(cpu_us(partial(search_legs, *prepared)) for _ in range(2))
    taken = []
    for _ in range(2):
        timer.begin([*timer.given])
        taken.append(cpu_us(partial(case.call, i)))
    return min(taken), 0.0


def top_functions(case: Case, calls: int, count: int = 10) -> list[dict[str, Any]]:
    """Return the functions in which most time went, without what they call."""
    profile = cProfile.Profile()
    profile.enable()
    for i in range(calls):
        case.call(i)
    profile.disable()
    stats = pstats.Stats(profile)
    total = sum(entry[2] for entry in stats.stats.values())  # type: ignore[attr-defined]
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])  # type: ignore[attr-defined]
    return [
        {
            "function": f"{Path(file).name}:{name}" if line else name,
            "calls": round(entry[1] / calls, 1),
            "share": round(entry[2] / total, 3),
        }
        for (file, line, name), entry in rows[:count]
    ]


def scaling(case: Case, calls: int, rounds: int) -> dict[str, Any]:
    """Return calls per second of one thread and of two, in turns."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    ratios = []
    for _ in range(rounds):
        for threads in (1, 2):
            rates[threads].append(rate(case, calls, threads))
        ratios.append(rates[2][-1] / rates[1][-1])
    return {
        "case": case.name,
        "calls_per_s_1": round(median(rates[1])),
        "calls_per_s_2": round(median(rates[2])),
        "ratio": round(median(ratios), 2),
    }


def rate(case: Case, calls: int, threads: int) -> float:
    """Return calls per second of that many threads, each doing ``calls``."""
    ready = threading.Barrier(threads + 1)

    def work(first: int) -> None:
        ready.wait()
        for i in range(calls):
            case.call(first + i)

    workers = [threading.Thread(target=work, args=(n * calls,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return threads * calls / (time.perf_counter() - started)


def run(collection: elanus.Collection, passages: Passages, chosen: Any) -> dict[str, Any]:
    """Measure every case."""
    result: dict[str, Any] = {"rows": passages.num_rows, "limit": LIMIT, "cases": []}
    wanted = [c for c in cases(collection, passages) if chosen.only in c.name]
    for case in wanted:
        calls = max(chosen.calls // (case.queries if case.queries > 1 else 1), 4)
        row = measure(case, collection.release, calls, chosen.rounds)
        row["threads"] = scaling(case, 2 * calls, chosen.rounds)
        result["cases"].append(row)
        print(row["case"], row["overhead_us"], row["without_index_us"], file=sys.stderr)
    return result


def opened(folder: Path, rows: int) -> tuple[elanus.Database, elanus.Collection, Passages]:
    """Open the collection in ``folder``, or fill it."""
    passages = load_passages(rows, 1_000)
    database = elanus.connect(str(folder))
    if "passages" in database.list_collections():
        collection = database.collection("passages")
    else:
        collection = fill(database, passages)
    collection.search(passages.query_vectors[0], "dense", LIMIT)
    collection.wait_indexed()
    return database, collection, passages


def parse(arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=200, help="calls of each case")
    parser.add_argument("--rounds", type=int, default=5, help="times that each call is made")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--folder", type=Path, help="database to keep and use again")
    parser.add_argument("--name", default="overhead", help="name of the result file")
    return parser.parse_args(arguments)


def main() -> None:
    chosen = parse()
    head = {"benchmark": "overhead", **describe_run(MODULE)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary) / "db"
        database, collection, passages = opened(folder, chosen.rows)
        with database:
            result = {**head, **run(collection, passages, chosen)}
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
