"""How fast is the native scan beside NumPy?

Both find the ten nearest of many float32 rows to one query, on one core and one thread: the kernel
in one pass, NumPy with a matrix product and ``argpartition``.

Run: ``python -m benchmarks.micro.dense_scan``
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.kernels.cpu import active_variant, available_variants, set_active_variant
from elanus.kernels.distance import scan_topk
from elanus.types import Float32Array, Int64Array, MetricType

MODULE = "benchmarks.micro.dense_scan"
LIMIT = 10
SHAPES = ((100_000, 384), (100_000, 768), (20_000, 1536), (1_000, 384))
REPEATS = 15


def numpy_top_k(query: Float32Array, rows: Float32Array) -> Int64Array:
    """Return the row ids of the largest inner products, best first."""
    scores = rows @ query
    best = np.argpartition(scores, len(scores) - LIMIT)[-LIMIT:]
    found: Int64Array = best[np.argsort(-scores[best], kind="stable")]
    return found


def alternate(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the median times of both in milliseconds, the two taking turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for samples, call in zip(times, (first, second), strict=True):
            started = time.perf_counter_ns()
            call()
            samples.append((time.perf_counter_ns() - started) / 1e6)
    return median(times[0]), median(times[1])


def measure(num_rows: int, dim: int, variant: str) -> dict[str, Any]:
    """Return the times for one shape on one CPU variant of the kernel.

    Raises:
        RuntimeError: Kernel and NumPy found different rows.
    """
    set_active_variant(variant)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((num_rows, dim), dtype=np.float32)
    query = rng.standard_normal((1, dim), dtype=np.float32)
    found, _ = scan_topk(MetricType.IP, query, rows, None, None, LIMIT)
    if found[0].tolist() != numpy_top_k(query[0], rows).tolist():
        raise RuntimeError(f"dim {dim}: kernel and NumPy found different rows")
    kernel_ms, numpy_ms = alternate(
        lambda: scan_topk(MetricType.IP, query, rows, None, None, LIMIT),
        lambda: numpy_top_k(query[0], rows),
    )
    return {
        "variant": variant,
        "rows": num_rows,
        "dim": dim,
        "kernel_ms": kernel_ms,
        "numpy_ms": numpy_ms,
        "kernel_gb_per_s": rows.nbytes / kernel_ms / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--all-variants", action="store_true", help="every CPU variant there is")
    chosen = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # NumPy's BLAS reads this when it is loaded, so start over.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        os.execve(sys.executable, [sys.executable, "-m", MODULE, *sys.argv[1:]], environment)
    result: dict[str, Any] = {"benchmark": "dense_scan", **describe_run(MODULE), "limit": LIMIT}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    variants = available_variants() if chosen.all_variants else (active_variant(),)
    result["rows"] = [measure(n, dim, variant) for variant in variants for n, dim in SHAPES]
    file = write_result("dense_scan", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
