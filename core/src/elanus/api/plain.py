"""Which searches differ from earlier ones in their query alone, or in that and their filter?

They are known by what was passed: names and numbers that are compared exactly, so that nothing is
taken for what was never checked. Everything else is read by ``api.arguments``, every time. Of
searches under another filter only that is read, by the same rules.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import NoneType
from typing import Any, cast

import numpy as np

from elanus.api.context import Filter, RequestContext
from elanus.api.options import Leg, SearchOptions
from elanus.api.queries import checked_vectors
from elanus.engine.snapshot import Snapshot
from elanus.errors import FilterError
from elanus.kernels.cancel import search_token
from elanus.kernels.lists import matrix_of
from elanus.query.plain import MAX_KNOWN, Filters, PlainRequest, PlainSearch
from elanus.query.rankers import Ranker
from elanus.query.requests import DBSF, RRF, Fusion, SearchRequest, TextQuery, Weighted
from elanus.query.results import SearchResult
from elanus.schema.fields import Field
from elanus.types import DataType, VectorArray

_FUSIONS = (RRF, Weighted, DBSF)
_PARAMS, _ROOTS = (NoneType, dict), (NoneType, str)
_UNDER = "under another filter"
"""In front of the keys of searches that differ in their filter as well."""
MAX_ASKED = 256
"""Searches under a filter of which is known that they were asked once."""


def plain_key(
    field: str | None,
    limit: int,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> Hashable | None:
    """Return what the like of a search is known by; None where each is read by itself."""
    effort = _effort(options)
    if effort is None or type(field) is not str or not _is_plain(limit, filter, output):
        return None
    return field, limit, filter, output if output is None else tuple(output), effort


def plain_key_under(
    key: Hashable | None,
    field: str | None,
    limit: int,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> Hashable | None:
    """Return what a search is known by besides its filter; None where each is read by itself.

    ``key`` is its ``plain_key``, which says the same and is not made again.
    """
    if key is not None:
        field, limit, _, output, effort = cast("tuple[Any, ...]", key)
        return _UNDER, (field, limit, None, output, effort)
    others = _without_filter(options)
    key = None if others is None else plain_key(field, limit, None, output, others)
    return None if key is None else (_UNDER, key)


def hybrid_key_under(
    legs: Sequence[Leg],
    fusion: Fusion | Ranker | None,
    limit: int,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> Hashable | None:
    """The same for a hybrid search."""
    others = _without_filter(options)
    if others is None:
        return None
    key = hybrid_key(legs, fusion, limit, None, output, others, has_filters=False)
    return None if key is None else (_UNDER, key)


def hybrid_key(
    legs: Sequence[Leg],
    fusion: Fusion | Ranker | None,
    limit: int,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
    *,
    has_filters: bool = True,
) -> Hashable | None:
    """Return the like of ``plain_key`` for a hybrid search; it may leave out what filters say."""
    effort = _effort(options)
    if effort is None or not _is_plain(limit, filter, output):
        return None
    if type(legs) not in (list, tuple) or len(legs) < 2:
        return None
    known: list[Hashable] = []
    for leg in legs:
        if type(leg) is not Leg or type(leg.field) is not str:
            return None
        if leg.limit is not None and type(leg.limit) is not int:
            return None
        own = leg.filter if has_filters else None
        if own is not None and type(own) is not str:
            return None
        if leg.recall is not None and type(leg.recall) is not float:
            return None
        if leg.ranker is not None:
            return None
        if (leg.radius, leg.range_filter, leg.analyzer_name) != (None, None, None):
            return None
        if leg.params is not None or leg.ef is not None:
            return None
        known += (leg.field, leg.limit, own, leg.recall)
    if fusion is not None and not isinstance(fusion, _FUSIONS):
        return None
    if fusion is not None and (type(fusion) not in _FUSIONS or type(fusion.weights) is dict):
        return None
    names = output if output is None else tuple(output)
    return (*known, type(fusion), fusion, limit, filter, names, effort)


def _is_plain(limit: object, filter: object, output: Any) -> bool:
    """Whether these are of types that are equal only to their own kind."""
    if type(limit) is not int or not (filter is None or type(filter) is str):
        return False
    return output is None or (
        type(output) in (list, tuple) and all(type(name) is str for name in output)
    )


def _effort(options: SearchOptions) -> tuple[float | None, int | None] | None:
    """Return recall and ef; None when anything else is asked for."""
    recall = ef = None
    for name, value in options.items():
        kind = type(value)
        if name == "recall" and kind is float:
            recall = value
        elif name == "ef" and kind is int:
            ef = value
        elif not (name == "offset" and kind is int and value == 0) and not (
            name == "explain" and value is False
        ):
            return None
    return recall, ef  # type: ignore[return-value]


def _without_filter(options: SearchOptions) -> SearchOptions | None:
    """Return what does not belong to the filter; None where that is of an odd type."""
    if not options:
        return options
    others = options.copy()
    params, root = others.pop("params", None), others.pop("root", None)
    is_known = type(params) in _PARAMS and type(root) in _ROOTS
    return others if is_known else None


def remember_plain(context: RequestContext, key: Hashable | None, request: SearchRequest) -> None:
    """Remember what the searches of a key have in common, if their legs are plain ones."""
    if key is None or key in context.plain:
        return
    for leg in request.legs:
        field = leg.field
        is_text = field.bm25 is not None
        if field.embedding is not None or not (is_text or field.dtype is DataType.FLOAT_VECTOR):
            return
    if len(context.plain) >= MAX_KNOWN:
        context.plain.clear()
    settings = context.settings()
    # One query is enough to say what they have in common.
    request = request._replace(legs=tuple([g._replace(query=g.query.one(0)) for g in request.legs]))
    context.plain[key] = PlainRequest(request, settings, is_isolated=settings.is_isolated)


def plain_search(
    context: RequestContext, snapshot: Snapshot, plain: PlainRequest, queries: Sequence[Any]
) -> SearchResult | list[SearchResult] | None:
    """Answer a query for each leg, or as many; None where that is not what they are, or they are
    the first."""
    known = snapshot.plain
    found = known.get(plain)
    if found is None:
        if len(known) > MAX_KNOWN:
            known.clear()
        if plain not in known:
            # The next one is worth preparing for: many snapshots see a single search.
            known[plain] = None
            return None
        with search_token() as token:
            found = PlainSearch.of(context.schema, snapshot.sources, plain, token)
        known[plain] = found
    if found.is_short:
        return _answer(found, plain, queries)
    with search_token() as token:
        answer = _answer(found, plain, queries)
        token.check()
        return answer


def search_under(
    context: RequestContext,
    snapshot: Snapshot,
    plain: PlainRequest,
    filters: Sequence[Sequence[Filter | None]],
    queries: Sequence[Any],
    options: SearchOptions,
) -> tuple[SearchResult | list[SearchResult], Sequence[Filters]] | None:
    """Answer a query for each leg, or as many, under the filters of each leg, and return these as
    they are bound; None where that is not what they are, or something is wrong with a filter."""
    params, root = options.get("params"), options.get("root")
    try:
        bound = [context.bind(*own, params=params, root=root) for own in filters]
        if plain.is_isolated:
            for own in bound:
                context.check_isolated(own)
    except FilterError:
        return None  # whoever reads the whole search says what is wrong with it first
    known = snapshot.plain
    model = known.get(plain)
    if model is not None:
        # Over before anybody could end it, however many rows there are.
        answer = model.answer_few(bound, queries)
        if answer is not None:
            return answer, bound
    with search_token() as token:
        if model is None:
            if len(known) > MAX_KNOWN:
                known.clear()
            sources = snapshot.sources
            found = PlainSearch.of(context.schema, sources, plain, token, bound)
            known[plain] = found
        else:
            found = model.under(bound, token)
        answers = _answer(found, plain, queries)
        token.check()
    return None if answers is None else (answers, bound)


def remember_asked(
    context: RequestContext, key: Hashable | None, plain: PlainRequest, bound: Sequence[Filters]
) -> None:
    """Remember a search whose filter comes again by that as well, which answers it quicker."""
    if key is None or key in context.plain:
        return
    asked = context.asked
    if key not in asked:
        if len(asked) >= MAX_ASKED:
            asked.clear()
        asked[key] = None
        return
    request = plain.request
    legs = tuple([leg._replace(filters=f) for leg, f in zip(request.legs, bound, strict=True)])
    remember_plain(context, key, request._replace(legs=legs))


def _answer(
    search: PlainSearch, plain: PlainRequest, queries: Sequence[Any]
) -> SearchResult | list[SearchResult] | None:
    answer = search.answer_at_once(queries)
    if answer is not None:
        return answer
    read = _read(plain, queries)
    if read is not None:
        return search.answer(read)
    batch = _batch(queries)
    return None if batch is None else _answers(search, plain, batch)


def _answers(
    search: PlainSearch, plain: PlainRequest, batch: Sequence[list[Any]]
) -> list[SearchResult] | None:
    """Answer several queries for each leg; None where there is more to be said about one."""
    with search_token() as token:  # one of many queries may well be ended, short as each is
        found = search.answer_many(batch)
        token.check()
    if found is None:
        return None
    answers = []
    for answer, queries in zip(found, batch, strict=True):
        if answer is None:
            read = _read(plain, queries)
            if read is None:
                return None
            answer = search.answer(read)
        answers.append(answer)
    return answers


def _batch(queries: Sequence[Any]) -> list[list[Any]] | None:
    """Return a query for each leg of what holds as many for each; None of anything else."""
    legs = []
    for data in queries:
        if type(data) is np.ndarray:
            if data.ndim != 2:
                return None
        elif type(data) not in (list, tuple) or not data or not hasattr(data[0], "__len__"):
            return None
        legs.append(list(data))
    if len({len(leg) for leg in legs}) != 1 or not legs[0]:
        return None
    return [list(one) for one in zip(*legs, strict=True)]


def _read(plain: PlainRequest, queries: Sequence[Any]) -> list[VectorArray | TextQuery] | None:
    """Return the query of each leg; None when there is more to be said about one."""
    read: list[VectorArray | TextQuery] = []
    for leg, data in zip(plain.legs, queries, strict=True):
        query = _vector(leg.field, data) if leg.text is None else _text(leg.text, data)
        if query is None:
            return None
        read.append(query)
    return read


def _vector(field: Field, data: Any) -> VectorArray | None:
    """Return a vector as it is searched; None when there is more to be said about it."""
    if type(data) is np.ndarray:
        if data.ndim != 1 or data.dtype.kind not in "fiu":
            return None
        rows = np.ascontiguousarray(data, dtype=np.float32)
    elif type(data) is list and data and not hasattr(data[0], "__len__"):
        made = matrix_of([data], field.dim or 0)
        if made is None:
            return None
        rows = made
    else:
        return None
    return checked_vectors(field, rows)


def _text(like: TextQuery, data: Any) -> TextQuery | None:
    return like._replace(texts=(data,)) if type(data) is str else None
