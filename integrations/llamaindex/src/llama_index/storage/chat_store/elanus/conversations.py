"""What do both chat stores share? Their settings, and how they open, close and travel."""

from __future__ import annotations

import os
from typing import Any, Unpack

from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr

import elanus
from elanus.documents import Closing, Place, PlaceOptions
from llama_index.storage.chat_store.elanus.messages import Messages


class Conversations(Closing, BaseModel):
    """Conversations in an elanus database; both chat stores are opened as this is."""

    uri: str = Field(description="Folder, ':memory:' or URL of a server.")
    collection_name: str = Field(description="Name of the collection.")
    several_processes: bool = Field(default=False, description="Write in turn with others.")
    wait_s: float = Field(default=30.0, description="Seconds to wait for others.")

    _messages: Messages = PrivateAttr()

    def __init__(
        self,
        uri: str | os.PathLike[str],
        collection_name: str,
        **options: Unpack[PlaceOptions],
    ) -> None:
        place = Place(elanus.connect, uri, **options)
        shown = {k: v for k, v in options.items() if k in ("several_processes", "wait_s")}
        super().__init__(uri=place.uri, collection_name=collection_name, **shown)
        self._messages = Messages(place, collection_name)

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        self._messages.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"collection_name": self.collection_name, **self._messages.place.arguments()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state)
