"""A collection as users hold it: typed, documented, thin over the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, Unpack

import numpy as np

from elanus.api.arguments import (
    Filter,
    FilterReader,
    Leg,
    RequestContext,
    SearchOptions,
    check_page,
    hybrid_request,
    search_requests,
)
from elanus.api.import_export import ImportsAndExports
from elanus.api.iteration import Iterations
from elanus.engine.reading import AsOf, CollectionReader
from elanus.engine.stats import CollectionStats
from elanus.errors import InvalidArgumentError, NotFoundError
from elanus.kernels.cancel import search_token
from elanus.query.aggregates import (
    aggregate,
    check_facet_fields,
    check_group_fields,
    facet,
    parse_aggregates,
)
from elanus.query.entities import EntityRequest, count_entities, get_entities, query_entities
from elanus.query.ordering import order_keys
from elanus.query.requests import Fusion, SearchRequest
from elanus.query.results import SearchResult
from elanus.query.search import search
from elanus.schema.collection import Schema
from elanus.schema.validation import Entities, primary_keys
from elanus.types import PrimaryKey

Ids: TypeAlias = PrimaryKey | Sequence[PrimaryKey]


@dataclass(frozen=True, slots=True)
class CollectionDescription:
    """What a collection is, as ``Collection.describe`` returns it.

    Attributes:
        name: Its name.
        schema: Its fields.
        properties: What ``create_collection`` was given, and what adapters keep there.
        indexes: Index type by dense field.
        count: Visible entities.
    """

    name: str
    schema: Schema
    properties: dict[str, Any]
    indexes: dict[str, str]
    count: int


class Collection(ImportsAndExports, Iterations):
    """Entities of one schema. Safe from many threads at once.

    A write is on disk when the call returns, and the next search sees it. A read works on one
    snapshot: it sees each write wholly or not at all.
    """

    def __init__(self, engine: CollectionReader) -> None:
        super().__init__(engine, FilterReader(engine.schema))
        self._context = RequestContext(engine.fields, self._filters)

    @property
    def name(self) -> str:
        """Name in the database."""
        return self._engine.name

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self._engine.schema

    @property
    def properties(self) -> dict[str, Any]:
        """JSON values stored with the collection (a copy)."""
        return self._engine.properties

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        """Add or replace properties, durably; a value of None removes one."""
        self._engine.set_properties(properties)

    def insert(self, entities: Entities) -> list[PrimaryKey]:
        """Store new entities, all or none.

        Args:
            entities: List of dicts, or dict of equally long columns; columns may be NumPy
                arrays (vectors of shape ``(n, dim)``). With ``auto_id`` the primary key is left
                out.

        Returns:
            The primary keys, in the order of the entities.

        Raises:
            EntityError: An entity does not fit the schema; names field and row.
            EntityExistsError: A primary key is taken or given twice; ``upsert`` replaces.
            StorageError: Writing failed; nothing was stored.
        """
        return self._engine.insert(entities)

    def upsert(self, entities: Entities) -> list[PrimaryKey]:
        """Store entities, replacing those with the same primary key, all or none.

        Of entities with the same key in one call the last one counts. Arguments, result and
        errors are those of ``insert``; a key that is taken is no error.
        """
        return self._engine.upsert(entities)

    def delete(
        self,
        ids: Ids | str | None = None,
        *,
        filter: Filter | None = None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
    ) -> int:
        """Delete entities by primary key or by filter.

        Args:
            ids: Keys: a list, or a single integer. A single string is a filter expression, as in
                ``delete("year < 1990")``; give a string key as ``delete(["a"])``.
            filter: Expression, dict or tree instead of ``ids``.
            params: Values for ``{name}`` templates in a filter text.
            root: JSON field whose keys the names in the filter are.

        Returns:
            How many entities were deleted; keys that do not exist count nothing.

        Raises:
            InvalidArgumentError: Neither or both of ids and filter, or an empty filter.
            FilterError: The filter cannot be read.
        """
        if isinstance(ids, str):
            if filter is not None:
                raise InvalidArgumentError("delete: pass ids or a filter, not both")
            ids, filter = None, ids
        if (ids is None) == (filter is None):
            raise InvalidArgumentError("delete: pass either ids or a filter")
        if ids is not None:
            return self._engine.delete(primary_keys(self.schema.primary, _as_ids(ids)))
        bound = self._filters.bind(filter, params=params, root=root)
        if not bound:
            raise InvalidArgumentError(
                "delete: an empty filter would delete everything; say so with a filter such as "
                f"'{self.schema.primary.name} is not null'"
            )
        return self._engine.delete_matching(bound)

    def get(
        self,
        ids: Ids,
        output: Sequence[str] | None = None,
        *,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Return entities by primary key.

        Args:
            ids: One key or a list of keys.
            output: Fields to return; None: all but vectors; ``["*"]``: all.
            as_of: A moment in the past, as in ``search``.

        Returns:
            Dicts in the order of ``ids``; missing keys are left out. The primary key is always
            part of them.
        """
        keys: list[PrimaryKey] = list(primary_keys(self.schema.primary, _as_ids(ids)))
        sources = self._engine.snapshot(as_of).sources
        return get_entities(self.schema, sources, keys, self._context.entity_output(output))

    def query(
        self,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        order_by: str | Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Return the entities that pass a filter, in the order of their primary key or another.

        Args:
            filter: Expression, dict or tree; None: all entities.
            output: Fields to return; None: all but vectors; ``["*"]``: all.
            limit: Most entities; None: no bound.
            offset: Entities to leave out at the front.
            order_by: ``"year"``, ``"year desc"``, or several, the most important first: scalar
                fields. Nulls come last, NaN before them; equals stand in the order of their
                primary key.
            params: Values for ``{name}`` templates in a filter text.
            root: JSON field whose keys the names in the filter are.
            as_of: A moment in the past, as in ``search``.

        Returns:
            Dicts; the primary key is always part of them.

        Raises:
            InvalidArgumentError: A number is out of range, or ``order_by`` names no such field.
            FilterError: The filter cannot be read.
        """
        for name, value in (("limit", limit), ("offset", offset)):
            if value is not None and (not isinstance(value, int | np.integer) or value < 0):
                raise InvalidArgumentError(f"{name} must be an integer >= 0, got {value!r}")
        bound = self._filters.bind(filter, params=params, root=root)
        order = order_keys(self.schema, order_by)
        request = EntityRequest(self._context.entity_output(output), bound, limit, offset, order)
        return query_entities(self.schema, self._engine.snapshot(as_of).sources, request)

    def count(
        self,
        filter: Filter | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        as_of: AsOf | None = None,
    ) -> int:
        """Return how many entities pass the filter; without one, how many there are."""
        bound = self._filters.bind(filter, params=params, root=root)
        return count_entities(self._engine.snapshot(as_of).sources, bound)

    def aggregate(
        self,
        metrics: str | Sequence[str] = "count(*)",
        *,
        group_by: str | Sequence[str] = (),
        filter: Filter | None = None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Return what the entities that pass a filter come to, by group.

        Args:
            metrics: ``"count(*)"``, and ``count``, ``min``, ``max``, ``sum`` and ``avg`` of a
                field, such as ``"max(price)"``. Nulls take part in ``count(*)`` only.
            group_by: Scalar fields; none makes one group of everything.
            filter: As in ``query``.
            params: As in ``query``.
            root: As in ``query``.
            as_of: As in ``query``.

        Returns:
            A dict for each group, in the order of its values, nulls last: the fields of
            ``group_by``, and each metric under its text. None where a group has no value.

        Raises:
            InvalidArgumentError: A metric or a field cannot be asked for.
            FilterError: The filter cannot be read.
        """
        asked = parse_aggregates(self.schema, metrics)
        fields = check_group_fields(self.schema, group_by)
        bound = self._filters.bind(filter, params=params, root=root)
        return aggregate(self._engine.snapshot(as_of).sources, bound, fields, asked)

    def facets(
        self,
        fields: str | Sequence[str],
        *,
        filter: Filter | None = None,
        limit: int = 10,
        as_of: AsOf | None = None,
    ) -> dict[str, list[tuple[Any, int]]]:
        """Return the commonest values of fields among the entities that pass a filter.

        Args:
            fields: Scalar fields, or arrays, of which each element counts.
            filter: As in ``query``.
            limit: Most values of a field.
            as_of: As in ``query``.

        Returns:
            For each field values and the number of entities that have them, the commonest first.

        Raises:
            InvalidArgumentError: A field cannot be counted, or ``limit`` is below 1.
            FilterError: The filter cannot be read.
        """
        names = check_facet_fields(self.schema, fields)
        check_page(limit, 0)
        bound = self._filters.bind(filter)
        sources = self._engine.snapshot(as_of).sources
        return {name: facet(sources, bound, name, limit) for name in names}

    def search(
        self,
        data: Any = None,
        field: str | None = None,
        limit: int = 10,
        *,
        ids: Ids | None = None,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        **options: Unpack[SearchOptions],
    ) -> Any:
        """Return the entities nearest to a query, best first.

        Args:
            data: A vector (list or array of ``dim`` floats) for a dense field, ``{dimension:
                weight}`` for a sparse one, text for a BM25 field; or several, also ``(nq, dim)``.
            field: Vector field to search; may be left out when only one fits the query.
            limit: Hits per query, 1 to 16,384.
            ids: One key or a list of keys instead of ``data``: what these entities hold in the
                field, or in the text of a BM25 field, is the query. They are hits themselves.
            filter: Expression, dict or tree that hits must pass. The result has
                ``min(limit, matches)`` hits for a dense field, however few rows match.
            output: Fields of ``hit.entity``; None: all but vectors; ``["*"]``: all.
            **options: Filters, bounds, groups, effort and time; see ``SearchOptions``.

        Returns:
            A ``SearchResult`` for one query, a list of them for several. ``hit.score`` is the
            metric's value (of L2 squared). Equal scores are ordered by primary key.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: The query does not fit the field, or an option is wrong.
            FilterError: The filter cannot be read.
            NotFoundError: No entity has one of ``ids``.
            SearchTimeoutError: It took longer than ``timeout`` seconds.
        """
        if ids is not None:
            data = self._stored_queries(ids, data, field, options)
        requests, is_single = search_requests(
            self._context,
            data,
            field,
            limit=limit,
            filter=filter,
            output=output,
            options=options,
        )
        results = self._answer(requests, options)
        return results[0] if is_single else results

    def hybrid_search(
        self,
        legs: Sequence[Leg],
        fusion: Fusion | None = None,
        limit: int = 10,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Search several fields at once and join the results.

        Args:
            legs: What to search; every leg holds one query.
            fusion: ``RRF(k=60)`` by default, or ``Weighted(...)``.
            limit: Hits wanted, 1 to 16,384.
            filter: Hits must pass it, besides the filter of their leg.
            output: Fields of ``hit.entity``; None: all but vectors; ``["*"]``: all.
            **options: As in ``search``.

        Returns:
            Hits by fused score; ``hit.explanation.legs`` has rank, score and contribution of
            each leg.
        """
        request = hybrid_request(
            self._context,
            legs,
            fusion=fusion,
            limit=limit,
            filter=filter,
            output=output,
            options=options,
        )
        (result,) = self._answer([request], options)
        return result

    def _stored_queries(
        self, ids: Ids, data: Any, field: str | None, options: SearchOptions
    ) -> Any:
        """Return what entities hold in a field as the queries of ``search``."""
        if data is not None:
            raise InvalidArgumentError("search: expected data or ids, got both")
        if field is None:
            raise InvalidArgumentError("search: expected the field that ids are searched by")
        searched = self.schema.field(field)
        name = field if searched.source is None else searched.source.field
        queries = []
        for key in _as_ids(ids):
            found = self.get(key, [name], as_of=options.get("as_of"))
            if not found:
                raise NotFoundError(f"search: no entity has the key {key!r}")
            if found[0][name] is None:
                raise InvalidArgumentError(f"search: entity {key!r} has nothing in {name!r}")
            queries.append(found[0][name])
        if not queries:
            raise InvalidArgumentError("search: expected at least one key in ids, got none")
        return queries[0] if isinstance(ids, str | int | np.integer) else queries

    def _answer(
        self, requests: Sequence[SearchRequest], options: SearchOptions
    ) -> list[SearchResult]:
        """Answer requests over one snapshot."""
        with search_token(options.get("timeout")) as token:
            sources = self._engine.snapshot(options.get("as_of")).sources
            return [r for request in requests for r in search(self.schema, sources, request, token)]

    def create_index(
        self, field: str, index_type: str = "AUTO", params: Mapping[str, Any] | None = None
    ) -> None:
        """Choose how a dense field is indexed; segments get the index in the background.

        Args:
            field: A field of dense vectors.
            index_type: ``AUTO`` (a graph for large segments), ``GRAPH``, ``HNSW``, ``FLAT`` (exact
                scan) or ``FLAT_SQ8`` (the same results over one byte per dimension: three to four
                times as fast, and a quarter more disk and memory).
            params: Build parameters, such as ``{"M": 16, "ef_construction": 128}``.

        Raises:
            InvalidArgumentError: Unknown type or parameter, or not a dense field.
        """
        self._engine.create_index(field, index_type, params or {})

    @property
    def retention_s(self) -> float:
        """How long past states are kept, in seconds."""
        return self._engine.retention_s

    def set_retention(self, seconds: float) -> None:
        """Keep past states for a time, durably, so that ``as_of`` can ask for them.

        Args:
            seconds: 0, the default, keeps no state but the current one and those that
                ``Database.snapshot`` named. Deleted and replaced entities take space until then.

        Raises:
            InvalidArgumentError: Not a number of seconds from 0 to ten years.
        """
        self._engine.set_retention(seconds)

    @property
    def last_seq(self) -> int:
        """Sequence number of the last visible write, int; ``as_of`` takes it."""
        return self._engine.snapshot().seq

    def flush(self) -> None:
        """Move what is in memory into a sealed segment. Durability does not need it."""
        self._engine.flush()

    def compact(self) -> None:
        """Merge all segments into one, drop deleted rows, and build its indexes now."""
        self._engine.compact()

    def wait_indexed(self) -> None:
        """Return when no flush, merge or index build is waiting or running.

        Raises:
            ElanusError: Background work failed since the last call.
        """
        self._engine.wait_idle()

    def stats(self) -> CollectionStats:
        """Return rows, segments, bytes and the state of the indexes."""
        return self._engine.stats()

    def describe(self) -> CollectionDescription:
        """Return name, schema, properties, indexes and the number of entities."""
        engine = self._engine
        return CollectionDescription(
            engine.name, engine.schema, engine.properties, engine.index_types, self.count()
        )

    def drop(self) -> None:
        """Delete the collection with all its entities."""
        self._engine.drop()

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, {self.count()} entities)"


def _as_ids(ids: Ids) -> list[PrimaryKey]:
    return [ids] if isinstance(ids, str | int | np.integer) else list(ids)
