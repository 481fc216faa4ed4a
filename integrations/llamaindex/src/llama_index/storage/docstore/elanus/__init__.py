"""Document store of LlamaIndex in an elanus database."""

from llama_index.storage.docstore.elanus.base import ElanusDocumentStore
from llama_index.storage.docstore.elanus.source import ElanusSourceDocumentStore

__all__ = ["ElanusDocumentStore", "ElanusSourceDocumentStore"]
