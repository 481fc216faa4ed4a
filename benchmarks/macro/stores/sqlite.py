"""SQLite of the standard library, with vectors as blobs: no vector search, full durability."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

from benchmarks.macro.stores.base import LIMIT, Batch, Question

_BUSY_TIMEOUT_S = 60.0


class SqliteStore:
    """A table in WAL mode with ``synchronous=FULL``; one connection for each thread."""

    PACKAGES = ()
    ACKNOWLEDGED = "synced: WAL and synchronous=FULL sync the log at every commit"
    FORMS = ("rows",)
    KINDS = ("get", "filter")

    def create(self, folder: str, dim: int, form: str) -> None:
        self.open(folder)
        connection = self._connection()
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "CREATE TABLE passages (id INTEGER PRIMARY KEY, text TEXT, bucket INTEGER, vector BLOB)"
        )
        connection.execute("CREATE INDEX passages_bucket ON passages (bucket)")

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if found is None:
            found = sqlite3.connect(
                self._path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            found.execute("PRAGMA synchronous=FULL")
            self._of_thread.connection = found
            self._connections.append(found)
        return found

    def prepare(self, batch: Batch) -> Any:
        blobs = [vector.tobytes() for vector in batch.vectors]
        return list(zip(batch.ids, batch.texts, batch.buckets, blobs, strict=True))

    def insert(self, prepared: Any) -> None:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", prepared)
        connection.execute("COMMIT")

    def open(self, folder: str) -> None:
        self._path = f"{folder}/passages.db"
        self._of_thread = threading.local()
        self._connections: list[sqlite3.Connection] = []

    def ask(self, kind: str, question: Question) -> list[int]:
        if kind == "get":
            asked: tuple[str, tuple[int, ...]] = (
                "SELECT id, text, vector FROM passages WHERE id = ?",
                (question.id,),
            )
        else:
            asked = (
                "SELECT id, text FROM passages WHERE bucket = ? ORDER BY id LIMIT ?",
                (question.bucket, LIMIT),
            )
        return [row[0] for row in self._connection().execute(*asked)]

    def count(self) -> int:
        return int(self._connection().execute("SELECT count(*) FROM passages").fetchone()[0])

    def delete(self, ids: list[int]) -> None:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM passages WHERE id = ?", [(i,) for i in ids])
        connection.execute("COMMIT")

    def settle(self) -> None:
        self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def optimize(self) -> None:
        self._connection().execute("VACUUM")
        self.settle()

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


STORE = SqliteStore
