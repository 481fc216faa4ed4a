"""Chroma's embedded library. It searches text by substring only: BM25 and hybrid need its cloud."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import chromadb  # type: ignore[import-not-found]
from chromadb.config import Settings  # type: ignore[import-not-found]

from benchmarks.macro.adapters.base import (
    COLLECTION,
    COMPLETE,
    LIMIT,
    Effort,
    Ladder,
    Query,
    Rows,
    Step,
)

_LADDER = Ladder(
    tuple({"ef_search": ef} for ef in (10, 16, 24, 32, 48, 64, 100, 150, 200, 400, 800)), 6
)
_DEFAULT_EFFORT = _LADDER.efforts[_LADDER.default]


class ChromaAdapter:
    """A collection whose documents are the passages."""

    IMPORT = "import chromadb"
    PACKAGES = ("chromadb", "numpy")
    KINDS = ("dense",)
    LADDERS = MappingProxyType({COMPLETE: _LADDER})
    SETTINGS = "index HNSW (max_neighbors=16, ef_construction=100, ef_search=100)"

    def __init__(self) -> None:
        self._effort = _DEFAULT_EFFORT

    def create(self, folder: str, dim: int) -> None:
        self._connect(folder)
        self._passages = self._client.create_collection(
            COLLECTION, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def _connect(self, folder: str) -> None:
        self._folder = folder
        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(folder, settings=settings)

    def insert(self, rows: Rows) -> None:
        pairs = zip(rows.sources, rows.buckets, strict=True)
        self._passages.add(
            ids=[str(number) for number in rows.ids],
            embeddings=rows.vectors,
            documents=rows.texts,
            metadatas=[{"source": source, "bucket": bucket} for source, bucket in pairs],
        )

    def steps(self) -> Sequence[Step]:
        return ()

    def open(self, folder: str) -> None:
        self._connect(folder)
        self._passages = self._client.get_collection(COLLECTION, embedding_function=None)

    def prepare(self, effort: Effort) -> None:
        wanted = effort or _DEFAULT_EFFORT
        if wanted != self._effort:
            self._passages.modify(configuration={"hnsw": wanted})
            self.close()
            self.open(self._folder)
            self._effort = dict(wanted)

    def dense(self, query: Query) -> list[int]:
        found = self._passages.query(
            query_embeddings=[query.vector],
            n_results=LIMIT,
            where=_filter(query),
            include=["documents"] if query.with_text else [],
        )
        return [int(number) for number in found["ids"][0]]

    def bm25(self, query: Query) -> list[int]:
        raise NotImplementedError("local Chroma has no ranked full-text search")

    def hybrid(self, query: Query) -> list[int]:
        raise NotImplementedError("local Chroma has no hybrid search")

    def close(self) -> None:
        self._client.close()


def _filter(query: Query) -> Any:
    if query.source is not None:
        return {"source": query.source}
    return None if query.below is None else {"bucket": {"$lt": query.below}}


ADAPTER = ChromaAdapter
