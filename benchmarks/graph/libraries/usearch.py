"""USearch, with its three narrow scalar types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import usearch.index  # type: ignore[import-not-found]

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

PACKAGES = ("usearch", "numkong", "simsimd")
_GRAPH = "connectivity=16, expansion_add=128"
VARIANTS = {
    "bf16": Variant(f"HNSW, bf16, {_GRAPH}", efforts("expansion")),
    "f16": Variant(f"HNSW, f16, {_GRAPH}", efforts("expansion")),
    "i8": Variant(f"HNSW, i8, {_GRAPH}", efforts("expansion"), ("cosine",)),
}


class USearchIndex:
    """HNSW over converted vectors."""

    def __init__(self, variant: str, metric: str) -> None:
        self._dtype = variant
        self._metric = {"l2": "l2sq", "ip": "ip", "cosine": "cos"}[metric]

    def build(self, vectors: Float32Array) -> None:
        self._index = usearch.index.Index(
            ndim=vectors.shape[1],
            metric=self._metric,
            dtype=self._dtype,
            connectivity=16,
            expansion_add=128,
        )
        self._index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)

    def prepare(self, effort: Effort) -> None:
        self._index.expansion_search = effort["expansion"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search(query, LIMIT, threads=1)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.search(queries, LIMIT, threads=1)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.atleast_2d(np.asarray(answer.keys)).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        self._index.save(str(folder / "index"))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return USearchIndex(variant, metric)
