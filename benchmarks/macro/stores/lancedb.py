"""LanceDB's embedded library. Every insert is a new version of the table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import lancedb  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, BTree, IvfPq  # type: ignore[import-not-found]

from benchmarks.macro.stores.base import COLLECTION, LIMIT, Batch, Question


class LanceDBStore:
    """A table without indexes while it is written; ``settle`` builds them once."""

    PACKAGES = ("lancedb", "pyarrow", "numpy")
    ACKNOWLEDGED = "a new table version is in place; the documentation promises no sync"
    FORMS = ("arrow",)
    KINDS = ("get", "filter", "bm25", "dense")

    def create(self, folder: str, dim: int, form: str) -> None:
        self._schema = pa.schema(
            [
                pa.field("id", pa.int64()),
                pa.field("text", pa.string()),
                pa.field("bucket", pa.int64()),
                pa.field("vector", pa.list_(pa.float32(), dim)),
            ]
        )
        self._table = lancedb.connect(folder).create_table(COLLECTION, schema=self._schema)

    def prepare(self, batch: Batch) -> Any:
        flat = pa.array(np.ascontiguousarray(batch.vectors).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, batch.vectors.shape[1])
        return pa.table([batch.ids, batch.texts, batch.buckets, vectors], schema=self._schema)

    def insert(self, prepared: Any) -> None:
        self._table.add(prepared)

    def open(self, folder: str) -> None:
        self._table = lancedb.connect(folder).open_table(COLLECTION)

    def ask(self, kind: str, question: Question) -> list[int]:
        if kind == "get":
            search = self._table.search().where(f"id = {question.id}")
        elif kind == "filter":
            search = self._table.search().where(f"bucket = {question.bucket}").limit(LIMIT)
        elif kind == "bm25":
            search = self._table.search(question.text, query_type="fts").limit(LIMIT)
        else:
            search = self._table.search(question.vector).distance_type("cosine").limit(LIMIT)
        return [int(number) for number in search.to_arrow()["id"].to_pylist()]

    def count(self) -> int:
        return int(self._table.count_rows())

    def delete(self, ids: list[int]) -> None:
        self._table.delete(f"id IN ({', '.join(map(str, ids))})")

    def settle(self) -> None:
        if not self._table.list_indices():
            self._table.create_index("text", config=FTS())
            self._table.create_index("id", config=BTree())
            self._table.create_index("bucket", config=BTree())
            self._table.create_index("vector", config=IvfPq(distance_type="cosine"))

    def optimize(self) -> None:
        self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    def close(self) -> None:
        """A table needs no closing."""


STORE = LanceDBStore
