"""Key-value store of LlamaIndex in an elanus database."""

from llama_index.storage.kvstore.elanus.base import ElanusKVStore
from llama_index.storage.kvstore.elanus.changes import KVChanges

__all__ = ["ElanusKVStore", "KVChanges"]
