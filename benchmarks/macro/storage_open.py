"""From ``connect`` in a fresh process to the first answer, at 100,000 and 1,000,000 rows.

Each question (a key, a filter, BM25, a dense vector) gets fresh processes of its own. Before a
cold start the files of the database are dropped from the page cache, but not the libraries. The
large database holds the passages ten times, each further copy with its own vectors near the first;
it is built once and kept in the cache folder. Only elanus is opened at that size.

Run: ``python -m benchmarks storage_open`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.macro.environments import cache_folder
from benchmarks.macro.storage_plan import (
    STORES,
    Site,
    chosen_stores,
    clock,
    open_site,
    write_passages,
)
from benchmarks.macro.worker_process import WorkerFailedError
from benchmarks.report import render, write_result

LARGE_COPIES = 10
QUERIES = 1_000
CACHES = ("warm", "cold")
_KEPT = "storage-open"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.macro.storage_open",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000, help="passages of every system")
    parser.add_argument("--starts", type=int, default=3, help="fresh processes; the median counts")
    parser.add_argument("--no-large", action="store_true", help="leave the large database out")
    parser.add_argument("--rebuild", action="store_true", help="build the large database again")
    parser.add_argument("--quick", action="store_true", help="5,000 rows, one start")
    parser.add_argument("--systems", default=",".join(STORES), help="systems to measure")
    parser.add_argument("--name", default="storage_open", help="name of the result file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.quick:
        arguments.rows, arguments.starts = 5_000, 1
    say = clock()
    with open_site(chosen_stores(arguments.systems)) as (site, described, missing):
        write_passages(site.bundle, load_passages(arguments.rows, QUERIES))
        folders, loads = load_all(site, say)
        sizes = [(arguments.rows, store, folder) for store, folder in folders.items()]
        if "elanus" in folders and not arguments.no_large:
            large = load_large(site, arguments.rows, rebuild=arguments.rebuild)
            sizes.append((LARGE_COPIES * arguments.rows, "elanus", large))
            say("the large database is there")
        result = {
            "benchmark": "storage_open",
            **describe_run("benchmarks.macro.storage_open"),
            "starts": arguments.starts,
            "systems": described,
            "missing": missing,
            "loads": loads,
            "opens": [
                row
                for size in sizes
                for row in measure(site, size, described, arguments.starts, say)
            ],
        }
    file = write_result(arguments.name, result)
    print(render(result))
    say(f"written to {file}")


def load_all(
    site: Site, say: Callable[[str], None]
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Fill a database of each system; return the folders, and the times."""
    folders, loads = {}, {}
    for store in site.interpreters:
        form = "bm25" if store in ("elanus", "milvus_lite") else ""
        with site.worker(store) as worker:
            try:
                loads[store] = worker.call("load", folder=site.database(store), form=form)
                folders[store] = site.database(store)
            except WorkerFailedError as error:
                loads[store] = {"error": str(error)}
        say(f"{store} is loaded")
    return folders, loads


def load_large(site: Site, rows: int, *, rebuild: bool) -> str:
    """Return the folder of the large database, built now or by an earlier run."""
    folder = cache_folder() / f"{_KEPT}-{LARGE_COPIES * rows}"
    complete = folder / "complete"
    if rebuild or not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        with site.worker("elanus") as worker:
            worker.call("load", folder=str(folder / "db"), form="bm25", copies=LARGE_COPIES)
        complete.touch()
    return str(folder / "db")


def measure(
    site: Site,
    size: tuple[int, str, str],
    described: dict[str, Any],
    starts: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Return a row for each question and state of the page cache."""
    rows, store, folder = size
    found = []
    for kind in described[store]["kinds"]:
        for cache in CACHES:
            row: dict[str, Any] = {"rows": rows, "system": store, "kind": kind, "cache": cache}
            try:
                runs = [
                    first_answer(site, store, folder, kind, number, cold=cache == "cold")
                    for number in range(starts + 1)
                ]
                # The first one brings the libraries into the page cache.
                row |= {key: median(run[key] for run in runs[1:]) for key in runs[0]}
            except WorkerFailedError as error:
                row["error"] = str(error)
            found.append(row)
    say(f"{store} is opened at {rows:,} rows")
    return found


def first_answer(
    site: Site, store: str, folder: str, kind: str, number: int, *, cold: bool
) -> dict[str, float]:
    """Start a process and let it answer one question."""
    if cold:
        drop_from_page_cache(Path(folder))
    with site.worker(store) as worker:
        times: dict[str, float] = worker.call(
            "first_answer",
            folder=folder,
            kind=kind,
            number=number,
            spawned_ns=worker.spawned_ns,
        )
    return times


def drop_from_page_cache(folder: Path) -> None:
    """Forget the cached pages of every file below a folder; they are written back first."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


if __name__ == "__main__":
    main()
