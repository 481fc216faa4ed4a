"""The vector store: LangChain's interface over documents in elanus.

Every method is written once for both worlds: a plan before the query is embedded, one engine call
after it. Asynchronous methods await the models and run the engine call in a worker thread; nothing
is bound to an event loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, Unpack

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor
from langchain_core.vectorstores import VectorStore

from elanus.documents import (
    DocumentCollection,
    DocumentStore,
    SearchMode,
    Selection,
    check_options,
    parse_enum,
)
from elanus.errors import CollectionNotFoundError, StateError
from langchain_elanus.documents import Found, split_documents, to_document
from langchain_elanus.encoders import Encoders, QueryVectors, SparseSource
from langchain_elanus.lifecycle import DatabaseUser
from langchain_elanus.options import StoreOptions, StoreSettings
from langchain_elanus.retriever import ElanusRetriever
from langchain_elanus.searching import (
    SearchPlan,
    default_mode,
    make_plan,
    plan_by_vector,
    plan_mmr,
    run_plan,
    select_mmr,
)
from langchain_elanus.sparse import sparse_to_dict
from langchain_elanus.syncing import Syncing

_MODES = frozenset(mode.value for mode in SearchMode)
_Self = TypeVar("_Self", bound="ElanusVectorStore")


class ElanusVectorStore(Syncing, DatabaseUser, VectorStore):
    """Documents in an elanus collection: dense, learned sparse and BM25 search, or all of them.

    The collection is made by the first write; until then every search is empty. Adding a document
    whose id exists replaces it. One store may be used from many threads and event loops.

    Args:
        embedding: Makes the dense vectors; None when every search is BM25 or sparse.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server.
        sparse: ``BM25(...)``, a model for learned sparse vectors, or both in a list.
        search_mode: ``"dense"``, ``"sparse"``, ``"bm25"`` or ``"hybrid"``; None is hybrid when
            the store has two of them.
        **options: See ``StoreOptions``.

    Every search takes ``filter``, ``search_mode``, ``fetch_k``, ``fusion``, ``rerank``,
    ``score_threshold``, ``offset``, ``search_params`` and ``tenant``, and refuses any other option.

    Raises:
        TypeError: An option does not exist.
        SchemaError: The collection exists with other settings; names both.
        ModelMismatchError: The collection was written with another model.
    """

    def __init__(
        self,
        embedding: Embeddings | None = None,
        *,
        collection_name: str = "langchain",
        uri: str | os.PathLike[str] = "./elanus_data",
        token: str | None = None,
        sparse: SparseSource | Sequence[SparseSource] | None = None,
        search_mode: SearchMode | str | None = None,
        **options: Unpack[StoreOptions],
    ) -> None:
        self._settings = StoreSettings.parse(options)
        self._encoders = Encoders.parse(embedding or options.get("embedding_function"), sparse)
        mode = None if search_mode is None else parse_enum(SearchMode, search_mode, "search_mode")
        self._mode = mode
        self._arguments: dict[str, Any] = {
            "embedding": self._encoders.embedding,
            "collection_name": collection_name,
            "uri": os.fspath(uri),
            "sparse": sparse,
            "search_mode": mode,
            **{k: v for k, v in options.items() if k != "embedding_function"},
        }
        DatabaseUser.__init__(self, uri, token, self._settings.database)
        try:
            if self._settings.drop_old and self._database.has_collection(collection_name):
                self._database.drop_collection(collection_name)
            store_options = self._encoders.store_options(self._settings)
            self._store = DocumentStore.open(self._database, collection_name, store_options)
        except BaseException:
            self.close()
            raise

    # --- making one -------------------------------------------------------------------------

    @classmethod
    def from_texts(
        cls: type[_Self],
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> _Self:
        """Open or create a store and add texts to it."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls: type[_Self],
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> _Self:
        """Open or create a store and add texts to it."""
        store = await run_in_executor(None, cls, embedding, **kwargs)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def from_existing_collection(
        cls: type[_Self],
        embedding: Embeddings | None = None,
        *,
        collection_name: str,
        uri: str | os.PathLike[str],
        **kwargs: Any,
    ) -> _Self:
        """Open a collection that exists.

        Raises:
            CollectionNotFoundError: It does not.
        """
        store = cls(embedding, collection_name=collection_name, uri=uri, **kwargs)
        if store.collection is None:
            store.close()
            raise CollectionNotFoundError(
                f"no collection {collection_name!r} in {os.fspath(uri)!r}", name=collection_name
            )
        return store

    def for_tenant(self: _Self, value: str) -> _Self:
        """Return a view in which every read, write and delete stays with one tenant.

        The view shares the store's database; closing the view leaves it open.

        Raises:
            ValueError: The store has no partition key.
        """
        view = type(self).__new__(type(self))
        view.__dict__.update(self.__dict__)
        view.__dict__.update(_store=self._store.for_tenant(value), _owns_database=False)
        return view

    # --- state ------------------------------------------------------------------------------

    @property
    def embeddings(self) -> Embeddings | None:
        """What makes the dense vectors."""
        return self._query_encoders.embedding

    @property
    def collection(self) -> DocumentCollection | None:
        """The elanus collection, or None before the first write."""
        return self._store.collection

    def __repr__(self) -> str:
        tenant = f", tenant={self._store.tenant!r}" if self._store.tenant is not None else ""
        return f"{type(self).__name__}({self._store.name!r}, {self._arguments['uri']!r}{tenant})"

    def __getstate__(self) -> dict[str, Any]:
        # The token is left out: a pickle is not a place for credentials.
        if self._settings.database is not None:
            raise StateError("a store over a shared database= cannot be pickled; open it by uri=")
        arguments = {k: v for k, v in self._arguments.items() if k != "drop_old"}
        return {"arguments": arguments, "tenant": self._store.tenant}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        type(self).__init__(self, **state["arguments"])
        if state["tenant"] is not None:
            self._store = self._store.for_tenant(state["tenant"])

    # --- writes -----------------------------------------------------------------------------

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed and store texts, replacing those with the same id; all of them or none.

        Args:
            texts: Any iterable; it is read once.
            metadatas: One mapping each.
            ids: Non-empty strings; None, or None for one of them, makes a UUID.
            **kwargs: ``batch_size``, in texts per call of the model; see ``records_of``.

        Returns:
            The ids, in the order of ``texts``.

        Raises:
            ValueError: The lengths differ, or metadata cannot be stored; nothing was written.
        """
        batch = self._batch(texts, metadatas, ids, kwargs)
        return self._store.upsert(
            self._document_encoders.encode_batch(batch, self._batch_size(kwargs))
        )

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Do what ``add_texts`` does, without blocking the event loop."""
        batch = self._batch(texts, metadatas, ids, kwargs)
        encoded = await self._document_encoders.aencode_batch(batch, self._batch_size(kwargs))
        return await run_in_executor(None, self._store.upsert, encoded)

    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Embed and store documents; ``ids=`` goes before ``Document.id``."""
        texts, metadatas, ids = split_documents(documents, kwargs)
        return self.add_texts(texts, metadatas, ids=ids, **kwargs)

    async def aadd_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Do what ``add_documents`` does, without blocking the event loop."""
        texts, metadatas, ids = split_documents(documents, kwargs)
        return await self.aadd_texts(texts, metadatas, ids=ids, **kwargs)

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Delete by ids, by ``filter=``, or what is in both; without either, everything.

        Returns:
            True. What cannot be deleted is an error; what is not there is none.
        """
        check_options(kwargs, ("filter", "expr", "tenant"), "delete")
        condition = kwargs.get("filter", kwargs.get("expr"))
        tenant = kwargs.get("tenant")
        store = self._store if tenant is None else self._store.for_tenant(tenant)
        if ids is None and condition is None:
            store.clear()
        else:
            store.delete(Selection(filter=condition, ids=ids))
        return True

    async def adelete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Do what ``delete`` does, without blocking the event loop."""
        return await run_in_executor(None, self.delete, ids, **kwargs)

    def clear(self) -> None:
        """Delete every document; the collection and its settings stay."""
        self._store.clear()

    def drop(self) -> None:
        """Remove the collection; the next write makes it anew."""
        self._store.drop()

    # --- reads ------------------------------------------------------------------------------

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return documents in the order of ``ids``; missing and repeated ones are left out."""
        return [to_document(stored) for stored in self._store.get(ids)]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Do what ``get_by_ids`` does, without blocking the event loop."""
        return await run_in_executor(None, self.get_by_ids, ids)

    def get(
        self,
        filter: Any = None,
        *,
        ids: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Document]:
        """Return the documents that pass a filter on metadata, unranked; of ``ids`` if given."""
        selection = Selection(filter=filter, ids=ids)
        found = self._store.query(selection, limit=limit, offset=offset)
        return [to_document(stored) for stored in found]

    def count(self, filter: Any = None) -> int:
        """Return how many documents pass a filter on metadata."""
        return self._store.count(Selection(filter=filter))

    # --- searches ---------------------------------------------------------------------------

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the ``k`` best documents, best first."""
        return [f.document for f in self._search(self._plan(k, kwargs), query)]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Do what ``similarity_search`` does, without blocking the event loop."""
        return [f.document for f in await self._asearch(self._plan(k, kwargs), query)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Return the best documents with their scores.

        The score is the cosine, inner product, squared distance (L2: smaller is nearer), BM25 or
        sparse score, fused score, or that of the reranker.
        """
        return [(f.document, f.score) for f in self._search(self._plan(k, kwargs), query)]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Do what ``similarity_search_with_score`` does, without blocking the event loop."""
        return [(f.document, f.score) for f in await self._asearch(self._plan(k, kwargs), query)]

    def similarity_search_by_vector(
        self, embedding: Sequence[float] | Mapping[int, float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Return the documents nearest to a dense or sparse vector."""
        return [d for d, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    async def asimilarity_search_by_vector(
        self, embedding: Sequence[float] | Mapping[int, float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Do what ``similarity_search_by_vector`` does, without blocking the event loop."""
        return await run_in_executor(None, self.similarity_search_by_vector, embedding, k, **kwargs)

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float] | Mapping[int, float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Return the documents nearest to a dense or sparse vector, with their scores."""
        vectors = _as_query(embedding)
        mode = SearchMode.DENSE if vectors.sparse is None else SearchMode.SPARSE
        plan = plan_by_vector(self._store, self._settings, mode, k, kwargs)
        return [(f.document, f.score) for f in run_plan(plan, None, vectors)]

    async def asimilarity_search_with_score_by_vector(
        self, embedding: Sequence[float] | Mapping[int, float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Do what ``similarity_search_with_score_by_vector`` does, off the event loop."""
        return await run_in_executor(
            None, self.similarity_search_with_score_by_vector, embedding, k, **kwargs
        )

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        return [(f.document, f.relevance) for f in self._search(self._plan(k, kwargs), query)]

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        found = await self._asearch(self._plan(k, kwargs), query)
        return [(f.document, f.relevance) for f in found]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        if self._settings.relevance_score_fn is not None:
            return self._settings.relevance_score_fn
        mode = default_mode(self._store, self._query_encoders, self._mode)
        return self._store.relevance_fn(mode)

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return documents that are near the query and far from each other.

        Args:
            query: Text.
            k: Documents wanted.
            fetch_k: Candidates to choose from; in hybrid mode those of the fused list.
            lambda_mult: 1 looks only at nearness, 0 only at diversity.
            **kwargs: Options of the search.
        """
        plan = plan_mmr(self._plan(k, kwargs), fetch_k)
        vectors = self._query_encoders.encode_query(query, (*plan.legs, SearchMode.DENSE))
        return self._select(plan, query, vectors, k, lambda_mult)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search`` does, without blocking the event loop."""
        plan = plan_mmr(self._plan(k, kwargs), fetch_k)
        vectors = await self._query_encoders.aencode_query(query, (*plan.legs, SearchMode.DENSE))
        return await run_in_executor(None, self._select, plan, query, vectors, k, lambda_mult)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Return documents that are near a dense vector and far from each other."""
        plan = plan_by_vector(self._store, self._settings, SearchMode.DENSE, k, kwargs)
        vectors = QueryVectors(dense=embedding)
        return self._select(plan_mmr(plan, fetch_k), None, vectors, k, lambda_mult)

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Do what ``max_marginal_relevance_search_by_vector`` does, off the event loop."""
        return await run_in_executor(
            None,
            self.max_marginal_relevance_search_by_vector,
            embedding,
            k,
            fetch_k,
            lambda_mult,
            **kwargs,
        )

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """Search by ``"similarity"``, ``"mmr"``, ``"similarity_score_threshold"`` or a mode."""
        if search_type in _MODES:
            return self.similarity_search(query, search_mode=search_type, **kwargs)
        return super().search(query, search_type, **kwargs)

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """Do what ``search`` does, without blocking the event loop."""
        if search_type in _MODES:
            return await self.asimilarity_search(query, search_mode=search_type, **kwargs)
        return await super().asearch(query, search_type, **kwargs)

    def as_retriever(self, **kwargs: Any) -> ElanusRetriever:
        """Return a retriever over this store; see ``ElanusRetriever``."""
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return ElanusRetriever(vectorstore=self, tags=tags, **kwargs)

    # --- inside -----------------------------------------------------------------------------

    def _plan(self, k: int, options: Mapping[str, Any]) -> SearchPlan:
        return make_plan(
            self._store, self._query_encoders, self._settings, mode=self._mode, k=k, options=options
        )

    def _search(self, plan: SearchPlan, query: str) -> list[Found]:
        return run_plan(plan, query, self._query_encoders.encode_query(query, plan.legs))

    async def _asearch(self, plan: SearchPlan, query: str) -> list[Found]:
        vectors = await self._query_encoders.aencode_query(query, plan.legs)
        return await run_in_executor(None, run_plan, plan, query, vectors)

    def _select(
        self,
        plan: SearchPlan,
        query: str | None,
        vectors: QueryVectors,
        k: int,
        lambda_mult: float,
    ) -> list[Document]:
        found = run_plan(plan, query, vectors)
        chosen = select_mmr(found, vectors.dense, k, lambda_mult)
        return [f.document for f in chosen]

    def _batch_size(self, options: Mapping[str, Any]) -> int:
        check_options(options, ("batch_size",), "add_texts")
        batch_size: int = options.get("batch_size") or self._settings.batch_size
        return batch_size


def _as_query(embedding: Any) -> QueryVectors:
    is_sparse = isinstance(embedding, Mapping) or hasattr(embedding, "indices")
    if is_sparse:
        return QueryVectors(sparse=sparse_to_dict(embedding))
    return QueryVectors(dense=embedding)
