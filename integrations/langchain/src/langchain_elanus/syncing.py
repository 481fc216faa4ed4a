"""How does a LangChain store follow a source of documents?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.documents import Document

from elanus.documents import DocumentBatch, SourceRecords
from elanus.plugins import Progress
from elanus.sync import Chunk, SourceDocument, SyncReport, content_hash
from langchain_elanus.documents import make_batch
from langchain_elanus.migrating import Migrating


class Syncing(Migrating):
    """The part of the store that follows sources."""

    def sync(
        self,
        documents: Iterable[Document],
        *,
        source: str,
        document_key: str | None = "source",
        dry_run: bool = False,
        **options: Any,
    ) -> SyncReport:
        """Make what is stored of a source what ``documents`` are, in one commit.

        Unchanged documents are skipped without a call of the model, changed ones replaced, and
        those deleted that are no longer there; what other sources or ``add_documents`` wrote stays.
        No record manager is needed: what is stored says itself where it comes from.

        Args:
            documents: All that there are; several may be parts of one, as splitters make them.
            source: Name of the source.
            document_key: Key in the metadata that says of which document a part is. Where it is
                missing, or None, each is one of its own, by its id or else by its content.
            dry_run: Only report what would be done.
            **options: ``version`` and ``progress``, as for ``elanus.Collection.sync``.

        Returns:
            Which documents were added, changed, unchanged and deleted, and what was embedded.

        Raises:
            SyncError: A document cannot be stored; nothing was stored.
        """
        grouped: dict[str, list[Document]] = {}
        for document in documents:
            grouped.setdefault(_name_of(document, document_key), []).append(document)
        return self._store.sync(
            [
                SourceDocument(name, chunks=list(map(_chunk, parts)))
                for name, parts in grouped.items()
            ],
            source=source,
            encode=self._encode,
            dim=self._dim(),
            dry_run=dry_run,
            **options,
        )

    def records_of(self, source: str) -> SourceRecords:
        """Return what the store's documents say of a source.

        ``add_documents(..., source=name, source_id_key="source")`` writes it with the documents, in
        the same commit; ``ElanusStoreRecords`` makes records of ``index()`` of it.
        """
        return self._store.records_of(source)

    def _batch(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None,
        ids: Sequence[str | None] | None,
        options: dict[str, Any],
    ) -> DocumentBatch:
        """Return texts as a batch; takes what it needs out of ``options``."""
        source, key = options.pop("source", None), options.pop("source_id_key", "source")
        batch = make_batch(texts, metadatas, ids)
        if source is None:
            return batch
        records = self._store.records_of(source)
        groups = [(metadata or {}).get(key) for metadata in batch.metadatas or ()]
        pairs = zip(batch.ids, groups, strict=True)
        return replace(batch, lineages=[records.lineage(i, g and str(g)) for i, g in pairs])

    def _encode(self, texts: Sequence[str], progress: Progress | None) -> Any:
        batch = DocumentBatch([str(n) for n in range(len(texts))], texts)
        encoded = self._document_encoders.encode_batch(batch, self._settings.batch_size)
        if progress is not None:
            progress(len(texts), len(texts))
        return encoded.dense, encoded.sparse

    def _dim(self) -> int | None:
        """Return the dimensions of a collection that is not there yet."""
        embedding = self._encoders.embedding
        if self._store.collection is not None or embedding is None:
            return None
        return self._store.options.dim or len(embedding.embed_query("dimensions"))


def _name_of(document: Document, key: str | None) -> str:
    named = document.metadata.get(key) if key is not None else None
    if named is not None:
        return str(named)
    return document.id or content_hash(document.page_content, document.metadata)


def _chunk(document: Document) -> Chunk:
    return Chunk(document.page_content, document.metadata, document.id)
