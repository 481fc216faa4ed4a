"""How is a text that was embedded once never embedded again?

One SQLite file keeps vectors of any number of models, keyed by model, role and SHA-256 of the text.
What a call computed is on disk before the call returns, so an interrupted run resumes where it
stopped. A model is recognised by its fingerprint: vectors of another model are never returned.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import numpy as np

from elanus.errors import (
    ClosedError,
    CorruptionError,
    FormatVersionError,
    InvalidArgumentError,
    StorageError,
)
from elanus.plugins import (
    Embedder,
    ModelInfo,
    Role,
    VectorKind,
    embed_texts,
    fingerprint,
    fingerprints_match,
    plugin_config,
)
from elanus.types import Float32Array

_FORMAT: Final = 1
_ROLE_NUMBERS: Final = {Role.DOCUMENT: 0, Role.QUERY: 1}
# SQLite lets a statement have at least 999 parameters; one is the model and one the role.
_LOOKUP_SIZE: Final = 900
# Texts embedded between two commits: enough to fill batches, few enough to lose little work.
_COMMIT_SIZE: Final = 512
_BUSY_TIMEOUT_S: Final = 60.0

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS models "
    "(id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, max_tokens INTEGER)",
    "CREATE TABLE IF NOT EXISTS vectors "
    "(model INTEGER NOT NULL, role INTEGER NOT NULL, digest BLOB NOT NULL, vector BLOB NOT NULL, "
    "PRIMARY KEY (model, role, digest)) WITHOUT ROWID",
)


class CachedEmbedder:
    """Embedder that asks another one only for texts it has not seen.

    Several processes may use one file at once. Safe from many threads; they take turns at the file.
    ``config`` is that of the embedder inside, so a collection does not depend on the cache.

    Args:
        embedder: The embedder that computes what is not in the file. Its ``info`` must not change.
        path: The file; it is created when it does not exist, its folder is not.

    Raises:
        InvalidArgumentError: ``embedder`` makes sparse vectors.
        StorageError: The file cannot be opened.
        CorruptionError: The file is not a cache of this kind.
        FormatVersionError: The file was written by a newer version.
    """

    def __init__(self, embedder: Embedder, path: str | Path) -> None:
        if embedder.info.kind is not VectorKind.DENSE:
            raise InvalidArgumentError(
                f"cache: expected an embedder of dense vectors, got {embedder.info.name!r}, which "
                f"makes {embedder.info.kind} ones"
            )
        self._embedder = embedder
        self._path = Path(path)
        self._lock = threading.Lock()
        self._model_id: int | None = None
        self.hits = 0
        self.misses = 0
        self._database: sqlite3.Connection | None = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._embedder, self._path)

    @property
    def info(self) -> ModelInfo:
        return self._embedder.info

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores: the configuration of the embedder inside."""
        return plugin_config(self._embedder)

    @property
    def batch_texts(self) -> int:
        """Texts per call that suit the embedder inside."""
        return max(_COMMIT_SIZE, int(getattr(self._embedder, "batch_texts", 0)))

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.QUERY)

    def close(self) -> None:
        """Close the file. Calling it again does nothing."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _embed(self, texts: Sequence[str], role: Role) -> Float32Array:
        dim = self._embedder.info.dim
        vectors = np.empty((len(texts), dim), dtype=np.float32)
        places: dict[bytes, list[int]] = {}
        for row, text in enumerate(texts):
            places.setdefault(_digest(text), []).append(row)
        if not places:
            return vectors
        model = self._model()
        for digest, vector in self._find(model, role, list(places)):
            vectors[places.pop(digest)] = vector
        # What is left in ``places`` is not in the file.
        missing = list(places)
        for rows, fresh in self._fresh([texts[places[digest][0]] for digest in missing], role):
            digests = [missing[row] for row in rows]
            self._store(model, role, digests, fresh)
            for digest, vector in zip(digests, fresh, strict=True):
                vectors[places[digest]] = vector
        with self._lock:
            self.misses += len(missing)
            self.hits += len(texts) - len(missing)
        return vectors

    def _fresh(self, texts: list[str], role: Role) -> Iterator[tuple[Sequence[int], Float32Array]]:
        """Yield positions and vectors, in portions that are worth a commit."""
        in_batches = getattr(self._embedder, "embed_in_batches", None)
        if in_batches is not None:
            # What a service was paid for is kept even if its next answer fails.
            yield from in_batches(texts, role)
            return
        for start in range(0, len(texts), _COMMIT_SIZE):
            portion = texts[start : start + _COMMIT_SIZE]
            yield (
                range(start, start + len(portion)),
                embed_texts(self._embedder, portion, role=role),
            )

    def _model(self) -> int:
        """Return the number of the model in the file; costs one fingerprint per instance."""
        if self._model_id is not None:
            return self._model_id
        given = fingerprint(self._embedder)
        # A token limit changes the vectors of long texts only, which a fingerprint does not see.
        limit = self._embedder.info.max_tokens
        with self._transaction() as database:
            known = database.execute(
                "SELECT id, fingerprint FROM models WHERE max_tokens IS ? ORDER BY id", (limit,)
            ).fetchall()
            found = [int(number) for number, stored in known if fingerprints_match(stored, given)]
            if not found:
                added = database.execute(
                    "INSERT INTO models (fingerprint, max_tokens) VALUES (?, ?) RETURNING id",
                    (given, limit),
                )
                found = [int(added.fetchone()[0])]
        self._model_id = found[0]
        return self._model_id

    def _find(
        self, model: int, role: Role, digests: Sequence[bytes]
    ) -> list[tuple[bytes, Float32Array]]:
        size_bytes = self._embedder.info.dim * np.dtype(np.float32).itemsize
        found = []
        with self._transaction() as database:
            for start in range(0, len(digests), _LOOKUP_SIZE):
                wanted = digests[start : start + _LOOKUP_SIZE]
                marks = ",".join("?" * len(wanted))
                rows = database.execute(
                    "SELECT digest, vector FROM vectors "
                    f"WHERE model = ? AND role = ? AND digest IN ({marks})",
                    (model, _ROLE_NUMBERS[role], *wanted),
                )
                found += rows.fetchall()
        for _, raw in found:
            if len(raw) != size_bytes:
                raise self._corrupt(f"a vector has {len(raw)} bytes, expected {size_bytes}")
        return [(digest, np.frombuffer(raw, dtype="<f4")) for digest, raw in found]

    def _store(
        self, model: int, role: Role, digests: Sequence[bytes], vectors: Float32Array
    ) -> None:
        rows = [
            (model, _ROLE_NUMBERS[role], digest, vector.astype("<f4").tobytes())
            for digest, vector in zip(digests, vectors, strict=True)
        ]
        with self._transaction() as database:
            # Another process may have stored the same text meanwhile; both vectors are right.
            database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(
                self._path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise StorageError(f"cannot open the embedding cache {self._path}: {error}") from error
        try:
            # A commit is on disk when it returns.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
            if version > _FORMAT:
                raise FormatVersionError(
                    f"the embedding cache {self._path} has format {version}, this version reads "
                    f"up to {_FORMAT}: install a newer elanus-embeddings, or use another file"
                )
            database.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_FORMAT}")
            database.execute("COMMIT")
        except sqlite3.Error as error:
            database.close()
            raise self._failure(error) from error
        except FormatVersionError:
            database.close()
            raise
        return database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            database = self._database
            if database is None:
                raise ClosedError(f"the embedding cache {self._path} was closed")
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failure(error) from error
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    def _failure(self, error: sqlite3.Error) -> StorageError:
        # SQLite raises OperationalError for a full disk or a lock, and its parent for damage.
        if isinstance(error, sqlite3.OperationalError):
            return StorageError(f"the embedding cache {self._path} failed: {error}")
        return self._corrupt(str(error))

    def _corrupt(self, reason: str) -> CorruptionError:
        return CorruptionError(
            f"the embedding cache {self._path} is damaged ({reason}): delete it, and its vectors "
            "are computed again",
            path=str(self._path),
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
