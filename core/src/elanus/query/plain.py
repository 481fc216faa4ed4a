"""How is a search answered that differs from earlier ones in its queries alone?

What does not depend on them is found once for each snapshot: the legs (``query.plain_legs``), and
what reads the output. Answers are those of ``query.search``, which knows everything else as well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from elanus.filter import BoundFilter
from elanus.kernels.cancel import CancelToken
from elanus.query.candidates import allowed_places, read_keys
from elanus.query.pages import fused_page
from elanus.query.plain_legs import PlainLeg, PlainLegRequest
from elanus.query.projection import project_places, row_reader
from elanus.query.requests import SearchRequest, TextQuery
from elanus.query.results import Answer, HitReasons, LegRanking, SearchExplanation, SearchResult
from elanus.query.sources import AllowedRows, SearchSource
from elanus.schema.collection import Schema
from elanus.types import Int64Array, PrimaryKey, VectorArray

MAX_KNOWN = 32
"""Searches that a snapshot remembers, with a bit for each row that passes their filters."""
MOST_ROWS = 200_000
"""Rows up to which a search is over before anybody could end it."""
PlainQuery: TypeAlias = VectorArray | TextQuery
"""``(1, dim)`` as ``VectorIndex.search`` takes it, or a text."""
Filters: TypeAlias = tuple[BoundFilter, ...]
"""What the rows of a leg must pass, all of them."""


class PlainRequest:
    """What searches have in common; equal to itself alone.

    Attributes:
        request: The first of them.
        settings: Of the collection when it was read; compared by identity.
        legs: What each leg has in common.
    """

    __slots__ = ("legs", "request", "settings")

    def __init__(self, request: SearchRequest, settings: object) -> None:
        self.request, self.settings = request, settings
        self.legs = tuple([PlainLegRequest.of(leg) for leg in request.legs])


class _Output:
    """Reads keys and output fields of hits."""

    def __init__(
        self, schema: Schema, sources: Sequence[SearchSource], output: tuple[str, ...]
    ) -> None:
        self._schema, self._sources, self._names = schema, sources, output
        self._primary = schema.primary.name
        self._keys_only = output == (self._primary,)
        self._has_keys = self._primary in output
        # Rows of several sources are read by ``project_places``.
        self._reader = row_reader(schema, sources[0], output) if len(sources) == 1 else None
        self.keys = partial(read_keys, schema, sources)

    def read(
        self, sources: Int64Array, rows: Int64Array
    ) -> tuple[list[PrimaryKey], list[dict[str, Any]]]:
        """Return keys and output of rows of any source."""
        if not len(rows):
            return [], []
        if self._keys_only:
            return self._with_keys(self.keys(sources, rows))
        if self._reader is not None:
            entities = self._reader(rows)
        else:
            entities = project_places(self._schema, self._sources, sources, rows, self._names)
        if self._has_keys:
            return [entity[self._primary] for entity in entities], entities
        return self.keys(sources, rows), entities

    def read_lone(
        self, rows: list[int], keys: list[int] | None
    ) -> tuple[list[PrimaryKey], list[dict[str, Any]]]:
        """Return the same for rows of the only source, whose keys may be known."""
        if keys is not None and self._keys_only:
            return self._with_keys([*keys])
        if keys is not None and not self._names:
            return [*keys], [{} for _ in keys]
        row_ids = np.array(rows, dtype=np.int64)
        if keys is None or self._reader is None:
            return self.read(np.zeros_like(row_ids), row_ids)
        return [*keys], self._reader(row_ids)

    def _with_keys(self, keys: list[PrimaryKey]) -> tuple[list[PrimaryKey], list[dict[str, Any]]]:
        primary = self._primary
        return keys, [{primary: key} for key in keys]


class _Frame:
    """What depends on neither queries nor filters."""

    __slots__ = (
        *("field", "fusion", "is_distance", "is_short", "names", "output", "plain"),
        *("schema", "sources"),
    )

    def __init__(
        self, schema: Schema, sources: Sequence[SearchSource], plain: PlainRequest
    ) -> None:
        self.schema, self.sources, self.plain = schema, sources, plain
        self.output = _Output(schema, sources, plain.request.output)
        self.names = tuple([source.name for source in sources])
        self.fusion = plain.request.joined_by
        self.field = plain.legs[0].field
        self.is_distance = self.field.metric_type.is_distance
        self.is_short = sum([source.num_rows for source in sources]) <= MOST_ROWS

    def legs(
        self, filters: Sequence[Filters], token: CancelToken, *, is_asked_again: bool
    ) -> list[PlainLeg]:
        """Return the legs under filters, a tuple for each."""
        made: list[PlainLeg] = []
        allowed: dict[tuple[Filters, str], list[AllowedRows]] = {}
        for leg, own in zip(self.plain.legs, filters, strict=True):
            # Legs mostly have the same filters.
            key = own, leg.field.name if leg.field.nullable else ""
            rows = allowed.get(key) if made else None
            if rows is None:
                rows = [allowed_places(s, own, leg.field, token) for s in self.sources]
                if len(filters) > 1:
                    allowed[key] = rows
            made.append(
                PlainLeg(self.schema, self.sources, leg, rows, is_asked_again=is_asked_again)
            )
        return made


class PlainSearch:
    """The searches of one request over the sources of one snapshot. Safe from many threads.

    Args:
        frame: What depends on neither queries nor filters.
        legs: What depends on filters.

    Attributes:
        is_short: They are over before anybody could end them.
    """

    __slots__ = ("_frame", "_legs", "is_short")

    def __init__(self, frame: _Frame, legs: Sequence[PlainLeg]) -> None:
        self._frame, self._legs, self.is_short = frame, legs, frame.is_short

    @classmethod
    def of(
        cls,
        schema: Schema,
        sources: Sequence[SearchSource],
        plain: PlainRequest,
        token: CancelToken,
        filters: Sequence[Filters] | None = None,
    ) -> PlainSearch:
        """Return the searches of a request.

        Args:
            schema: Of the collection.
            sources: Of the snapshot.
            plain: What the searches have in common.
            token: Ends what takes long.
            filters: Those of a single search, a tuple for each leg; None: those of ``plain``,
                under which others follow.
        """
        frame = _Frame(schema, sources, plain)
        asked = [leg.filters for leg in plain.legs] if filters is None else filters
        return cls(frame, frame.legs(asked, token, is_asked_again=filters is None))

    def under(self, filters: Sequence[Filters], token: CancelToken) -> PlainSearch:
        """Return the same for a single search with other filters, a tuple for each leg."""
        return PlainSearch(self._frame, self._frame.legs(filters, token, is_asked_again=False))

    def answer_at_once(self, data: object) -> SearchResult | None:
        """Answer a query of one leg as the user passed it; None: there is more to be said."""
        started = time.perf_counter()
        found = self._legs[0].find(data)
        if found is None:
            return None
        searched = time.perf_counter()
        rows, scores, numbers = found
        keys, entities = self._frame.output.read_lone(rows, numbers)
        answer = Answer(keys, scores, entities, partial(self._reasons, rows, scores))
        times = started, searched, time.perf_counter()
        return SearchResult(answer, partial(self._explanation, times))

    def answer(self, queries: Sequence[PlainQuery]) -> SearchResult:
        """Answer a query for each leg."""
        started, frame = time.perf_counter(), self._frame
        found = [leg.candidates(query) for leg, query in zip(self._legs, queries, strict=True)]
        searched = time.perf_counter()
        if len(found) == 1:
            sources, rows, distances = [places[0] for places in found[0][:3]]
            legs: tuple[LegRanking, ...]
            scores = (distances if frame.is_distance else -distances).tolist()
            field = frame.field
            legs = (LegRanking(field.name, field.metric_type, sources, rows, distances),)
        else:
            page = fused_page(frame.plain.request, found, frame.output.keys)
            sources, rows, scores, legs = page.sources, page.row_ids, page.scores, page.rankings[0]
        keys, entities = frame.output.read(sources, rows)
        reasons = HitReasons(legs, sources, rows, frame.names, fusion=frame.fusion)
        times = started, searched, time.perf_counter()
        return SearchResult(
            Answer(keys, scores, entities, reasons), partial(self._explanation, times)
        )

    def _reasons(self, rows: list[int], scores: list[float]) -> HitReasons:
        """Return from what hits of the only leg and source are explained."""
        row_ids, values = np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float32)
        sources = np.zeros_like(row_ids)
        distances = values if self._frame.is_distance else -values
        field = self._frame.field
        ranking = LegRanking(field.name, field.metric_type, sources, row_ids, distances)
        return HitReasons((ranking,), sources, row_ids, self._frame.names)

    def _explanation(self, times: tuple[float, float, float]) -> SearchExplanation:
        started, searched, done = times
        timings = {
            "candidates": (searched - started) * 1e3,
            "project": (done - searched) * 1e3,
            "total": (done - started) * 1e3,
        }
        return SearchExplanation(
            tuple([leg.plan for leg in self._legs]), self._frame.fusion, timings
        )
