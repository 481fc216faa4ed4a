"""Microsoft's DiskANN: its Vamana graph in memory, over float32."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import diskannpy  # type: ignore[import-not-found]
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

PACKAGES = ("diskannpy",)
VARIANTS = {
    "r64": Variant("Vamana, float32, degree 64, complexity 125, alpha 1.2", efforts("complexity"))
}
_MOST_COMPLEXITY = 2_048


class DiskAnnIndex:
    """A Vamana graph in files below a temporary folder, read into memory."""

    def __init__(self, metric: str) -> None:
        # Unit vectors are ordered by their distance as by their cosine.
        self._metric = "mips" if metric == "ip" else "l2"
        self._folder = tempfile.TemporaryDirectory()
        self._complexity = LIMIT

    def build(self, vectors: Float32Array) -> None:
        diskannpy.build_memory_index(
            vectors,
            distance_metric=self._metric,
            index_directory=self._folder.name,
            complexity=125,
            graph_degree=64,
            num_threads=1,
            alpha=1.2,
        )
        self._index = diskannpy.StaticMemoryIndex(
            self._folder.name, num_threads=1, initial_search_complexity=_MOST_COMPLEXITY
        )

    def prepare(self, effort: Effort) -> None:
        self._complexity = effort["complexity"]

    def one(self, query: Float32Array) -> Any:
        return self._index.search(query, LIMIT, complexity=self._complexity)

    def batch(self, queries: Float32Array) -> Any:
        return self._index.batch_search(queries, LIMIT, self._complexity, num_threads=1)

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.atleast_2d(np.asarray(answer.identifiers)).astype(np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        del folder
        return folder_bytes(Path(self._folder.name))


def make(variant: str, metric: str) -> Index:
    del variant
    return DiskAnnIndex(metric)
