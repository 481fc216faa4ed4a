"""How does a LlamaIndex store follow a source of documents?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import run_transformations
from llama_index.core.schema import BaseNode, MetadataMode, TransformComponent

from elanus.documents import NODE_KEY, DocumentStore
from elanus.plugins import Progress
from elanus.sync import Chunk, DocumentEntry, SourceDocument, SyncReport
from llama_index.vector_stores.elanus.nodes import nodes_to_batch


@dataclass(frozen=True)
class ListedDocuments:
    """Documents as a source; the framework's hash tells whether one has to be cut again."""

    name: str
    given: Iterable[BaseNode]
    transformations: Sequence[TransformComponent]

    def documents(self) -> Iterator[DocumentEntry]:
        """Yield each document."""
        for document in self.given:
            read = partial(self._read, document)
            yield DocumentEntry(document.node_id, read, document.hash)

    def _read(self, document: BaseNode) -> SourceDocument:
        nodes = list(run_transformations([document], list(self.transformations)))
        batch = nodes_to_batch(nodes)
        contents = zip(nodes, batch.texts, batch.metadatas or (), batch.nodes or (), strict=True)
        chunks = [
            Chunk(
                text,
                {**(metadata or {}), NODE_KEY: content},
                node.node_id,
                embedded_text=node.get_content(metadata_mode=MetadataMode.EMBED),
            )
            for node, text, metadata, content in contents
        ]
        return SourceDocument(document.node_id, chunks=chunks)


def sync_documents(
    store: DocumentStore,
    source: ListedDocuments,
    embed_model: BaseEmbedding | None,
    sparse: Callable[[list[str]], list[dict[int, float]]] | None,
    **options: Any,
) -> SyncReport:
    """Make what is stored of a source what it is now; see ``ElanusVectorStore.sync``."""

    def encode(texts: Sequence[str], progress: Progress | None) -> Any:
        given = list(texts)
        dense = None if embed_model is None else embed_model.get_text_embedding_batch(given)
        if progress is not None:
            progress(len(given), len(given))
        return dense, None if sparse is None else sparse(given)

    dim = None
    if store.collection is None and embed_model is not None:
        dim = store.options.dim or len(embed_model.get_text_embedding("dimensions"))
    return store.sync(source, encode=encode, dim=dim, **options)
