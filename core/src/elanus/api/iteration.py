"""How does a user page through more than one answer holds?

An iterator works on the snapshot that was visible when it was made, whatever is written meanwhile.
Its ``token`` says where it is; another iterator, in this process or in a later one, goes on from
there, as long as that state is kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np

from elanus.api.arguments import iterated_request
from elanus.api.context import Filter, RequestContext
from elanus.api.handle import Handle
from elanus.api.options import ReadOptions, SearchOptions, check_read_options
from elanus.engine.kept_states.past import HeldState
from elanus.engine.snapshot import Snapshot
from elanus.errors import InvalidArgumentError
from elanus.kernels.cancel import search_token
from elanus.query.elements import owners_of
from elanus.query.entities import (
    EntityRequest,
    chosen_elements,
    matching_places,
    project_elements,
)
from elanus.query.highlighting import Highlights, highlight
from elanus.query.projection import project_places
from elanus.query.requests import SearchRequest
from elanus.query.results import Answer, HitReasons, SearchResult
from elanus.query.search import search
from elanus.query.sources import SearchSource
from elanus.schema.collection import Schema
from elanus.types import Int64Array

MAX_BATCH = 16_384
"""Most entities or hits of a batch, as in Milvus."""


class Position(NamedTuple):
    """Where an iterator is.

    Attributes:
        seq: Its snapshot.
        served: Entities or hits that it has given.
    """

    seq: int
    served: int


def read_token(token: str, request: str) -> Position:
    """Return the position that a token says.

    Args:
        token: Of an iterator.
        request: What ``fingerprint`` gives for the iterator that is to go on.

    Raises:
        InvalidArgumentError: It is no token, or one of another request.
    """
    try:
        value = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        position = Position(int(value["seq"]), int(value["served"]))
        asked = value["of"]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InvalidArgumentError(f"token: expected one of an iterator, got {token!r}") from None
    if min(position) < 0 or asked != request:
        raise InvalidArgumentError(
            "token: it belongs to another request; go on with the arguments it began with"
        )
    return position


def seq_of(token: str) -> int:
    """Return the sequence number of the snapshot that a token of an iterator names."""
    return int(json.loads(base64.urlsafe_b64decode(token.encode("ascii")))["seq"])


def fingerprint(*parts: Any) -> str:
    """Return what tells requests apart; of arrays their bytes count."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(_plain(part)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def check_batch(batch_size: int, limit: int | None) -> None:
    """Raise ``InvalidArgumentError`` unless an iterator can work with these numbers."""
    if type(batch_size) is not int or not 1 <= batch_size <= MAX_BATCH:
        raise InvalidArgumentError(f"batch_size: expected 1 to {MAX_BATCH}, got {batch_size!r}")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise InvalidArgumentError(f"limit: expected at least 1, got {limit!r}")


class _Batches:
    """Counts what an iterator gives, and makes its token."""

    def __init__(
        self,
        position: Position,
        request: str,
        batch_size: int,
        limit: int | None,
        held: HeldState | None,
    ) -> None:
        self._seq, self._served = position
        self._of = request
        self._batch_size = batch_size
        self._limit = limit
        self._held = held

    @property
    def seq(self) -> int:
        """Sequence number of what it sees; ``as_of`` takes it for as long as the iterator lives."""
        return self._seq

    @property
    def token(self) -> str:
        """Where it is: pass it as ``token=`` to go on from here."""
        value = {"seq": self._seq, "served": self._served, "of": self._of}
        return base64.urlsafe_b64encode(json.dumps(value).encode("ascii")).decode("ascii")

    def _wanted(self) -> int:
        """Return how many the next batch may have."""
        left = self._batch_size if self._limit is None else self._limit - self._served
        return max(0, min(self._batch_size, left))


