"""Texts in, texts out: how does one use a collection without thinking of vectors?

``Documents`` joins a ``DocumentStore`` with the plug-ins that embed and rerank. The collection
stores which embedder wrote it, so that opening it again needs no more than its name.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, Self, TypedDict, Unpack

from elanus.documents.layout import PROPERTY
from elanus.documents.migration import NextModel, answers, is_model, next_model, next_record
from elanus.documents.options import BM25, SearchMode, StoreOptions, check_options, parse_enum
from elanus.documents.protocols import DocumentCollection, DocumentDatabase
from elanus.documents.requests import DocumentSearch, Selection
from elanus.documents.reranking import rerank_hits, rerank_window
from elanus.documents.rows import DenseVectors, DocumentBatch, DocumentHit, StoredDocument
from elanus.documents.store import DocumentStore
from elanus.documents.syncing import Encoded
from elanus.errors import InvalidArgumentError, PluginNotInstalledError
from elanus.plugins import (
    Embedder,
    Progress,
    Reranker,
    Role,
    embed_texts,
    embedder_from_config,
    fingerprint,
    get_embedder,
    get_reranker,
    require_same_model,
)
from elanus.query.highlighter import Highlighter
from elanus.query.rankers import Ranker
from elanus.query.requests import Fusion
from elanus.sync import Chunker, SyncReport
from elanus.types import Float32Array


class DocumentsOptions(TypedDict, total=False):
    """Further options of ``Documents.open`` and ``Database.documents``.

    Attributes:
        metric: COSINE, IP or L2; that of the collection, else that of the embedder.
        reranker: Name of a reranker plug-in or an object that orders every search.
        partition_key: Metadata key that separates tenants.
    """

    metric: str | None
    reranker: str | Reranker | None
    partition_key: str | None


class Documents:
    """Documents of one collection: embedded, indexed and searched by text.

    Open it with ``Database.documents``. Safe from many threads at once, as far as the embedder is.
    """

    def __init__(
        self, store: DocumentStore, embedder: Embedder | None, reranker: Reranker | None
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._reranker = reranker

    @classmethod
    def open(
        cls,
        database: DocumentDatabase,
        name: str,
        *,
        embedder: str | Embedder | None = None,
        language: str | None = None,
        **options: Unpack[DocumentsOptions],
    ) -> Documents:
        """Open or create a collection of documents.

        Args:
            database: Where it lives.
            name: Name of the collection.
            embedder: Name of an embedder plug-in or an object. None takes the one that the
                collection was written with; a new collection then has full-text search only.
            language: Analyzer of the full-text search. None takes that of the collection, or
                ``"standard"`` for a new one.
            **options: See ``DocumentsOptions``.

        Raises:
            ModelMismatchError: The collection was written with another embedding model.
            SchemaError: The collection has other settings than the ones asked for.
            PluginNotInstalledError: A plug-in is not installed.
        """
        check_options(options, DocumentsOptions.__annotations__, "documents")
        exists = database.has_collection(name)
        model, find_model = _find_models(database, name, embedder, exists)
        metric: str | None = options.get("metric")
        if metric is None and model is not None and not exists:
            metric = model.info.metric
        store = DocumentStore.open(
            database,
            name,
            StoreOptions(
                metric=metric,
                dim=model.info.dim if model else None,
                bm25=None if exists and language is None else BM25(language or "standard"),
                partition_key=options.get("partition_key"),
                embedder=model,
            ),
            find_model=find_model,
        )
        if not exists:
            store.create(model.info.dim if model else None)
        reranker = options.get("reranker")
        return cls(store, model, get_reranker(reranker) if reranker is not None else None)

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._store.name

    @property
    def embedder(self) -> Embedder | None:
        """What embeds queries, or None for full-text search only.

        It embeds texts too; until ``finish`` of a migration another model does so besides.
        """
        answering: Embedder | None = self._store.answering_model
        return answering or self._embedder

    @property
    def _writer(self) -> Embedder | None:
        """What embeds texts; the model of a migration under way comes on top."""
        writing: Embedder | None = self._store.writing_model
        return writing or self._embedder

    @property
    def collection(self) -> DocumentCollection:
        """The collection underneath, for everything that documents do not cover."""
        collection = self._store.collection
        if collection is None:
            raise InvalidArgumentError(f"collection {self.name!r} was dropped")
        return collection

    def for_tenant(self, tenant: str) -> Documents:
        """Return a view in which every read, write and delete stays with ``tenant``."""
        return Documents(self._store.for_tenant(tenant), self._embedder, self._reranker)

    def add(
        self,
        texts: Sequence[str],
        *,
        ids: Sequence[str] | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        embeddings: DenseVectors | None = None,
        progress: Progress | None = None,
    ) -> list[str]:
        """Embed and store documents, replacing those with the same id; durable on return.

        Args:
            texts: The documents.
            ids: Non-empty strings; None generates them.
            metadata: One mapping each.
            embeddings: Vectors of the embedder's dim, shape ``(n, dim)``, when they exist already.
            progress: Called with the texts embedded so far and the number of all.

        Returns:
            The ids, in the order of ``texts``.

        Raises:
            EntityError: A document cannot be stored; nothing was written.
        """
        if not isinstance(texts, str):
            texts = list(texts)
        if not texts:
            return []
        if ids is None:
            ids = [str(uuid.uuid4()) for _ in texts]
        model = self._writer
        # Ids and metadata are checked first: embedding may be slow or cost money.
        batch = DocumentBatch(ids, texts, metadata, dense=embeddings)
        if embeddings is None and model is not None:
            batch = replace(batch, dense=embed_texts(model, texts, progress=progress))
        return self._store.upsert(batch)

    def sync(
        self,
        documents: Any,
        *,
        source: str | None = None,
        chunker: Chunker | None = None,
        dry_run: bool = False,
        embedder: Embedder | None = None,
        **options: Any,
    ) -> SyncReport:
        """Make what is stored of a source what the source is now, in one commit.

        Args:
            documents: All that there are: ``SourceDocument`` or dicts with ``id``, ``text`` or
                ``chunks``, and ``metadata``; the path of a folder; or an ``elanus.sync.Source``.
            source: Name of the source; that of a folder is its path.
            chunker: Cuts a text into strings or ``Chunk``.
            dry_run: Only report what would be done.
            embedder: The same model in another form, such as a ``CachedEmbedder`` around it.
            **options: ``reader``, ``version``, ``on_error`` and ``progress``, as for
                ``Collection.sync``, which says more.

        Raises:
            ModelMismatchError: ``embedder`` is another model.
            SyncError: A document cannot be read or stored; nothing was stored.
        """
        model = self._writer
        if embedder is not None and model is not None:
            require_same_model(fingerprint(model), embedder, where=f"collection {self.name!r}")
            model = embedder

        def encode(texts: Sequence[str], progress: Progress | None) -> Encoded:
            return (embed_texts(model, texts, progress=progress) if model else None), None

        return self._store.sync(
            documents, encode=encode, source=source, chunker=chunker, dry_run=dry_run, **options
        )

    def migrate_embeddings(self, embedder: str | Embedder, *, background: bool = True) -> Any:
        """Have another model embed all texts, while the old one answers.

        Texts that are added meanwhile get vectors of both models. ``switch`` lets the new model
        answer, with one commit, and ``rollback`` the old one again; ``finish`` drops the old
        vectors. Called again for the same model, also after a crash, it goes on where it was.

        Args:
            embedder: Name of an embedder plug-in, or an object.
            background: Fill in a thread; False: return when that is done.

        Returns:
            The ``EmbeddingMigration``, with ``progress``, ``wait``, ``switch``, ``rollback``,
            ``finish`` and ``abandon``.

        Raises:
            InvalidArgumentError: There are no vectors, this is the view of one tenant, or the
                database is one of a server.
            StateError: Yet another model is on its way.
            PluginNotInstalledError: No such embedder.
        """
        return self._store.migrate(next_model(get_embedder(embedder)), background=background)

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        filter: Any = None,
        mode: SearchMode | str | None = None,
        rerank: str | Reranker | bool | None = None,
        offset: int = 0,
        fusion: Fusion | None = None,
        ranker: Ranker | Sequence[Ranker] | None = None,
        explain: bool = False,
        highlight: Highlighter | Mapping[str, Any] | None = None,
    ) -> list[DocumentHit]:
        """Return the documents that answer ``query`` best, best first.

        Args:
            query: Text.
            limit: Hits wanted, at least 1.
            filter: On metadata: text, dict or tree.
            mode: ``"dense"``, ``"bm25"`` or ``"hybrid"``; None takes hybrid when there are both.
            rerank: A reranker for this search; None takes that of the collection's options, False
                none.
            offset: Hits to leave out at the front.
            fusion: How hybrid joins its legs; None is ``RRF()``.
            ranker: Ranks the hits anew: ``Decay("year", ...)``, ``Boost("lang == 'en'")`` and so on
                by metadata, one or a list; before ``rerank``.
            explain: Attach the matched terms to each explanation.
            highlight: ``Highlighter(...)`` or a dict: mark words in ``hit.highlights``; needs BM25.
        """
        _check_query(query)
        reranker = self._reranker_for(rerank)
        request = DocumentSearch(
            mode=self._mode(mode),
            limit=limit,
            text=query,
            selection=Selection(filter=filter),
            offset=offset,
            fusion=fusion,
            ranker=ranker,
            explain=explain,
            highlight=highlight,
        )
        if request.mode is not SearchMode.BM25:
            request = replace(request, dense=self._query_vector(query))
        if reranker is None:
            return self._store.search(request)
        window = rerank_window(limit + offset)
        candidates = self._store.search(replace(request, limit=window, offset=0))
        return rerank_hits(reranker, query, candidates)[offset : offset + limit]

    def get(self, ids: Sequence[str]) -> list[StoredDocument]:
        """Return documents in the order of ``ids``; missing ones are left out."""
        if ids is None:
            raise InvalidArgumentError("get: expected a list of ids, got None; query() returns all")
        return self._store.get(ids)

    def query(
        self,
        filter: Any = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        with_vectors: bool = False,
    ) -> list[StoredDocument]:
        """Return the documents that pass a filter, in the order of their ids.

        Args:
            filter: On metadata: dict, text or tree; None for all.
            limit: Most documents to return; None for all.
            offset: Documents to leave out at the front.
            with_vectors: Also return their vectors.

        Raises:
            FilterError: The filter cannot be read, or compares what cannot be compared.
        """
        return self._store.query(
            Selection(filter=filter), limit=limit, offset=offset, with_vectors=with_vectors
        )

    def count(self, filter: Any = None) -> int:
        """Return how many documents pass ``filter``."""
        return self._store.count(Selection(filter=filter))

    def delete(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Any = None,
    ) -> int:
        """Delete by ids, by filter, or what is in both; return how many there were.

        Args:
            ids: Of the documents; those that are not there are passed over.
            filter: On metadata: dict, text or tree.

        Raises:
            InvalidArgumentError: Neither is given; ``clear`` deletes every document.
        """
        return self._store.delete(Selection(filter=filter, ids=ids))

    def clear(self) -> int:
        """Delete every document; return how many there were."""
        return self._store.clear()

    def __len__(self) -> int:
        return self.count()

    def __copy__(self) -> Self:
        """Return this handle: what is open is not copied."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return this handle, also inside of settings that a framework copies."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"documents {self.name!r} cannot be pickled, since an open folder belongs to one "
            f"process; send its path and name, and open them over there: "
            f"elanus.connect(path, read_only=True).documents({self.name!r})"
        )

    def __repr__(self) -> str:
        model = self.embedder
        return f"Documents({self.name!r}, {model.info.name if model else 'BM25 only'})"

    def _query_vector(self, query: str) -> Float32Array | None:
        while (model := self.embedder) is not None:
            vector: Float32Array = embed_texts(model, [query], role=Role.QUERY)[0]
            # Embedding may take long, and another model may answer by now.
            if self.embedder is model:
                return vector
        return None

    def _mode(self, mode: SearchMode | str | None) -> SearchMode:
        if mode is not None:
            return parse_enum(SearchMode, mode, "mode")
        usable = {SearchMode.DENSE: self.embedder is not None, SearchMode.BM25: True}
        legs = [leg for leg in self._store.legs if usable.get(leg)]
        if not legs:
            raise InvalidArgumentError(
                f"collection {self.name!r} has nothing that a text can search; open it with the "
                f"embedder that wrote it"
            )
        return SearchMode.HYBRID if len(legs) > 1 else legs[0]

    def _reranker_for(self, rerank: str | Reranker | bool | None) -> Reranker | None:
        if rerank is False:
            return None
        if rerank is None or rerank is True:
            if rerank and self._reranker is None:
                raise InvalidArgumentError(
                    f"rerank=True: {self.name!r} was opened without a reranker; give its name"
                )
            return self._reranker
        return get_reranker(rerank)


