"""What do groups, ranges and iterators cost beside the plain search, and are they right?

One collection of passages. Each kind of search is asked the same queries, in turns with the plain
search for ten hits: as it comes, by the index, and exactly, with ``recall=1.0``. What is found is
compared with brute force over all rows in NumPy; rows with equal scores are equally right.

Run: ``python -m benchmarks shapes`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import elanus
from benchmarks.datasets import Passages, load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.types import Float32Array, Int64Array

MODULE = "benchmarks.macro.shapes"
LIMIT = 10
MOST = 16_384
RANGES = (10, 100, 1_000, 10_000)
ITERATED = (1_000, 10_000)
STEP = 10_000
CLOSE = 2e-6
"""Difference below which scores are taken for equal: products are rounded in another order."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of search.

    Attributes:
        name: In the tables.
        search: Takes query, the bound of a range and options; returns ids in their order.
        expected: Takes similarities of all rows; returns ids of the exact answer, in order.
        share: One query in so many is asked.
        bound: Takes similarities of all rows; returns the bound.
    """

    name: str
    search: Callable[[Float32Array, float, dict[str, Any]], list[int]]
    expected: Callable[[Float32Array], Int64Array]
    share: int = 1
    bound: Callable[[Float32Array], float] = lambda _: 0.0


def fill(database: elanus.Database, passages: Passages) -> elanus.Collection:
    """Create the collection with one sealed segment and its graph."""
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("source", elanus.VARCHAR, max_length=200),
            elanus.Field("bucket", elanus.INT64),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=384, metric="COSINE"),
        ]
    )
    collection = database.create_collection("passages", schema)
    for start in range(0, passages.num_rows, STEP):
        rows = slice(start, start + STEP)
        sources = passages.sources[rows]
        collection.insert(
            {
                "id": np.arange(start, start + len(sources)),
                "source": sources,
                "bucket": passages.buckets[rows],
                "dense": passages.vectors[rows],
            }
        )
    collection.compact()
    collection.wait_indexed()
    return collection


# --- what is asked, and what is right ---------------------------------------------------------


def nearest(similarities: Float32Array, limit: int) -> Int64Array:
    """Return the best rows, best first, equals by id."""
    order = np.argsort(-similarities, kind="stable")
    return order[:limit]


def best_groups(keys: Int64Array, similarities: Float32Array, size: int) -> Int64Array:
    """Return the hits of the first groups of the whole ranking, group by group."""
    order = nearest(similarities, len(similarities))
    ranked = keys[order]
    _, first = np.unique(ranked, return_index=True)
    chosen = ranked[np.sort(first)[:LIMIT]]
    return np.concatenate([order[ranked == key][:size] for key in chosen])


def within(similarities: Float32Array, count: int) -> float:
    """Return the bound that so many rows are better than."""
    ordered = np.sort(similarities)[::-1]
    return float((ordered[count - 1] + ordered[count]) / 2)


def cases(collection: elanus.Collection, passages: Passages) -> list[Case]:
    """Return what is measured, the plain search first."""

    def plain(query: Float32Array, _: float, options: dict[str, Any]) -> list[int]:
        found = collection.search(query, "dense", LIMIT, output=["id"], **options)
        return [*found.ids]

    def every(_: Float32Array, __: float, options: dict[str, Any]) -> list[int]:
        batches = collection.query_iterator(output=["id"], batch_size=1_000)
        return [row["id"] for batch in batches for row in batch]

    made = [Case("plain, 10 hits", plain, partial(nearest, limit=LIMIT))]
    _, numbers = np.unique(passages.sources, return_inverse=True)
    columns = {"bucket": passages.buckets, "source": numbers.astype(np.int64)}
    for name, size, strict in (
        ("bucket", 1, False),
        ("bucket", 3, False),
        ("bucket", 3, True),
        ("source", 1, False),
        ("source", 3, False),
    ):
        keys = columns[name]
        count = len(np.unique(keys))
        title = f"10 groups of {count:,} by {name}, size {size}{', strict' if strict else ''}"
        given = {"group_by": name, "group_size": size, "strict_group_size": strict}
        search = partial(_grouped, collection, given)
        made.append(Case(title, search, partial(best_groups, keys, size=size), 4))
    made += [_range_case(collection, n) for n in RANGES if n < passages.num_rows]
    for count in [n for n in ITERATED if n < passages.num_rows]:
        search = partial(_iterated, collection, count)
        title = f"iterator to {count:,} hits"
        made.append(Case(title, search, partial(nearest, limit=count), 10))
    title = f"iterator over {passages.num_rows:,} rows"
    made.append(Case(title, every, lambda similarities: np.arange(len(similarities)), 20))
    return made


def _grouped(
    collection: elanus.Collection,
    given: dict[str, Any],
    query: Float32Array,
    _: float,
    options: dict[str, Any],
) -> list[int]:
    return [*collection.search(query, "dense", LIMIT, output=["id"], **given, **options).ids]


def _range_case(collection: elanus.Collection, count: int) -> Case:
    def ranged(query: Float32Array, radius: float, options: dict[str, Any]) -> list[int]:
        asked = {"radius": radius, "output": ["id"], **options}
        return [*collection.search(query, "dense", MOST, **asked).ids]

    title = f"range of {count:,} rows"
    return Case(title, ranged, partial(nearest, limit=count), 4, partial(within, count=count))


def _iterated(
    collection: elanus.Collection,
    count: int,
    query: Float32Array,
    _: float,
    options: dict[str, Any],
) -> list[int]:
    asked = {"batch_size": 1_000, "limit": count, "output": ["id"], **options}
    found: list[Any] = []
    for batch in collection.search_iterator(query, "dense", **asked):
        found += batch.ids
    return found


# --- measuring --------------------------------------------------------------------------------


def right_share(found: Sequence[int], expected: Int64Array, similarities: Float32Array) -> float:
    """Return which share of an exact answer was found; equal scores are equally right."""
    ids = np.array(found, dtype=np.int64)
    wanted = set(expected.tolist())
    missing = np.array(sorted(wanted - set(found)), dtype=np.int64)
    others = np.array(sorted(set(found) - wanted), dtype=np.int64)
    if len(ids) != len(set(found)):
        raise AssertionError("a row was found twice")
    # A missing row may stand for another one of its score.
    left = np.sort(similarities[others])
    equal = 0
    for score in similarities[missing].tolist():
        place = int(np.searchsorted(left, score - CLOSE))
        if place < len(left) and left[place] <= score + CLOSE:
            left = np.delete(left, place)
            equal += 1
    return (len(wanted) - len(missing) + equal) / len(wanted)


def is_same(found: Sequence[int], expected: Int64Array, similarities: Float32Array) -> bool:
    """Return whether an answer is the exact one in its order, but for equal scores."""
    if len(found) != len(expected):
        return False
    mine = similarities[np.array(found, dtype=np.int64)]
    return bool(np.all(np.abs(mine - similarities[expected]) <= CLOSE))


def measure(
    case: Case, plain: Case, passages: Passages, options: dict[str, Any], chosen: Any
) -> dict[str, Any]:
    """Return CPU time beside that of the plain search, and how right the answers are."""
    times: list[float] = []
    beside: list[float] = []
    shares = []
    same = 0
    for query in passages.query_vectors[: chosen.queries : case.share]:
        similarities: Float32Array = passages.vectors @ query
        bound = case.bound(similarities)
        least = [np.inf, np.inf]
        for _ in range(chosen.rounds):
            for place, one in enumerate((case, plain)):
                started = time.thread_time_ns()
                found = one.search(query, bound, options)
                least[place] = min(least[place], (time.thread_time_ns() - started) / 1e6)
                if place == 0:
                    answer = found
        times.append(least[0])
        beside.append(least[1])
        expected = case.expected(similarities)
        shares.append(right_share(answer, expected, similarities))
        same += is_same(answer, expected, similarities)
    p50, plain_p50 = float(np.median(times)), float(np.median(beside))
    return {
        "case": case.name,
        "queries": len(times),
        "cpu_p50_ms": round(p50, 3),
        "plain_p50_ms": round(plain_p50, 3),
        "ratio": round(p50 / plain_p50, 2),
        "recall": round(float(np.mean(shares)), 4),
        "same": same,
    }


def run(collection: elanus.Collection, passages: Passages, chosen: Any) -> dict[str, Any]:
    """Measure every case, by the index and exactly."""
    result: dict[str, Any] = {"rows": passages.num_rows, "limit": LIMIT, "cases": []}
    plain, *_ = made = cases(collection, passages)
    for how, options in (("default", {}), ("recall=1.0", {"recall": 1.0})):
        for case in made:
            row = {"setting": how, **measure(case, plain, passages, options, chosen)}
            result["cases"].append(row)
            print(row, file=sys.stderr)
    return result


def parse(arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3, help="times that each query is asked")
    parser.add_argument("--name", default="shapes", help="name of the result file")
    return parser.parse_args(arguments)


def main() -> None:
    chosen = parse()
    passages = load_passages(chosen.rows, chosen.queries)
    head = {"benchmark": "shapes", **describe_run(MODULE)}
    with tempfile.TemporaryDirectory() as folder, elanus.connect(Path(folder) / "db") as database:
        result = {**head, **run(fill(database, passages), passages, chosen)}
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
