"""VSAG's HGraph, over 8-bit codes and over float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyvsag  # type: ignore[import-not-found]

from benchmarks.graph.libraries.base import (
    LIMIT,
    WIDTHS,
    Effort,
    Float32Array,
    Index,
    Int64Array,
    Variant,
    efforts,
    folder_bytes,
)

PACKAGES = ("pyvsag",)
_GRAPH = "max_degree=32, ef_construction=200"
_EFFORTS = efforts("ef_search", (*(width for width in WIDTHS if width < 1_000), 1_000))
"""The library refuses more than 1,000."""
VARIANTS = {
    "sq8": Variant(f"HGraph, sq8, {_GRAPH}", _EFFORTS),
    "sq8_reorder": Variant(f"HGraph, sq8 reordered by fp32, {_GRAPH}", _EFFORTS),
    # With inner products, sq4_uniform finds next to nothing.
    "sq4_reorder": Variant(
        f"HGraph, sq4_uniform reordered by fp32, {_GRAPH}", _EFFORTS, ("l2", "cosine")
    ),
    "fp32": Variant(f"HGraph, fp32, {_GRAPH}", _EFFORTS),
}
_CODES = {"sq8": "sq8", "sq8_reorder": "sq8", "sq4_reorder": "sq4_uniform", "fp32": "fp32"}


class VsagIndex:
    """A hierarchical graph."""

    def __init__(self, variant: str, metric: str) -> None:
        self._variant = variant
        # Unit vectors are ordered by their distance as by their cosine.
        self._metric = "ip" if metric == "ip" else "l2"
        pyvsag.set_logger_off()

    def build(self, vectors: Float32Array) -> None:
        n, dim = vectors.shape
        params = {
            "dtype": "float32",
            "metric_type": self._metric,
            "dim": dim,
            "index_param": {
                "base_quantization_type": _CODES[self._variant],
                "use_reorder": self._variant.endswith("reorder"),
                "precise_quantization_type": "fp32",
                "max_degree": 32,
                "ef_construction": 200,
                "build_thread_count": 1,
            },
        }
        self._index = pyvsag.Index("hgraph", json.dumps(params))
        ids = np.arange(n, dtype=np.int64)
        self._index.build(vectors=vectors.reshape(-1), ids=ids, num_elements=n, dim=dim)

    def prepare(self, effort: Effort) -> None:
        self._search_params = json.dumps({"hgraph": dict(effort)})

    def one(self, query: Float32Array) -> Any:
        return self._index.knn_search(vector=query, k=LIMIT, parameters=self._search_params)

    def batch(self, queries: Float32Array) -> Any:
        raise NotImplementedError("pyvsag takes one query per call")

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.asarray(answer[0], dtype=np.int64)[None, :]
        return found

    def size_bytes(self, folder: Path) -> int:
        self._index.save(str(folder / "index"))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return VsagIndex(variant, metric)
