"""Elanus, through its public names."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import elanus
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

_EFFORTS: tuple[Effort, ...] = tuple(
    {"recall": recall} for recall in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1.0)
)


class ElanusAdapter:
    """A collection with a dense and a BM25 field."""

    IMPORT = "import elanus"
    PACKAGES = ("elanus", "numpy", "hnswlib")
    KINDS = ("dense", "bm25", "hybrid")
    LADDERS = MappingProxyType({COMPLETE: Ladder(_EFFORTS, 6)})
    SETTINGS = "index AUTO, recall=0.95, analyzer english"

    def create(self, folder: str, dim: int) -> None:
        self._db = elanus.connect(folder)
        schema = elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("text", elanus.VARCHAR, analyzer="english"),
                elanus.Field("source", elanus.VARCHAR),
                elanus.Field("bucket", elanus.INT16),
                elanus.Field("dense", elanus.FLOAT_VECTOR, dim=dim, metric="COSINE"),
                elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            ]
        )
        self._passages = self._db.create_collection(COLLECTION, schema)

    def insert(self, rows: Rows) -> None:
        self._passages.insert(
            {
                "id": rows.ids,
                "text": rows.texts,
                "source": rows.sources,
                "bucket": rows.buckets,
                "dense": rows.vectors,
            }
        )

    def steps(self) -> Sequence[Step]:
        return (
            Step("flush", self._passages.flush),
            Step("wait_indexed", self._passages.wait_indexed, snapshot="segments"),
            Step("compact", self._passages.compact),
        )

    def open(self, folder: str) -> None:
        self._db = elanus.connect(folder)
        self._passages = self._db.collection(COLLECTION)

    def prepare(self, effort: Effort) -> None:
        """Nothing to do: ``recall`` is an argument of a search."""

    def dense(self, query: Query) -> list[int]:
        hits = self._passages.search(
            query.vector,
            field="dense",
            limit=LIMIT,
            filter=_filter(query),
            output=["text"] if query.with_text else [],
            recall=query.effort.get("recall", 0.95),
        )
        return _ids(hits)

    def bm25(self, query: Query) -> list[int]:
        hits = self._passages.search(query.text, field="bm25", limit=LIMIT, output=[])
        return _ids(hits)

    def hybrid(self, query: Query) -> list[int]:
        legs = [
            elanus.Leg("dense", query.vector, limit=LEG_LIMIT),
            elanus.Leg("bm25", query.text, limit=LEG_LIMIT),
        ]
        hits = self._passages.hybrid_search(legs, elanus.RRF(k=60), limit=LIMIT, output=[])
        return _ids(hits)

    def close(self) -> None:
        self._db.close()


def _filter(query: Query) -> str | None:
    if query.source is not None:
        return f'source == "{query.source}"'
    return None if query.below is None else f"bucket < {query.below}"


def _ids(hits: elanus.SearchResult) -> list[int]:
    return [int(hit.id) for hit in hits]


ADAPTER = ElanusAdapter
