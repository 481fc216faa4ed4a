"""Bytes on disk after nine of ten rows were deleted, beside a fresh database of the tenth.

Rows are chosen at random. Sizes are taken when a system has settled by itself, and again after
what its documentation offers to give space back: ``compact`` for elanus, ``VACUUM`` for SQLite,
``optimize`` for LanceDB, ``chroma vacuum`` for Chroma, ``compact`` for Milvus Lite.

Run: ``python -m benchmarks storage_space`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
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

KEPT_SHARE = 0.1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.macro.storage_space",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000, help="passages to load")
    parser.add_argument("--quick", action="store_true", help="5,000 rows")
    parser.add_argument("--systems", default=",".join(STORES), help="systems to measure")
    parser.add_argument("--name", default="storage_space", help="name of the result file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    rows = 5_000 if arguments.quick else arguments.rows
    kept = sorted(
        np.random.default_rng(0).choice(rows, round(KEPT_SHARE * rows), replace=False).tolist()
    )
    doomed = sorted(set(range(rows)) - set(kept))
    say = clock()
    spaces = []
    with open_site(chosen_stores(arguments.systems)) as (site, described, missing):
        write_passages(site.bundle, load_passages(rows, 1))
        for store in site.interpreters:
            try:
                spaces.append({"system": store, **measure(site, store, kept, doomed)})
            except WorkerFailedError as error:
                spaces.append({"system": store, "error": str(error)})
            say(f"{store} is measured")
    result = {
        "benchmark": "storage_space",
        **describe_run("benchmarks.macro.storage_space"),
        "rows": rows,
        "kept": len(kept),
        "systems": described,
        "missing": missing,
        "spaces": spaces,
    }
    file = write_result(arguments.name, result)
    print(render(result))
    say(f"written to {file}")


def measure(site: Site, store: str, kept: list[int], doomed: list[int]) -> dict[str, Any]:
    """Return the sizes of one system."""
    form = "bm25" if store in ("elanus", "milvus_lite") else ""
    used, fresh = site.database(store), site.database(f"{store}-fresh")
    with site.worker(store) as worker:
        worker.call("load", folder=used, form=form)
    with site.worker(store) as worker:
        worker.call("load", folder=fresh, form=form, ids=kept)
        size = worker.call("optimized_size", folder=fresh)
    with site.worker(store) as worker:
        figures: dict[str, Any] = worker.call("shrink", folder=used, doomed=doomed)
    if figures["rows"] != len(kept):
        raise WorkerFailedError(f"{store}: {figures['rows']} rows are left of {len(kept)}")
    return {**figures, "fresh_bytes": size["bytes"]}


if __name__ == "__main__":
    main()
