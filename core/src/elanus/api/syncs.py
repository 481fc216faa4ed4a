"""What users call to let a collection follow a source; ``Collection`` has these methods."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypedDict, Unpack

from elanus.api.handle import Handle
from elanus.api.reads import Ids, as_ids
from elanus.engine.reading import CollectionReader
from elanus.engine.writing.bulk_load import BulkLoad
from elanus.engine.writing.load_request import Conflict, LoadRequest, OnConflict
from elanus.errors import EntityExistsError, InvalidArgumentError
from elanus.plugins import Embedder
from elanus.query.entities import get_entities
from elanus.query.scan import scan_batches
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.evolution import with_field
from elanus.schema.validation import entities_to_batch, primary_keys
from elanus.sync.documents import Chunker, Source, SourceDocument
from elanus.sync.folder import Reader
from elanus.sync.lineage import (
    LINEAGE_FIELD,
    Lineage,
    SourceSummary,
    StoredSource,
    has_lineage,
    lineage_field,
    stored_source,
)
from elanus.sync.report import OnProgress, SyncReport
from elanus.sync.rows import FieldRows, Rows
from elanus.sync.run import Load, Sync, SyncRequest
from elanus.sync.sources import as_source
from elanus.sync.stored_chunks import read_lineages
from elanus.types import PrimaryKey

_SCAN_ROWS = 16_384


class SyncOptions(TypedDict, total=False):
    """Further options of ``Collection.sync``.

    Attributes:
        text: VARCHAR field of the text; by default the one that BM25 or a model reads, or the only
            one.
        metadata: JSON field for all metadata; by default metadata are fields of the entity, and
            undeclared ones need a dynamic schema.
        embedder: Makes the vectors of the only vector field; by default the model does that the
            field was declared with. A ``CachedEmbedder`` of elanus-embeddings pays for nothing
            twice, also after a crash.
        reader: Of a folder: turns a path into text, chunks or a ``SourceDocument``; by default
            text files are read as UTF-8.
        version: Another one makes every document a changed one: say a new one when the chunker or
            the reader works differently.
        on_error: ``"raise"``, the default, or ``"skip"``: documents that cannot be read are
            reported, and what is stored of them stays.
        progress: Called with a ``SyncProgress`` after each document, and while texts are embedded.
        partition: Partition of the entities that are written; by default the default one.
        rows: How chunks become entities, instead of ``text``, ``metadata`` and ``embedder``.
    """

    text: str | None
    metadata: str | None
    embedder: Embedder | None
    reader: Reader | None
    version: str
    on_error: str
    progress: OnProgress | None
    partition: str | None
    rows: Rows | None


class Syncs(Handle):
    """The part of ``Collection`` that follows sources of documents."""

    def sync(
        self,
        documents: Iterable[SourceDocument | Mapping[str, Any]] | Source | str | os.PathLike[str],
        *,
        source: str | None = None,
        chunker: Chunker | None = None,
        dry_run: bool = False,
        **options: Unpack[SyncOptions],
    ) -> SyncReport:
        """Make what is stored of a source what the source is now, in one commit.

        Unchanged documents are skipped, changed ones replaced, and those deleted that are no
        longer there. Chunks of changed documents that stay keep their vectors. Other sources, and
        entities that no sync wrote, are never touched. A reader sees the state before or the one
        after; a crash leaves the one before. Syncs of one collection wait for each other.

        Args:
            documents: All documents that there are: ``SourceDocument`` or dicts with ``id``,
                ``text`` or ``chunks``, and ``metadata``; the path of a folder; or a ``Source``.
            source: Name of the source, needed for an iterable; that of a folder is its path.
            chunker: Cuts a text into strings or ``Chunk``; None leaves it whole.
            dry_run: Only report what would be done; texts are read, none is embedded.
            **options: See ``SyncOptions``.

        Returns:
            Which documents were added, changed, unchanged, deleted, and what it took.

        Raises:
            SyncError: A document cannot be read or stored; names it. Nothing was stored.
            EntityExistsError: A primary key was taken meanwhile, or by two chunks; nothing was
                stored.
            SchemaError: It is not clear which fields hold text and vectors.
            StateError: An import into this collection is running.
            StorageError: Writing failed; nothing was stored.
        """
        request = _request(self.schema, documents, source, chunker, dry_run, options)
        target = _Target(self, options.get("partition"))
        with contextlib.nullcontext() if dry_run else self.sync_turn():
            return Sync(target, request).run()

    def sources(self) -> list[SourceSummary]:
        """Return the sources that were synchronised into this collection, by name."""
        documents: dict[str, set[str]] = {}
        chunks: dict[str, int] = {}
        for lineage in self.lineages():
            documents.setdefault(lineage.source, set()).add(lineage.document)
            chunks[lineage.source] = chunks.get(lineage.source, 0) + 1
        return [SourceSummary(n, len(documents[n]), chunks[n]) for n in sorted(documents)]

    def source_documents(self, source: str) -> StoredSource:
        """Return what is stored of a source: hash, fingerprint and chunks by document id."""
        return stored_source(self.lineages(source))

    def lineage(self, ids: Ids) -> list[Lineage | None]:
        """Return where entities come from, in the order of ``ids``.

        Returns:
            None for an entity that no sync wrote, and for a key that does not exist.
        """
        keys = primary_keys(self.schema.primary, as_ids(ids))
        known = dict(self.owners(keys))
        return [known.get(key) for key in keys]

    # --- for the sync itself ----------------------------------------------------------------

    def sync_turn(self) -> AbstractContextManager[object]:
        """Return what one sync at a time enters, to compare a source with what is stored."""
        return self._engine.sync_turn()

    def begin_sync(self, partition: str | None = None) -> Load:
        """Start to write entities that nobody sees before the end of the sync.

        Args:
            partition: Of the entities; None: the default one.

        Raises:
            StateError: An import into this collection is running.
        """
        if not has_lineage(self._engine.schema):
            self._engine.change_schema(lambda schema: with_field(schema, lineage_field()))
        request = LoadRequest(
            OnConflict.ERROR,
            identity=None,
            resume=False,
            report=_refuse,
            progress=dict,
            partition=partition,
            waits_for_removals=True,
        )
        return _Load(self._engine, self._engine.begin_load(request))

    def lineages(self, source: str | None = None) -> Iterator[Lineage]:
        """Yield the lineage of each entity of a source, or of all."""
        filter = f"{LINEAGE_FIELD} is not null"
        params = {}
        if source is not None:
            filter, params = f'{LINEAGE_FIELD}["source"] == {{source}}', {"source": source}
        for batch in self.lineage_batches(filter, params):
            for lineage in read_lineages(batch):
                if lineage is not None:
                    yield lineage

    def lineage_batches(
        self, filter: str, params: Mapping[str, Any], fields: Sequence[str] = ()
    ) -> Iterator[ColumnBatch]:
        """Yield key, lineage and some fields of the entities that pass a filter, as columns."""
        context = self._context
        if not has_lineage(context.schema):
            return
        names = [context.schema.primary.name, LINEAGE_FIELD, *fields]
        bound = context.bind(filter, params=params)
        yield from scan_batches(self._engine.snapshot().sources, bound, names, _SCAN_ROWS)

    def owners(self, keys: Sequence[PrimaryKey]) -> Iterator[tuple[PrimaryKey, Lineage | None]]:
        """Yield those of the keys that are taken, with the lineage of who has them."""
        schema = self._context.schema
        fields = (LINEAGE_FIELD,) if has_lineage(schema) else ()
        output = (schema.primary.name, *fields)
        for entity in get_entities(schema, self._engine.snapshot().sources, keys, output):
            value = entity.get(LINEAGE_FIELD)
            yield entity[schema.primary.name], None if value is None else Lineage.from_json(value)


def _request(
    schema: Schema,
    documents: Any,
    name: str | None,
    chunker: Chunker | None,
    dry_run: bool,
    options: SyncOptions,
) -> SyncRequest:
    on_error = options.get("on_error", "raise")
    if on_error not in ("raise", "skip"):
        raise InvalidArgumentError(f"on_error: expected 'raise' or 'skip', got {on_error!r}")
    rows = options.get("rows") or FieldRows.of(
        schema,
        text=options.get("text"),
        metadata=options.get("metadata"),
        embedder=options.get("embedder"),
    )
    return SyncRequest(
        as_source(documents, name, options.get("reader")),
        rows,
        chunker,
        options.get("version", ""),
        dry_run,
        on_error == "skip",
        options.get("progress"),
    )


class _Target:
    """A collection as a sync sees it."""

    def __init__(self, reads: Syncs, partition: str | None) -> None:
        self._reads = reads
        self._partition = partition
        self.lineages = reads.lineages
        self.owners = reads.owners

    @property
    def schema(self) -> Schema:
        return self._reads.seen_schema

    def entities(
        self, source: str, documents: Sequence[str], fields: Sequence[str]
    ) -> Iterator[ColumnBatch]:
        return self._reads.lineage_batches(
            f'{LINEAGE_FIELD}["source"] == {{source}} '
            f'and {LINEAGE_FIELD}["document"] in {{documents}}',
            {"source": source, "documents": list(documents)},
            fields,
        )

    def begin(self) -> Load:
        return self._reads.begin_sync(self._partition)


class _Load:
    """A bulk load that takes entities."""

    def __init__(self, engine: CollectionReader, load: BulkLoad) -> None:
        self._engine = engine
        self._load = load

    def add(self, entities: Sequence[Mapping[str, Any]]) -> None:
        self._load.add(entities_to_batch(self._engine.fields.given, entities))

    def finish(self, removed: Sequence[PrimaryKey]) -> None:
        self._engine.finish_load(self._load, removed)

    def close(self) -> None:
        self._load.close()


def _refuse(conflicts: Sequence[Conflict]) -> None:
    pk = conflicts[0].pk
    raise EntityExistsError(
        f"primary key {pk!r} is that of two chunks of the source, or was written to the collection "
        f"while the sync ran; nothing was stored. Ids of chunks must be unique",
        pk=pk,
    )
