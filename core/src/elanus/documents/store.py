"""How are documents written to a collection, and found again?

A ``DocumentStore`` is what ``Documents`` and the framework adapters share. It knows texts, vectors
and metadata, and no model: whoever calls it embeds. The collection is made by the first write,
when the dim is known; until then every read is empty. Safe from many threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from elanus.api.options import Leg
from elanus.documents.handle import CollectionHandle, OpenCollection
from elanus.documents.layout import Layout, planned_layout
from elanus.documents.migration import MigratingCollection, NextModel, check_writer, migrate
from elanus.documents.options import FieldNames, SearchMode, StoreOptions, check_options
from elanus.documents.protocols import DocumentCollection, DocumentDatabase
from elanus.documents.ranking import bound_rankers, ranked_relevance, rankers_of
from elanus.documents.records import SourceRecords, add_lineage_field
from elanus.documents.requests import DocumentSearch, Selection, engine_options
from elanus.documents.rows import (
    DocumentBatch,
    DocumentHit,
    StoredDocument,
    batch_to_columns,
    entity_to_fields,
    from_pk,
    output_fields,
    query_vector,
    tenant_prefix,
)
from elanus.documents.scores import fused_relevance, relevance
from elanus.documents.selection import everything, pks_of, selection_to_filter
from elanus.documents.syncing import DocumentRows, Encode, owned_source
from elanus.errors import InvalidArgumentError
from elanus.filter import Node
from elanus.query.fusion import leg_weights
from elanus.query.requests import Fusion
from elanus.sync import SyncReport
from elanus.types import MetricType


class DocumentStore:
    """Documents of one collection, or of one tenant in it.

    Args:
        handle: The collection.
        tenant: Bind every call to the documents of this tenant.

    Raises:
        SchemaError: The collection exists and is not what the handle's options ask for.
        ModelMismatchError: The collection was written with another embedding model.
        InvalidArgumentError: A tenant is given, but the collection has no partition key.
    """

    def __init__(self, handle: CollectionHandle, *, tenant: str | None = None) -> None:
        self._handle = handle
        self._tenant = tenant
        opened = handle.open()
        if tenant is None:
            return
        key = opened.layout.partition_key if opened else handle.options.partition_key
        if key is None:
            raise InvalidArgumentError(
                f"tenant {tenant!r}: collection {handle.name!r} has no partition key; create it "
                f"with partition_key=..."
            )
        if not isinstance(tenant, str) or not tenant:
            raise InvalidArgumentError(f"tenant: expected a non-empty str, got {tenant!r}")

    @classmethod
    def open(
        cls,
        database: DocumentDatabase,
        name: str,
        options: StoreOptions | None = None,
        *,
        find_model: Callable[[Mapping[str, Any]], NextModel] | None = None,
    ) -> DocumentStore:
        """Return the documents of a collection, which the first write makes if it must.

        Args:
            database: Where it lives.
            name: Name of the collection.
            options: What it has to be.
            find_model: Builds the model of a migration begun elsewhere, of its ``model_record``.
        """
        handle = CollectionHandle(database, name, options or StoreOptions())
        handle.find_model = find_model
        return cls(handle)

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._handle.name

    @property
    def options(self) -> StoreOptions:
        """What the store was opened with."""
        return self._handle.options

    @property
    def tenant(self) -> str | None:
        """The tenant that every call is bound to, or None."""
        return self._tenant

    @property
    def legs(self) -> tuple[SearchMode, ...]:
        """Modes over one field that the collection offers; before the first write, all it may."""
        opened = self._handle.open()
        if opened is not None:
            return opened.layout.legs
        options = self._handle.options
        wanted = {
            SearchMode.DENSE: True,
            SearchMode.SPARSE: options.sparse,
            SearchMode.BM25: options.bm25 is not None,
        }
        return tuple(mode for mode, offered in wanted.items() if offered)

    @property
    def collection(self) -> DocumentCollection | None:
        """The collection, or None before the first write."""
        opened = self._handle.open()
        return opened.collection if opened else None

    @property
    def field_names(self) -> FieldNames:
        """Names of the collection's fields."""
        return self._handle.options.fields

    @property
    def layout(self) -> Layout | None:
        """What the collection offers, or None before the first write."""
        opened = self._handle.open()
        return opened.layout if opened else None

    def for_tenant(self, tenant: str) -> DocumentStore:
        """Return a view in which every read, write and delete stays with ``tenant``."""
        if self._tenant is not None and tenant != self._tenant:
            raise InvalidArgumentError(
                f"tenant {tenant!r}: this view is bound to {self._tenant!r} and cannot leave it"
            )
        return DocumentStore(self._handle, tenant=tenant)

    def create(self, dim: int | None) -> None:
        """Make the collection now, unless it exists; writes otherwise make it.

        Args:
            dim: Dimensions of the dense vectors, or None to have none.
        """
        if self._handle.open() is None:
            self._handle.create(dim)

    # --- writes -----------------------------------------------------------------------------

    def upsert(self, batch: DocumentBatch) -> list[str]:
        """Write documents, replacing those with the same id; all of them or none.

        Returns:
            The ids in the order of the batch. Outside a tenant view of a partitioned collection
            they carry the tenant's prefix.

        Raises:
            EntityError: A document does not fit the collection; names what and the row.
        """
        if not batch.texts:
            return []
        opened = self._handle.open()
        if opened is None:
            dim = None
            if batch.dense is not None:
                dim = self._handle.options.dim or len(batch.dense[0])
            # Checked before the collection is made: a bad batch leaves no empty collection.
            batch_to_columns(batch, planned_layout(self._handle.options, dim), self._tenant)
            opened = self._handle.create(dim)
        if batch.lineages is not None:
            add_lineage_field(opened.collection)
        columns = batch_to_columns(batch, opened.layout, self._tenant)
        columns |= self._next_vectors(opened.layout, batch)
        opened.collection.upsert(columns)
        bound = self._tenant if opened.layout.partition_key else None
        return [from_pk(pk, bound) for pk in columns[opened.layout.names.id]]

    def sync(
        self,
        documents: Any,
        *,
        encode: Encode,
        source: str | None = None,
        dim: int | None = None,
        **options: Any,
    ) -> SyncReport:
        """Make what is stored of a source what the source is now; see ``Collection.sync``.

        The metadata of chunks become those of documents, and the id of the source's document is
        kept as ``ref_doc_id``. A tenant's sources are its own.

        Args:
            documents: All that there are.
            encode: Makes vectors of texts.
            source: Name of the source.
            dim: Dimensions of the vectors, for a collection that has to be made.
            **options: ``chunker``, ``dry_run``, ``version`` and what else ``Collection.sync``
                takes, but for ``text``, ``metadata``, ``embedder``, ``partition`` and ``rows``.
        """
        check_options(options, _SYNC_OPTIONS, "sync")
        opened = self._handle.open() or self._handle.create(dim)
        # Its options are not ones that this layer may know.
        collection: Any = opened.collection
        layout = opened.layout
        if self._tenant is not None:
            documents = owned_source(documents, source, tenant_prefix(self._tenant))
            source = None
        following = self._handle.next_model
        check_writer(self._handle.name, layout, following)
        model = self._handle.options.model or None
        rows = DocumentRows(layout, self._tenant, encode, model, following)
        report: SyncReport = collection.sync(documents, source=source, rows=rows, **options)
        return report

    def records_of(self, source: str) -> SourceRecords:
        """Return the records of a source; a tenant's sources are its own."""
        return SourceRecords(self._handle, self._tenant, source)

    def migrate(self, model: NextModel, *, background: bool = True) -> Any:
        """Have another model make the dense vectors, while the old one answers.

        Documents that are written meanwhile through this store and its views get vectors of both.
        Called again for the same model, also after a crash, it goes on where it was.

        Args:
            model: The other model.
            background: Fill in a thread; False: return when that is done.

        Returns:
            What ``Collection.migrate_vectors`` does: ``wait``, ``switch``, ``rollback``, ``finish``
            and so on.

        Raises:
            InvalidArgumentError: There are no dense vectors, or the store is bound to one tenant.
            StateError: Yet another model is on its way.
        """
        opened = self._handle.open()
        if opened is None or opened.layout.dim is None:
            raise InvalidArgumentError(
                f"migrate: collection {self._handle.name!r} has no dense vectors yet"
            )
        if self._tenant is not None:
            raise InvalidArgumentError(
                f"migrate: this view is bound to tenant {self._tenant!r}; migrate the whole store"
            )
        collection = opened.collection
        if not isinstance(collection, MigratingCollection):
            raise InvalidArgumentError(
                f"migrate: collection {self._handle.name!r} is one of a server; open its folder"
            )
        migration = migrate(collection, opened.layout, model, background=background)
        self._handle.take_over(model, migration.successor, opened.collection)
        return migration

    @property
    def answering_model(self) -> Any:
        """The model of a migration that answers dense searches now, or None."""
        handle = self._handle
        opened = handle.open() if handle.may_migrate else None
        following = handle.next_model
        if following is None or opened is None:
            return None
        current = following if opened.layout.answers == handle.next_field else handle.current_model
        return None if current is None else current.model

    @property
    def writing_model(self) -> Any:
        """The model of a migration that documents need, since the one before is gone, or None."""
        if self._handle.may_migrate:
            self._handle.open()
        current = self._handle.current_model
        return None if current is None else current.model

    def delete(self, selection: Selection) -> int:
        """Delete the selected documents and return how many there were."""
        opened = self._handle.open()
        if opened is None or selection.is_empty:
            return 0
        if selection.only_ids is not None:
            return opened.collection.delete(pks_of(selection.only_ids, opened.layout, self._tenant))
        condition = self._filter(opened, selection)
        if condition is None:
            raise InvalidArgumentError("delete: expected ids or a filter; clear() deletes all")
        return opened.collection.delete(filter=condition)

    def clear(self) -> int:
        """Delete every document, or every one of the tenant; the collection stays as it is."""
        opened = self._handle.open()
        if opened is None:
            return 0
        return opened.collection.delete(filter=everything(opened.layout, self._tenant))

    def drop(self) -> None:
        """Remove the collection with everything in it.

        Raises:
            InvalidArgumentError: The store is bound to one tenant of it.
        """
        if self._tenant is not None:
            raise InvalidArgumentError(
                f"drop: this view is bound to tenant {self._tenant!r}; clear() deletes what is its"
            )
        self._handle.drop()

    # --- reads ------------------------------------------------------------------------------

    def get(self, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredDocument]:
        """Return documents in the order of ``ids``; missing and repeated ones are left out."""
        return self.query(Selection(ids=ids), with_vectors=with_vectors)

    def query(
        self,
        selection: Selection | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        with_vectors: bool = False,
    ) -> list[StoredDocument]:
        """Return the selected documents; by the order of ``selection.ids`` when it is given."""
        opened = self._handle.open()
        selection = selection or Selection()
        if opened is None or selection.is_empty:
            return []
        output = output_fields(opened.layout, with_vectors)
        if selection.only_ids is not None:
            pks = pks_of(selection.only_ids, opened.layout, self._tenant)
            entities = opened.collection.get(list(dict.fromkeys(pks)), output)
            documents = [self._document(e, opened.layout) for e in entities]
            return documents[offset : None if limit is None else offset + limit]
        condition = self._filter(opened, selection)
        if selection.ids is None:
            entities = opened.collection.query(condition, output, limit=limit, offset=offset)
            return [self._document(e, opened.layout) for e in entities]
        entities = opened.collection.query(condition, output)
        found = {d.id: d for d in (self._document(e, opened.layout) for e in entities)}
        ordered = [found[i] for i in dict.fromkeys(selection.ids) if i in found]
        return ordered[offset : None if limit is None else offset + limit]

    def count(self, selection: Selection | None = None) -> int:
        """Return how many documents are selected."""
        opened = self._handle.open()
        selection = selection or Selection()
        if opened is None or selection.is_empty:
            return 0
        condition = self._filter(opened, selection)
        return opened.collection.count(condition)

    def search(self, request: DocumentSearch) -> list[DocumentHit]:
        """Return the best documents, best first; none while there is no collection.

        Raises:
            InvalidArgumentError: The collection does not offer the mode, what the mode looks for is
                missing, or the query vector has another dim.
        """
        opened = self._handle.open()
        if opened is None or request.selection.is_empty:
            return []
        if request.ranker is not None:
            names, schema = opened.layout.names, opened.schema
            request = replace(request, ranker=bound_rankers(request, names, schema))
        if request.mode is SearchMode.HYBRID:
            return self._hybrid(opened, request)
        return self._single(opened, request)

    def relevance_fn(
        self, mode: SearchMode, fusion: Fusion | None = None
    ) -> Callable[[float], float]:
        """Return what turns a score of such a search into a relevance in [0, 1].

        For hybrid, of a search over all legs that the collection offers.
        """
        opened = self._handle.open()
        if mode is not SearchMode.HYBRID:
            metric = self._handle.options.metric or MetricType.COSINE
            if opened is not None:
                metric = opened.layout.metric
            return partial(relevance, mode=mode, metric=MetricType(metric))
        fusion = fusion or self._handle.options.fusion
        if opened is None:
            return partial(fused_relevance, fusion=fusion, weights=[1.0])
        fields = [opened.schema.field(opened.layout.field_of(m)) for m in self.legs]
        return partial(fused_relevance, fusion=fusion, weights=leg_weights(fusion, fields))

    def _single(self, opened: OpenCollection, request: DocumentSearch) -> list[DocumentHit]:
        layout = opened.layout
        hits = opened.collection.search(
            self._leg_query(opened, request, request.mode),
            field=_field_of(layout, request, request.mode),
            limit=request.limit,
            filter=self._filter(opened, request.selection),
            output=output_fields(layout, request.with_vectors),
            **engine_options(request),
        )
        is_distance = request.mode is SearchMode.DENSE and layout.metric.is_distance
        plain = partial(relevance, mode=request.mode, metric=layout.metric)
        shown = ranked_relevance(rankers_of(request), plain, is_distance=is_distance)
        return [self._hit(hit, layout, shown(hit.score)) for hit in hits]

    def _hybrid(self, opened: OpenCollection, request: DocumentSearch) -> list[DocumentHit]:
        layout = opened.layout
        fusion = request.fusion or self._handle.options.fusion
        modes = [mode for mode in layout.legs if mode in request.query_of]
        if len(modes) < 2:
            raise InvalidArgumentError(
                f"search mode 'hybrid': collection {self._handle.name!r} and this query have only "
                f"{', '.join(modes) or 'no leg'}; hybrid needs two of dense, sparse, bm25"
            )
        schema = opened.schema
        weights = leg_weights(fusion, [schema.field(_field_of(layout, request, m)) for m in modes])
        # A leg without weight cannot change the ranking, only add hits with a score of 0.
        legs = [(m, w) for m, w in zip(modes, weights, strict=True) if w > 0]
        if not legs or min(weights) < 0:
            raise InvalidArgumentError(
                f"fusion: expected weights of 0 or more and one above 0, got {weights} for "
                f"{', '.join(modes)}"
            )
        hits = opened.collection.hybrid_search(
            [
                Leg(
                    _field_of(layout, request, mode),
                    self._leg_query(opened, request, mode),
                    limit=request.window(mode),
                )
                for mode, _ in legs
            ],
            fusion=replace(fusion, weights=tuple([w for _, w in legs])),
            limit=request.limit,
            filter=self._filter(opened, request.selection),
            output=output_fields(layout, request.with_vectors),
            **engine_options(request),
        )
        plain = partial(fused_relevance, fusion=fusion, weights=[w for _, w in legs])
        shown = ranked_relevance(rankers_of(request), plain, is_distance=False)
        return [self._hit(hit, layout, shown(hit.score)) for hit in hits]

    # --- inside -----------------------------------------------------------------------------

    def _filter(self, opened: OpenCollection, selection: Selection) -> Node | None:
        schema = opened.schema
        return selection_to_filter(selection, opened.layout, schema, self._tenant)

    def _next_vectors(self, layout: Layout, batch: DocumentBatch) -> dict[str, Any]:
        """Return the column of a migration that is under way, if there is one."""
        model = self._handle.next_model
        check_writer(self._handle.name, layout, model)
        if layout.successor is None or model is None:
            return {}
        return {layout.successor: model.vectors_of_batch(batch)}

    def _leg_query(self, opened: OpenCollection, request: DocumentSearch, mode: SearchMode) -> Any:
        layout = opened.layout
        if mode not in layout.legs:
            raise InvalidArgumentError(
                f"search mode {str(mode)!r}: collection {self._handle.name!r} offers only "
                f"{', '.join(layout.legs)}"
            )
        query = request.query_of.get(mode)
        if query is None:
            raise InvalidArgumentError(f"search mode {str(mode)!r}: {_NEEDS[mode]}")
        if mode is SearchMode.DENSE:
            field = opened.schema.answering(_field_of(layout, request, mode))
            return query_vector(query, field.dim or 0)
        return query

    def _document(self, entity: Any, layout: Layout) -> StoredDocument:
        return StoredDocument(**entity_to_fields(entity, layout, self._tenant))

    def _hit(self, hit: Any, layout: Layout, relevant: float) -> DocumentHit:
        entity = {**hit.entity, layout.names.id: hit.id}
        return DocumentHit(
            **entity_to_fields(entity, layout, self._tenant),
            score=float(hit.score),
            relevance=relevant,
            explanation=hit.explanation,
            highlights=tuple(hit.highlights.get(layout.names.text, ())),
        )


_SYNC_OPTIONS = ("chunker", "dry_run", "reader", "version", "on_error", "progress")
_NEEDS = {
    SearchMode.DENSE: "needs a query vector; open the store with an embedding model",
    SearchMode.SPARSE: "needs a sparse query vector; open the store with a sparse embedder",
    SearchMode.BM25: "needs a query text",
}


def _field_of(layout: Layout, request: DocumentSearch, mode: SearchMode) -> str:
    if mode is SearchMode.DENSE and request.dense_field is not None:
        return request.dense_field
    return layout.field_of(mode)
