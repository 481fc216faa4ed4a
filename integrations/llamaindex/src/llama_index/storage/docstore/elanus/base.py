"""LlamaIndex's document store over rows of an elanus database.

What the framework's ``KVDocumentStore`` does call by call is done at once: the nodes, hashes and
lists of a call are read in a few reads and written in one write, under a lock that keeps two
writers from losing each other's nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
from llama_index.core.storage.docstore.types import RefDocInfo
from llama_index.core.storage.docstore.utils import json_to_doc

from llama_index.storage.kvstore.elanus import ElanusKVStore, KVChanges
from llama_index.storage.kvstore.elanus.users import KVStoreUser

_Pair = tuple[str, dict[str, Any]]


class ElanusDocumentStore(KVStoreUser, KVDocumentStore):
    """Nodes, their hashes and the nodes of each source document, in an elanus database.

    Every call is one write that is on disk when it returns. Safe from many threads and event
    loops; the asynchronous methods work in a thread and never block the loop.

    Args:
        kvstore: Where the rows are; several stores may share one.
        namespace: Separates the document stores of one key-value store; ``"docstore"``.
        **suffixes: Those of ``KVDocumentStore``: ``node_collection_suffix`` and others.
    """

    def __init__(
        self, kvstore: ElanusKVStore, namespace: str | None = None, **suffixes: Any
    ) -> None:
        super().__init__(kvstore, namespace, **suffixes)

    # --- writes -----------------------------------------------------------------------------

    def add_documents(
        self,
        docs: Sequence[BaseNode],
        allow_update: bool = True,
        batch_size: int | None = None,
        store_text: bool = True,
    ) -> None:
        """Store nodes, all or none of them.

        Args:
            docs: Nodes or documents.
            allow_update: Replace nodes that exist; else they are an error.
            batch_size: Not needed; here because the interface has it.
            store_text: Store the nodes, not only their hashes.

        Raises:
            ValueError: A node exists and ``allow_update`` is False; names it.
            EntityError: A node has no JSON form.
        """
        with self._kvstore.changes() as changes:
            if not allow_update:
                ids = [node.node_id for node in docs]
                for taken in changes.get_many(ids, self._node_collection):
                    raise ValueError(
                        f"node_id {taken} already exists. Set allow_update to True to overwrite."
                    )
            sources = [n.source_node.node_id for n in docs if n.source_node is not None]
            known = changes.get_many(sources, self._ref_doc_collection)
            nodes, metadatas = [], []
            by_source: dict[str, list[_Pair]] = {}
            for node in docs:
                info = None
                if node.source_node is not None:
                    info = self._info_of(known.get(node.source_node.node_id))
                pairs = self._get_kv_pairs_for_insert(node, info, store_text)
                nodes += [pairs[0]] if pairs[0] else []
                metadatas += [pairs[1]] if pairs[1] else []
                if pairs[2]:
                    by_source.setdefault(pairs[2][0], []).append(pairs[2])
            changes.put_all(nodes, self._node_collection)
            changes.put_all(metadatas, self._metadata_collection)
            changes.put_all(self._merge_ref_doc_kv_pairs(by_source), self._ref_doc_collection)

    async def async_add_documents(
        self,
        docs: Sequence[BaseNode],
        allow_update: bool = True,
        batch_size: int | None = None,
        store_text: bool = True,
    ) -> None:
        await asyncio.to_thread(self.add_documents, docs, allow_update, batch_size, store_text)

    def delete_document(self, doc_id: str, raise_error: bool = True) -> None:
        """Delete a node; a source document whose last node it was goes with it.

        Raises:
            ValueError: There is no such node and ``raise_error`` is True.
        """
        with self._kvstore.changes() as changes:
            existed = bool(changes.get_many([doc_id], self._node_collection))
            self._remove(changes, [doc_id])
        if raise_error and not existed:
            raise ValueError(f"doc_id {doc_id} not found.")

    async def adelete_document(self, doc_id: str, raise_error: bool = True) -> None:
        await asyncio.to_thread(self.delete_document, doc_id, raise_error)

    def delete_ref_doc(self, ref_doc_id: str, raise_error: bool = True) -> None:
        """Delete a source document with all its nodes.

        Raises:
            ValueError: There is no such document and ``raise_error`` is True.
        """
        with self._kvstore.changes() as changes:
            found = changes.get_many([ref_doc_id], self._ref_doc_collection)
            if found:
                self._remove(changes, self._info_of(found[ref_doc_id]).node_ids)
                self._delete_everywhere(changes, [ref_doc_id])
        if raise_error and not found:
            raise ValueError(f"ref_doc_id {ref_doc_id} not found.")

    async def adelete_ref_doc(self, ref_doc_id: str, raise_error: bool = True) -> None:
        await asyncio.to_thread(self.delete_ref_doc, ref_doc_id, raise_error)

    def set_document_hash(self, doc_id: str, doc_hash: str) -> None:
        """Set the hash of a document; what source it has stays known."""
        self.set_document_hashes({doc_id: doc_hash})

    async def aset_document_hash(self, doc_id: str, doc_hash: str) -> None:
        await asyncio.to_thread(self.set_document_hash, doc_id, doc_hash)

    def set_document_hashes(self, doc_hashes: dict[str, str]) -> None:
        """Set the hashes of documents in one write; what sources they have stays known."""
        with self._kvstore.changes() as changes:
            known = changes.get_many(list(doc_hashes), self._metadata_collection)
            pairs = [(i, {**known.get(i, {}), "doc_hash": h}) for i, h in doc_hashes.items()]
            changes.put_all(pairs, self._metadata_collection)

    async def aset_document_hashes(self, doc_hashes: dict[str, str]) -> None:
        await asyncio.to_thread(self.set_document_hashes, doc_hashes)

    # --- reads ------------------------------------------------------------------------------

    def get_nodes(self, node_ids: list[str], raise_error: bool = True) -> list[BaseNode]:
        """Return nodes in the order of ``node_ids``, in one read.

        Raises:
            ValueError: One is missing and ``raise_error`` is True.
        """
        found = self._kvstore.get_many(node_ids, self._node_collection)
        missing = [i for i in node_ids if i not in found]
        if missing and raise_error:
            raise ValueError(f"doc_id {missing[0]} not found.")
        return [json_to_doc(found[i]) for i in node_ids if i in found]

    async def aget_nodes(self, node_ids: list[str], raise_error: bool = True) -> list[BaseNode]:
        return await asyncio.to_thread(self.get_nodes, node_ids, raise_error)

    def get_node_dict(self, node_id_dict: dict[int, str]) -> dict[int, BaseNode]:
        """Return the nodes of places, in one read."""
        nodes = self.get_nodes(list(node_id_dict.values()))
        return dict(zip(node_id_dict, nodes, strict=True))

    async def aget_node_dict(self, node_id_dict: dict[int, str]) -> dict[int, BaseNode]:
        return await asyncio.to_thread(self.get_node_dict, node_id_dict)

    def get_all_document_ids(self) -> set[str]:
        """Return the ids of all documents with a hash, those with equal hashes too."""
        return set(self._kvstore.get_all(self._metadata_collection))

    async def aget_all_document_ids(self) -> set[str]:
        return await asyncio.to_thread(self.get_all_document_ids)

    # --- inside -----------------------------------------------------------------------------

    def _info_of(self, stored: dict[str, Any] | None) -> RefDocInfo:
        info = RefDocInfo() if stored is None else self._remove_legacy_info(stored)
        return RefDocInfo(node_ids=list(info.node_ids), metadata=dict(info.metadata))

    def _remove(self, changes: KVChanges, node_ids: Iterable[str]) -> None:
        """Delete nodes, take them off the lists of their sources, and delete emptied sources."""
        ids = list(node_ids)
        metadatas = changes.get_many(ids, self._metadata_collection)
        sources = {i: m["ref_doc_id"] for i, m in metadatas.items() if m.get("ref_doc_id")}
        stored = changes.get_many(list(sources.values()), self._ref_doc_collection)
        infos = {source: self._info_of(info) for source, info in stored.items()}
        for node_id, source in sources.items():
            if source in infos and node_id in infos[source].node_ids:
                infos[source].node_ids.remove(node_id)
        kept = {source: info for source, info in infos.items() if info.node_ids}
        changes.put_all([(s, i.to_dict()) for s, i in kept.items()], self._ref_doc_collection)
        self._delete_everywhere(changes, [s for s in infos if s not in kept])
        changes.delete(ids, self._node_collection)
        changes.delete(ids, self._metadata_collection)

    def _delete_everywhere(self, changes: KVChanges, ids: Sequence[str]) -> None:
        for collection in (
            self._node_collection,
            self._metadata_collection,
            self._ref_doc_collection,
        ):
            changes.delete(ids, collection)
