"""Which searches differ from earlier ones in their query alone?

They are known by what was passed: names and numbers that are compared exactly, so that nothing is
taken for what was never checked. Everything else is read by ``api.arguments``, every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from elanus.api.context import Filter, RequestContext
from elanus.api.options import SearchOptions
from elanus.api.queries import checked_vectors
from elanus.api.text import query_analyzer
from elanus.engine.snapshot import Snapshot
from elanus.kernels.cancel import search_token
from elanus.kernels.lists import matrix_of
from elanus.query.plain import MAX_KNOWN, PlainRequest, PlainSearch
from elanus.query.requests import SearchRequest, TextQuery
from elanus.query.results import SearchResult
from elanus.types import DataType, VectorArray

PlainKey: TypeAlias = tuple[str, int, str | None, tuple[str, ...] | None, float | None, int | None]
"""Field, limit, filter, output, recall and ef."""


def plain_key(
    field: str | None,
    limit: int,
    filter: Filter | None,
    output: Sequence[str] | None,
    options: SearchOptions,
) -> PlainKey | None:
    """Return what the like of a search is known by; None where each is read by itself."""
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
    # A bool is equal to an int, and a float may be.
    if type(field) is not str or type(limit) is not int:
        return None
    if filter is not None and type(filter) is not str:
        return None
    if output is None:
        return field, limit, filter, None, recall, ef  # type: ignore[return-value]
    if type(output) not in (list, tuple) or not all([type(name) is str for name in output]):
        return None
    return field, limit, filter, tuple(output), recall, ef  # type: ignore[return-value]


def remember_plain(context: RequestContext, key: PlainKey, request: SearchRequest) -> None:
    """Remember what the searches of a key have in common, if they are plain ones."""
    field = request.legs[0].field
    is_text = field.source is not None
    if field.embedding is not None or not (is_text or field.dtype is DataType.FLOAT_VECTOR):
        return
    if len(context.plain) >= MAX_KNOWN:
        context.plain.clear()
    context.plain[key] = PlainRequest(request)


def plain_search(
    context: RequestContext, snapshot: Snapshot, request: PlainRequest, data: Any
) -> SearchResult | None:
    """Answer one query; None where it is no single query, or the first of its like."""
    known = snapshot.plain
    found = known.get(request)
    if found is None:
        if len(known) > MAX_KNOWN:
            known.clear()
        if request not in known:
            # The next one is worth preparing for: many snapshots see a single search.
            known[request] = None
            return None
        with search_token() as token:
            found = PlainSearch(context.schema, snapshot.sources, request, token)
        known[request] = found
    if found.is_short:
        return _answer(context, found, request, data)
    with search_token() as token:
        answer = _answer(context, found, request, data)
        token.check()
        return answer


def _answer(
    context: RequestContext, search: PlainSearch, request: PlainRequest, data: Any
) -> SearchResult | None:
    answer = search.answer_at_once(data)
    if answer is not None:
        return answer
    query = _text(context, request, data) if request.field.source else _vector(request, data)
    return None if query is None else search.answer(query)


def _vector(request: PlainRequest, data: Any) -> VectorArray | None:
    """Return a vector as it is searched; None when there is more to be said about it."""
    if type(data) is np.ndarray:
        if data.ndim != 1 or data.dtype.kind not in "fiu":
            return None
        rows = np.ascontiguousarray(data, dtype=np.float32)
    elif type(data) is list and data and not hasattr(data[0], "__len__"):
        made = matrix_of([data], request.field.dim or 0)
        if made is None:
            return None
        rows = made
    else:
        return None
    return checked_vectors(request.field, rows)


def _text(context: RequestContext, request: PlainRequest, data: Any) -> TextQuery | None:
    field = request.field
    if type(data) is not str or field.source is None:
        return None
    analyzer = query_analyzer(field.name, context.fields.analyzers[field.name], None)
    return TextQuery((data,), analyzer, field.source)
