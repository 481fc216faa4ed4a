"""How fast does text become searchable postings, and a query its terms?

Passages as UTF-8 go into ``GrowingBM25`` with the ``english`` analyzer, in batches, on one thread.
Beside it: the same through the Python counter, and the indexing of tantivy (its ``en_stem``
tokenizer, commit included) and bm25s (its tokenizer with Snowball, numba off) where those are
installed. All take turns; the figures are CPU time of the thread or, for tantivy, which has threads
of its own, of the process.

Run: ``python -m benchmarks.micro.text_ingest``
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.datasets import load_texts
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.analysis.analyzer import Analyzer
from elanus.analysis.counting import PieceCounter
from elanus.analysis.registry import build_analyzer
from elanus.index.sparse.bm25_weights import QueryTerms
from elanus.index.sparse.growing_bm25 import GrowingBM25
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.text import Vocabulary
from elanus.schema.batches import slice_column, strings_to_column

MODULE = "benchmarks.micro.text_ingest"
BATCH_ROWS = 1000


def ours(texts: list[str], analyzer: Analyzer) -> GrowingBM25:
    """Return an index of the texts; the conversion of Python strings to UTF-8 counts too."""
    index = GrowingBM25(analyzer)
    for start in range(0, len(texts), BATCH_ROWS):
        index.append(strings_to_column(texts[start : start + BATCH_ROWS]))
    return index


def python_twin(texts: list[str], analyzer: Analyzer) -> None:
    """The same postings, the texts analyzed in Python."""
    counter, postings = PieceCounter(analyzer, Vocabulary()), GrowingPostings()
    for start in range(0, len(texts), BATCH_ROWS):
        batch = counter.count(texts[start : start + BATCH_ROWS])
        postings.append(batch.offsets, batch.term_ids, batch.counts)


def tantivy_index(texts: list[str]) -> None:
    """Index with one writer thread, in memory."""
    tantivy: Any = importlib.import_module("tantivy")
    schema = tantivy.SchemaBuilder().add_text_field("text", tokenizer_name="en_stem").build()
    index = tantivy.Index(schema)
    writer = index.writer(heap_size=200_000_000, num_threads=1)
    for text in texts:
        writer.add_document(tantivy.Document(text=text))
    writer.commit()
    writer.wait_merging_threads()


def bm25s_index(texts: list[str]) -> None:
    """Tokenize and index with bm25s."""
    bm25s: Any = importlib.import_module("bm25s")
    stemmer: Any = importlib.import_module("Stemmer")
    tokens = bm25s.tokenize(
        texts, stopwords="en", stemmer=stemmer.Stemmer("english"), show_progress=False
    )
    bm25s.BM25().index(tokens, show_progress=False)


def measure_ingest(texts: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return passages per CPU second of each system, the median of the rounds."""
    analyzer = build_analyzer("english")
    systems: dict[str, Callable[[], object]] = {
        "elanus": lambda: ours(texts, analyzer),
        "elanus, Python twin": lambda: python_twin(texts, analyzer),
    }
    if importlib.util.find_spec("tantivy"):
        systems["tantivy"] = lambda: tantivy_index(texts)
    if importlib.util.find_spec("bm25s"):
        systems["bm25s"] = lambda: bm25s_index(texts)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, call in systems.items():
            started = time.process_time()
            call()
            seconds[name].append(time.process_time() - started)
    return [
        {
            "system": name,
            "passages_per_s": round(len(texts) / median(taken)),
            "us_per_passage": median(taken) / len(texts) * 1e6,
        }
        for name, taken in seconds.items()
    ]


def _per_call(call: Callable[[str], object], values: list[str], rounds: int) -> float:
    samples = []
    for _ in range(rounds):
        started = time.thread_time()
        for value in values:
            call(value)
        samples.append((time.thread_time() - started) / len(values) * 1e6)
    return median(samples)


def measure_small(texts: list[str], queries: list[str], rounds: int) -> dict[str, float]:
    """Return microseconds a call: analyzing a query, and appending a row alone."""
    analyzer = build_analyzer("english")
    index = ours(texts[:5000], analyzer)
    columns = [strings_to_column([text]) for text in texts[5000:6000]]
    started = time.thread_time()
    for column in columns:
        index.append(column)
    append_us = (time.thread_time() - started) / len(columns) * 1e6
    whole = strings_to_column(texts[:1000])
    return {
        "words_per_query": sum(len(query.split()) for query in queries) / len(queries),
        "query_terms_us": _per_call(
            lambda query: QueryTerms.from_text(query, analyzer), queries, rounds
        ),
        "query_tokens_us": _per_call(analyzer.tokens, queries, rounds),
        "query_tokens_python_us": _per_call(analyzer.plain_tokens, queries, rounds),
        "append_one_row_us": append_us,
        "append_of_1000_rows_us_per_row": _one_batch(analyzer, whole),
    }


def _one_batch(analyzer: Analyzer, column: Any) -> float:
    index = GrowingBM25(analyzer)
    index.append(slice_column(column, 0, len(column)))
    started = time.thread_time()
    index.append(column)
    return (time.thread_time() - started) / len(column) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--name", default="text_ingest", help="of the result file")
    chosen = parser.parse_args()
    texts, queries = load_texts(chosen.rows)
    result: dict[str, Any] = {"benchmark": "text_ingest", **describe_run(MODULE)}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    result["passages"] = len(texts)
    result["ingest"] = measure_ingest(texts, chosen.rounds)
    result["small"] = measure_small(texts, queries, chosen.rounds)
    index = ours(texts, build_analyzer("english"))
    started = time.thread_time()
    index.seal(len(texts))
    result["seal_s"] = time.thread_time() - started
    result["memory_mb"] = index.size_bytes / 1e6
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
