"""Builds and searches one index of one library, in that library's own interpreter.

Run as ``python -m benchmarks.graph.worker LIBRARY/VARIANT FOLDER CORE``, where ``FOLDER`` holds a
data set as ``benchmarks.graph.datasets`` writes it; commands and answers as in
``benchmarks.macro.worker``. This file and what it imports need NumPy only, besides the library.

Times are CPU time, so that what else runs on the machine counts as little as possible: of the
calling thread for single queries (of the whole process where a library answers them on another
thread), of the whole process for builds and batches.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.graph.libraries.base import LIMIT, Float32Array, Index, Library, Variant
from benchmarks.macro.memory import memory_of_process_tree
from benchmarks.macro.worker import serve

HIDDEN_WORK = 1.1
"""CPU time of the process over that of the calling thread from which on another thread worked."""
WARM_UP_QUERIES = 20
"""Asked first in every turn: other libraries have used the caches of the core meanwhile."""


class GraphWorker:
    """One variant of one library on one data set."""

    def __init__(self, name: str, folder: Path) -> None:
        library, _, variant = name.partition("/")
        module: Any = importlib.import_module(f"benchmarks.graph.libraries.{library}")
        self._library: Library = module
        self._variant: Variant = self._library.VARIANTS[variant]
        self._folder = folder
        self._metric: str = json.loads((folder / "about.json").read_text("utf-8"))["metric"]
        self._queries: Float32Array = np.load(folder / "queries.npy")
        self._acceptable: npt.NDArray[np.int32] = np.load(folder / "acceptable.npy")
        self._index: Index = self._library.make(variant, self._metric)
        self._other_threads = False

    def describe(self) -> dict[str, Any]:
        """Return versions and settings."""
        return {
            "versions": _versions(self._library.PACKAGES),
            "settings": self._variant.settings,
            "efforts": [dict(effort) for effort in self._variant.efforts],
            "supported": self._metric in self._variant.metrics,
        }

    def build(self) -> dict[str, Any]:
        """Build the index; return CPU time, growth of the process and size when saved."""
        before = _settled_memory()
        vectors: Float32Array = np.load(self._folder / "vectors.npy")
        started, cpu = time.perf_counter(), time.process_time()
        self._index.build(vectors)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - started
        del vectors
        self._index.prepare(self._variant.efforts[0])
        self._other_threads = self._works_elsewhere()
        after = _settled_memory()
        return {
            "cpu_s": cpu,
            "wall_s": wall,
            "rss_bytes": after["anonymous_bytes"] - before["anonymous_bytes"],
            "peak_bytes": after["peak_bytes"] - before["anonymous_bytes"],
            **self._size(),
        }

    def _size(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            try:
                return {"size_bytes": self._index.size_bytes(Path(folder))}
            except Exception as error:  # noqa: BLE001 - whatever a peer raises: reported
                return {"size_bytes": None, "size_error": f"{type(error).__name__}: {error}"}

    def single(self, effort: dict[str, Any], queries: int, budget_s: float) -> dict[str, Any]:
        """Ask the first ``queries`` queries one by one, at most ``budget_s`` CPU seconds.

        Returns:
            ``recall`` and ``short`` (answers with fewer than ``LIMIT`` ids) over the answered
            queries, ``qps``, ``p50_us``, ``p99_us`` and ``answered``.
        """
        self._index.prepare(effort)
        asked = self._queries[:queries]
        one = self._index.one
        clock = time.process_time_ns if self._other_threads else time.thread_time_ns
        for query in asked[-WARM_UP_QUERIES:]:
            one(query)
        ns, answers = [], []
        deadline = clock() + int(budget_s * 1e9)
        for query in asked:
            started = clock()
            answer = one(query)
            ended = clock()
            ns.append(ended - started)
            answers.append(answer)
            if ended > deadline:
                break
        found = [self._index.ids(answer).reshape(-1) for answer in answers]
        p50, p99 = np.percentile(ns, [50, 99]) / 1e3
        return {
            **self._quality(found),
            "qps": len(ns) / sum(ns) * 1e9,
            "p50_us": float(p50),
            "p99_us": float(p99),
            "answered": len(ns),
            "other_threads": self._other_threads,
        }

    def _works_elsewhere(self) -> bool:
        """Return whether other threads work for the calling one."""
        process, thread = time.process_time_ns(), time.thread_time_ns()
        for query in self._queries:
            self._index.one(query)
        own = time.thread_time_ns() - thread
        return time.process_time_ns() - process > HIDDEN_WORK * own

    def batch(self, effort: dict[str, Any], queries: int) -> dict[str, Any]:
        """Ask all queries in one call; return ``qps`` of CPU time, or None where there is none."""
        self._index.prepare(effort)
        asked = self._queries[:queries]
        started = time.process_time()
        try:
            self._index.batch(asked)
        except NotImplementedError:
            return {"qps": None}
        return {"qps": len(asked) / (time.process_time() - started)}

    def _quality(self, found: list[npt.NDArray[np.int64]]) -> dict[str, float]:
        right = short = 0
        for ids, acceptable in zip(found, self._acceptable, strict=False):
            kept = np.unique(ids[:LIMIT][ids[:LIMIT] >= 0])
            right += min(int(np.isin(kept, acceptable).sum()), LIMIT)
            short += len(kept) < LIMIT
        return {"recall": right / (LIMIT * len(found)), "short": short}


def _settled_memory() -> dict[str, int]:
    """Return the memory without what the allocator only keeps for later."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return memory_of_process_tree()


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in (*packages, "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    serve(GraphWorker)
