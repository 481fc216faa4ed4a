"""How is a search answered that differs from earlier ones in its queries alone?

What does not depend on them is found once for each snapshot: the legs (``query.plain_legs``), and
what reads the output. Answers are those of ``query.search``, which knows everything else as well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from operator import is_
from typing import Any, TypeAlias

import numpy as np

from elanus.filter import BoundFilter
from elanus.kernels.cancel import CancelToken
from elanus.kernels.prepared import LegRankings, PreparedFusion, PreparedLeg
from elanus.kernels.threads import query_threads
from elanus.query.candidates import allowed_places, read_keys, shown_plans
from elanus.query.fusion import prepared_fusion
from elanus.query.pages import fused_page
from elanus.query.plain_legs import PlainLeg, PlainLegRequest
from elanus.query.plan import LegPlan
from elanus.query.projection import native_reader, project_places, row_reader
from elanus.query.requests import SearchRequest, TextQuery
from elanus.query.results import Answer, HitReasons, LegRanking, SearchExplanation, SearchResult
from elanus.query.sources import AllowedRows, SearchSource
from elanus.schema.collection import Schema
from elanus.types import (
    DataType,
    Float32Array,
    Float64Array,
    Int64Array,
    PrimaryKey,
    VectorArray,
)

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
        is_isolated: Every filter must name one value of the partition key.
        legs: What each leg has in common.
    """

    __slots__ = ("is_isolated", "legs", "request", "settings")

    def __init__(self, request: SearchRequest, settings: object, *, is_isolated: bool) -> None:
        self.request, self.settings, self.is_isolated = request, settings, is_isolated
        self.legs = tuple([PlainLegRequest.of(leg) for leg in request.legs])


class _Output:
    """Reads keys and output fields of hits."""

    def __init__(
        self, schema: Schema, sources: Sequence[SearchSource], output: tuple[str, ...]
    ) -> None:
        self._schema, self._sources, self._names = schema, sources, output
        self._primary = schema.primary.name
        self._keys_only = output == (self._primary,)
        self.has_number_keys = schema.primary.dtype is DataType.INT64
        self._has_keys = self._primary in output
        # Rows of several sources are read by ``project_places``.
        self._reader = row_reader(schema, sources[0], output) if len(sources) == 1 else None
        self.native = native_reader(schema, sources[0], output) if len(sources) == 1 else None
        self.native_rows = None if self.native is None else self.native.native
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
        self, rows: list[int], keys: list[int] | None, entities: list[dict[str, Any]] | None
    ) -> tuple[list[PrimaryKey], list[dict[str, Any]]]:
        """Return the same for rows of the only source, of which some may be known."""
        if keys is not None and entities is not None:
            return [*keys], entities
        if keys is not None and not self._names:
            return [*keys], [{} for _ in keys]
        row_ids = np.array(rows, dtype=np.int64)
        return self.read(np.zeros_like(row_ids), row_ids)

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
        self,
        filters: Sequence[Filters],
        token: CancelToken,
        model: Sequence[PlainLeg] | None = None,
    ) -> list[PlainLeg]:
        """Return the legs under filters, a tuple for each; ``model``: those under others."""
        made: list[PlainLeg] = []
        allowed: dict[tuple[Filters, str], list[AllowedRows]] = {}
        for i, (leg, own) in enumerate(zip(self.plain.legs, filters, strict=True)):
            # Legs mostly have the same filters.
            key = own, leg.field.name if leg.field.nullable else ""
            known = allowed.get(key) if made else None
            if known is None:
                known = [allowed_places(s, own, leg.field, token) for s in self.sources]
                if len(filters) > 1:
                    allowed[key] = known
            like = None if model is None else model[i]
            made.append(PlainLeg(self.schema, self.sources, leg, known, like))
        return made


