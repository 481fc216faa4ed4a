"""What users call to learn why an entity is not found; ``Collection`` has this method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from elanus.api.arguments import hybrid_request, search_requests
from elanus.api.context import Filter, RequestContext
from elanus.api.options import Leg, SearchOptions
from elanus.api.searches import Searches
from elanus.engine.reading import AsOf
from elanus.errors import InvalidArgumentError
from elanus.kernels.cancel import search_token
from elanus.query.rankers import Ranker
from elanus.query.requests import Fusion, SearchRequest
from elanus.query.sources import SearchSource
from elanus.query.verdicts import Cause, WhyNot
from elanus.query.why_not import explain_row, find_place, has_expired, was_deleted
from elanus.schema.validation import primary_keys
from elanus.types import PrimaryKey


class Reasons(Searches):
    """The part of ``Collection`` that says why an entity is not found."""

    def why_not(
        self,
        id: PrimaryKey,
        data: Any = None,
        field: str | None = None,
        limit: int = 10,
        *,
        ids: PrimaryKey | None = None,
        legs: Sequence[Leg] | None = None,
        fusion: Fusion | Ranker | None = None,
        filter: Filter | None = None,
        **options: Unpack[SearchOptions],
    ) -> WhyNot:
        """Return where an entity falls out of a search, and what would bring it in.

        It runs the search, and exact searches beside it: take it to find out, not in every request.

        Args:
            id: Primary key of the entity.
            data: One query, as in ``search``.
            field: As in ``search``.
            limit: As in ``search``.
            ids: One key, as in ``search``.
            legs: As in ``hybrid_search``, instead of ``data`` and ``field``.
            fusion: As in ``hybrid_search``.
            filter: As in ``search``.
            **options: As in ``search``.

        Returns:
            A ``WhyNot``: its ``cause``, what each leg says, the parts of its score.

        Raises:
            InvalidArgumentError: As in ``search``; several queries.
            NotFoundError: No entity has the key in ``ids``.
        """
        _check(ids, legs)
        data = data if ids is None else self._stored_queries(ids, data, field, options)
        context, snapshot = self._state(options)
        (pk,) = primary_keys(context.schema.primary, [id])
        request = _asked(context, data, field, limit, legs, fusion, filter, options)
        sources = snapshot.sources
        place = find_place(sources, pk)
        if place is not None:
            with search_token(options.get("timeout")) as token:
                return explain_row(context.schema, sources, request, pk, place, token)
        return WhyNot(pk, *self._absent(context, sources, pk, options.get("as_of")))

    def _absent(
        self,
        context: RequestContext,
        sources: Sequence[SearchSource],
        pk: PrimaryKey,
        as_of: AsOf | None,
    ) -> tuple[Cause, str]:
        """Return why no visible row has a key, also as a sentence."""
        if self._engine.restricted_to:
            # Whether other entities have it, or had, is not for this handle to know.
            return Cause.UNKNOWN_KEY, "not a hit, no entity has this key"
        if as_of is not None and find_place(self._engine.snapshot(None).sources, pk) is not None:
            return Cause.LATER, "not a hit, it was written after that state"
        if has_expired(sources, pk):
            return Cause.EXPIRED, "not a hit, it has expired"
        if was_deleted(context.schema, sources, pk):
            return Cause.DELETED, "not a hit, it was deleted"
        settings = context.settings()
        expires = settings.ttl_s is not None or settings.ttl_field is not None
        expired = ", or it has expired" if expires else ""
        return Cause.UNKNOWN_KEY, f"not a hit, no entity has this key{expired}"


def _check(ids: PrimaryKey | None, legs: Sequence[Leg] | None) -> None:
    if ids is not None and legs is not None:
        raise InvalidArgumentError("why_not: expected ids or legs, got both")


def _asked(
    context: RequestContext,
    data: Any,
    field: str | None,
    limit: int,
    legs: Sequence[Leg] | None,
    fusion: Fusion | Ranker | None,
    filter: Filter | None,
    options: SearchOptions,
) -> SearchRequest:
    keys = [context.schema.primary.name]
    if legs is not None:
        if data is not None or field is not None:
            raise InvalidArgumentError("why_not: expected data and field or legs, got both")
        return hybrid_request(
            context,
            legs,
            fusion=fusion,
            limit=limit,
            filter=filter,
            output=keys,
            options=options,
        )
    requests, _ = search_requests(
        context,
        data,
        field,
        limit=limit,
        filter=filter,
        output=keys,
        options=options,
    )
    count = sum(request.legs[0].query.num_queries for request in requests)
    if count != 1:
        raise InvalidArgumentError(f"why_not: expected one query, got {count}")
    return requests[0]
