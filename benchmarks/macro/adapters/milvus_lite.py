"""Milvus Lite, through ``pymilvus.MilvusClient``."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from pymilvus import (
    AnnSearchRequest,
    DataType,
    Function,
    FunctionType,
    MilvusClient,
    RRFRanker,
)

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

MAX_TEXT_BYTES = 65_535


_EFFORTS: tuple[Effort, ...] = tuple(
    {"ef": ef} for ef in (10, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 2048)
)


class MilvusLiteAdapter:
    """A collection with a dense field, a BM25 function and a scalar index on ``bucket``."""

    IMPORT = "import pymilvus"
    PACKAGES = ("milvus-lite", "pymilvus", "faiss-cpu", "numpy")
    KINDS = ("dense", "bm25", "hybrid")
    LADDERS = MappingProxyType({COMPLETE: Ladder(_EFFORTS, 5)})
    SETTINGS = (
        "index AUTOINDEX (HNSW M=16, efConstruction=200, ef=64), INVERTED on bucket and source"
    )

    def create(self, folder: str, dim: int) -> None:
        self._client = MilvusClient(f"{folder}/milvus.db")
        schema = self._client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=MAX_TEXT_BYTES, enable_analyzer=True)
        schema.add_field("source", DataType.VARCHAR, max_length=255)
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dim)
        schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(
            Function(
                name="bm25_of_text",
                function_type=FunctionType.BM25,
                input_field_names=["text"],
                output_field_names=["bm25"],
            )
        )
        indexes = self._client.prepare_index_params()
        indexes.add_index("dense", index_type="AUTOINDEX", metric_type="COSINE")
        indexes.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        indexes.add_index("bucket", index_type="INVERTED")
        indexes.add_index("source", index_type="INVERTED")
        self._client.create_collection(COLLECTION, schema=schema, index_params=indexes)

    def insert(self, rows: Rows) -> None:
        columns = (rows.ids, rows.texts, rows.sources, rows.buckets, rows.vectors)
        names = ("id", "text", "source", "bucket", "dense")
        entities = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        self._client.insert(COLLECTION, entities)

    def steps(self) -> Sequence[Step]:
        return (
            Step("flush", lambda: self._client.flush(COLLECTION)),
            # The indexes of sealed segments are complete when loading them returns.
            Step("release and load", self._load_again),
        )

    def _load_again(self) -> None:
        self._client.release_collection(COLLECTION)
        self._client.load_collection(COLLECTION)

    def open(self, folder: str) -> None:
        self._client = MilvusClient(f"{folder}/milvus.db")
        self._client.load_collection(COLLECTION)

    def prepare(self, effort: Effort) -> None:
        """Nothing to do: ``ef`` is an argument of a search."""

    def dense(self, query: Query) -> list[int]:
        found = self._client.search(
            COLLECTION,
            data=[query.vector],
            anns_field="dense",
            limit=LIMIT,
            filter=_filter(query),
            output_fields=["text"] if query.with_text else [],
            search_params={"metric_type": "COSINE", "params": query.effort},
        )
        return _ids(found)

    def bm25(self, query: Query) -> list[int]:
        found = self._client.search(
            COLLECTION,
            data=[query.text],
            anns_field="bm25",
            limit=LIMIT,
            search_params={"metric_type": "BM25"},
        )
        return _ids(found)

    def hybrid(self, query: Query) -> list[int]:
        legs = [
            AnnSearchRequest([query.vector], "dense", {"metric_type": "COSINE"}, LEG_LIMIT),
            AnnSearchRequest([query.text], "bm25", {"metric_type": "BM25"}, LEG_LIMIT),
        ]
        return _ids(self._client.hybrid_search(COLLECTION, legs, RRFRanker(60), limit=LIMIT))

    def close(self) -> None:
        self._client.close()


def _filter(query: Query) -> str:
    if query.source is not None:
        return f'source == "{query.source}"'
    return "" if query.below is None else f"bucket < {query.below}"


def _ids(found: Any) -> list[int]:
    return [hit["id"] for hit in found[0]]


ADAPTER = MilvusLiteAdapter
