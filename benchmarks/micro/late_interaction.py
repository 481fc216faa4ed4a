"""How fast is MaxSim, exact and by candidates, beside NumPy?

Passages as lists of one vector per word: a random vector of the word, turned towards the embedding
of the passage, since the vectors of a late-interaction model depend on their text. Queries are
made alike. NumPy multiplies all vectors with the query and takes the maximum of each passage
(``maximum.reduceat``), which is what an application without a database would do.

Run: ``python -m benchmarks.micro.late_interaction --rows 20000``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import elanus
from benchmarks.datasets import Passages, load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.types import Float32Array, Int64Array

MODULE = "benchmarks.micro.late_interaction"
LIMIT = 10
DIM = 128
MOST_WORDS = 120
CONTEXT = 0.7
"""How far a word turns towards its text: the share of the text's vector beside the word's."""
RECALLS = (0.8, 0.95)
BATCH_ROWS = 1_000


def word_vectors(text: str, context: Float32Array) -> Float32Array:
    """Return a unit vector for each of the first words of a text, float32 ``(m, DIM)``."""
    words = text.lower().split()[:MOST_WORDS] or [""]
    made = np.empty((len(words), DIM), dtype=np.float32)
    for place, word in enumerate(words):
        rng = np.random.default_rng(zlib.crc32(word.encode()))
        made[place] = rng.standard_normal(DIM, dtype=np.float32) / np.sqrt(DIM)
    made += CONTEXT * context
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def lists_of(passages: Passages) -> tuple[list[Float32Array], list[Float32Array]]:
    """Return the vectors of every passage and of every query."""
    rng = np.random.default_rng(0)
    turn = rng.standard_normal((passages.vectors.shape[1], DIM)).astype(np.float32)
    turn /= np.sqrt(DIM)
    both = (
        (passages.texts, passages.vectors @ turn),
        (passages.queries, passages.query_vectors @ turn),
    )
    rows, queries = (
        [word_vectors(text, context) for text, context in zip(texts, contexts, strict=True)]
        for texts, contexts in both
    )
    return rows, queries


def numpy_search(rows: list[Float32Array]) -> Callable[[Float32Array], Int64Array]:
    """Return a search of all rows with NumPy."""
    every = np.concatenate(rows)
    starts = np.cumsum([0, *map(len, rows[:-1])])

    def search(query: Float32Array) -> Int64Array:
        scores = np.maximum.reduceat(query @ every.T, starts, axis=1).sum(axis=0)
        best = np.argpartition(scores, len(scores) - LIMIT)[-LIMIT:]
        found: Int64Array = best[np.argsort(-scores[best], kind="stable")]
        return found

    return search


def timed(
    search: Callable[[Float32Array], Any], queries: list[Float32Array]
) -> tuple[float, list[Any]]:
    """Return median milliseconds of a query, and what was found."""
    times, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(search(query))
        times.append(1e3 * (time.perf_counter() - started))
    return median(times), found


def measure(rows: list[Float32Array], queries: list[Float32Array]) -> list[dict[str, Any]]:
    """Return one entry per way to search."""
    ms, truth = timed(numpy_search(rows), queries)
    entries: list[dict[str, Any]] = [{"search": "NumPy", "ms": ms, "recall": 1.0}]
    field = elanus.Field
    schema = elanus.Schema(
        [
            field("id", elanus.INT64, primary=True),
            field(
                "words", elanus.ARRAY, element_type=elanus.FLOAT_VECTOR, dim=DIM, metric="MAX_SIM"
            ),
        ]
    )
    with tempfile.TemporaryDirectory() as folder, elanus.connect(folder) as database:
        collection = database.create_collection("c", schema)
        started = time.perf_counter()
        for first in range(0, len(rows), BATCH_ROWS):
            part = rows[first : first + BATCH_ROWS]
            collection.insert({"id": np.arange(first, first + len(part)), "words": part})
        inserted = time.perf_counter()
        collection.flush()
        collection.compact()
        collection.wait_indexed()
        indexed = time.perf_counter()
        for recall in (1.0, *RECALLS):
            search = lambda query, r=recall: collection.search(query, limit=LIMIT, recall=r)  # noqa: E731
            timed(search, queries[:3])
            ms, found = timed(search, queries)
            hits = sum(
                len(set(one.ids) & set(best.tolist()))
                for one, best in zip(found, truth, strict=True)
            )
            entries.append(
                {
                    "search": "elanus, exact" if recall == 1.0 else f"elanus, recall={recall}",
                    "ms": ms,
                    "recall": hits / (LIMIT * len(queries)),
                    "estimated": float(np.mean([one.recall_estimate for one in found])),
                    "method": found[-1].explanation.legs[0].steps[0].method,
                }
            )
        entries[1] |= {"insert_s": inserted - started, "index_s": indexed - inserted}
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=100)
    chosen = parser.parse_args()
    rows, queries = lists_of(load_passages(chosen.rows, chosen.queries))
    result: dict[str, Any] = {"benchmark": "late_interaction", **describe_run(MODULE)}
    result |= {
        "num_rows": len(rows),
        "num_vectors": sum(map(len, rows)),
        "query_vectors": float(np.mean([len(query) for query in queries])),
        "dim": DIM,
        "rows": measure(rows, queries),
    }
    file = write_result("late_interaction", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
