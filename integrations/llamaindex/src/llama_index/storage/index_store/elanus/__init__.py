"""Index store of LlamaIndex in an elanus database."""

from llama_index.storage.index_store.elanus.base import ElanusIndexStore

__all__ = ["ElanusIndexStore"]