class QueryIterator(_Batches, Iterator[list[dict[str, Any]]]):
    """Entities that pass a filter, or elements, by primary key and place, batch by batch."""

    def __init__(
        self,
        schema: Schema,
        sources: Sequence[SearchSource],
        request: EntityRequest,
        position: Position,
        of: str,
        batch_size: int,
        held: HeldState | None,
    ) -> None:
        super().__init__(position, of, batch_size, request.limit, held)
        self._schema = schema
        self._sources = sources
        self._output = request.output
        # 16 bytes an entity, 24 an element; the order is made once.
        self._numbers, self._rows = matching_places(schema, sources, request.filters)
        self._places: Int64Array | None = None
        elements = chosen_elements(schema, request)
        if elements is not None:
            every = slice(None)
            which, self._places = elements.of(sources, self._numbers, self._rows, every)
            self._numbers, self._rows = self._numbers[which], self._rows[which]

    def __next__(self) -> list[dict[str, Any]]:
        part = slice(self._served, self._served + self._wanted())
        numbers, rows = self._numbers[part], self._rows[part]
        if not len(rows):
            raise StopIteration
        self._served += len(rows)
        if self._places is None:
            return project_places(self._schema, self._sources, numbers, rows, self._output)
        places = self._places[part]
        return project_elements(self._schema, self._sources, numbers, rows, places, self._output)


class SearchIterator(_Batches, Iterator[SearchResult]):
    """Hits of one query, best first, batch by batch; no hit comes twice.

    Where an index is approximate, a deeper search may find a nearer hit after others have been
    given; it comes with the next batch.
    """

    def __init__(
        self,
        schema: Schema,
        sources: Sequence[SearchSource],
        request: SearchRequest,
        find: Callable[[SearchRequest], SearchResult],
        position: Position,
        of: str,
        batch_size: int,
        limit: int | None,
        held: HeldState | None,
    ) -> None:
        super().__init__(Position(position.seq, 0), of, batch_size, limit, held)
        self._schema = schema
        self._sources = sources
        self._request = request
        self._find = find
        self._depth = 0
        self._found: SearchResult | None = None
        self._places: list[int] = []
        self._given: set[Any] = set()
        self._is_all = False
        # The same searches, batch by batch, give the same hits; they are passed over.
        while self._served < position.served:
            count = len(self._take(min(batch_size, position.served - self._served)))
            if not count:
                break
            self._served += count

    def __next__(self) -> SearchResult:
        places = self._take(self._wanted())
        if not places or self._found is None:
            raise StopIteration
        self._served += len(places)
        return self._result(self._found, places)

    def _take(self, count: int) -> list[int]:
        """Return the places of the next hits in what was found."""
        if len(self._places) < count and not self._is_all:
            self._look_deeper(count)
        taken = self._places[:count]
        self._places = self._places[len(taken) :]
        if self._found is not None:
            hits = self._hits(self._found)
            self._given.update([hits[place] for place in taken])
        return taken

    def _hits(self, found: SearchResult) -> Sequence[Any]:
        """Return what tells hits apart: keys, of elements also their place in the list."""
        answer = found.answer
        if self._request.elements is None:
            return answer.ids
        return [*zip(answer.ids, answer.offsets, strict=True)]

    def _look_deeper(self, count: int) -> None:
        while len(self._places) < count and not self._is_all:
            self._depth = 2 * self._depth if self._depth else self._batch_size
            legs = tuple([leg._replace(limit=self._depth) for leg in self._request.legs])
            keys = (self._schema.primary.name,)
            self._found = self._find(
                self._request._replace(legs=legs, limit=self._depth, output=keys, highlight=None)
            )
            hits = self._hits(self._found)
            self._places = [place for place, hit in enumerate(hits) if hit not in self._given]
            self._is_all = len(hits) < self._depth

    def _result(self, found: SearchResult, places: Sequence[int]) -> SearchResult:
        answer, chosen = found.answer, np.array(places, dtype=np.int64)
        reasons = answer.reasons
        numbers, searched = reasons.sources[chosen], reasons.row_ids[chosen]
        part = self._request.elements
        rows = searched if part is None else owners_of(self._sources, part, numbers, searched)
        entities = project_places(self._schema, self._sources, numbers, rows, self._request.output)
        marked: Sequence[Highlights] = ()
        if self._request.highlight is not None:
            queries = [0] * len(places)
            marked = highlight(
                self._request.highlight,
                self._request.legs,
                self._sources,
                (numbers, rows),
                queries,
            )
        terms = tuple([reasons.terms[place] for place in places]) if reasons.terms else ()
        return SearchResult(
            Answer(
                [answer.ids[place] for place in places],
                [answer.scores[place] for place in places],
                entities,
                HitReasons(reasons.legs, numbers, searched, reasons.names, terms),
                highlights=marked,
                offsets=tuple([answer.offsets[place] for place in places if answer.offsets]),
            ),
            found.explanation,
        )


