"""How does a collection become what its source is, in one commit?

Documents are looked at one by one. What is new or changed gathers until it is worth a batch; the
batches go into segments that nobody sees (``engine/writing/bulk_load.py``), and the last step makes
them visible and hides all that they replace and all that vanished, with one manifest. So memory
holds a batch, and of the source no more than its list.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from elanus.errors import EntityError
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.sync.documents import (
    Chunk,
    Chunker,
    DocumentEntry,
    Source,
    SourceDocument,
    UnreadableDocumentError,
    chunks_of,
)
from elanus.sync.hashing import (
    chunk_keys,
    document_hash,
    embedded_hash,
    stored_fingerprint,
)
from elanus.sync.lineage import Lineage, PlacedChunk, StoredDocument, stored_source
from elanus.sync.report import OnProgress, SyncError, SyncProgress, SyncReport
from elanus.sync.rows import Rows, complete_entity
from elanus.sync.stored_chunks import StoredChunks
from elanus.types import PrimaryKey

BATCH_CHUNKS = 512
"""Chunks from which a batch is embedded and written: enough to sort by length."""
BATCH_CHARS = 4 << 20
"""Characters from which it is."""
LOOKUP_DOCUMENTS = 4096
"""Documents whose entities are looked up together."""


class Load(Protocol):
    """Entities that nobody sees before ``finish``."""

    def add(self, entities: Sequence[Mapping[str, Any]]) -> None:
        """Take entities; those without a vector are embedded if their field has a model."""

    def finish(self, removed: Sequence[PrimaryKey]) -> None:
        """Make them visible and the entities with these keys go, at one moment."""

    def close(self) -> None:
        """End, whether it finished or not."""


class Target(Protocol):
    """What a sync needs of a collection."""

    @property
    def schema(self) -> Schema: ...

    def lineages(self, source: str) -> Iterable[Lineage]:
        """Return the lineage of each entity of a source."""

    def entities(
        self, source: str, documents: Sequence[str], fields: Sequence[str]
    ) -> Iterable[ColumnBatch]:
        """Return the entities of documents of a source, with key, lineage and some fields."""

    def owners(self, keys: Sequence[PrimaryKey]) -> Iterable[tuple[PrimaryKey, Lineage | None]]:
        """Return those of the keys that are taken, with the lineage of who has them."""

    def begin(self) -> Load:
        """Start to write."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a sync is asked to do.

    Attributes:
        source: Where the documents come from.
        rows: How chunks become entities.
        chunker: Cuts texts; None leaves them whole.
        version: Changes when texts are read or cut in another way, which makes every document a
            changed one.
        dry_run: Only report.
        skip_unreadable: A document that cannot be read is reported and left as it is stored.
        progress: Told how far it is, after each document and each call of the embedder.
    """

    source: Source
    rows: Rows
    chunker: Chunker | None = None
    version: str = ""
    dry_run: bool = False
    skip_unreadable: bool = False
    progress: OnProgress | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    """A document that is to be written."""

    document: SourceDocument
    chunks: list[Chunk]
    hash: str
    fingerprint: str | None


class Sync:
    """One run."""

    def __init__(self, target: Target, request: SyncRequest) -> None:
        self._target = target
        self._request = request
        self._name = request.source.name
        self._report = SyncReport(self._name, request.dry_run)
        self._stored: dict[str, StoredDocument] = {}
        self._seen: set[str] = set()
        self._vanished: dict[str, None] = {}
        self._pending: list[_Pending] = []
        self._pending_chunks = self._pending_chars = 0
        self._removed: list[PrimaryKey] = []
        self._load: Load | None = None

    def run(self) -> SyncReport:
        """Do it.

        Raises:
            SyncError: A document cannot be read, cut or stored; nothing was stored.
            EntityExistsError: An entity outside the source has a key of one of its chunks.
            StateError: An import into the collection is running.
            StorageError: Writing failed; nothing was stored.
        """
        started = time.perf_counter()
        self._stored = stored_source(self._target.lineages(self._name))
        self._vanished = dict.fromkeys(self._stored)
        try:
            for entry in self._request.source.documents():
                self._look_at(entry)
                if self._is_enough:
                    self._write()
                self._tell()
            self._write()
            self._tell()
            self._finish()
        finally:
            if self._load is not None:
                self._load.close()
        self._report.seconds = time.perf_counter() - started
        return self._report

    # --- looking ----------------------------------------------------------------------------

    def _look_at(self, entry: DocumentEntry) -> None:
        if entry.id in self._seen:
            raise SyncError(self._name, entry.id, "the source lists it twice; ids must be unique")
        self._seen.add(entry.id)
        self._vanished.pop(entry.id, None)
        known = self._stored.get(entry.id)
        fingerprint = stored_fingerprint(entry.fingerprint, self._request.version)
        if known and self._is_current(known) and fingerprint and fingerprint == known.fingerprint:
            self._report.unchanged.append(entry.id)
            return
        document = self._read(entry)
        if document is None:
            return
        self._report.read += 1
        made = document_hash(document, self._request.version)
        is_same = known is not None and self._is_current(known) and made == known.hash
        if is_same:
            self._report.unchanged.append(entry.id)
            if fingerprint is None or (known and fingerprint == known.fingerprint):
                return
            # Written again with its vectors, so that the next sync need not read it.
        chunks = self._cut(document)
        if not chunks:
            self._report.empty.append(entry.id)
            if known is not None:
                self._vanished[entry.id] = None
            return
        if known is None:
            self._report.added.append(entry.id)
        elif not is_same:
            self._report.changed.append(entry.id)
        self._pending.append(_Pending(document, chunks, made, fingerprint))
        self._pending_chunks += len(chunks)
        self._pending_chars += sum([len(chunk.text) for chunk in chunks])

    def _is_current(self, known: StoredDocument) -> bool:
        """Whether nobody deleted a part of it and its vectors are of today's model."""
        return known.is_whole and known.model == self._request.rows.model

    def _read(self, entry: DocumentEntry) -> SourceDocument | None:
        try:
            document = entry.read()
        except (UnreadableDocumentError, OSError, UnicodeError) as error:
            if not self._request.skip_unreadable:
                raise SyncError(self._name, entry.id, error) from error
            self._report.failed[entry.id] = str(error)
            return None
        except Exception as error:
            # A fault of the reader goes on as it is and says at which document it happened.
            error.add_note(f"source {self._name!r}, document {entry.id!r}")
            raise
        if document.id != entry.id:
            raise SyncError(self._name, entry.id, f"its content calls itself {document.id!r}")
        return document

    def _cut(self, document: SourceDocument) -> list[Chunk]:
        try:
            return chunks_of(document, self._request.chunker)
        except Exception as error:
            # As above, for the chunker.
            error.add_note(f"source {self._name!r}, document {document.id!r}")
            raise

    # --- writing ----------------------------------------------------------------------------

    @property
    def _is_enough(self) -> bool:
        return self._pending_chunks >= BATCH_CHUNKS or self._pending_chars >= BATCH_CHARS

    def _write(self) -> None:
        """Embed what has gathered, as far as it has no vectors, and write it."""
        pending, self._pending = self._pending, []
        self._pending_chunks = self._pending_chars = 0
        if not pending:
            return
        rows = self._request.rows
        old = self._old_chunks([p.document.id for p in pending if p.document.id in self._stored])
        self._removed += old.keys
        placed = [chunk for document in pending for chunk in self._placed(document)]
        primary = self._target.schema.primary
        entities = [complete_entity(rows, chunk, primary) for chunk in placed]
        self._check_keys(placed, entities)
        missing = []
        for number, (chunk, entity) in enumerate(zip(placed, entities, strict=True)):
            if all(name in entity for name in rows.vector_fields):
                continue
            kept = old.vectors(chunk)
            if kept is None:
                missing.append(number)
            else:
                entities[number] = {**kept, **entity}
        if not self._request.dry_run:
            texts = [placed[number].embedded_text for number in missing]
            for name, vectors in rows.vectors(texts, self._embedding).items():
                for number, vector in zip(missing, vectors, strict=True):
                    entities[number].setdefault(name, vector)
            self._add(placed, entities)
        self._report.embedded += len(missing)
        self._report.chunks += len(placed)

    def _add(self, placed: Sequence[PlacedChunk], entities: Sequence[dict[str, Any]]) -> None:
        if self._load is None:
            self._load = self._target.begin()
        try:
            self._load.add(entities)
        except EntityError as error:
            if error.row is None:
                raise
            document = placed[error.row].lineage.document
            raise SyncError(self._name, document, error) from error

    def _old_chunks(self, documents: Sequence[str]) -> StoredChunks:
        rows = self._request.rows
        fields = (rows.text_field, *rows.vector_fields)
        batches = self._target.entities(self._name, documents, fields) if documents else ()
        return StoredChunks(batches, self._target.schema.primary.name, rows)

    def _placed(self, pending: _Pending) -> list[PlacedChunk]:
        document, chunks = pending.document, pending.chunks
        dtype = self._target.schema.primary.dtype
        keys = chunk_keys(self._name, document, chunks, dtype)
        return [
            PlacedChunk(
                key,
                chunk.text,
                {**document.metadata, **chunk.metadata},
                Lineage(
                    self._name,
                    document.id,
                    pending.hash,
                    place,
                    len(chunks),
                    pending.fingerprint,
                    self._request.rows.model,
                    embedded_hash(chunk),
                ),
                chunk.text if chunk.embedded_text is None else chunk.embedded_text,
            )
            for place, (key, chunk) in enumerate(zip(keys, chunks, strict=True))
        ]

    def _check_keys(
        self, placed: Sequence[PlacedChunk], entities: Sequence[Mapping[str, Any]]
    ) -> None:
        """Refuse keys that entities outside the source have, before anything is paid for."""
        primary = self._target.schema.primary
        if primary.auto_id:
            return
        keys = [entity[primary.name] for entity in entities]
        documents = {k: c.lineage.document for k, c in zip(keys, placed, strict=True)}
        for key, owner in self._target.owners(keys):
            if owner is None or owner.source != self._name:
                raise SyncError(self._name, documents[key], _taken(key, owner))

    def _finish(self) -> None:
        """Find what vanished, and make everything visible at once."""
        vanished = sorted(self._vanished)
        self._report.deleted += vanished
        if self._request.dry_run:
            return
        primary = self._target.schema.primary.name
        for first in range(0, len(vanished), LOOKUP_DOCUMENTS):
            group = vanished[first : first + LOOKUP_DOCUMENTS]
            for batch in self._target.entities(self._name, group, ()):
                self._removed += batch.columns[primary].to_pylist()  # type: ignore[arg-type]
        if self._load is None and self._removed:
            self._load = self._target.begin()
        if self._load is not None:
            self._load.finish(self._removed)

    def _embedding(self, done: int, _total: int) -> None:
        self._tell(done)

    def _tell(self, embedding: int = 0) -> None:
        if self._request.progress is not None:
            embedded = self._report.embedded + embedding
            progress = SyncProgress(len(self._seen), self._report.chunks, embedded)
            self._request.progress(progress)


def _taken(key: PrimaryKey, owner: Lineage | None) -> str:
    who = (
        "an entity that no sync wrote"
        if owner is None
        else (f"document {owner.document!r} of source {owner.source!r}")
    )
    return (
        f"{who} has its primary key {key!r}; give the document another id, or its chunks ids of "
        f"their own with Chunk(text, id=...)"
    )
