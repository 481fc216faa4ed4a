"""How do inverted lists compare with those of faiss?

The same lists and codes on both sides: recall@10 and queries a second, one query a call on one
thread, over several ``nprobe``. Times are CPU time, the two taking turns. The peer is installed
with ``pip install faiss-cpu``.

Run: ``python -m benchmarks.micro.inverted_lists --rows 100000 --nlist 1024``, or with
``--synthetic`` for clustered vectors of 128 dimensions.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.index.base import VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.registry import index_type
from elanus.kernels.distance import inverse_norms
from elanus.types import Float32Array, Int64Array, MetricType

MODULE = "benchmarks.micro.inverted_lists"
LIMIT = 10
ROUNDS = 3
PROBES = (4, 16, 64, 128)
REFINE_K = {"IVF_SQ8": 2, "IVF_PQ": 4}

Search = Callable[[Float32Array, int], Int64Array]


def clustered(num_rows: int, num_queries: int) -> tuple[Float32Array, Float32Array]:
    """Return rows and queries around 4,000 centres of unequal weight, 128 dimensions."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4_000, 128)).astype(np.float32)
    weights = rng.pareto(1.5, 4_000) + 0.1
    picked = rng.choice(4_000, num_rows + num_queries, p=weights / weights.sum())
    points = rng.standard_normal((num_rows + num_queries, 128), dtype=np.float32) * 0.7
    points += centres[picked]
    return points[:num_rows], points[num_rows:]


def ours(name: str, rows: VectorRows, nlist: int) -> tuple[VectorIndex, float]:
    """Build our index; return it and the CPU seconds of all threads."""
    kind = index_type(name)
    params = kind.parse_params({"nlist": nlist, "refine_k": REFINE_K[name]})
    started = time.process_time()
    index = kind.build(rows, params, checkpoint=lambda: None)
    return index, time.process_time() - started


def theirs(name: str, values: Float32Array, nlist: int, metric: MetricType) -> tuple[Any, float]:
    """Build the index of faiss; return it and its CPU seconds."""
    import faiss

    faiss.omp_set_num_threads(1)
    dim = values.shape[1]
    codes = "SQ8" if name == "IVF_SQ8" else f"PQ{dim // 2}x4fs"
    measure = faiss.METRIC_L2 if metric is MetricType.L2 else faiss.METRIC_INNER_PRODUCT
    started = time.process_time()
    index = faiss.index_factory(dim, f"IVF{nlist},{codes},RFlat", measure)
    index.train(values)
    index.add(values)
    return index, time.process_time() - started


def faiss_search(index: Any, refine_k: int) -> Search:
    """Return a search of the peer's index by ``nprobe``."""
    import faiss

    def search(query: Float32Array, nprobe: int) -> Int64Array:
        parameters = faiss.IndexRefineSearchParameters(
            k_factor=refine_k, base_index_params=faiss.SearchParametersIVF(nprobe=nprobe)
        )
        found: Int64Array = index.search(query, LIMIT, params=parameters)[1]
        return found

    return search


def timed(search: Search, queries: Float32Array, nprobe: int) -> tuple[float, Int64Array]:
    """Return CPU seconds and row ids of all queries, one a call."""
    started = time.thread_time()
    found = [search(queries[i : i + 1], nprobe)[0] for i in range(len(queries))]
    return time.thread_time() - started, np.array(found)


def compare(name: str, rows: VectorRows, queries: Float32Array, nlist: int) -> list[dict[str, Any]]:
    """Return one entry for each ``nprobe``."""
    unit = rows.values if rows.scale is None else rows.values * rows.scale[:, None]
    truth = FlatIndex(rows).search(queries, LIMIT).row_ids
    index, our_build = ours(name, rows, nlist)
    peer, their_build = theirs(name, np.ascontiguousarray(unit), nlist, rows.metric)
    searches: dict[str, Search] = {
        "elanus": lambda query, nprobe: index.search(query, LIMIT, ef=nprobe).row_ids,
        "faiss": faiss_search(peer, REFINE_K[name]),
    }
    size_mb = sum(array.nbytes for array in index.to_arrays()[1].values()) / 1e6
    entries = []
    for nprobe in PROBES:
        times: dict[str, list[float]] = {"elanus": [], "faiss": []}
        entry: dict[str, Any] = {"index": name, "nprobe": nprobe, "elanus_mb": size_mb}
        for _ in range(ROUNDS):
            for system, search in searches.items():
                seconds, found = timed(search, queries, nprobe)
                times[system].append(seconds)
                hits = [len(np.intersect1d(a, b)) for a, b in zip(truth, found, strict=True)]
                entry[f"{system}_recall"] = sum(hits) / truth.size
        for system, samples in times.items():
            entry[f"{system}_qps"] = len(queries) / median(samples)
        entries.append({**entry, "elanus_build_cpu_s": our_build, "faiss_build_cpu_s": their_build})
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--nlist", type=int, default=1_024)
    parser.add_argument("--synthetic", action="store_true", help="clustered vectors, L2")
    chosen = parser.parse_args()
    if chosen.synthetic:
        values, queries = clustered(chosen.rows, chosen.queries)
        rows = VectorRows(values, None, MetricType.L2)
    else:
        passages = load_passages(chosen.rows, chosen.queries)
        values, queries = passages.vectors, passages.query_vectors
        rows = VectorRows(values, inverse_norms(values), MetricType.COSINE)
    queries = np.ascontiguousarray(queries)
    result: dict[str, Any] = {"benchmark": "inverted_lists", **describe_run(MODULE)}
    result |= {"num_rows": rows.num_rows, "dim": rows.dim, "nlist": chosen.nlist}
    names = ("IVF_SQ8", "IVF_PQ")
    result["rows"] = [e for name in names for e in compare(name, rows, queries, chosen.nlist)]
    suffix = "_synthetic" if chosen.synthetic else ""
    file = write_result(f"inverted_lists{suffix}", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
