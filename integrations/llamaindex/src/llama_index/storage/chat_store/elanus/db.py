"""LlamaIndex's store of messages with a status, which ``Memory`` keeps its queue in."""

from __future__ import annotations

import asyncio
import os
from typing import Unpack

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus

from elanus.documents import PlaceOptions
from llama_index.storage.chat_store.elanus.conversations import Conversations


class ElanusDBChatStore(Conversations, AsyncDBChatStore):
    """Conversations in an elanus database, for ``Memory.from_defaults(chat_store=...)``.

    Messages are active or archived; ``Memory`` archives the oldest ones when its queue is full.
    The rows are those of ``ElanusChatStore``, which sees all of them. Every call works in a thread
    and never blocks the event loop.

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
        return "ElanusDBChatStore"

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return messages of a conversation, oldest first.

        Args:
            key: The conversation.
            status: Only messages with this status; None returns all.
            limit: Most messages to return.
            offset: Messages to leave out at the beginning.
        """
        start = offset or 0
        chosen = slice(start, None if limit is None else start + limit)
        return (await asyncio.to_thread(self._read, key, status))[chosen]

    async def count_messages(
        self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE
    ) -> int:
        """Return how many messages a conversation has with a status, or in all."""
        return len(await asyncio.to_thread(self._read, key, status))

    async def add_message(
        self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Add a message to the end of a conversation.

        Raises:
            EntityError: The message has no JSON form.
        """
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Add messages to the end of a conversation, all or none of them."""
        await asyncio.to_thread(self._messages.append, key, messages, status.value)

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Let a conversation hold these messages; readers see the old ones or the new ones."""
        await asyncio.to_thread(self._messages.replace, key, messages, status.value)

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the message at ``idx`` of all of a conversation; return it, or None."""
        end = None if idx == -1 else idx + 1
        gone = await asyncio.to_thread(self._messages.delete, key, slice(idx, end))
        return gone[0].parse() if gone else None

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Delete the messages of a conversation that have a status, or all of them."""
        only = None if status is None else status.value
        await asyncio.to_thread(self._messages.delete, key, slice(None), status=only)

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Delete the oldest ``n`` active messages of a conversation and return them."""
        active = MessageStatus.ACTIVE.value
        gone = await asyncio.to_thread(self._messages.delete, key, slice(n), status=active)
        return [m.parse() for m in gone]

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest ``n`` active messages of a conversation and return them."""
        active, archived = MessageStatus.ACTIVE.value, MessageStatus.ARCHIVED.value
        marked = await asyncio.to_thread(self._messages.mark, key, n, active, archived)
        return [m.parse() for m in marked]

    async def get_keys(self) -> list[str]:
        """Return the keys of all conversations, sorted."""
        return await asyncio.to_thread(self._messages.keys)

    def _read(self, key: str, status: MessageStatus | None) -> list[ChatMessage]:
        only = None if status is None else status.value
        return [m.parse() for m in self._messages.read(key) if only in (None, m.status)]
