"""Zvec, Alibaba's embedded engine: its graphs in a collection with nothing but vectors.

It has no index without a collection, so each search also fetches the keys of its hits.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import zvec  # type: ignore[import-not-found]

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

PACKAGES = ("zvec",)
_GRAPH = "m=16, ef_construction=200"
VARIANTS = {
    "hnsw_int8": Variant(f"HNSW, int8, refined from float32, {_GRAPH}", efforts("ef")),
    "hnsw_rabitq": Variant(f"HNSW, RaBitQ 7 bit, refined from float32, {_GRAPH}", efforts("ef")),
    "vamana_f16": Variant("Vamana, float16, degree 64, search list 200", efforts("ef")),
}
_FIELD = "dense"
_BATCH = 1_000
"""The library refuses more than 1,024 rows per insert."""


class ZvecIndex:
    """A collection in a temporary folder."""

    def __init__(self, variant: str, metric: str) -> None:
        self._variant = variant
        names = {"l2": "L2", "ip": "IP", "cosine": "COSINE"}
        self._metric = getattr(zvec.MetricType, names[metric])
        self._folder = tempfile.TemporaryDirectory()
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=1)

    def _params(self) -> Any:
        if self._variant == "hnsw_rabitq":
            return zvec.HnswRabitqIndexParam(metric_type=self._metric, m=16, ef_construction=200)
        if self._variant == "vamana_f16":
            return zvec.VamanaIndexParam(
                metric_type=self._metric,
                max_degree=64,
                search_list_size=200,
                quantize_type=zvec.QuantizeType.FP16,
            )
        return zvec.HnswIndexParam(
            metric_type=self._metric,
            m=16,
            ef_construction=200,
            quantize_type=zvec.QuantizeType.INT8,
        )

    def build(self, vectors: Float32Array) -> None:
        self._path = f"{self._folder.name}/collection"
        field = zvec.VectorSchema(
            _FIELD, zvec.DataType.VECTOR_FP32, vectors.shape[1], index_param=self._params()
        )
        schema = zvec.CollectionSchema("vectors", vectors=field)
        self._collection = zvec.create_and_open(self._path, schema)
        for first in range(0, len(vectors), _BATCH):
            rows = vectors[first : first + _BATCH]
            docs = [
                zvec.Doc(id=str(first + i), vectors={_FIELD: row}) for i, row in enumerate(rows)
            ]
            self._collection.insert(docs)
        self._collection.optimize()

    def prepare(self, effort: Effort) -> None:
        if self._variant == "hnsw_rabitq":
            self._effort = zvec.HnswRabitqQueryParam(ef=effort["ef"], is_using_refiner=True)
        elif self._variant == "vamana_f16":
            self._effort = zvec.VamanaQueryParam(ef_search=effort["ef"])
        else:
            self._effort = zvec.HnswQueryParam(ef=effort["ef"], is_using_refiner=True)

    def one(self, query: Float32Array) -> Any:
        return self._collection.query(
            zvec.Query(_FIELD, vector=query, param=self._effort), topk=LIMIT, output_fields=[]
        )

    def batch(self, queries: Float32Array) -> Any:
        raise NotImplementedError("zvec takes one query per call")

    def ids(self, answer: Any) -> Int64Array:
        found: Int64Array = np.array([[int(doc.id) for doc in answer]], dtype=np.int64)
        return found

    def size_bytes(self, folder: Path) -> int:
        del folder
        return folder_bytes(Path(self._path))


def make(variant: str, metric: str) -> Index:
    return ZvecIndex(variant, metric)
