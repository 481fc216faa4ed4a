"""What do the stores over a key-value store share? How they open and close it."""

from __future__ import annotations

import os
from typing import Any, Self

from llama_index.storage.kvstore.elanus.base import ElanusKVStore


class KVStoreUser:
    """Something that keeps its rows in a key-value store, which its constructor takes first."""

    # The framework's base classes say that it is any key-value store.
    _kvstore: Any

    @classmethod
    def from_uri(
        cls,
        uri: str | os.PathLike[str] = "./elanus_data",
        namespace: str | None = None,
        **options: Any,
    ) -> Self:
        """Open a store in a folder or in ``":memory:"``; ``options`` are those of the kv store."""
        return cls(ElanusKVStore(uri, **options), namespace)  # type: ignore[call-arg]

    @classmethod
    def from_database(cls, database: Any, namespace: str | None = None) -> Self:
        """Open a store in an open ``elanus.Database``."""
        return cls(ElanusKVStore(database=database), namespace)  # type: ignore[call-arg]

    @property
    def kvstore(self) -> ElanusKVStore:
        """Where the rows are."""
        store: ElanusKVStore = self._kvstore
        return store

    def close(self) -> None:
        """Close the key-value store, also for others that share it."""
        self._kvstore.close()
