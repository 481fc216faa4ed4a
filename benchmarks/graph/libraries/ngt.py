"""Yahoo's NGT: a k-nearest-neighbour graph, and the one made of it with better edges."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import ngtpy  # type: ignore[import-not-found]
import numpy as np

from benchmarks.graph.libraries.base import (
    LIMIT,
    Effort,
    Float32Array,
    Index,
    Int64Array,
    Variant,
    folder_bytes,
)

PACKAGES = ("ngt",)
_EFFORTS = tuple(
    {"epsilon": epsilon}
    for epsilon in (-0.1, -0.05, 0.0, 0.02, 0.05, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5)
)
VARIANTS = {
    "anng": Variant("ANNG, float16, 10 edges made, 40 searched", _EFFORTS, ("l2", "cosine")),
    "onng": Variant(
        "ONNG, float16, 100 edges made, 10 out and 100 in kept", _EFFORTS, ("l2", "cosine")
    ),
}


class NgtIndex:
    """A graph in files below a temporary folder."""

    def __init__(self, variant: str, metric: str) -> None:
        self._is_onng = variant == "onng"
        self._metric = "L2" if metric == "l2" else "Normalized Cosine"
        self._folder = tempfile.TemporaryDirectory()
        self._epsilon = 0.0

    def build(self, vectors: Float32Array) -> None:
        first = f"{self._folder.name}/anng"
        ngtpy.create(
            first,
            vectors.shape[1],
            edge_size_for_creation=100 if self._is_onng else 10,
            edge_size_for_search=-2 if self._is_onng else 40,
            distance_type=self._metric,
            object_type="Float16",
        )
        index = ngtpy.Index(first)
        index.batch_insert(vectors, num_threads=1)
        index.save()
        index.close()
        self._path = first
        if self._is_onng:
            self._path = f"{self._folder.name}/onng"
            optimizer = ngtpy.Optimizer(
                num_of_outgoings=10, num_of_incomings=100, log_disabled=True
            )
            # Search parameters are set by the effort: only the edges are to be improved.
            optimizer.set_processing_modes(True, False, False, False)
            optimizer.execute(first, self._path)
            shutil.rmtree(first)
        self._index = ngtpy.Index(self._path, read_only=True)

    def prepare(self, effort: Effort) -> None:
        self._epsilon = effort["epsilon"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search(query, LIMIT, epsilon=self._epsilon, with_distance=False)

    def batch(self, queries: Float32Array) -> Any:
        raise NotImplementedError("this kind of index takes one query per call")

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.asarray(answer, dtype=np.int64).reshape(1, -1)
        return found

    def size_bytes(self, folder: Path) -> int:
        del folder
        return folder_bytes(Path(self._path))


def make(variant: str, metric: str) -> Index:
    return NgtIndex(variant, metric)
