"""Intel's Scalable Vector Search: Vamana over float16, and over its LVQ and LeanVec codes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import svs  # type: ignore[import-not-found]

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

PACKAGES = ("scalable-vs",)
_GRAPH = "R=64, window 200, alpha 1.2 (L2) or 0.95"
VARIANTS = {
    "f16": Variant(f"Vamana, float16, {_GRAPH}", efforts("window")),
    "lvq4x8": Variant(f"Vamana, LVQ4x8, {_GRAPH}", efforts("window")),
    "lvq8": Variant(f"Vamana, LVQ8, {_GRAPH}", efforts("window")),
    "leanvec4x8": Variant(f"Vamana, LeanVec dim/2 LVQ4 + LVQ8, {_GRAPH}", efforts("window")),
    "leanvec8x8": Variant(f"Vamana, LeanVec dim/2 LVQ8 + LVQ8, {_GRAPH}", efforts("window")),
}


class SvsIndex:
    """A Vamana graph."""

    def __init__(self, variant: str, metric: str) -> None:
        self._variant = variant
        self._metric = svs.DistanceType.L2 if metric == "l2" else svs.DistanceType.MIP
        self._alpha = 1.2 if metric == "l2" else 0.95

    def build(self, vectors: Float32Array) -> None:
        dim = vectors.shape[1]
        params = svs.VamanaBuildParameters(
            alpha=self._alpha,
            graph_max_degree=64,
            window_size=200,
            max_candidate_pool_size=300,
            prune_to=60,
        )
        if self._variant == "f16":
            halves = vectors.astype(np.float16)
            self._index = svs.Vamana.build(params, halves, self._metric, num_threads=1)
            return
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/vectors.fvecs"
            svs.write_vecs(vectors, file)
            stored = svs.VectorDataLoader(file, svs.DataType.float32, dims=dim)
            loader = self._codes(stored, dim)
            self._index = svs.Vamana.build(params, loader, self._metric, num_threads=1)

    def _codes(self, stored: Any, dim: int) -> Any:
        if self._variant == "lvq4x8":
            return svs.LVQLoader(stored, primary=4, residual=8, padding=32)
        if self._variant == "lvq8":
            return svs.LVQLoader(stored, primary=8, padding=32)
        first = svs.LeanVecKind.lvq4 if self._variant == "leanvec4x8" else svs.LeanVecKind.lvq8
        return svs.LeanVecLoader(
            stored, dim // 2, primary_kind=first, secondary_kind=svs.LeanVecKind.lvq8
        )

    def prepare(self, effort: Effort) -> None:
        self._index.search_window_size = effort["window"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search(query, LIMIT)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.search(queries, LIMIT)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.atleast_2d(answer[0]).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        parts = [str(folder / name) for name in ("config", "graph", "vectors")]
        self._index.save(*parts)
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return SvsIndex(variant, metric)
