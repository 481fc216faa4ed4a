"""Faiss: HNSW over float32 and over 8-bit codes, and inverted lists of 4-bit product codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.graph.libraries.base import (
    LIMIT,
    Effort,
    Float32Array,
    Index,
    Int64Array,
    Variant,
    efforts,
    folder_bytes,
)

PACKAGES = ("faiss-cpu",)
TRAINING_ROWS = 100_000
_PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_IVF_EFFORTS = tuple(
    {"nprobe": probes, "k_factor": refine}
    for probes in _PROBES
    for refine in ((4, 10) if probes < 16 else (10, 25))
)
VARIANTS = {
    "hnsw_sq8": Variant("HNSW32, 8-bit codes, efConstruction=200", efforts("ef")),
    "hnsw_flat": Variant("HNSW32, float32, efConstruction=200", efforts("ef")),
    "ivfpq": Variant("IVF sqrt(n), PQ dim/2 x 4 bit fastscan, refined from float32", _IVF_EFFORTS),
}


class FaissIndex:
    """An index made by Faiss' factory."""

    def __init__(self, variant: str, metric: str) -> None:
        self._variant = variant
        self._metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        faiss.omp_set_num_threads(1)

    def build(self, vectors: Float32Array) -> None:
        n, dim = vectors.shape
        names = {
            "hnsw_sq8": "HNSW32_SQ8",
            "hnsw_flat": "HNSW32,Flat",
            "ivfpq": f"IVF{round(n**0.5)},PQ{dim // 2}x4fs,RFlat",
        }
        self._index = faiss.index_factory(dim, names[self._variant], self._metric)
        if self._variant != "ivfpq":
            self._index.hnsw.efConstruction = 200
        self._index.train(vectors[:TRAINING_ROWS])
        self._index.add(vectors)

    def prepare(self, effort: Effort) -> None:
        if self._variant != "ivfpq":
            self._index.hnsw.efSearch = effort["ef"]
            return
        self._index.k_factor = effort["k_factor"]
        faiss.extract_index_ivf(self._index).nprobe = effort["nprobe"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search(query[None, :], LIMIT)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.search(queries, LIMIT)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.asarray(answer[1], dtype=np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        faiss.write_index(self._index, str(folder / "index"))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return FaissIndex(variant, metric)
