"""FlatNav: HNSW without its upper layers, rows reordered for the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatnav  # type: ignore[import-not-found]
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

PACKAGES = ("flatnav",)
VARIANTS = {
    "m32": Variant("flat graph, float32, 32 edges, ef_construction=200", efforts("ef_search"))
}


class FlatNavIndex:
    """One flat graph."""

    def __init__(self, metric: str) -> None:
        self._metric = "l2" if metric == "l2" else "angular"
        self._ef = LIMIT

    def build(self, vectors: Float32Array) -> None:
        self._index = flatnav.index.create(
            distance_type=self._metric,
            dim=vectors.shape[1],
            dataset_size=len(vectors),
            max_edges_per_node=32,
        )
        self._index.set_num_threads(1)
        self._index.add(data=vectors, ef_construction=200)
        self._index.reorder(strategies=["gorder"])

    def prepare(self, effort: Effort) -> None:
        self._ef = effort["ef_search"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search_single(query=query, K=LIMIT, ef_search=self._ef)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.search(queries=queries, K=LIMIT, ef_search=self._ef)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.atleast_2d(np.asarray(answer[1])).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        self._index.save(str(folder / "index"))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    del variant
    return FlatNavIndex(metric)
