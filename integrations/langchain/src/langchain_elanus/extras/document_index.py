"""A store behind LangChain's interface of document indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.indexing import DeleteResponse, UpsertResponse
from langchain_core.indexing.base import DocumentIndex
from langchain_core.runnables import run_in_executor

from elanus.documents import check_options
from langchain_elanus.retriever import ElanusRetriever
from langchain_elanus.vectorstore import ElanusVectorStore


class ElanusDocumentIndex(ElanusRetriever, DocumentIndex):
    """Documents that are written, read, deleted and retrieved through one object.

    A whole ``ElanusRetriever`` besides: ``invoke``, ``search_type``, ``search_kwargs``, ``k`` and
    ``compressor``. ``index()`` takes it in place of a store.

    Attributes:
        vectorstore: The store.
    """

    vectorstore: ElanusVectorStore

    def upsert(self, items: Sequence[Document], /, **kwargs: Any) -> UpsertResponse:
        """Embed and store documents, replacing those with the same id; all of them or none.

        Args:
            items: Those without an id get a UUID.
            **kwargs: ``batch_size``, in texts per call of the model.

        Returns:
            The ids under ``succeeded``. ``failed`` is always empty: what cannot be stored raises.
        """
        return _upserted(self.vectorstore.add_documents(list(items), **kwargs))

    async def aupsert(self, items: Sequence[Document], /, **kwargs: Any) -> UpsertResponse:
        """Do what ``upsert`` does, without blocking the event loop."""
        return _upserted(await self.vectorstore.aadd_documents(list(items), **kwargs))

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> DeleteResponse:
        """Delete by ids, by ``filter=``, or what is in both.

        Returns:
            Under ``succeeded`` the ids of those that were there, and their number.

        Raises:
            ValueError: Neither ids nor a filter; ``vectorstore.clear()`` deletes everything.
        """
        check_options(kwargs, ("filter",), "delete")
        if ids is None and kwargs.get("filter") is None:
            raise ValueError("delete: expected ids or filter=; vectorstore.clear() deletes all")
        found = self.vectorstore.get(ids=ids, **kwargs)
        gone = [document.id for document in found if document.id is not None]
        self.vectorstore.delete(gone)
        return DeleteResponse(num_deleted=len(gone), succeeded=gone, num_failed=0, failed=[])

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> DeleteResponse:
        """Do what ``delete`` does, without blocking the event loop."""
        return await run_in_executor(None, self.delete, ids, **kwargs)

    def get(self, ids: Sequence[str], /, **kwargs: Any) -> list[Document]:
        """Return documents in the order of ``ids``; missing and repeated ones are left out."""
        check_options(kwargs, (), "get")
        return self.vectorstore.get_by_ids(ids)

    async def aget(self, ids: Sequence[str], /, **kwargs: Any) -> list[Document]:
        """Do what ``get`` does, without blocking the event loop."""
        return await run_in_executor(None, self.get, ids, **kwargs)


def _upserted(ids: list[str]) -> UpsertResponse:
    return UpsertResponse(succeeded=ids, failed=[])
