"""Milvus Lite, through ``pymilvus.MilvusClient``."""

from __future__ import annotations

from typing import Any

from pymilvus import (
    DataType,
    Function,
    FunctionType,
    MilvusClient,
)

from benchmarks.macro.stores.base import COLLECTION, LIMIT, Batch, Question

_MAX_TEXT_BYTES = 65_535
_LARGEST_DELETE = 10_000


class MilvusLiteStore:
    """Forms: ``rows``, and ``bm25``, which adds a BM25 function over the text."""

    PACKAGES = ("milvus-lite", "pymilvus", "numpy")
    ACKNOWLEDGED = "in its log, which is not synced per write"
    FORMS = ("rows", "bm25")
    KINDS = ("get", "filter", "bm25", "dense")

    def create(self, folder: str, dim: int, form: str) -> None:
        self._client = MilvusClient(f"{folder}/milvus.db")
        schema = self._client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field(
            "text", DataType.VARCHAR, max_length=_MAX_TEXT_BYTES, enable_analyzer=form == "bm25"
        )
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
        indexes.add_index("bucket", index_type="INVERTED")
        if form == "bm25":
            schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
            schema.add_function(
                Function(
                    name="bm25_of_text",
                    function_type=FunctionType.BM25,
                    input_field_names=["text"],
                    output_field_names=["bm25"],
                )
            )
            indexes.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        self._client.create_collection(COLLECTION, schema=schema, index_params=indexes)

    def prepare(self, batch: Batch) -> Any:
        columns = (batch.ids, batch.texts, batch.buckets, batch.vectors)
        names = ("id", "text", "bucket", "vector")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def insert(self, prepared: Any) -> None:
        self._client.insert(COLLECTION, prepared)

    def open(self, folder: str) -> None:
        self._client = MilvusClient(f"{folder}/milvus.db")
        self._client.load_collection(COLLECTION)

    def ask(self, kind: str, question: Question) -> list[int]:
        if kind == "get":
            found = self._client.get(COLLECTION, ids=[question.id])
            return [int(row["id"]) for row in found]
        if kind == "filter":
            wanted = f"bucket == {question.bucket}"
            found = self._client.query(
                COLLECTION, filter=wanted, limit=LIMIT, output_fields=["id", "text"]
            )
            return [int(row["id"]) for row in found]
        if kind == "bm25":
            asked: Any = question.text
            field, metric = "bm25", "BM25"
        else:
            asked, field, metric = question.vector, "vector", "COSINE"
        found = self._client.search(
            COLLECTION,
            data=[asked],
            anns_field=field,
            limit=LIMIT,
            search_params={"metric_type": metric},
        )
        return [int(hit["id"]) for hit in found[0]]

    def count(self) -> int:
        found = self._client.query(COLLECTION, filter="", output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def delete(self, ids: list[int]) -> None:
        for start in range(0, len(ids), _LARGEST_DELETE):
            self._client.delete(COLLECTION, ids=ids[start : start + _LARGEST_DELETE])

    def settle(self) -> None:
        self._client.flush(COLLECTION)

    def optimize(self) -> None:
        self._client.compact(COLLECTION)

    def close(self) -> None:
        self._client.close()


STORE = MilvusLiteStore
