"""A retriever over ``ElanusVectorStore``, with every search type of the store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.vectorstores import VectorStoreRetriever

from elanus.documents import SearchMode


class ElanusRetriever(VectorStoreRetriever):
    """Finds documents in an ``ElanusVectorStore``.

    Attributes:
        vectorstore: The store.
        search_type: ``"similarity"`` (the store's own mode), ``"similarity_score_threshold"``,
            ``"mmr"``, ``"dense"``, ``"sparse"``, ``"bm25"`` or ``"hybrid"``.
        search_kwargs: Options of every search: ``k``, ``filter``, ``fusion`` and so on.
        k: Documents wanted; goes before ``search_kwargs["k"]``. ``invoke(query, k=...)`` goes
            before both.
        compressor: Reranks or shortens what was found.
    """

    allowed_search_types: ClassVar[Collection[str]] = (
        *VectorStoreRetriever.allowed_search_types,
        *(mode.value for mode in SearchMode),
    )

    k: int | None = None
    compressor: BaseDocumentCompressor | None = None

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        own = {} if self.k is None else {"k": self.k}
        return {**self.search_kwargs, **own, **given}

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self._options(kwargs)
        found = self.vectorstore.search(query, self.search_type, **options)
        if self.compressor is None:
            return found
        callbacks = run_manager.get_child()
        return list(self.compressor.compress_documents(found, query, callbacks=callbacks))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self._options(kwargs)
        found = await self.vectorstore.asearch(query, self.search_type, **options)
        if self.compressor is None:
            return found
        callbacks = run_manager.get_child()
        return list(await self.compressor.acompress_documents(found, query, callbacks=callbacks))
