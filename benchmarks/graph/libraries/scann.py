"""Google's ScaNN: partitions, 4-bit anisotropic codes, and the best re-scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scann  # type: ignore[import-not-found]

from benchmarks.graph.libraries.base import (
    LIMIT,
    Effort,
    Float32Array,
    Index,
    Int64Array,
    Variant,
    folder_bytes,
)

PACKAGES = ("scann",)
_EFFORTS = tuple(
    {"leaves": leaves, "reorder": reorder}
    for leaves, reorder in (
        (2, 20),
        (4, 30),
        (8, 40),
        (12, 50),
        (16, 60),
        (24, 80),
        (32, 80),
        (32, 120),
        (48, 100),
        (64, 120),
        (64, 200),
        (96, 200),
        (128, 200),
        (192, 300),
        (256, 400),
    )
)
VARIANTS = {
    "tree_ah": Variant("tree sqrt(n) leaves, AH 2 dims/4 bit, reorder float32", _EFFORTS),
    "tree_ah_bf16": Variant("tree sqrt(n) leaves, AH 2 dims/4 bit, reorder bfloat16", _EFFORTS),
}


class ScannIndex:
    """A tree with asymmetric hashing."""

    def __init__(self, variant: str, metric: str) -> None:
        self._narrow = variant.endswith("bf16")
        self._measure = "squared_l2" if metric == "l2" else "dot_product"

    def build(self, vectors: Float32Array) -> None:
        n = len(vectors)
        builder = scann.scann_ops_pybind.builder(vectors, LIMIT, self._measure)
        tree = builder.set_n_training_threads(1).tree(
            num_leaves=round(n**0.5),
            num_leaves_to_search=16,
            training_sample_size=min(n, 250_000),
        )
        threshold = float("nan") if self._measure == "squared_l2" else 0.2
        coded = tree.score_ah(2, anisotropic_quantization_threshold=threshold)
        quantize = scann.ReorderType.BFLOAT16 if self._narrow else scann.ReorderType.FLOAT32
        self._index = coded.reorder(100, quantize=quantize).build()
        self._leaves, self._reorder = 16, 100

    def prepare(self, effort: Effort) -> None:
        self._leaves, self._reorder = effort["leaves"], effort["reorder"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search(
            query,
            final_num_neighbors=LIMIT,
            pre_reorder_num_neighbors=self._reorder,
            leaves_to_search=self._leaves,
        )

    def batch(self, queries: Float32Array) -> Any:
        return self._index.search_batched(
            queries,
            final_num_neighbors=LIMIT,
            pre_reorder_num_neighbors=self._reorder,
            leaves_to_search=self._leaves,
        )

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.atleast_2d(np.asarray(answer[0])).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        self._index.serialize(str(folder))
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return ScannIndex(variant, metric)
