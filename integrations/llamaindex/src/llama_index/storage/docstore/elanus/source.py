"""A document store whose hashes are those of what a vector store has."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.ingestion import IngestionPipeline

from elanus.errors import StateError
from llama_index.storage.docstore.elanus.base import ElanusDocumentStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.vector_stores.elanus import ElanusVectorStore


class ElanusSourceDocumentStore(ElanusDocumentStore):
    """Documents of one source, with hashes that the nodes in the vector store say themselves.

    For ``IngestionPipeline(vector_store=store, docstore=...)``: a document counts as known only
    while all its nodes are in the vector store, so that the two cannot disagree. The hashes are
    the lineage that ``ElanusVectorStore.sync`` records: a sync of the same source takes what a
    pipeline stored for unchanged.

    Args:
        kvstore: Where the documents are.
        vector_store: That of the pipeline, not a server's.
        source: Name of the source, and namespace of the documents.

    Raises:
        StateError: Pipelines of this llama-index-core note hashes before nodes are stored.
    """

    def __init__(
        self, kvstore: ElanusKVStore, vector_store: ElanusVectorStore, source: str
    ) -> None:
        if not hasattr(IngestionPipeline, "_update_docstore"):
            raise StateError(
                "ElanusSourceDocumentStore: pipelines of this llama-index-core note the hash of a "
                "document before its nodes are stored; use a later 0.14, or ElanusDocumentStore"
            )
        super().__init__(kvstore, source)
        self._records = vector_store.records_of(source)

    def set_document_hash(self, doc_id: str, doc_hash: str) -> None:
        """Note the hash of a document in its nodes."""
        self.set_document_hashes({doc_id: doc_hash})

    def set_document_hashes(self, doc_hashes: dict[str, str]) -> None:
        """Note the hashes of documents in their nodes, in one commit."""
        self._records.mark(doc_hashes)

    def get_document_hash(self, doc_id: str) -> str | None:
        """Return the hash of a document, or None where nothing of it is stored.

        Of one whose nodes are not all there, or were written without a hash, it is one that no
        document has: the pipeline deletes what is left and writes all of it again.
        """
        return self._records.fingerprint_of(doc_id)

    async def aget_document_hash(self, doc_id: str) -> str | None:
        return await asyncio.to_thread(self.get_document_hash, doc_id)

    def get_all_document_hashes(self) -> dict[str, str]:
        """Return the documents whose nodes are in the vector store: their ids by hash.

        Of documents with equal hashes one is returned, as the interface has it.
        """
        stored = self._records.documents()
        return {one.hash: document for document, one in stored.items()}

    async def aget_all_document_hashes(self) -> dict[str, str]:
        return await asyncio.to_thread(self.get_all_document_hashes)

    def get_all_document_ids(self) -> set[str]:
        """Return the ids of the documents with nodes in the vector store."""
        return set(self._records.documents())

    def delete_document(self, doc_id: str, raise_error: bool = True) -> None:
        """Delete a document; one that only a sync wrote is not here and no error."""
        super().delete_document(doc_id, raise_error=False)

    @classmethod
    def from_uri(cls, *_: Any, **__: Any) -> ElanusSourceDocumentStore:
        """Not supported: it needs the vector store; use the constructor."""
        raise TypeError("ElanusSourceDocumentStore(kvstore, vector_store, source) makes one")

    from_database = from_uri
