"""Elanus' own index, below the database: what a segment holds, and its search.

The variant is the name of an index type; ``AUTO`` is what a collection takes by itself. After an
``@`` comes the processor variant of the kernels, as in ``AUTO@avx2``; the worker process was
started with it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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
from elanus.index.base import CandidateTable, VectorIndex, VectorRows
from elanus.index.dense.graph import GraphIndex
from elanus.index.registry import index_type
from elanus.kernels.prepared import PreparedLeg
from elanus.types import MetricType

PACKAGES = ("elanus",)
PARAMS = os.environ.get("ELANUS_BENCH_INDEX_PARAMS", "{}")
"""Build parameters as JSON, set by the process that starts the workers."""
WIDTHS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
"""A graph keeps multiples of 8 rows; between them nothing would change."""
_METRICS = {"l2": MetricType.L2, "ip": MetricType.IP, "cosine": MetricType.COSINE}


class _AnyVariant(dict[str, Variant]):
    """Knows every index type of the registry."""

    def __missing__(self, name: str) -> Variant:
        kind = index_type(name.partition("@")[0])
        params = kind.parse_params(json.loads(PARAMS))
        shown = ", ".join([kind.name, *(f"{key}={value}" for key, value in params.items())])
        return Variant(shown, efforts("ef", WIDTHS))


VARIANTS = _AnyVariant()


class ElanusIndex:
    """An index of one of the registry's types."""

    def __init__(self, variant: str, metric: str) -> None:
        self._type = index_type(variant.partition("@")[0])
        self._metric = _METRICS[metric]
        self._ef: int | None = None

    def build(self, vectors: Float32Array) -> None:
        scale = None
        if self._metric is MetricType.COSINE:
            scale = (1.0 / np.linalg.norm(vectors, axis=1)).astype(np.float32)
        self._index: VectorIndex = self._type.build(
            VectorRows(vectors, scale, self._metric),
            self._type.parse_params(json.loads(PARAMS)),
            checkpoint=lambda: None,
        )

    def prepare(self, effort: Effort) -> None:
        self._ef = effort["ef"]
        self._prepared: PreparedLeg | None = None
        if isinstance(self._index, GraphIndex):
            # What a collection asks where searches differ in their query alone.
            self._prepared = self._index.prepared(LIMIT, allowed=None, ef=self._ef, keys=None)

    def one(self, query: Float32Array) -> Any:
        found = None if self._prepared is None else self._prepared.find(query, None)
        if found is not None:
            return found
        return self._index.search(query[None, :], LIMIT, ef=self._ef)

    def batch(self, queries: Float32Array) -> CandidateTable:
        return self._index.search(queries, LIMIT, ef=self._ef)

    def ids(self, answer: Any) -> Int64Array:
        if isinstance(answer, CandidateTable):
            return answer.row_ids
        return np.array([answer[0]], dtype=np.int64)

    def size_bytes(self, folder: Path) -> int:
        """The rows lie beside the index, in the segment, and are not counted."""
        _, arrays = self._index.to_arrays()
        for name, values in arrays.items():
            np.save(folder / name, values)
        return folder_bytes(folder)


def make(variant: str, metric: str) -> Index:
    return ElanusIndex(variant, metric)