class PlainSearch:
    """The searches of one request over the sources of one snapshot. Safe from many threads.

    Args:
        frame: What depends on neither queries nor filters.
        legs: What depends on filters.

    Attributes:
        legs: What finds the candidates of each field.
        is_short: They are over before anybody could end them.
    """

    __slots__ = ("_frame", "_last_fusion", "is_short", "legs")

    def __init__(self, frame: _Frame, legs: Sequence[PlainLeg]) -> None:
        self._frame, self.legs, self.is_short = frame, legs, frame.is_short
        self._last_fusion: tuple[list[PreparedLeg | None], PreparedFusion | None] | None = None

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
        return cls(frame, frame.legs(asked, token))

    def under(self, filters: Sequence[Filters], token: CancelToken) -> PlainSearch:
        """Return the same for a single search with other filters, a tuple for each leg."""
        return PlainSearch(self._frame, self._frame.legs(filters, token, self.legs))

    def answer_at_once(self, queries: Sequence[object]) -> SearchResult | None:
        """Answer queries as the user passed them; None: there is more to be said about one."""
        started = time.perf_counter()
        prepared = [leg.prepared() for leg in self.legs]
        rankings: LegRankings | None = None
        if len(prepared) == 1:
            (leg,) = prepared
            found = None if leg is None else leg.find(queries[0], self._frame.output.native_rows)
            if found is None:
                return None
            rows, scores, numbers, made = found
        else:
            fusion = self._prepared_fusion(prepared)
            found = None if fusion is None else fusion.find(queries)
            if found is None:
                return None
            rows, scores, numbers, made, rankings = found
        return self._result(started, (rows, scores, numbers, made), rankings, None)

    def answer_many(self, batch: Sequence[list[Any]]) -> list[SearchResult | None] | None:
        """Answer several queries at once, a list for each with one for each leg, as the user passed
        them; None for those of which there is more to be said, and where that is so of all."""
        started = time.perf_counter()
        prepared = [leg.prepared() for leg in self.legs]
        threads = query_threads(len(batch))
        found: list[Any] | None = None
        if len(prepared) == 1:
            (leg,) = prepared
            if leg is not None:
                queries = [query for (query,) in batch]
                found = leg.find_many(queries, self._frame.output.native_rows, threads)
        else:
            fusion = self._prepared_fusion(prepared)
            found = None if fusion is None else fusion.find_many(batch, threads)
        if found is None:
            return None
        return [
            one and self._result(started, one[:4], one[4] if len(one) > 4 else None, None)
            for one in found
        ]

    def answer_few(
        self, filters: Sequence[Filters], queries: Sequence[object]
    ) -> SearchResult | None:
        """Answer the same under other filters, a tuple for each leg, if these allow few rows that
        are found in no time; None: they have to be asked (``under``)."""
        if len(self.legs) != 1:
            return None
        started = time.perf_counter()
        found = self.legs[0].find_few(filters[0], queries[0], self._frame.output.native_rows)
        return None if found is None else self._result(started, found[0], None, found[1])

    def _result(
        self,
        started: float,
        found: tuple[list[int], list[float], list[int] | None, list[dict[str, Any]] | None],
        rankings: LegRankings | None,
        plan: LegPlan | None,
    ) -> SearchResult:
        rows, scores, numbers, made = found
        searched = time.perf_counter()
        keys, entities = self._frame.output.read_lone(rows, numbers, made)
        answer = Answer(keys, scores, entities, partial(self._reasons, rows, scores, rankings))
        times = started, searched, time.perf_counter()
        return SearchResult(answer, partial(self._explanation, times, plan))

    def _prepared_fusion(self, legs: list[PreparedLeg | None]) -> PreparedFusion | None:
        """Return what searches these legs in one call; None: nothing does."""
        last = self._last_fusion
        if last is not None and all(map(is_, last[0], legs)):
            return last[1]
        fusion, known = None, [leg for leg in legs if leg is not None]
        if len(known) == len(legs) and self._frame.output.has_number_keys:
            request = self._frame.plain.request
            fields = [leg.field for leg in request.legs]
            fusion = prepared_fusion(
                request.fusion, fields, known, request.limit, self._frame.output.native
            )
        self._last_fusion = legs, fusion
        return fusion

    def answer(self, queries: Sequence[PlainQuery]) -> SearchResult:
        """Answer a query for each leg."""
        started, frame = time.perf_counter(), self._frame
        found = [leg.candidates(query) for leg, query in zip(self.legs, queries, strict=True)]
        searched = time.perf_counter()
        if len(found) == 1:
            sources, rows, distances = [places[0] for places in found[0][:3]]
            legs: tuple[LegRanking, ...]
            scores = (distances if frame.is_distance else 0.0 - distances).tolist()
            field = frame.field
            legs = (LegRanking(field.name, field.metric_type, sources, rows, distances),)
        else:
            page = fused_page(frame.plain.request, found, frame.output.keys)
            sources, rows, scores, legs = page.sources, page.row_ids, page.scores, page.rankings[0]
        keys, entities = frame.output.read(sources, rows)
        reasons = HitReasons(legs, sources, rows, frame.names, fusion=frame.fusion)
        times = started, searched, time.perf_counter()
        return SearchResult(
            Answer(keys, scores, entities, reasons), partial(self._explanation, times, None)
        )

    def _reasons(
        self, rows: list[int], scores: list[float], rankings: LegRankings | None
    ) -> HitReasons:
        """Return from what hits of the only source are explained."""
        row_ids = np.array(rows, dtype=np.int64)
        sources = np.zeros_like(row_ids)
        if rankings is None:
            values = np.array(scores, dtype=np.float32)
            distances = values if self._frame.is_distance else -values
            legs = [self._ranking(0, row_ids, distances)]
        else:
            legs = [self._ranking(i, *rankings.leg(i)) for i in range(len(self.legs))]
        return HitReasons(
            tuple(legs), sources, row_ids, self._frame.names, fusion=self._frame.fusion
        )

    def _ranking(
        self,
        leg: int,
        row_ids: Int64Array,
        distances: Float32Array,
        parts: Float64Array | None = None,
    ) -> LegRanking:
        field = self._frame.plain.request.legs[leg].field
        sources = np.zeros_like(row_ids)
        return LegRanking(field.name, field.metric_type, sources, row_ids, distances, parts)

    def _explanation(
        self, times: tuple[float, float, float], plan: LegPlan | None
    ) -> SearchExplanation:
        started, searched, done = times
        timings = {
            "candidates": (searched - started) * 1e3,
            "project": (done - searched) * 1e3,
            "total": (done - started) * 1e3,
        }
        made = [leg.plan for leg in self.legs] if plan is None else [plan]
        plans = shown_plans(made, self._frame.sources)
        return SearchExplanation(plans, self._frame.fusion, timings)
