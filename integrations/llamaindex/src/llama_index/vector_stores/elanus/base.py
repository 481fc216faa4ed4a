"""The vector store: LlamaIndex's interface over nodes in elanus.

Every method is written once for both worlds; the asynchronous ones await the sparse model and run
the engine call in a worker thread, so that the event loop is never blocked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Unpack

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.schema import BaseNode, TransformComponent
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

import elanus
from elanus.documents import (
    Closing,
    DocumentBatch,
    DocumentCollection,
    DocumentStore,
    SearchMode,
    Selection,
    SourceRecords,
    check_options,
    parse_enum,
)
from elanus.documents import StoreOptions as CollectionOptions
from elanus.errors import EntityError, InvalidArgumentError, StateError
from elanus.sync import SyncReport
from llama_index.vector_stores.elanus.filters import metadata_filters_to_tree
from llama_index.vector_stores.elanus.migrating import migrate_store
from llama_index.vector_stores.elanus.nodes import (
    document_to_node,
    embeddings_of,
    nodes_to_batch,
)
from llama_index.vector_stores.elanus.options import QueryOptions, StoreOptions, StoreSettings
from llama_index.vector_stores.elanus.querying import QueryPlan, make_plan, run_query
from llama_index.vector_stores.elanus.sparse import SparseEncoder, sparse_encoder
from llama_index.vector_stores.elanus.syncing import ListedDocuments, sync_documents


class ElanusVectorStore(Closing, BasePydanticVectorStore):
    """Nodes in an elanus collection: dense, learned sparse and BM25 search, or all of them.

    The collection is made by the first ``add``; until then every query is empty. Adding a node
    whose id exists replaces it.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server.
        collection_name: Name of the collection.
        token: Credentials for a server; never shown or stored.
        dim: Dimensions of the embeddings; None takes those of the first node.
        sparse: ``BM25(...)``, a model for learned sparse vectors, or both in a list.
        search_mode: What ``DEFAULT`` queries search: ``"dense"``, ``"sparse"``, ``"bm25"`` or
            ``"hybrid"``; None is dense. With ``"sparse"`` and ``"bm25"`` nodes need no embedding.
        overwrite: Remove an existing collection first.
        **options: See ``StoreOptions``.

    Queries take the keyword arguments ``search_params``, ``fusion``, ``rerank``, ``tenant``,
    ``filter``, ``mmr_threshold``, ``mmr_prefetch_factor`` and ``mmr_prefetch_k``.

    Raises:
        TypeError: An option does not exist.
        SchemaError: The collection exists with other settings; names both.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    flat_metadata: bool = False

    uri: str = Field(description="Folder, ':memory:' or URL of a server.")
    collection_name: str = Field(description="Name of the collection.")
    dim: int | None = Field(default=None, description="Dimensions of the embeddings.")
    search_mode: str = Field(default="dense", description="What DEFAULT queries search.")
    metric: str | None = Field(default=None, description="COSINE, IP or L2.")
    index: str = Field(default="AUTO", description="Type of the dense index.")
    bm25: dict[str, Any] | None = Field(default=None, description="Full-text search.")
    fusion: dict[str, Any] = Field(description="How hybrid queries join their legs.")
    partition_key: str | None = Field(default=None, description="Separates tenants.")
    tenant: str | None = Field(default=None, description="The tenant of this view.")
    batch_size: int = Field(default=512, description="Texts per call of the sparse model.")
    field_names: dict[str, str] = Field(description="Names of the fields.")

    _database: Any = PrivateAttr()
    _owns_database: bool = PrivateAttr()
    _store: DocumentStore = PrivateAttr()
    _settings: StoreSettings = PrivateAttr()
    _sparse: SparseEncoder | None = PrivateAttr()

    def __init__(
        self,
        uri: str | os.PathLike[str] = "./elanus_data",
        collection_name: str = "llamaindex",
        *,
        token: str = "",
        dim: int | None = None,
        sparse: Any = None,
        search_mode: SearchMode | str | None = None,
        overwrite: bool = False,
        **options: Unpack[StoreOptions],
    ) -> None:
        # What a dump of this component says about its class is not a setting.
        given = {k: v for k, v in options.items() if k not in _CLASS_FIELDS}
        settings = StoreSettings.parse(sparse, given)
        mode = parse_enum(SearchMode, search_mode or SearchMode.DENSE, "search_mode")
        configuration: dict[str, Any] = {
            "uri": os.fspath(uri),
            "collection_name": collection_name,
            "dim": dim,
            "search_mode": str(mode),
            "metric": settings.metric,
            "index": settings.index,
            "bm25": None if settings.bm25 is None else asdict(settings.bm25),
            "fusion": asdict(settings.fusion),
            "partition_key": settings.partition_key,
            "tenant": settings.tenant,
            "batch_size": settings.batch_size,
            "field_names": asdict(settings.field_names),
        }
        super().__init__(**configuration)
        model = settings.sparse_model
        self._settings = settings
        self._sparse = None if model is None else sparse_encoder(model)
        self._owns_database = settings.database is None
        shared = settings.database
        self._database = elanus.connect(uri, token=token or None) if shared is None else shared
        try:
            self._store = self._open(overwrite)
        except BaseException:
            self.close()
            raise

    @classmethod
    def class_name(cls) -> str:
        return "ElanusVectorStore"

    def for_tenant(self, value: str) -> ElanusVectorStore:
        """Return a view in which every read, write and delete stays with one tenant.

        The view shares the store's database; closing the view leaves it open.

        Raises:
            ValueError: The store has no partition key, or is bound to another tenant.
        """
        view = self.model_copy(update={"tenant": value})
        own = {"_store": self._store.for_tenant(value), "_owns_database": False}
        view.__pydantic_private__ = {**(self.__pydantic_private__ or {}), **own}
        return view

    @property
    def client(self) -> Any:
        """The elanus database."""
        return self._database

    @property
    def aclient(self) -> Any:
        """The elanus database; its calls are synchronous and safe from many threads."""
        return self._database

    @property
    def collection(self) -> DocumentCollection | None:
        """The elanus collection, or None before the first ``add``."""
        return self._store.collection

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        if self._owns_database:
            self._database.close()

    def __getstate__(self) -> dict[str, Any]:
        # The token is left out: a pickle is not a place for credentials.
        if self._settings.database is not None:
            raise StateError("a store over a shared database= cannot be pickled; open it by uri=")
        return {"arguments": self._arguments()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state["arguments"])

    # --- writes -----------------------------------------------------------------------------

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes with their embeddings, replacing those with the same id.

        Nodes may come from a generator; it is read once.

        Returns:
            The ids, in the order of ``nodes``.

        Raises:
            EntityError: A node cannot be stored; nothing was written.
            ValueError: A node has no embedding.
        """
        check_options(kwargs, (), "add")
        batch = self._batch(nodes)
        if self._sparse is not None:
            vectors: list[dict[int, float]] = []
            for texts in self._texts(batch):
                vectors += self._sparse.encode_documents(texts)
            batch = replace(batch, sparse=vectors)
        return self._store.upsert(batch)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Do what ``add`` does, without blocking the event loop."""
        check_options(kwargs, (), "add")
        batch = self._batch(nodes)
        if self._sparse is not None:
            vectors: list[dict[int, float]] = []
            for texts in self._texts(batch):
                vectors += await self._sparse.aencode_documents(texts)
            batch = replace(batch, sparse=vectors)
        return await asyncio.to_thread(self._store.upsert, batch)

    def sync(
        self,
        documents: Iterable[BaseNode],
        *,
        source: str,
        embed_model: BaseEmbedding | None = None,
        transformations: Sequence[TransformComponent] = (),
        dry_run: bool = False,
        **options: Any,
    ) -> SyncReport:
        """Make what is stored of a source what ``documents`` are, in one commit.

        A document whose ``hash`` is as it was is neither cut nor embedded; chunks that stay keep
        their vectors; what is no longer there is deleted. Other sources, and nodes that ``add``
        wrote, are never touched. No docstore is needed: what is stored says where it comes from.

        Args:
            documents: All that there are, whole; ids must be the same in every run.
            source: Name of the source.
            embed_model: Makes the dense vectors, of the text with its metadata.
            transformations: What cuts a document into nodes, such as a ``SentenceSplitter``.
            dry_run: Only report what would be done.
            **options: ``version``, to be changed with the transformations, and ``progress``, as for
                ``elanus.Collection.sync``.

        Returns:
            Which documents were added, changed, unchanged and deleted, and what was embedded.

        Raises:
            SyncError: A document cannot be stored; nothing was stored.
        """
        listed = ListedDocuments(source, documents, transformations)
        sparse = None if self._sparse is None else self._sparse.encode_documents
        return sync_documents(self._store, listed, embed_model, sparse, dry_run=dry_run, **options)

    def records_of(self, source: str) -> SourceRecords:
        """Return what the store's nodes say of a source; ``ElanusSourceDocumentStore`` uses it."""
        return self._store.records_of(source)

    def migrate_embeddings(self, embed_model: BaseEmbedding, *, background: bool = True) -> Any:
        """Have another model embed all nodes, while the embeddings of the old one answer.

        Nodes that ``add`` and ``sync`` write meanwhile through this store and its views come with
        embeddings of the old model and get those of the new one as well. ``switch`` lets the new
        ones answer, with one commit: from then on queries have to be embedded by the new model,
        so make the index anew with it; ``rollback`` takes that back. ``finish`` drops the old ones,
        and from then on nodes are added with embeddings of the new model. Called again for the
        same model, also after a crash, it goes on where it was.

        Args:
            embed_model: The new model; it is given the text of a node with its metadata.
            background: Fill in a thread; False: return when that is done.

        Returns:
            The migration, with ``progress``, ``wait``, ``switch``, ``rollback``, ``finish`` and
            ``abandon``.

        Raises:
            ValueError: There are no embeddings yet, or the store is bound to one tenant.
            StateError: Yet another model is on its way.
        """
        return migrate_store(self._store, embed_model, background=background)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete all nodes of a source document; one that is not there is no error."""
        check_options(delete_kwargs, (), "delete")
        if not isinstance(ref_doc_id, str):
            raise InvalidArgumentError(
                f"ref_doc_id: expected the id of one document, got {type(ref_doc_id).__name__}"
            )
        self._store.delete(Selection(ref_doc_ids=[ref_doc_id]))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Do what ``delete`` does, without blocking the event loop."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete nodes by ids, by filters, or what is in both.

        Raises:
            ValueError: Neither is given, or filters without a condition; ``clear`` deletes
                everything.
        """
        check_options(delete_kwargs, (), "delete_nodes")
        if node_ids is None and filters is None:
            raise ValueError("delete_nodes: expected node_ids or filters; clear() deletes all")
        condition = metadata_filters_to_tree(filters, self._store.field_names)
        if node_ids is None and condition is None:
            # They select every node in a query; whoever means that here should say so.
            raise ValueError("delete_nodes: the filters hold no condition; clear() deletes all")
        self._store.delete(Selection(condition=condition, ids=node_ids))

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Do what ``delete_nodes`` does, without blocking the event loop."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    def clear(self) -> None:
        """Delete every node; the collection stays usable."""
        self._store.clear()

    async def aclear(self) -> None:
        """Do what ``clear`` does, without blocking the event loop."""
        await asyncio.to_thread(self.clear)

    def drop(self) -> None:
        """Remove the collection; the next ``add`` makes it anew."""
        self._store.drop()

    def persist(self, persist_path: str = "", fs: Any = None) -> None:
        """Do nothing: every write is on disk when it returns, and no other file is made."""

    # --- reads ------------------------------------------------------------------------------

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return nodes with their embeddings, by ids (in their order), filters, both or all."""
        condition = metadata_filters_to_tree(filters, self._store.field_names)
        found = self._store.query(Selection(condition=condition, ids=node_ids), with_vectors=True)
        return [document_to_node(document) for document in found]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Do what ``get_nodes`` does, without blocking the event loop."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the best nodes, best first; a larger similarity is always nearer.

        Raises:
            ValueError: The query mode is not supported or not configured, or what it looks for is
                missing.
        """
        plan = self._plan(query, kwargs)
        sparse = None
        if self._sparse is not None and plan.sparse_text is not None:
            sparse = self._sparse.encode_query(plan.sparse_text)
        return run_query(plan, sparse)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Do what ``query`` does, without blocking the event loop."""
        plan = await asyncio.to_thread(self._plan, query, kwargs)
        return await asyncio.to_thread(run_query, plan, await self._asparse(plan))

    async def aquery_embedding(
        self,
        query: VectorStoreQuery,
        embed: Callable[[], Awaitable[list[float]]],
        **kwargs: Any,
    ) -> VectorStoreQueryResult:
        """Do what ``aquery`` does, with an embedding that is made while the sparse model works.

        Args:
            query: As of ``query``, without an embedding.
            embed: Called once; returns the embedding of the query.
            **kwargs: As of ``query``.
        """
        plan = await asyncio.to_thread(self._plan, replace(query, query_embedding=[]), kwargs)
        dense, sparse = await asyncio.gather(embed(), self._asparse(plan))
        plan = replace(plan, query=replace(query, query_embedding=dense))
        return await asyncio.to_thread(run_query, plan, sparse)

    # --- inside -----------------------------------------------------------------------------

    def _open(self, overwrite: bool) -> DocumentStore:
        settings = self._settings
        if overwrite and self._database.has_collection(self.collection_name):
            self._database.drop_collection(self.collection_name)
        options = CollectionOptions(
            metric=settings.metric,
            dim=self.dim,
            index=settings.index,
            bm25=settings.bm25,
            sparse=self._sparse is not None,
            fusion=settings.fusion,
            partition_key=settings.partition_key,
            fields=settings.field_names,
        )
        store = DocumentStore.open(self._database, self.collection_name, options)
        return store if settings.tenant is None else store.for_tenant(settings.tenant)

    def _arguments(self) -> dict[str, Any]:
        """Return what makes this store again, without token and database."""
        names = ("uri", "collection_name", "dim", "search_mode", "metric", "index", "bm25")
        more = ("fusion", "partition_key", "tenant", "batch_size", "field_names")
        arguments = {name: getattr(self, name) for name in (*names, *more)}
        arguments["sparse"] = self._settings.sparse_model
        arguments["reranker"] = self._settings.reranker
        return arguments

    def _plan(self, query: VectorStoreQuery, options: dict[str, Any]) -> QueryPlan:
        default = SearchMode(self.search_mode)
        parsed = QueryOptions.parse(options)
        return make_plan(self._store, self._settings, default, query, parsed)

    async def _asparse(self, plan: QueryPlan) -> dict[int, float] | None:
        if self._sparse is None or plan.sparse_text is None:
            return None
        return await self._sparse.aencode_query(plan.sparse_text)

    def _batch(self, nodes: Iterable[BaseNode]) -> DocumentBatch:
        if isinstance(nodes, BaseNode):  # which can be iterated: it yields its fields
            raise EntityError("nodes: expected a list of nodes, got one; write [node]")
        nodes = list(nodes)
        batch = nodes_to_batch(nodes)
        needs_dense = SearchMode(self.search_mode) in (SearchMode.DENSE, SearchMode.HYBRID)
        if needs_dense or (nodes and all(node.embedding is not None for node in nodes)):
            return replace(batch, dense=embeddings_of(nodes))
        return batch

    def _texts(self, batch: DocumentBatch) -> list[list[str]]:
        texts, size = list(batch.texts), self.batch_size
        return [texts[start : start + size] for start in range(0, len(texts), size)]


_CLASS_FIELDS = ("class_name", "stores_text", "is_embedding_query", "flat_metadata")
