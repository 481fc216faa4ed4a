"""Spotify's Voyager: hnswlib with narrow storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import voyager  # type: ignore[import-not-found]

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

PACKAGES = ("voyager",)
_GRAPH = "M=16, ef_construction=200"
VARIANTS = {
    "f32": Variant(f"HNSW, float32, {_GRAPH}", efforts("ef")),
    "e4m3": Variant(f"HNSW, 8-bit float, {_GRAPH}", efforts("ef"), ("cosine",)),
}


class VoyagerIndex:
    """HNSW."""

    def __init__(self, variant: str, metric: str) -> None:
        spaces = {"l2": "Euclidean", "ip": "InnerProduct", "cosine": "Cosine"}
        self._space = getattr(voyager.Space, spaces[metric])
        kinds = {"f32": "Float32", "e4m3": "E4M3"}
        self._storage = getattr(voyager.StorageDataType, kinds[variant])
        self._ef = LIMIT

    def build(self, vectors: Float32Array) -> None:
        self._index = voyager.Index(
            self._space,
            num_dimensions=vectors.shape[1],
            M=16,
            ef_construction=200,
            max_elements=len(vectors),
            storage_data_type=self._storage,
        )
        self._index.add_items(vectors, list(range(len(vectors))), num_threads=1)

    def prepare(self, effort: Effort) -> None:
        self._ef = effort["ef"]

    def one(self, query: Float32Array) -> Any:
        return self._index.query(query, k=LIMIT, query_ef=self._ef)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.query(queries, k=LIMIT, num_threads=1, query_ef=self._ef)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.atleast_2d(np.asarray(answer[0])).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        self._index.save(str(folder / "index"))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return VoyagerIndex(variant, metric)
