"""LlamaIndex's interface of a key-value store over rows of an elanus collection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llama_index.core.storage.kvstore.types import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_COLLECTION,
    BaseKVStore,
)

import elanus
from elanus.documents import Closing, Place, Table
from llama_index.storage.kvstore.elanus.changes import (
    KV_FIELDS,
    KVChanges,
    decode,
    in_collection,
    read_pairs,
    row_id,
)


class ElanusKVStore(Closing, BaseKVStore):
    """Values by key in an elanus database. Every write is on disk when it returns.

    Holds the pairs of all its collections in one elanus collection, so that changes of several of
    them are one write. Safe from many threads and event loops; the asynchronous methods work in a
    thread and never block the loop.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server. Other stores of this process may
            use the same folder.
        collection_name: The elanus collection.
        token: Credentials for a server; never shown or stored.
        database: An open ``elanus.Database`` to use instead of ``uri``.
        several_processes: Open the folder for writing only while something is written, so that
            several processes write in turn; a write then takes some milliseconds more.
        wait_s: Seconds to wait for another process that writes, with ``several_processes``, or that
            changes the same pairs at a server.

    Raises:
        DatabaseLockedError: Another process has the folder open for writing.
        ValueError: ``several_processes`` without a folder.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str] = "./elanus_data",
        collection_name: str = "llamaindex_kv",
        *,
        token: str = "",
        database: Any = None,
        several_processes: bool = False,
        wait_s: float = 30.0,
    ) -> None:
        place = Place(
            elanus.connect,
            uri,
            token=token,
            database=database,
            several_processes=several_processes,
            wait_s=wait_s,
        )
        self._table = Table(place, collection_name, KV_FIELDS, index_on="collection")

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        self._table.close()

    def __getstate__(self) -> dict[str, Any]:
        # The token is left out: a pickle is not a place for credentials.
        return {"collection_name": self._table.name, **self._table.place.arguments()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state)

    # --- writes -----------------------------------------------------------------------------

    @contextmanager
    def changes(self) -> Iterator[KVChanges]:
        """Yield changes of any number of collections that are written when the block ends.

        Nobody else's ``changes`` of the same database are in between, those of other clients of a
        server included, so do not nest them. One value is written whole without them.

        Raises:
            DatabaseLockedError: Others were changing it for longer than ``wait_s``.
        """
        with self._table.changing() as table:
            changed = KVChanges(table)
            yield changed
            changed.apply()

    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Write one value, replacing that of the same key.

        Raises:
            EntityError: The value has no JSON form.
        """
        self.put_all([(key, val)], collection)

    async def aput(
        self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION
    ) -> None:
        await asyncio.to_thread(self.put, key, val, collection)

    def put_all(
        self,
        kv_pairs: list[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Write values in one step, all or none of them.

        Args:
            kv_pairs: Keys and values; of a key that comes twice the last value stays.
            collection: Where to.
            batch_size: Not needed; here because the interface has it.

        Raises:
            EntityError: A value has no JSON form; nothing was written.
        """
        if not kv_pairs:
            return
        with self._table.writing() as table:
            changed = KVChanges(table)
            changed.put_all(kv_pairs, collection)
            changed.apply()

    async def aput_all(
        self,
        kv_pairs: list[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        await asyncio.to_thread(self.put_all, kv_pairs, collection, batch_size)

    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Delete one value and return whether there was one."""
        return bool(self._table.delete([row_id(collection, key)]))

    async def adelete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        return await asyncio.to_thread(self.delete, key, collection)

    # --- reads ------------------------------------------------------------------------------

    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """Return the value of a key, or None."""
        return self.get_many([key], collection).get(key)

    async def aget(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        return await asyncio.to_thread(self.get, key, collection)

    def get_many(
        self, keys: Sequence[str], collection: str = DEFAULT_COLLECTION
    ) -> dict[str, dict[str, Any]]:
        """Return the values of those keys that exist, by key, in the order asked for."""
        return read_pairs(self._table.collection, keys, collection)

    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """Return all values of a collection, by key."""
        rows = self._table.query(in_collection(collection), ["key", "value"])
        return {row["key"]: decode(row["value"]) for row in rows}

    async def aget_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        return await asyncio.to_thread(self.get_all, collection)
