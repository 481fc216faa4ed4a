"""LlamaIndex's index store over rows of an elanus database."""

from __future__ import annotations

import asyncio

from llama_index.core.data_structs.data_structs import IndexStruct
from llama_index.core.storage.index_store.keyval_index_store import KVIndexStore

from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.storage.kvstore.elanus.users import KVStoreUser


class ElanusIndexStore(KVStoreUser, KVIndexStore):
    """The structures of indexes, in an elanus database; every write is on disk when it returns.

    Args:
        kvstore: Where the rows are; several stores may share one.
        namespace: Separates the index stores of one key-value store; ``"index_store"``.
        collection_suffix: As of ``KVIndexStore``.
    """

    def __init__(
        self,
        kvstore: ElanusKVStore,
        namespace: str | None = None,
        collection_suffix: str | None = None,
    ) -> None:
        super().__init__(kvstore, namespace, collection_suffix)

    def get_index_struct(self, struct_id: str | None = None) -> IndexStruct | None:
        """Return the structure of an index, or None when it is unknown.

        Args:
            struct_id: Of the index; None takes the only one.

        Raises:
            ValueError: ``struct_id`` is None and there is not exactly one index.
        """
        if struct_id is not None:
            return super().get_index_struct(struct_id)
        structs = self.index_structs()
        if len(structs) != 1:
            known = ", ".join(sorted(s.index_id for s in structs)) or "no index"
            raise ValueError(f"index id: expected one, as the store holds {known}")
        return structs[0]

    async def aget_index_struct(self, struct_id: str | None = None) -> IndexStruct | None:
        return await asyncio.to_thread(self.get_index_struct, struct_id)
