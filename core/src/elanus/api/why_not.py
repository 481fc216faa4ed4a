"""What users call to learn why an entity is not found; ``Collection`` has this method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from elanus.api.arguments import hybrid_request, search_requests
from elanus.api.context import Filter
from elanus.api.handle import Handle
from elanus.api.options import Leg, SearchOptions
from elanus.errors import InvalidArgumentError
from elanus.kernels.cancel import search_token
from elanus.query.requests import Fusion, SearchRequest
from elanus.query.verdicts import Cause, WhyNot
from elanus.query.why_not import explain_row, find_place, was_deleted
from elanus.schema.validation import primary_keys
from elanus.types import PrimaryKey


class Reasons(Handle):
    """The part of ``Collection`` that says why an entity is not found."""

    def why_not(
        self,
        id: PrimaryKey,
        data: Any = None,
        field: str | None = None,
        limit: int = 10,
        *,
        legs: Sequence[Leg] | None = None,
        fusion: Fusion | None = None,
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
            legs: As in ``hybrid_search``, instead of ``data`` and ``field``.
            fusion: As in ``hybrid_search``.
            filter: As in ``search``.
            **options: As in ``search``, but no groups.

        Returns:
            A ``WhyNot``: its ``cause``, what each leg says, and the parts of its score.

        Raises:
            InvalidArgumentError: As in ``search``; several queries, or groups.
        """
        if options.get("group_by") is not None:
            raise InvalidArgumentError("why_not: group_by cannot be given")
        schema = self._engine.schema
        (pk,) = primary_keys(schema.primary, [id])
        request = self._asked(data, field, limit, legs, fusion, filter, options)
        sources = self._engine.snapshot(options.get("as_of")).sources
        place = find_place(sources, pk)
        if place is not None:
            with search_token(options.get("timeout")) as token:
                return explain_row(schema, sources, request, pk, place, token)
        if options.get("as_of") is not None:
            now = self._engine.snapshot(None).sources
            if find_place(now, pk) is not None:
                return WhyNot(pk, Cause.LATER, "not a hit, it was written after that state")
        if was_deleted(schema, sources, pk):
            return WhyNot(pk, Cause.DELETED, "not a hit, it was deleted")
        return WhyNot(pk, Cause.UNKNOWN_KEY, "not a hit, no entity has this key")

    def _asked(
        self,
        data: Any,
        field: str | None,
        limit: int,
        legs: Sequence[Leg] | None,
        fusion: Fusion | None,
        filter: Filter | None,
        options: SearchOptions,
    ) -> SearchRequest:
        keys = [self._engine.schema.primary.name]
        if legs is not None:
            if data is not None or field is not None:
                raise InvalidArgumentError("why_not: expected data and field or legs, got both")
            return hybrid_request(
                self._context,
                legs,
                fusion=fusion,
                limit=limit,
                filter=filter,
                output=keys,
                options=options,
            )
        requests, _ = search_requests(
            self._context,
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
