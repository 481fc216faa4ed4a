"""Elanus, from the source tree of this repository."""

from __future__ import annotations

from typing import Any

import elanus
from benchmarks.macro.stores.base import COLLECTION, LIMIT, Batch, Question


class ElanusStore:
    """Forms: ``columns`` (a dict of lists and one array), ``rows`` (a list of dicts), and
    ``bm25``, which is columns with a BM25 field over the text."""

    PACKAGES = ("elanus", "numpy")
    ACKNOWLEDGED = "synced: one fdatasync of the log for each group of commits"
    FORMS = ("columns", "rows", "bm25")
    KINDS = ("get", "filter", "bm25", "dense")

    def create(self, folder: str, dim: int, form: str) -> None:
        self._form = form
        self._db = elanus.connect(folder)
        analyzer = "english" if form == "bm25" else None
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer=analyzer),
            elanus.Field("bucket", elanus.INT64),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=dim, metric="COSINE"),
        ]
        if form == "bm25":
            source = elanus.BM25("text")
            fields.append(elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=source))
        self._rows = self._db.create_collection(COLLECTION, elanus.Schema(fields))

    def prepare(self, batch: Batch) -> Any:
        names = ("id", "text", "bucket", "vector")
        columns = (batch.ids, batch.texts, batch.buckets, batch.vectors)
        if self._form != "rows":
            return dict(zip(names, columns, strict=True))
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def insert(self, prepared: Any) -> None:
        self._rows.insert(prepared)

    def open(self, folder: str) -> None:
        self._db = elanus.connect(folder)
        self._rows = self._db.collection(COLLECTION)

    def ask(self, kind: str, question: Question) -> list[int]:
        if kind == "get":
            return [int(row["id"]) for row in self._rows.get([question.id])]
        if kind == "filter":
            found = self._rows.query(f"bucket == {question.bucket}", limit=LIMIT, output=["id"])
            return [int(row["id"]) for row in found]
        asked = question.text if kind == "bm25" else question.vector
        field = "bm25" if kind == "bm25" else "vector"
        return [int(hit.id) for hit in self._rows.search(asked, field=field, limit=LIMIT)]

    def count(self) -> int:
        return self._rows.count()

    def delete(self, ids: list[int]) -> None:
        self._rows.delete(ids)

    def settle(self) -> None:
        self._rows.flush()
        self._rows.wait_indexed()

    def optimize(self) -> None:
        self._rows.compact()

    def close(self) -> None:
        self._db.close()


STORE = ElanusStore
