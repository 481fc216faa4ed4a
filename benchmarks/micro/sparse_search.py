"""How fast are BM25 and learned sparse search beside other libraries?

Every library runs in its own interpreter on the same core, indexes the same words or vectors, and
answers the same queries one at a time; they take turns, round by round. What is timed is the
thread's processor time of one call from Python: words (``bm25``), a text (``text``, each library's
own tokenizer, splitting at white space) or a vector (``learned``) in, rows out.

Run: ``python -m benchmarks.micro.sparse_search``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.macro.environments import EnvironmentMissingError, cache_folder, interpreter_for
from benchmarks.micro.sparse_data import (
    QUERY_TERMS,
    ROW_TERMS,
    LearnedSparse,
    SparseRows,
    bm25_weights,
    counted,
    exact_best,
    words,
)
from benchmarks.report import render, write_result

MODULE = "benchmarks.micro.sparse_search"
WORKER = Path(__file__).with_name("sparse_worker.py")
K1, B = 1.2, 0.75
LIMITS = (10, 100)

WORDS, TEXT = {"text": False}, {"text": True}
SEISMIC = {"n_postings": 3500, "summary_energy": 0.4, "query_cut": QUERY_TERMS, "heap_factor": 1.0}
CONTESTANTS: dict[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {
    "bm25": (
        ("elanus", "elanus", WORDS),
        ("bm25s, numba", "bm25s", WORDS),
        ("tantivy", "tantivy", {}),
        ("scipy, CSC", "scipy", {}),
        ("rank-bm25", "rank_bm25", WORDS),
    ),
    "text": (
        ("elanus", "elanus", TEXT),
        ("bm25s, numba", "bm25s", TEXT),
        ("tantivy", "tantivy", {}),
        ("rank-bm25", "rank_bm25", TEXT),
    ),
    "learned": (
        ("elanus", "elanus_sparse", {}),
        ("elanus, drop_ratio_search 0.6", "elanus_sparse", {"drop_ratio_search": 0.6}),
        ("pyseismic, default index", "seismic", SEISMIC),
        ("pyseismic, whole lists", "seismic", {**SEISMIC, "n_postings": 40_000}),
        ("scipy, CSC", "scipy", {}),
    ),
}
"""Task: title, system and settings."""

SLOW = {"rank_bm25": 20, "scipy": 100}
"""Queries that a slow system answers."""


class Worker:
    """A system in its own process."""

    def __init__(self, system: str, data: Path, settings: Mapping[str, Any]) -> None:
        peer = "elanus" if system.startswith("elanus") else "sparse"
        command = [interpreter_for(peer), str(WORKER), system, str(data), json.dumps(settings)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.built = self._answer()

    def ask(self, k: int, queries: int, rows: bool) -> dict[str, Any]:
        """Have it answer the first queries once."""
        if self._process.stdin is None:
            raise RuntimeError("the worker has no input")
        command = {"k": k, "queries": queries, "rows": rows}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the worker ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def make_data(task: str, num_rows: int, num_queries: int) -> tuple[Path, list[Any], int]:
    """Write what the workers read; return its path, the exact answers and postings a query."""
    passages = load_passages(num_rows, num_queries)
    vocabulary: dict[str, int] = {}
    rows = counted([words(text) for text in passages.texts], vocabulary, grow=True)
    queries = counted([words(text) for text in passages.queries], vocabulary, grow=False)
    asked = [queries.row(i) for i in range(len(queries)) if len(queries.row(i)[0])]
    queries = SparseRows.of([(terms.tolist(), counts.tolist()) for terms, counts in asked])
    num_terms = len(vocabulary)
    if task == "learned":
        model = LearnedSparse(rows, num_terms)
        rows, queries = model.expand(rows, ROW_TERMS), model.expand(queries, QUERY_TERMS)
        num_terms = int(rows.terms.max()) + 1
        scored, asked_weights = rows, queries
    else:
        frequencies = np.bincount(rows.terms, minlength=num_terms)
        idf = np.log1p((len(rows) - frequencies + 0.5) / (frequencies + 0.5))
        weights = queries.weights * idf[queries.terms]
        scored = bm25_weights(rows, K1, B)
        asked_weights = SparseRows(queries.offsets, queries.terms, weights)
    exact = exact_best(scored, asked_weights, num_terms, max(LIMITS))
    path = cache_folder() / f"sparse-{task}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        row_offsets=rows.offsets,
        row_terms=rows.terms,
        row_weights=rows.weights,
        row_impacts=scored.weights,
        query_offsets=queries.offsets,
        query_terms=queries.terms,
        query_weights=queries.weights,
        query_impacts=asked_weights.weights,
        num_terms=num_terms,
        names=np.array([""] if task == "learned" else list(vocabulary)),
    )
    per_term = np.bincount(rows.terms, minlength=num_terms)
    return path, exact, int(per_term[queries.terms].sum() / len(queries))


def agreement(found: Sequence[Sequence[int]], exact: Sequence[Any], k: int) -> float:
    """Return the share of the exact answer that was found; equal scores are equally right."""
    shares = []
    for rows, (best, scores) in zip(found, exact, strict=False):
        wanted = min(k, len(best))
        if not wanted:
            continue
        # A row that ties with the last place is right too.
        right = set(best[scores >= scores[wanted - 1] * (1 - 1e-6)].tolist())
        shares.append(len(right.intersection(rows[:k])) / wanted)
    return mean(min(share, 1.0) for share in shares)


def measure(task: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of every system for one task."""
    path, exact, postings = make_data(task, chosen.rows, chosen.queries)
    num_queries = len(exact)
    workers: list[tuple[str, str, Worker]] = []
    result: dict[str, Any] = {"queries": num_queries, "postings_per_query": postings}
    missing: dict[str, str] = {}
    rows = []
    try:
        for title, system, settings in CONTESTANTS[task]:
            if chosen.systems and not any(s in title for s in chosen.systems.split(",")):
                continue
            try:
                workers.append((title, system, Worker(system, path, settings)))
            except (EnvironmentMissingError, RuntimeError) as error:
                missing[title] = str(error)
            print(f"{task}: {title} is ready", file=sys.stderr)
        for k in LIMITS:
            rounds: dict[str, list[list[float]]] = {title: [] for title, _, _ in workers}
            agreed = {}
            for number in range(chosen.rounds):
                for title, system, worker in workers:
                    asked = min(num_queries, SLOW.get(system, num_queries))
                    answer = worker.ask(k, asked, number == 0)
                    rounds[title].append(answer["us"])
                    if number == 0:
                        agreed[title] = agreement(answer["rows"], exact, k)
            for title, _, worker in workers:
                times = [median(times) for times in zip(*rounds[title], strict=True)]
                rows.append(
                    {
                        "system": title,
                        "k": k,
                        "queries": len(times),
                        "qps": 1e6 / mean(times),
                        "p50_us": float(np.percentile(times, 50)),
                        "p99_us": float(np.percentile(times, 99)) if len(times) >= 100 else None,
                        "agreement": agreed[title],
                        **worker.built,
                    }
                )
    finally:
        for _, _, worker in workers:
            worker.close()
    return {**result, "missing": missing, "systems": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", default="bm25,text,learned")
    parser.add_argument("--systems", help="titles or parts of them, with commas between")
    parser.add_argument("--name", default="sparse_search")
    chosen = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "sparse_search", **describe_run(MODULE)}
    result["rows"] = chosen.rows
    result["tasks"] = {task: measure(task, chosen) for task in chosen.tasks.split(",")}
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
