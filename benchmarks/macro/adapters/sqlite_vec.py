"""SQLite with the sqlite-vec extension for vectors and FTS5 for text, joined in SQL.

The SQLite of ``apsw`` is used, because a Python may come without loadable extensions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import apsw  # type: ignore[import-not-found]
import sqlite_vec  # type: ignore[import-not-found]

from benchmarks.macro.adapters.base import LEG_LIMIT, LIMIT, Ladder, Query, Rows, Step

_SCHEMA = """
CREATE TABLE passages (id INTEGER PRIMARY KEY, text TEXT, source TEXT, bucket INTEGER);
CREATE VIRTUAL TABLE words USING fts5(
    text, content='passages', content_rowid='id', tokenize='porter unicode61'
);
CREATE VIRTUAL TABLE vectors USING vec0(
    id INTEGER PRIMARY KEY, dense FLOAT[{dim}] distance_metric=cosine, source TEXT, bucket INTEGER
);
"""
_DENSE = "SELECT id FROM vectors WHERE dense MATCH ? AND k = ?"
_WITH_TEXT = (
    f"WITH near AS MATERIALIZED ({_DENSE.replace('SELECT id', 'SELECT id, distance')}) "
    "SELECT near.id, passages.text FROM near JOIN passages USING (id) ORDER BY near.distance"
)
_BM25 = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
_HYBRID = """
WITH near AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY distance) AS place
    FROM vectors WHERE dense MATCH ?1 AND k = ?2
), worded AS MATERIALIZED (
    SELECT rowid AS id, row_number() OVER (ORDER BY rank) AS place
    FROM (SELECT rowid, rank FROM words WHERE words MATCH ?3 ORDER BY rank LIMIT ?2)
), both AS (SELECT * FROM near UNION ALL SELECT * FROM worded)
SELECT id FROM both GROUP BY id ORDER BY sum(1.0 / (60 + place)) DESC, id LIMIT ?4
"""
_WORD = re.compile(r"\w+")


class SqliteVecAdapter:
    """A table, a vec0 table with metadata columns, and an FTS5 table over the same rows."""

    IMPORT = "import apsw, sqlite_vec"
    PACKAGES = ("sqlite-vec", "apsw", "numpy")
    KINDS = ("dense", "bm25", "hybrid")
    LADDERS: ClassVar[Mapping[str, Ladder]] = {}
    SETTINGS = "no vector index (vec0 compares all vectors), FTS5 porter, WAL"

    def create(self, folder: str, dim: int) -> None:
        self.open(folder)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(_SCHEMA.format(dim=dim))

    def insert(self, rows: Rows) -> None:
        passages = zip(rows.ids, rows.texts, rows.sources, rows.buckets, strict=True)
        blobs = [vector.tobytes() for vector in rows.vectors]
        vectors = zip(rows.ids, blobs, rows.sources, rows.buckets, strict=True)
        words = zip(rows.ids, rows.texts, strict=True)
        with self._connection:
            self._connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", passages)
            self._connection.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?)", vectors)
            self._connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", words)

    def steps(self) -> Sequence[Step]:
        merge = "INSERT INTO words (words) VALUES ('optimize')"
        return (Step("FTS5 optimize", lambda: self._connection.execute(merge)),)

    def open(self, folder: str) -> None:
        self._connection = apsw.Connection(f"{folder}/passages.db")
        self._connection.enable_load_extension(True)
        self._connection.load_extension(sqlite_vec.loadable_path())

    def prepare(self, effort: object) -> None:
        """There is nothing to set: the search is exact."""

    def dense(self, query: Query) -> list[int]:
        if query.with_text:
            return self._ids(_WITH_TEXT, (query.vector.tobytes(), LIMIT))
        statement, values = _DENSE, [query.vector.tobytes(), LIMIT]
        if query.below is not None:
            statement, values = f"{statement} AND bucket < ?", [*values, query.below]
        if query.source is not None:
            statement, values = f"{statement} AND source = ?", [*values, query.source]
        return self._ids(statement, values)

    def bm25(self, query: Query) -> list[int]:
        return self._ids(_BM25, (_any_word(query.text), LIMIT))

    def hybrid(self, query: Query) -> list[int]:
        return self._ids(_HYBRID, (query.vector.tobytes(), LEG_LIMIT, _any_word(query.text), LIMIT))

    def _ids(self, statement: str, values: Any) -> list[int]:
        return [row[0] for row in self._connection.execute(statement, values)]

    def close(self) -> None:
        self._connection.close()


def _any_word(text: str) -> str:
    """Return an FTS5 query for rows with any word of the text; by itself FTS5 wants all."""
    return " OR ".join(f'"{word}"' for word in _WORD.findall(text)) or '""'


ADAPTER = SqliteVecAdapter
