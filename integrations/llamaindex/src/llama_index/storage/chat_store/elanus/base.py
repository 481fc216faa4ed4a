"""LlamaIndex's chat store over rows of an elanus database."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Unpack

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base import BaseChatStore

from elanus.documents import PlaceOptions
from llama_index.storage.chat_store.elanus.conversations import Conversations


class ElanusChatStore(Conversations, BaseChatStore):
    """Conversations in an elanus database; every message is on disk when the call returns.

    For ``ChatMemoryBuffer`` and other memories with a ``chat_store``; for ``Memory`` there is
    ``ElanusDBChatStore``, which reads and writes the same rows. A message is a row, so that adding
    one does not rewrite the conversation. A conversation without messages is one that does not
    exist. Safe from many threads and event loops.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server. Other stores of this process may
            use the same folder.
        collection_name: The elanus collection.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has the folder open for writing.
        ValueError: ``several_processes`` without a folder.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str] = "./elanus_data",
        collection_name: str = "llamaindex_chat",
        **options: Unpack[PlaceOptions],
    ) -> None:
        super().__init__(uri, collection_name, **options)

    @classmethod
    def class_name(cls) -> str:
        return "ElanusChatStore"

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> ElanusChatStore:
        """Open the store whose ``to_dict`` this is; its conversations are where they were."""
        return cls(**{k: v for k, v in {**data, **kwargs}.items() if k != "class_name"})

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Let a conversation hold these messages; readers see the old ones or the new ones."""
        self._messages.replace(key, messages)

    def get_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of a conversation, oldest first; none when it does not exist."""
        return [m.parse() for m in self._messages.read(key)]

    def add_message(self, key: str, message: ChatMessage, idx: int | None = None) -> None:
        """Add a message to the end of a conversation, or put it before the one at ``idx``.

        Raises:
            EntityError: The message has no JSON form.
        """
        if idx is None:
            self._messages.append(key, [message])
        else:
            self._messages.insert(key, message, idx)

    async def async_add_message(
        self, key: str, message: ChatMessage, idx: int | None = None
    ) -> None:
        await asyncio.to_thread(self.add_message, key, message, idx)

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Delete a conversation and return its messages, or None when it does not exist."""
        gone = self._messages.delete(key, slice(None))
        return [m.parse() for m in gone] or None

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the message at ``idx`` and return it, or None; -1 is the last one."""
        end = None if idx == -1 else idx + 1
        gone = self._messages.delete(key, slice(idx, end))
        return gone[0].parse() if gone else None

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Delete the last message of a conversation and return it, or None."""
        return self.delete_message(key, -1)

    def get_keys(self) -> list[str]:
        """Return the keys of all conversations, sorted."""
        return self._messages.keys()
