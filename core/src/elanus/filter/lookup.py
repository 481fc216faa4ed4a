"""Which rows does an index find for a condition?

Questions about values become spans of the ascending values of an index, by the same rules by which
rows are compared. Where an index cannot tell, columns do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from elanus.filter.matching.hints import TextHint
from elanus.filter.operators import CompareOp
from elanus.filter.values.numbers import bound_of
from elanus.index.scalar.base import Found, Span
from elanus.index.scalar.ngram import NgramIndex
from elanus.index.scalar.registry import ScalarIndex
from elanus.index.scalar.sorted_index import SortedIndex
from elanus.index.scalar.values import SortedNumbers, SortedTexts

MAX_ASKED = 4_096
"""Most texts of an index that a pattern is asked about one by one; a column asks as many."""


def find_comparisons(
    index: ScalarIndex, comparisons: Iterable[tuple[CompareOp, int | float | str]]
) -> Found | None:
    """Return the rows with a value for which every comparison holds; None: it cannot tell."""
    if not isinstance(index, SortedIndex):
        return None
    spans: list[Span] | None = None
    for op, constant in comparisons:
        found = _spans(index.values, op, constant)
        if found is None:
            return None
        spans = found if spans is None else list(_common(spans, found))
    return None if spans is None else index.found(spans)


def find_equal(index: ScalarIndex, constant: int | float | str) -> NDArray[np.uint32] | None:
    """Return the rows with a value that equals a constant, ascending; None: it cannot tell them
    that way."""
    if not isinstance(index, SortedIndex):
        return None
    values = index.values
    if isinstance(values, SortedTexts):
        span = values.span(constant) if isinstance(constant, str) else None
    else:
        spans = _spans(values, CompareOp.EQ, constant)
        span = spans[0] if spans else None
    return None if span is None else index.rows_of_one(*span)


def find_any(
    index: ScalarIndex, numbers: Sequence[int | float], texts: Sequence[str]
) -> Found | None:
    """Return the rows with a value that is one of some constants; None: it cannot tell."""
    if not isinstance(index, SortedIndex):
        return None
    wanted: Sequence[int | float | str]
    if isinstance(index.values, SortedTexts):
        if numbers:
            return None
        wanted = texts
    else:
        if texts:
            return None
        wanted = numbers
    found = {span for value in wanted for span in _spans(index.values, CompareOp.EQ, value) or ()}
    return index.found(sorted(found))


def find_texts(
    index: ScalarIndex, hint: TextHint | None, matches: Callable[[str], bool]
) -> Found | None:
    """Return the rows with a text that matches; None: it cannot tell."""
    if isinstance(index, NgramIndex):
        return None if hint is None else index.candidates(hint.parts)
    if not isinstance(index, SortedIndex) or not isinstance(index.values, SortedTexts):
        return None
    span = 0, len(index.values)
    if hint is not None and hint.prefix:
        span = index.values.with_prefix(hint.prefix)
        if hint.is_exact:
            return index.found([span])
    if span[1] - span[0] > MAX_ASKED:
        return None
    texts = enumerate(index.values.texts(*span), span[0]) if span[0] < span[1] else ()
    return index.found(list(_runs(place for place, text in texts if matches(text))))


def _spans(
    values: SortedNumbers | SortedTexts, op: CompareOp, constant: int | float | str
) -> list[Span] | None:
    """Return where values stand for which ``value op constant`` holds; None: not of that kind."""
    if isinstance(values, SortedTexts):
        if not isinstance(constant, str):
            return None
        return _of_places(op, *values.span(constant), values)
    if isinstance(constant, str):
        return None
    bound = bound_of(values.dtype, op, constant)
    if isinstance(bound, bool):
        return [(0, len(values))] if bound else []
    op, value = bound
    front, behind = values.place(value, behind=False), values.place(value, behind=True)
    return _of_places(op, front, behind, values)


def _of_places(
    op: CompareOp, front: int, behind: int, values: SortedNumbers | SortedTexts
) -> list[Span]:
    match op:
        case CompareOp.EQ:
            return [(front, behind)]
        case CompareOp.NE:
            # NaN, which has no place in the order, differs from everything.
            return [(0, front), (behind, len(values))]
        case CompareOp.LT:
            return [(0, front)]
        case CompareOp.LE:
            return [(0, behind)]
        case CompareOp.GT:
            return [(behind, values.num_ordered)]
    return [(front, values.num_ordered)]


def _common(left: Sequence[Span], right: Sequence[Span]) -> Iterator[Span]:
    for a, b in left:
        for c, d in right:
            if max(a, c) < min(b, d):
                yield max(a, c), min(b, d)


def _runs(places: Iterable[int]) -> Iterator[Span]:
    """Yield ascending places as spans."""
    start = stop = -1
    for place in places:
        if place != stop:
            if start >= 0:
                yield start, stop
            start = place
        stop = place + 1
    if start >= 0:
        yield start, stop