class Iterations(Handle):
    """The part of ``Collection`` that reads in batches."""

    def query_iterator(
        self,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        *,
        batch_size: int = 1000,
        limit: int | None = None,
        token: str | None = None,
        per_element: bool = False,
        **options: Unpack[ReadOptions],
    ) -> QueryIterator:
        """Return an iterator over the entities that ``query`` gives, in batches.

        It sees the collection as it is now, whatever is written meanwhile.

        Args:
            filter: As in ``query``.
            output: As in ``query``.
            batch_size: Most entities of a batch, or elements, 1 to 16,384.
            limit: Most entities in all, or elements; None: no bound.
            token: ``token`` of an iterator with the same arguments: goes on after it, over the
                same snapshot.
            per_element: As in ``query``; a batch may end within an entity.
            **options: As in ``query``.

        Raises:
            InvalidArgumentError: A number is out of range, or the token is of another request.
            HistoryError: The token's snapshot was not kept.
        """
        check_read_options(options, "query_iterator")
        check_batch(batch_size, limit)
        kind = "elements" if per_element else "query"
        of = fingerprint(kind, *self._iterated, filter, output, batch_size, limit, options)
        position = None if token is None else read_token(token, of)
        context, snapshot, held = self._state_at(position, options)
        bound = context.bind(
            filter,
            params=options.get("params"),
            root=options.get("root"),
            partitions=options.get("partitions"),
        )
        context.check_isolated(bound)
        fields = context.entity_output(output)
        request = EntityRequest(fields, bound, limit, per_element=per_element)
        position = position or Position(snapshot.seq, 0)
        return QueryIterator(
            context.schema, snapshot.sources, request, position, of, batch_size, held
        )

    def search_iterator(
        self,
        data: Any,
        field: str | None = None,
        *,
        batch_size: int = 1000,
        limit: int | None = None,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        token: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchIterator:
        """Return an iterator over the hits of one query, best first, in batches.

        It sees the collection as it is now, and goes on to the last entity, beyond 16,384 hits.

        Args:
            data: One query, as in ``search``.
            field: As in ``search``.
            batch_size: Most hits of a batch, 1 to 16,384.
            limit: Most hits in all; None: no bound.
            filter: As in ``search``.
            output: As in ``search``.
            token: As in ``query_iterator``.
            **options: As in ``search``, but ``offset``, ``group_by``, ``ranker`` and
                ``order_by``; ``timeout`` is that of a batch.

        Raises:
            InvalidArgumentError: As in ``search`` and ``query_iterator``; several queries.
            HistoryError: The token's snapshot was not kept.
        """
        check_batch(batch_size, limit)
        of = fingerprint(
            "search", *self._iterated, data, field, batch_size, limit, filter, output, options
        )
        position = None if token is None else read_token(token, of)
        context, snapshot, held = self._state_at(position, options)
        request = iterated_request(
            context, data, field, filter=filter, output=output, options=options
        )
        schema = context.schema

        def find(deeper: SearchRequest) -> SearchResult:
            with search_token(options.get("timeout")) as cancel:
                return search(schema, snapshot.sources, deeper, cancel)[0]

        position = position or Position(snapshot.seq, 0)
        return SearchIterator(
            schema, snapshot.sources, request, find, position, of, batch_size, limit, held
        )

    @property
    def _iterated(self) -> tuple[str, ...]:
        """What an iterator goes through: a token is of no use to who may see other entities."""
        restricted_to = self._engine.restricted_to
        return (self._engine.name, restricted_to) if restricted_to else (self._engine.name,)

    def _state_at(
        self, position: Position | None, options: ReadOptions | SearchOptions
    ) -> tuple[RequestContext, Snapshot, HeldState | None]:
        """Return what an iterator sees: the snapshot of its token, else as its options say; what
        is current is held."""
        held = None
        seq = None if position is None else position.seq
        if seq is None and options.get("as_of") is None:
            held = self._engine.hold(
                consistency=options.get("consistency"), at_least=options.get("at_least")
            )
            seq = held.seq
        context, snapshot = self._state(options, as_of=seq)
        return context, snapshot, held


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(key, _plain(value[key])) for key in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