def _check_query(query: object) -> None:
    if not isinstance(query, str):
        raise InvalidArgumentError(f"query: expected a str, got {type(query).__name__}")


def _find_models(
    database: DocumentDatabase, name: str, given: str | Embedder | None, exists: bool
) -> tuple[Embedder | None, Callable[[Mapping[str, Any]], NextModel]]:
    """Return what embeds texts, and what finds the model of a migration that is under way."""
    model = None if given is None else get_embedder(given)
    properties = database.collection(name).properties if exists else {}
    record = properties.get(PROPERTY)
    config = record.get("embedder") if isinstance(record, Mapping) else None

    def find(following: Mapping[str, Any]) -> NextModel:
        if model is not None and is_model(following, model):
            return next_model(model)
        return next_model(embedder_from_config(following.get("embedder") or _UNKNOWN))

    if model is None:
        return embedder_from_config(config) if config else None, find
    schema = database.collection(name).schema if exists else None
    following = None if schema is None else next_record(properties, schema)
    if schema is None or following is None or not is_model(following, model):
        return model, find
    if not answers(schema, following["field"]):
        return model, find
    # The one that is given took over from another one, which still makes vectors too.
    with contextlib.suppress(PluginNotInstalledError):
        return embedder_from_config(config or _UNKNOWN), find
    return None, find


_UNKNOWN = {"name": "", "params": None}
