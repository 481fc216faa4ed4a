"""Chat stores of LlamaIndex in an elanus database."""

from llama_index.storage.chat_store.elanus.base import ElanusChatStore
from llama_index.storage.chat_store.elanus.db import ElanusDBChatStore

__all__ = ["ElanusChatStore", "ElanusDBChatStore"]
