"""What users call to search; ``Collection`` has these methods."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, Unpack

import numpy as np

from elanus.api.arguments import hybrid_requests, search_requests
from elanus.api.context import Filter, RequestContext
from elanus.api.options import Leg, SearchOptions
from elanus.api.plain import (
    hybrid_key,
    hybrid_key_under,
    plain_key,
    plain_key_under,
    plain_search,
    remember_asked,
    remember_plain,
    search_under,
)
from elanus.api.reads import Ids, Reads, as_ids
from elanus.errors import InvalidArgumentError, NotFoundError
from elanus.kernels.cancel import search_token
from elanus.query.plain import PlainRequest
from elanus.query.rankers import Ranker
from elanus.query.requests import Fusion, SearchRequest
from elanus.query.results import SearchResult
from elanus.query.search import search
from elanus.schema.structs import part_of


class Searches(Reads):
    """The part of ``Collection`` that ranks entities."""

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
                weight}`` for a sparse one, text for a BM25 field; or several, also as a matrix.
            field: Vector field to search; may be left out when only one fits the query.
            limit: Hits per query, 1 to 16,384.
            ids: One key or a list of keys instead of ``data``: what these entities hold in the
                field, or in the text of a BM25 field, is the query. They are hits themselves.
            filter: Expression, dict or tree that hits must pass. The result has
                ``min(limit, matches)`` hits for a dense field, however few rows match.
            output: Fields, ``"meta_*"``, ``meta["a"]``; None: all but vectors; ``["*"]``: all.
            **options: Filters, bounds, groups, rankers, effort and time; see ``SearchOptions``.

        Returns:
            A ``SearchResult`` for one query, a list of them for several. ``hit.score`` is the
            metric's value (of L2 squared) or the ranker's. Equal scores are ordered by primary key.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: The query does not fit the field, or an option is wrong.
            FilterError: The filter cannot be read.
            NotFoundError: No entity has one of ``ids``.
            SearchTimeoutError: It took longer than ``timeout`` seconds.
        """
        if ids is not None:
            data = self._stored_queries(ids, data, field, options)
        context = self._context_at(options.get("consistency"), options.get("timezone"))
        key = plain_key(field, limit, filter, output, options)
        if key is not None and (answer := self._plain_answer(context, key, [data])) is not None:
            return answer
        under = None if filter is None else plain_key_under(key, field, limit, output, options)
        answer = self._answer_under(context, (under, key), [[filter]], [data], options)
        if answer is not None:
            return answer
        read = partial(search_requests, data=data, name=field, limit=limit, filter=filter)
        return self._read_answer(
            partial(read, output=output, options=options), (under, key), options
        )

    def hybrid_search(
        self,
        legs: Sequence[Leg],
        fusion: Fusion | Ranker | None = None,
        limit: int = 10,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        **options: Unpack[SearchOptions],
    ) -> Any:
        """Search several fields at once and join the results.

        Args:
            legs: What to search; every leg holds one query, or all of them as many.
            fusion: ``RRF(k=60)`` by default, ``Weighted(...)``, ``DBSF(...)`` or ``ByScore(...)``;
                it may also be the first of ``ranker``. A ranker here joins legs ``ByScore()`` and
                ranks what comes out, as a decay does in Milvus. One leg alone keeps
                its scores, unless ``RRF``, ``Weighted`` or ``DBSF`` is given.
            limit: Hits wanted, 1 to 16,384.
            filter: Hits must pass it, besides the filter of their leg.
            output: Fields of ``hit.entity``; None: all but vectors; ``["*"]``: all.
            **options: As in ``search``.

        Returns:
            A ``SearchResult`` for one query, a list of them for several: hits by fused score;
            ``hit.explanation.legs`` has rank, score and contribution of each leg.

        Raises:
            InvalidArgumentError: A query does not fit its field, legs hold different numbers of
                queries, or an option is wrong; else as ``search``.
        """
        context = self._context_at(options.get("consistency"), options.get("timezone"))
        key = hybrid_key(legs, fusion, limit, filter, output, options)
        if key is not None:
            answer = self._plain_answer(context, key, [leg.data for leg in legs])
            if answer is not None:
                return answer
        under = hybrid_key_under(legs, fusion, limit, output, options)
        if under is not None:
            filters, queries = [[leg.filter, filter] for leg in legs], [leg.data for leg in legs]
            answer = self._answer_under(context, (under, key), filters, queries, options)
            if answer is not None:
                return answer
        read = partial(hybrid_requests, legs=legs, fusion=fusion, limit=limit, filter=filter)
        return self._read_answer(
            partial(read, output=output, options=options), (under, key), options
        )

    def _stored_queries(
        self, ids: Ids, data: Any, field: str | None, options: SearchOptions
    ) -> Any:
        """Return what entities hold in a field as the queries of ``search``."""
        if data is not None:
            raise InvalidArgumentError("search: expected data or ids, got both")
        if field is None:
            raise InvalidArgumentError("search: expected the field that ids are searched by")
        searched = self._state(options)[0].schema.answering(field)
        name = searched.name if searched.source is None else searched.source.field
        if searched.is_vector_list and not searched.metric_type.is_max_sim:
            raise InvalidArgumentError(
                f"search: the vectors of field {field!r} are searched one by one "
                f"({searched.metric_type}), so an entity is no query; pass one of its vectors"
            )
        queries = []
        for key in as_ids(ids):
            found = self.get(
                key,
                [name],
                as_of=options.get("as_of"),
                consistency=options.get("consistency"),
                at_least=options.get("at_least"),
            )
            if not found:
                raise NotFoundError(f"search: no entity has the key {key!r}")
            value = part_of(found[0], name)
            if value is None or (searched.is_vector_list and not value):
                raise InvalidArgumentError(f"search: entity {key!r} has nothing in {name!r}")
            queries.append(value)
        if not queries:
            raise InvalidArgumentError("search: expected at least one key in ids, got none")
        return queries[0] if isinstance(ids, str | int | np.integer) else queries

    def _plain_answer(
        self, context: RequestContext, key: Hashable, queries: Sequence[Any]
    ) -> SearchResult | list[SearchResult] | None:
        """Answer what was asked before with other queries; None: it has to be read."""
        plain = _known(context, key)
        if plain is None:
            return None
        snapshot = self._engine.snapshot()
        if snapshot.fields is not context.fields:
            return None
        return plain_search(context, snapshot, plain, queries)

    def _answer_under(
        self,
        context: RequestContext,
        keys: tuple[Hashable | None, Hashable | None],
        filters: Sequence[Sequence[Filter | None]],
        queries: Sequence[Any],
        options: SearchOptions,
    ) -> SearchResult | list[SearchResult] | None:
        """Answer what was asked before with other queries and filters, those of each leg; None: it
        has to be read. The keys are those without the filters and with them."""
        under, key = keys
        plain = None if under is None else _known(context, under)
        if plain is None:
            return None
        snapshot = self._engine.snapshot()
        if snapshot.fields is not context.fields:
            return None
        found = search_under(context, snapshot, plain, filters, queries, options)
        if found is None:
            return None
        answer, bound = found
        remember_asked(context, key, plain, bound)
        return answer

    def _read_answer(
        self,
        read: Callable[[RequestContext], tuple[list[SearchRequest], bool]],
        keys: tuple[Hashable | None, Hashable | None],
        options: SearchOptions,
    ) -> SearchResult | list[SearchResult]:
        """Answer what is read for the fields of one snapshot, over it, and remember it by its
        keys."""
        with search_token(options.get("timeout")) as token:
            context, snapshot = self._state(options, token)
            requests, is_single = read(context)
            schema, sources = context.schema, snapshot.sources
            results = [r for one in requests for r in search(schema, sources, one, token)]
        for key in keys if requests else ():
            remember_plain(context, key, requests[0])
        return results[0] if is_single else results


def _known(context: RequestContext, key: Hashable) -> PlainRequest | None:
    """Return what is remembered of the searches of a key."""
    plain = context.plain.get(key)
    if plain is not None and plain.settings is not context.settings():
        # Indexes may cast values of JSON otherwise, and filters be asked for that were not.
        context.plain.pop(key, None)
        return None
    return plain
