"""LlamaIndex's chat store over rows of an elanus database."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.storage.chat_store.base import BaseChatStore

from llama_index.storage.chat_store.elanus.messages import Messages
from llama_index.storage.kvstore.elanus.tables import Place


class ElanusChatStore(BaseChatStore):
    """Conversations in an elanus database; every message is on disk when the call returns.

    For ``ChatMemoryBuffer`` and other memories with a ``chat_store``; for ``Memory`` there is
    ``ElanusDBChatStore``, which reads and writes the same rows. A message is a row, so that adding
    one does not rewrite the conversation. A conversation without messages is one that does not
    exist. Safe from many threads and event loops.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server. Other stores of this process may
            use the same folder.
        collection_name: The elanus collection.
        token: Credentials for a server; never shown or stored.
        database: An open ``elanus.Database`` to use instead of ``uri``.
        several_processes: Open the folder for writing only while something is written, so that
            several processes write in turn; a write then takes some milliseconds more.
        wait_s: With ``several_processes``, seconds to wait for another process that writes.

    Raises:
        DatabaseLockedError: Another process has the folder open for writing.
        ValueError: ``several_processes`` without a folder.
    """

    uri: str = Field(description="Folder, ':memory:' or URL of a server.")
    collection_name: str = Field(description="Name of the collection.")
    several_processes: bool = Field(default=False, description="Write in turn with others.")
    wait_s: float = Field(default=30.0, description="Seconds to wait for others.")

    _messages: Messages = PrivateAttr()

    def __init__(
        self,
        uri: str | os.PathLike[str] = "./elanus_data",
        collection_name: str = "llamaindex_chat",
        *,
        token: str = "",
        database: Any = None,
        several_processes: bool = False,
        wait_s: float = 30.0,
    ) -> None:
        place = Place(os.fspath(uri), token, database, several_processes, wait_s)
        settings: dict[str, Any] = {
            "uri": place.uri,
            "collection_name": collection_name,
            "several_processes": several_processes,
            "wait_s": wait_s,
        }
        super().__init__(**settings)
        self._messages = Messages(place, collection_name)

    @classmethod
    def class_name(cls) -> str:
        return "ElanusChatStore"

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> ElanusChatStore:
        """Open the store whose ``to_dict`` this is; its conversations are where they were."""
        return cls(**{k: v for k, v in {**data, **kwargs}.items() if k != "class_name"})

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        self._messages.close()

    def __enter__(self) -> ElanusChatStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"collection_name": self.collection_name, **self._messages.place.arguments()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state)

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
