"""Chroma's embedded library: SQLite for the rows and its log, HNSW files for the vectors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import chromadb  # type: ignore[import-not-found]
from chromadb.config import Settings  # type: ignore[import-not-found]

from benchmarks.macro.stores.base import COLLECTION, LIMIT, Batch, Question

_LARGEST_BATCH = 5_000
"""Below ``client.get_max_batch_size()`` of every build."""


class ChromaStore:
    """A collection whose documents are the passages."""

    PACKAGES = ("chromadb", "numpy")
    ACKNOWLEDGED = "in SQLite; its documentation names no sync, strace counts them here"
    FORMS = ("lists",)
    KINDS = ("get", "filter", "dense")

    def create(self, folder: str, dim: int, form: str) -> None:
        self._connect(folder)
        self._rows = self._client.create_collection(
            COLLECTION, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def _connect(self, folder: str) -> None:
        self._folder = folder
        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(folder, settings=settings)

    def prepare(self, batch: Batch) -> Any:
        return {
            "ids": [str(number) for number in batch.ids],
            "embeddings": batch.vectors,
            "documents": batch.texts,
            "metadatas": [{"bucket": bucket} for bucket in batch.buckets],
        }

    def insert(self, prepared: Any) -> None:
        self._rows.add(**prepared)

    def open(self, folder: str) -> None:
        self._connect(folder)
        self._rows = self._client.get_collection(COLLECTION, embedding_function=None)

    def ask(self, kind: str, question: Question) -> list[int]:
        if kind == "get":
            ids = self._rows.get(ids=[str(question.id)])["ids"]
        elif kind == "filter":
            ids = self._rows.get(where={"bucket": question.bucket}, limit=LIMIT)["ids"]
        else:
            found = self._rows.query(query_embeddings=[question.vector], n_results=LIMIT)
            ids = found["ids"][0]
        return [int(number) for number in ids]

    def count(self) -> int:
        return int(self._rows.count())

    def delete(self, ids: list[int]) -> None:
        for start in range(0, len(ids), _LARGEST_BATCH):
            self._rows.delete(ids=[str(i) for i in ids[start : start + _LARGEST_BATCH]])

    def settle(self) -> None:
        """Nothing runs in the background."""

    def optimize(self) -> None:
        """``chroma vacuum``, which wants the database for itself."""
        self.close()
        command = [str(Path(sys.executable).parent / "chroma"), "vacuum", "--path", self._folder]
        subprocess.run([*command, "--force"], check=True, stdout=subprocess.DEVNULL)
        self.open(self._folder)

    def close(self) -> None:
        self._client.close()


STORE = ChromaStore
