"""What does a tenant pay for sharing a collection with thousands of others?

One collection holds the rows of all tenants, who are told apart by a partition key. Another one
holds the rows of a single tenant and nothing else. The same queries are asked of both in turns, by
vectors, by words and both at once, within the tenant: each tenant is asked once, so that no filter
is one that was asked before. They take turns in being asked first, which is when words are new.

Run: ``python -m benchmarks tenants`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import elanus
from benchmarks.datasets import Passages, load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result

MODULE = "benchmarks.macro.tenants"
LIMIT = 10
STEP = 20_000


def schema(*, shared: bool) -> elanus.Schema:
    """Return the fields; only a shared collection has the key."""
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("tenant", elanus.VARCHAR, partition_key=shared),
            elanus.Field("text", elanus.VARCHAR, analyzer="english"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=384, metric="COSINE"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def fill(
    collection: elanus.Collection, passages: Passages, rows: np.ndarray[Any, Any], tenants: Any
) -> None:
    """Insert rows; the passages are repeated, with other keys, when there are more rows."""
    for start in range(0, len(rows), STEP):
        ids = rows[start : start + STEP]
        places = ids % passages.num_rows
        collection.insert(
            {
                "id": ids,
                "tenant": tenants(ids),
                "text": [passages.texts[place] for place in places.tolist()],
                "dense": passages.vectors[places],
            }
        )
    collection.compact()
    collection.wait_indexed()


def cases(passages: Passages) -> dict[str, Callable[..., Any]]:
    """Return what is asked: a call takes a collection, the query's number and a filter."""
    vectors, texts = passages.query_vectors, passages.queries

    def dense(held: elanus.Collection, i: int, **options: Any) -> Any:
        return held.search(vectors[i], "dense", LIMIT, **options)

    def words(held: elanus.Collection, i: int, **options: Any) -> Any:
        return held.search(texts[i], "bm25", LIMIT, **options)

    def hybrid(held: elanus.Collection, i: int, **options: Any) -> Any:
        legs = [elanus.Leg("dense", vectors[i]), elanus.Leg("bm25", texts[i])]
        return held.hybrid_search(legs, limit=LIMIT, **options)

    return {"dense": dense, "BM25": words, "hybrid": hybrid}


def measure(
    call: Callable[..., Any],
    shared: elanus.Collection,
    alone: elanus.Collection,
    chosen: Any,
    alone_rows: frozenset[int],
) -> dict[str, Any]:
    """Return medians of both in turns, in microseconds, and check what is found."""
    times: dict[str, list[float]] = {"shared": [], "alone": []}
    for i in range(chosen.calls):
        tenant = f"tenant {(i * 7919) % chosen.tenants}"
        num = i % 1_000
        within = {"filter": f"tenant == '{tenant}'"}
        asked: list[tuple[str, elanus.Collection, dict[str, str]]]
        asked = [("shared", shared, within), ("alone", alone, {})]
        found: dict[str, Any] = {}
        for name, held, options in asked if i % 2 else reversed(asked):
            started = time.thread_time_ns()
            found[name] = call(held, num, **options)
            times[name].append((time.thread_time_ns() - started) / 1e3)
        if any(hit.entity["tenant"] != tenant for hit in found["shared"]):
            raise AssertionError(f"{tenant}: a hit of another tenant")
    both = call(shared, 3, filter="tenant == 'tenant 0'").ids
    if not set(both) <= alone_rows:
        raise AssertionError("tenant 0: a hit that it does not have")
    shared_us, alone_us = (float(np.median(times[name])) for name in ("shared", "alone"))
    return {
        "shared_us": round(shared_us, 1),
        "alone_us": round(alone_us, 1),
        "ratio": round(shared_us / alone_us, 2),
    }


def run(folder: Path, chosen: Any) -> dict[str, Any]:
    """Fill both collections and measure every case."""
    passages = load_passages(100_000, 1_000)
    total = chosen.tenants * chosen.rows
    result: dict[str, Any] = {"tenants": chosen.tenants, "rows": total, "limit": LIMIT, "cases": []}
    with elanus.connect(folder) as database:
        shared = database.create_collection("shared", schema(shared=True))
        fill(
            shared,
            passages,
            np.arange(total),
            lambda ids: [f"tenant {i % chosen.tenants}" for i in ids.tolist()],
        )
        alone = database.create_collection("alone", schema(shared=False))
        mine = np.arange(0, total, chosen.tenants)
        fill(alone, passages, mine, lambda ids: ["tenant 0"] * len(ids))
        for name, call in cases(passages).items():
            row = {"case": name, **measure(call, shared, alone, chosen, frozenset(mine.tolist()))}
            result["cases"].append(row)
            print(row, file=sys.stderr)
    return result


def parse(arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=50, help="rows of each tenant")
    parser.add_argument("--calls", type=int, default=1_000)
    return parser.parse_args(arguments)


def main() -> None:
    chosen = parse()
    head = {"benchmark": "tenants", **describe_run(MODULE)}
    with tempfile.TemporaryDirectory() as folder:
        result = {**head, **run(Path(folder) / "kb", chosen)}
    file = write_result("tenants", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
