"""How fast is the exact scan over codes, beside scans of float32 and the memory's bandwidth?

Ten nearest by inner product, one core, CPU time: our scan of float32, our scan over one-byte codes
(the same answer, checked), ``faiss.IndexFlatIP`` in an environment of its own, and NumPy's matrix
product with ``argpartition``. All take turns in each round, with a plain read of memory.

Run: ``python -m benchmarks.micro.quantized_scan``
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.datasets import dataset_folder
from benchmarks.machine import describe_run
from benchmarks.macro.environments import EnvironmentMissingError, interpreter_for
from benchmarks.report import render, write_result
from elanus.kernels.bitset import Bitset
from elanus.kernels.cpu import active_variant
from elanus.kernels.distance import scan_topk
from elanus.kernels.quantized import ScanCodes
from elanus.types import Float32Array, MetricType

MODULE = "benchmarks.micro.quantized_scan"
LIMIT = 10
ROUNDS = 15
SHARES = (0.1, 0.01, 0.001)
READ_BYTES = 150_000_000
FAISS_WORKER = """
import sys, time
import faiss, numpy as np
faiss.omp_set_num_threads(1)
rows, queries, bits = (np.load(f) for f in sys.argv[1:4])
index = faiss.IndexFlatIP(rows.shape[1])
index.add(rows)
print("ready", flush=True)
for line in sys.stdin:
    nq, share, limit = line.split()
    chosen, params = queries[: int(nq)], None
    if share != "-1":
        bitmap = np.ascontiguousarray(bits[int(share)])
        params = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
    started = time.process_time_ns()
    index.search(chosen, int(limit), params=params)
    print((time.process_time_ns() - started) / 1e6, flush=True)
"""


@dataclass(frozen=True)
class Case:
    """Rows to search, a batch size, and which share of the rows a filter allows."""

    rows: Float32Array
    queries: Float32Array
    codes: ScanCodes
    num_queries: int
    allowed: Bitset | None

    @property
    def batch(self) -> Float32Array:
        return self.queries[: self.num_queries]

    def scan(self) -> Any:
        return scan_topk(MetricType.IP, self.batch, self.rows, None, self.allowed, LIMIT)

    def scan_codes(self) -> Any:
        return self.codes.search(self.batch, self.rows, None, self.allowed, LIMIT)

    def rescored_rows(self) -> int:
        """Return how many allowed rows the last query reads as float32."""
        read: list[Any] = []
        self.codes.search(
            self.batch[-1:], self.rows, None, self.allowed, LIMIT, check_rows=read.append
        )
        if read[0] is not None:
            return len(read[0])
        return len(self.rows) if self.allowed is None else self.allowed.count()

    def matrix_product(self) -> Any:
        scores = self.batch @ self.rows.T
        if self.allowed is not None:
            scores[:, ~self.allowed.to_mask()] = -np.inf
        return np.argpartition(scores, -LIMIT, axis=1)[:, -LIMIT:]


class Faiss:
    """An ``IndexFlatIP`` in a process of its own."""

    def __init__(self, folder: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        files = []
        for name, array in arrays.items():
            files.append(str(folder / f"{name}.npy"))
            np.save(files[-1], array)
        self._process = subprocess.Popen(
            [interpreter_for("faiss"), "-c", FAISS_WORKER, *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def search(self, num_queries: int, share: int) -> float:
        """Search once and return the milliseconds; ``share`` is a place in SHARES, or -1."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{num_queries} {share} {LIMIT}\n")
        self._process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def timed(call: Callable[[], object]) -> float:
    """Return the CPU time of all threads in milliseconds."""
    started = time.process_time_ns()
    call()
    return (time.process_time_ns() - started) / 1e6


def passages(count: int) -> tuple[Float32Array, Float32Array]:
    """Return embeddings of passages and of questions."""
    folder = dataset_folder("passages")
    rows = np.load(folder / "embeddings_f16.npy")[:count].astype(np.float32)
    return rows, np.load(folder / "query_embeddings_f16.npy")[:64].astype(np.float32)


