"""How does a LlamaIndex store change its embedding model, while the old one answers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import MetadataMode

from elanus.documents import DocumentStore, NextModel, StoredDocument, model_record
from llama_index.vector_stores.elanus.nodes import document_to_node


def migrate_store(store: DocumentStore, embed_model: BaseEmbedding, *, background: bool) -> Any:
    """Have another model embed all nodes; see ``ElanusVectorStore.migrate_embeddings``."""

    def encode(texts: Sequence[str]) -> list[list[float]]:
        return embed_model.get_text_embedding_batch(list(texts))

    dim = len(embed_model.get_text_embedding("dimensions"))
    record = model_record(None, embed_model.model_name)
    model = NextModel(embed_model, dim, encode, _text_of, record)
    return store.migrate(model, background=background)


def _text_of(document: StoredDocument) -> str:
    return document_to_node(document).get_content(metadata_mode=MetadataMode.EMBED)
