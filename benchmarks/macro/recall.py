"""Is the recall that was asked for the recall that comes back?

Collections of passages are searched with held-out questions, for every ``recall=``, limit and
filter. For each: the recall asked, the mean estimate that came with the hits, the true recall
against brute force, the answers that were shorter than ``min(limit, matches)``, and how the engine
answered. Public API only.

Run: ``python -m benchmarks recall`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

import elanus
from benchmarks.datasets import Passages, load_passages
from benchmarks.machine import describe_run
from benchmarks.macro.environments import cache_folder
from benchmarks.macro.exact import Answer, best, dense_scores, only_allowed
from benchmarks.report import render, write_result
from elanus.types import Float32Array

RECALLS = (0.8, 0.9, 0.95, 0.99)
LIMITS = (1, 10, 100)
QUICK_ROWS, QUICK_QUERIES = "1000,9000", 20


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter: its expression, and which rows pass it."""

    name: str
    expression: str | None
    allowed: npt.NDArray[np.bool_]


def conditions(passages: Passages) -> list[Condition]:
    """Return no filter, random ones and ones that go with the vectors."""
    everything = np.ones(passages.num_rows, dtype=bool)
    found = [Condition("none", None, everything)]
    for below, name in (
        (5_000, "50 %"),
        (1_000, "10 %"),
        (100, "1 %"),
        (10, "0.1 %"),
        (1, "0.01 %"),
    ):
        allowed = passages.fine_buckets < below
        found.append(Condition(f"random {name}", f"bucket < {below}", allowed))
    sources = np.array(passages.sources)
    found += [
        Condition(f"source {name}", f'source == "{name}"', sources == name)
        for name in ("python/peps", "rust-lang/book", "haproxy-doc")
    ]
    peps = sources == "python/peps"
    found.append(Condition("all sources but python/peps", 'source != "python/peps"', ~peps))
    return found


def load(folder: Path, passages: Passages) -> elanus.Database:
    """Return a database with the passages, indexed and compacted."""
    database = elanus.connect(folder)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("source", elanus.VARCHAR),
            elanus.Field("bucket", elanus.INT16),
            elanus.Field(
                "dense", elanus.FLOAT_VECTOR, dim=passages.vectors.shape[1], metric="COSINE"
            ),
        ]
    )
    collection = database.create_collection("passages", schema)
    for first in range(0, passages.num_rows, 1_000):
        cut = slice(first, first + 1_000)
        collection.insert(
            {
                "id": np.arange(passages.num_rows)[cut],
                "source": passages.sources[cut],
                "bucket": passages.fine_buckets[cut].astype(np.int16),
                "dense": passages.vectors[cut],
            }
        )
    collection.flush()
    collection.wait_indexed()
    collection.compact()
    return database


def measure(
    collection: elanus.Collection,
    condition: Condition,
    limit: int,
    asked: float,
    queries: Float32Array,
    answers: Sequence[Answer],
) -> dict[str, Any]:
    """Return the figures of one condition, limit and recall over all queries."""
    estimates, recalls, ns = [], [], []
    methods: Counter[str] = Counter()
    short = 0
    for query, answer in zip(queries, answers, strict=True):
        started = time.thread_time_ns()
        hits = collection.search(
            query, "dense", limit, filter=condition.expression, output=[], recall=asked
        )
        ns.append(time.thread_time_ns() - started)
        estimates.append(hits.recall_estimate)
        recalls.append(answer.recall(hits.ids))
        short += len(hits) < answer.wanted
        steps = [step for leg in hits.explanation.legs for step in leg.steps]
        methods["+".join(sorted({step.method for step in steps})) or "nothing"] += 1
    return {
        "filter": condition.name,
        "matches": int(np.count_nonzero(condition.allowed)),
        "limit": limit,
        "asked": asked,
        "estimated": fmean(estimates),
        "recall": fmean(recalls),
        "standard_error": float(np.std(recalls) / math.sqrt(len(recalls))),
        "short": short,
        "methods": dict(methods),
        "p50_us": float(np.median(ns) / 1e3),
    }


def measure_prefix(rows: int, num_queries: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return all figures of one collection."""
    passages = load_passages(rows, num_queries)
    found = []
    with (
        tempfile.TemporaryDirectory(dir=cache_folder()) as folder,
        load(Path(folder) / "db", passages) as database,
    ):
        say(f"{rows:,} rows are loaded")
        collection = database.collection("passages")
        cosines = dense_scores(passages.vectors, passages.query_vectors)
        for condition in conditions(passages):
            scores = [only_allowed(one, condition.allowed) for one in cosines]
            for limit in LIMITS:
                answers = [best(one, limit) for one in scores]
                for asked in RECALLS:
                    figures = measure(
                        collection, condition, limit, asked, passages.query_vectors, answers
                    )
                    found.append({"rows": passages.num_rows, **figures})
            say(f"{rows:,} rows, filter: {condition.name}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks recall",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", default="1000,10000,64000", help="sizes of the collections")
    parser.add_argument("--queries", type=int, default=400, help="1 to 1000")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the program")
    parser.add_argument("--name", help="name of the result file; default: recall")
    arguments = parser.parse_args()
    started = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - started:7.1f} s  {text}", file=sys.stderr, flush=True)

    queries = QUICK_QUERIES if arguments.quick else arguments.queries
    sizes = QUICK_ROWS if arguments.quick else arguments.rows
    result: dict[str, Any] = {
        "benchmark": "recall",
        **describe_run("benchmarks.macro.recall"),
        "queries": queries,
        "rows": [],
    }
    cache_folder().mkdir(parents=True, exist_ok=True)
    for rows in sizes.split(","):
        result["rows"] += measure_prefix(int(rows), queries, say)
    result["wall_s"] = time.perf_counter() - started
    default = "recall_quick" if arguments.quick else "recall"
    file = write_result(arguments.name or default, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