def random(count: int, dim: int) -> tuple[Float32Array, Float32Array]:
    """Return rows without any structure: the distances lie closest together."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, dim), dtype=np.float32)
    return rows, rng.standard_normal((64, dim), dtype=np.float32)


def measure_case(case: Case, share: int, faiss: Faiss | None) -> dict[str, Any]:
    """Return the median times of all contenders, taking turns.

    Raises:
        RuntimeError: The scans found different rows or distances.
    """
    for got, expected in zip(case.scan_codes(), case.scan(), strict=True):
        if not np.array_equal(got, expected):
            raise RuntimeError("the scan over codes is not exact")
    memory = np.ones(READ_BYTES, dtype=np.uint8)
    buffer = bytearray(memory)
    contenders: dict[str, Callable[[], float]] = {
        "scan_ms": lambda: timed(case.scan),
        "codes_ms": lambda: timed(case.scan_codes),
        "numpy_ms": lambda: timed(case.matrix_product),
        "find_ms": lambda: timed(lambda: buffer.find(b"\x00")),
        "max_ms": lambda: timed(lambda: memory.view(np.int64).max()),
    }
    if faiss is not None:
        contenders["faiss_ms"] = lambda: faiss.search(case.num_queries, share)
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            samples[name].append(call())
    times = {name: median(values) for name, values in samples.items()}
    read_ms = min(times.pop("find_ms"), times.pop("max_ms"))
    bandwidth = READ_BYTES / read_ms / 1e6
    return {
        "rows": len(case.rows),
        "dim": case.rows.shape[1],
        "queries": case.num_queries,
        "share": 1.0 if share < 0 else SHARES[share],
        **times,
        "memory_gb_per_s": bandwidth,
        "codes_gb_per_s": case.codes.nbytes / times["codes_ms"] / 1e6,
        "rescored_rows": case.rescored_rows(),
    }


def measure(
    data: str, rows: Float32Array, queries: Float32Array, with_faiss: bool
) -> list[dict[str, Any]]:
    """Return the results of one matrix: two batch sizes, then filters."""
    codes = ScanCodes.encode(MetricType.IP, rows, None)
    chances = np.random.default_rng(1).random(len(rows))
    filters = [Bitset.from_mask(chances < share) for share in SHARES]
    bits = np.stack([allowed.words.view(np.uint8) for allowed in filters])
    with tempfile.TemporaryDirectory() as folder:
        faiss = None
        if with_faiss:
            faiss = Faiss(Path(folder), {"rows": rows, "queries": queries, "bits": bits})
        try:
            results = [
                measure_case(Case(rows, queries, codes, nq, None), -1, faiss) for nq in (1, 16)
            ]
            results += [
                measure_case(Case(rows, queries, codes, 1, allowed), share, faiss)
                for share, allowed in enumerate(filters)
            ]
        finally:
            if faiss is not None:
                faiss.close()
    return [{"data": data, **result} for result in results]


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8,000 rows only")
    parser.add_argument("--name", default="quantized_scan", help="name of the result file")
    chosen = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # NumPy's BLAS reads this when it is loaded, so start over.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        os.execve(sys.executable, [sys.executable, "-m", MODULE, *sys.argv[1:]], environment)
    result: dict[str, Any] = {"benchmark": "quantized_scan", **describe_run(MODULE)}
    result |= {"limit": LIMIT, "rounds": ROUNDS, "variant": active_variant()}
    try:
        interpreter_for("faiss")
        with_faiss = True
    except EnvironmentMissingError as error:
        print(error, file=sys.stderr)
        with_faiss = False
    sizes = (8_000,) if chosen.quick else (64_000, 100_000)
    result["rows"] = [
        row for size in sizes for row in measure("passages", *passages(size), with_faiss)
    ]
    result["rows"] += measure("random", *random(sizes[-1] // 2, 1_536), with_faiss)
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
