"""Is the way quicker in which a filter is answered, by an index or by columns?

Every kind of filter on a field and the same inside JSON, at growing shares of rows: by its index,
by columns, and as it is planned, the three taking turns. The constants of ``filter/logic.py`` and
``filter/shares.py`` are right where no plan takes much longer than the quicker way; such lines are
marked.

Run: ``python -m benchmarks filter_plans``; ``--rows`` for fewer, ``--folder`` to keep the rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median

import elanus
from benchmarks.macro.filter_worker import ELANUS_INDEXES
from benchmarks.macro.filters import make_rows
from elanus.filter import logic

MODULE = "benchmarks.micro.filter_plans"
FORCED = {"index": -1e18, "columns": 1e18, "planned": logic.INDEX_NS}
"""What asking an index is said to cost."""
ROUNDS, ASKED = 2, 9
MUCH_LONGER, NOISE_MS = 1.25, 0.03

Filter = Callable[[int], str]


def kinds(field: Callable[[str], str], held: str) -> Iterator[tuple[str, Filter]]:
    """Yield kinds of filters: a name, and what makes filters with constants of their own.

    Args:
        field: Returns what a field is called.
        held: The function that tells what an array holds.
    """
    year, price, brand, title, tags = map(field, ("year", "price", "brand", "title", "tags"))
    for width in (1, 10, 50, 100, 300, 450):
        name = f"integers, {width / 10:g} %"
        yield name, lambda i, w=width: f"{year} >= {i % 500} and {year} < {i % 500 + w}"  # type: ignore[misc]
    for least in (990, 950, 900, 700, 100):
        name = f"doubles, {100 - least / 10:g} %"
        yield name, lambda i, x=least: f"{price} > {x + i * 1e-4:.4f}"  # type: ignore[misc]
    for size in (5, 20, 50):
        name = f"text in {size}"
        yield name, lambda i, n=size: f"{brand} in [{_brands(i, n)}]"  # type: ignore[misc]
    for most in (10, 50, 100, 300):
        name = f"texts in order, {most / 10:g} %"
        yield name, lambda i, m=most: f"{brand} < 'brand{m:04d}{i}'"  # type: ignore[misc]
    yield "array holds", lambda i: f"{held}({tags}, 't{i % 200:03d}')"
    yield "text begins", lambda i: f"{title} like 'w{i % 200:04d} w{i % 50:04d}%'"
    yield "text holds", lambda i: f"{title} like '%{100_000 + i * 31}%'"
    yield "text holds, common", lambda i: f"{title} like '%w0001 {i % 100 + 10}%'"
    yield "two parts, common", lambda i: f"{title} like '%w000{i % 10}%{i % 100 + 10}%'"


def _brands(first: int, size: int) -> str:
    return ", ".join(f"'brand{(first * 7 + i) % 1_000:04d}'" for i in range(size))


def measure(
    collection: elanus.Collection, make: Filter, numbers: Iterator[int]
) -> dict[str, float]:
    """Return the least median of milliseconds of each way."""
    found: dict[str, list[float]] = {way: [] for way in FORCED}
    for _ in range(ROUNDS):
        for way, index_ns in FORCED.items():
            logic.INDEX_NS = index_ns
            ms = []
            for _ in range(ASKED):
                where = make(next(numbers))  # a filter that comes again is remembered
                start = time.perf_counter()
                collection.count(where)
                ms.append((time.perf_counter() - start) * 1e3)
            found[way].append(median(ms))
    return {way: min(ms) for way, ms in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where rows are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        if not (folder / "elanus").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_rows(folder, options.rows)
        collection = elanus.connect(folder / "elanus").collection("rows")
        if len(collection.list_indexes()) == 1:
            for field, kind, cast, params in ELANUS_INDEXES:
                collection.create_index(field, kind, params)
                path = {"json_path": f"meta['{field}']", "json_cast_type": cast, **params}
                collection.create_index("meta", kind, path)
            collection.wait_indexed()
        numbers = count()
        print(f"{'ms':30} {'index':>8} {'columns':>8} {'planned':>8}")
        for way, place, held in (
            ("field", "{}", "array_contains"),
            ("json", "meta['{}']", "json_contains"),
        ):
            for kind, make in kinds(place.format, held):
                ms = measure(collection, make, numbers)
                best = min(ms["index"], ms["columns"])
                is_wrong = ms["planned"] > MUCH_LONGER * best + NOISE_MS
                cells = " ".join(f"{ms[way]:8.3f}" for way in FORCED)
                print(f"{way + ', ' + kind:30} {cells}{' wrong' if is_wrong else ''}", flush=True)


if __name__ == "__main__":
    main()
