"""hnswlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hnswlib
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

PACKAGES = ("hnswlib",)
VARIANTS = {"m16": Variant("HNSW, float32, M=16, ef_construction=200", efforts("ef"))}


class HnswlibIndex:
    """HNSW over float32."""

    def __init__(self, metric: str) -> None:
        # Unit vectors: their inner product is their cosine, and the library need not scale them.
        self._space = "l2" if metric == "l2" else "ip"

    def build(self, vectors: Float32Array) -> None:
        self._index = hnswlib.Index(space=self._space, dim=vectors.shape[1])
        self._index.init_index(len(vectors), M=16, ef_construction=200, random_seed=100)
        self._index.set_num_threads(1)
        self._index.add_items(vectors, np.arange(len(vectors)), num_threads=1)

    def prepare(self, effort: Effort) -> None:
        self._index.set_ef(effort["ef"])

    def one(self, query: Float32Array) -> Any:
        return self._index.knn_query(query, k=LIMIT, num_threads=1)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.knn_query(queries, k=LIMIT, num_threads=1)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.asarray(answer[0]).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        self._index.save_index(str(folder / "index"))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    del variant
    return HnswlibIndex(metric)
