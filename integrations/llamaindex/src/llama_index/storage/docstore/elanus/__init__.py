"""Document store of LlamaIndex in an elanus database."""

from llama_index.storage.docstore.elanus.base import ElanusDocumentStore

__all__ = ["ElanusDocumentStore"]
