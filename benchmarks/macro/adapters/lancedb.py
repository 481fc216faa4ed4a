"""LanceDB's embedded library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import lancedb  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, Bitmap, BTree, HnswSq, IvfPq  # type: ignore[import-not-found]
from lancedb.rerankers import RRFReranker  # type: ignore[import-not-found]

from benchmarks.macro.adapters.base import (
    COLLECTION,
    COMPLETE,
    LEG_LIMIT,
    LIMIT,
    Effort,
    Ladder,
    Query,
    Rows,
    Step,
)

_PQ_LADDER = Ladder(
    (
        {"nprobes": 1},
        {"nprobes": 5},
        {},
        {"refine_factor": 2},
        {"refine_factor": 4},
        {"refine_factor": 8},
        {"nprobes": 40, "refine_factor": 8},
        {"nprobes": 40, "refine_factor": 16},
        {"nprobes": 80, "refine_factor": 16},
        {"nprobes": 160, "refine_factor": 32},
    ),
    2,
)
_HNSW_LADDER = Ladder(
    (
        {},
        {"ef": 30},
        {"ef": 50},
        {"ef": 100},
        {"ef": 200},
        {"ef": 200, "refine_factor": 4},
        {"ef": 400, "refine_factor": 8},
    ),
    0,
)


class LanceDBAdapter:
    """A table with an IVF_PQ index, a full-text index, a B-tree and a bitmap."""

    IMPORT = "import lancedb"
    PACKAGES = ("lancedb", "pyarrow", "numpy")
    KINDS = ("dense", "bm25", "hybrid")
    LADDERS = MappingProxyType({COMPLETE: _PQ_LADDER, "hnsw": _HNSW_LADDER})
    SETTINGS = "index IVF_PQ, FTS English, B-tree on bucket, bitmap on source, table optimized"

    def create(self, folder: str, dim: int) -> None:
        self._schema = pa.schema(
            [
                pa.field("id", pa.int64()),
                pa.field("text", pa.string()),
                pa.field("source", pa.string()),
                pa.field("bucket", pa.int64()),
                pa.field("vector", pa.list_(pa.float32(), dim)),
            ]
        )
        self._table = lancedb.connect(folder).create_table(COLLECTION, schema=self._schema)
        self._reranker = RRFReranker(K=60)

    def insert(self, rows: Rows) -> None:
        flat = pa.array(np.ascontiguousarray(rows.vectors).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, rows.vectors.shape[1])
        columns = [rows.ids, rows.texts, rows.sources, rows.buckets, vectors]
        self._table.add(pa.table(columns, schema=self._schema))

    def steps(self) -> Sequence[Step]:
        return (
            Step("full-text index", lambda: self._table.create_index("text", config=FTS())),
            Step("scalar indexes", self._index_scalars),
            Step("optimize", self._optimize, snapshot="exact"),
            Step("HNSW_SQ index", self._index_by_hnsw, snapshot="hnsw", counted=False),
            Step("vector index", self._index_by_default),
        )

    def _index_scalars(self) -> None:
        self._table.create_index("bucket", config=BTree())
        self._table.create_index("source", config=Bitmap())

    def _index_by_hnsw(self) -> None:
        self._table.create_index("vector", config=HnswSq(distance_type="cosine"))

    def _index_by_default(self) -> None:
        self._table.create_index("vector", config=IvfPq(distance_type="cosine"), replace=True)
        self._optimize()

    def _optimize(self) -> None:
        self._table.optimize(cleanup_older_than=timedelta(0))

    def open(self, folder: str) -> None:
        self._table = lancedb.connect(folder).open_table(COLLECTION)
        self._reranker = RRFReranker(K=60)

    def prepare(self, effort: Effort) -> None:
        """Nothing to do: the settings are arguments of a search."""

    def dense(self, query: Query) -> list[int]:
        search = self._table.search(query.vector).distance_type("cosine").limit(LIMIT)
        for setting, value in query.effort.items():
            search = getattr(search, setting)(value)
        if query.below is not None:
            search = search.where(f"bucket < {query.below}")
        if query.source is not None:
            search = search.where(f"source = '{query.source}'")
        columns = ["id", "text"] if query.with_text else ["id"]
        return _ids(search.select([*columns, "_distance"]).to_arrow())

    def bm25(self, query: Query) -> list[int]:
        search = self._table.search(query.text, query_type="fts").limit(LIMIT)
        return _ids(search.select(["id", "_score"]).to_arrow())

    def hybrid(self, query: Query) -> list[int]:
        search = self._table.search(query_type="hybrid").vector(query.vector).text(query.text)
        search = search.distance_type("cosine").limit(LEG_LIMIT).rerank(self._reranker)
        return _ids(search.select(["id"]).to_arrow())[:LIMIT]

    def close(self) -> None:
        """A table needs no closing."""


def _ids(found: Any) -> list[int]:
    ids: list[int] = found["id"].to_pylist()
    return ids


ADAPTER = LanceDBAdapter
