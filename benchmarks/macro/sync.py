"""What does a sync cost when nothing, little or all has changed, beside writing everything again?

Documents are passages cut into two chunks each; the embedder looks nothing up and costs about as
little as one can, ``hash``, so that the times are those of the database. What a model would cost
besides is in the last column: texts that have to be embedded. Each case runs in a database of its
own, three times; the median counts.

Run: ``python -m benchmarks.macro.sync``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import elanus
from benchmarks.datasets import load_texts
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus import BM25, VARCHAR, Collection, Embedding, Field, Schema
from elanus.sync import SourceDocument, SyncReport

MODULE = "benchmarks.macro.sync"
SOURCE = "passages"
EMBEDDER = "hash"

Texts = dict[str, str]


def schema() -> Schema:
    return Schema(
        [
            Field("id", VARCHAR, primary=True),
            Field("text", VARCHAR, analyzer="english"),
            Field("dense", elanus.FLOAT_VECTOR, embedding=Embedding("text", EMBEDDER)),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
    )


def halves(text: str) -> list[str]:
    """Return a text in two parts of about the same length."""
    words = text.split()
    middle = len(words) // 2
    return [" ".join(words[:middle]), " ".join(words[middle:])]


def changed(texts: Texts, every: int) -> Texts:
    """Return the texts with the end of each ``every``-th one changed."""
    return {
        id_: f"{text} changed" if number % every == 0 else text
        for number, (id_, text) in enumerate(texts.items())
    }


def sync(collection: Collection, texts: Texts) -> SyncReport:
    documents = [SourceDocument(id_, text) for id_, text in texts.items()]
    return collection.sync(documents, source=SOURCE, chunker=halves)


def write_again(collection: Collection, texts: Texts) -> int:
    """Delete what is there and insert all; return how many texts were embedded."""
    collection.delete(filter="id is not null")
    rows = [
        {"id": f"{id_}#{place}", "text": part}
        for id_, text in texts.items()
        for place, part in enumerate(halves(text))
        if part
    ]
    for first in range(0, len(rows), 1000):
        collection.insert(rows[first : first + 1000])
    return len(rows)


def timed(task: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    made = task()
    return time.perf_counter() - started, made


def one_round(texts: Texts, folder: Path) -> list[dict[str, Any]]:
    """Return seconds and embedded texts of each case."""
    rows: list[dict[str, Any]] = []
    one_percent = changed(texts, 100)
    with elanus.connect(folder) as db:
        synced = db.create_collection("synced", schema())
        for case, now in (
            ("first sync", texts),
            ("sync, nothing changed", texts),
            ("sync, 1 % changed", one_percent),
            ("sync, 1 % vanished", dict(list(one_percent.items())[len(texts) // 100 :])),
        ):
            seconds, report = timed(partial(sync, synced, now))
            rows.append({"case": case, "seconds": seconds, "embedded": report.embedded})
        written = db.create_collection("written", schema())
        write_again(written, texts)
        seconds, embedded = timed(partial(write_again, written, one_percent))
        rows.append({"case": "delete and insert all", "seconds": seconds, "embedded": embedded})
    return rows


def summary(rounds: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the median of each case."""
    return [
        {**cases[0], "seconds": median(case["seconds"] for case in cases)}
        for cases in zip(*rounds, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    passages, _ = load_texts(chosen.documents)
    texts = {f"doc-{number}": text for number, text in enumerate(passages)}
    rounds = []
    for _ in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(one_round(texts, Path(folder) / "db"))
    result: dict[str, Any] = {
        "benchmark": "sync",
        **describe_run(MODULE),
        "documents": len(texts),
        "embedder": EMBEDDER,
        "rows": summary(rounds),
    }
    file = write_result("sync", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
