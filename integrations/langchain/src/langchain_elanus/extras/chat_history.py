"""Where do the messages of a conversation live?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Unpack

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage

import elanus
from elanus.documents import PlaceOptions
from langchain_elanus.extras.messages import message_to_text, text_to_message
from langchain_elanus.extras.table import TableUser


class ElanusChatMessageHistory(TableUser, BaseChatMessageHistory):
    """The messages of one session, in the order in which they were added.

    Sessions of one collection are separate. For ``RunnableWithMessageHistory`` give every history
    the same ``database=``, which then stays open between the calls.

    Args:
        session_id: Which conversation.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        ValueError: ``session_id`` is not a non-empty string.
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        session_id: str,
        *,
        collection_name: str = "langchain_messages",
        uri: str | os.PathLike[str] = "./elanus_data",
        **options: Unpack[PlaceOptions],
    ) -> None:
        if not isinstance(session_id, str) or not session_id:
            raise ValueError(f"session_id: expected a non-empty str, got {session_id!r}")
        self._session = session_id
        fields = [
            # Keys that the engine makes count upwards: their order is that of the writes.
            elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
            elanus.Field("session_id", elanus.VARCHAR, partition_key=True),
            elanus.Field("type", elanus.VARCHAR),
            elanus.Field("message", elanus.VARCHAR),
        ]
        TableUser.__init__(self, fields, collection_name, uri, **options)

    @property
    def session_id(self) -> str:
        """Which conversation this is."""
        return self._session

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The messages, oldest first."""
        rows = self._table.query({"session_id": self._session}, ["message"])
        return [text_to_message(row["message"]) for row in rows]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, all of them or none.

        Raises:
            ValueError: A message has no JSON form; nothing was written.
        """
        self._table.append(
            [
                {"session_id": self._session, "type": m.type, "message": message_to_text(m)}
                for m in messages
            ]
        )

    def clear(self) -> None:
        """Delete the messages of this session."""
        self._table.delete_where({"session_id": self._session})
