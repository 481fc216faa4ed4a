"""Qdrant's local mode: the client alone, which searches by NumPy over all vectors.

BM25 and hybrid search need the sparse vectors of a second package and its downloaded models.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import ClassVar

from qdrant_client import QdrantClient, models  # type: ignore[import-not-found]

from benchmarks.macro.adapters.base import COLLECTION, LIMIT, Ladder, Query, Rows, Step

# Above 20,000 points the client advises to run a server, at every insert.
warnings.filterwarnings("ignore", message="Local mode is not recommended")


class QdrantAdapter:
    """A collection in a folder; payloads are unindexed, as local mode has no payload indexes."""

    IMPORT = "import qdrant_client"
    PACKAGES = ("qdrant-client", "numpy")
    KINDS = ("dense",)
    LADDERS: ClassVar[Mapping[str, Ladder]] = {}
    SETTINGS = "no index (local mode compares all vectors)"

    def create(self, folder: str, dim: int) -> None:
        self._client = QdrantClient(path=folder)
        self._client.create_collection(
            COLLECTION,
            vectors_config=models.VectorParams(size=dim, distance=models.Distance.COSINE),
        )

    def insert(self, rows: Rows) -> None:
        columns = zip(rows.texts, rows.sources, rows.buckets, strict=True)
        payloads = [
            {"text": text, "source": source, "bucket": bucket} for text, source, bucket in columns
        ]
        self._client.upsert(
            COLLECTION, models.Batch(ids=rows.ids, vectors=rows.vectors.tolist(), payloads=payloads)
        )

    def steps(self) -> Sequence[Step]:
        return ()

    def open(self, folder: str) -> None:
        self._client = QdrantClient(path=folder)

    def prepare(self, effort: object) -> None:
        """There is nothing to set: the search is exact."""

    def dense(self, query: Query) -> list[int]:
        found = self._client.query_points(
            COLLECTION,
            query=query.vector,
            limit=LIMIT,
            query_filter=_filter(query),
            with_payload=["text"] if query.with_text else False,
        )
        return [int(point.id) for point in found.points]

    def bm25(self, query: Query) -> list[int]:
        raise NotImplementedError("qdrant-client alone does not turn texts into sparse vectors")

    def hybrid(self, query: Query) -> list[int]:
        raise NotImplementedError("qdrant-client alone does not turn texts into sparse vectors")

    def close(self) -> None:
        self._client.close()


def _filter(query: Query) -> object:
    if query.source is not None:
        match = models.MatchValue(value=query.source)
        return models.Filter(must=[models.FieldCondition(key="source", match=match)])
    if query.below is not None:
        below = models.Range(lt=query.below)
        return models.Filter(must=[models.FieldCondition(key="bucket", range=below)])
    return None


ADAPTER = QdrantAdapter
