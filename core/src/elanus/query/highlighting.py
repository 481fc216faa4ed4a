"""Where do the words of a query stand in the texts of the hits?

The analyzer of the field says which words of a text become terms of the query, and where they
stand; so stems, synonyms and parts of compounds are marked in the text as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.multi import MultiAnalyzer
from elanus.query.highlighter import Highlighter, HighlightRequest
from elanus.query.projection import read_places
from elanus.query.requests import LegRequest, TextQuery
from elanus.query.sources import SearchSource
from elanus.types import Int64Array

Highlights = dict[str, list[str]]
"""Fragments by text field."""


def highlight(
    request: HighlightRequest,
    legs: Sequence[LegRequest],
    sources: Sequence[SearchSource],
    places: tuple[Int64Array, Int64Array],
    queries: Sequence[int],
) -> list[Highlights]:
    """Return the fragments of each hit; an empty list where a text holds no word of the query.

    Args:
        request: What to mark.
        legs: What was searched.
        sources: Of the snapshot.
        places: int64 each: number of the source, and row there, of each hit.
        queries: For each hit the number of its query.
    """
    found: list[Highlights] = [{} for _ in queries]
    for field, analyzer in request.analyzers.items():
        words = _Words(request.options, legs, field)
        texts = _values(sources, places, field)
        if isinstance(analyzer, MultiAnalyzer):
            named = analyzer.numbers(_values(sources, places, analyzer.by_field)).tolist()
            analyzers = [analyzer.analyzers[number] for number in named]
        else:
            analyzers = [analyzer] * len(texts)
        for hit, query, text, own in zip(found, queries, texts, analyzers, strict=True):
            marks = _marks(text, own, words.of(query, own)) if text else []
            hit[field] = list(_fragments(text, marks, request.options)) if marks else []
    return found


class _Words:
    """The terms to mark in one field, for each query and analyzer."""

    def __init__(self, options: Highlighter, legs: Sequence[LegRequest], field: str) -> None:
        self._others = [q["text"] for q in options.highlight_query if q["field"] == field]
        self._searched = [
            leg.query
            for leg in legs
            if isinstance(leg.query, TextQuery)
            and leg.query.function.field == field
            and options.highlight_search_text
        ]
        self._known: dict[tuple[int, Analyzer], frozenset[str]] = {}

    def of(self, query: int, analyzer: Analyzer) -> frozenset[str]:
        found = self._known.get((query, analyzer))
        if found is None:
            terms = [t for text in self._others for t in analyzer.tokens(text)]
            for searched in self._searched:
                terms += searched.analyzer.tokens(searched.texts[query])
            found = self._known[query, analyzer] = frozenset(terms)
        return found


def _values(
    sources: Sequence[SearchSource], places: tuple[Int64Array, Int64Array], field: str
) -> list[Any]:
    return read_places(sources, *places, lambda source, rows: source.column(field).values_at(rows))


def _marks(text: str, analyzer: Analyzer, terms: frozenset[str]) -> list[tuple[int, int]]:
    """Return from where to where words of the terms stand in a text; overlapping ones as one."""
    marks: list[tuple[int, int]] = []
    spans = sorted({token[1:3] for token in analyzer.details(text) if token.token in terms})
    for start, end in spans:
        if marks and start < marks[-1][1]:
            marks[-1] = marks[-1][0], max(end, marks[-1][1])
        else:
            marks.append((start, end))
    return marks


def _fragments(text: str, marks: list[tuple[int, int]], options: Highlighter) -> Iterator[str]:
    """Yield parts of a text with its marks, from the first mark on."""
    if options.num_of_fragments is None:
        yield _marked(text, 0, len(text), marks, options)
        return
    number = 0
    for _ in range(options.num_of_fragments):
        if number == len(marks):
            return
        first = number
        start = max(marks[first][0] - options.fragment_offset, 0)
        end = max(start + options.fragment_size, marks[first][1])
        while number < len(marks) and marks[number][0] <= end:
            end = max(end, marks[number][1])
            number += 1
        yield _marked(text, start, min(end, len(text)), marks[first:number], options)


def _marked(
    text: str, start: int, end: int, marks: list[tuple[int, int]], options: Highlighter
) -> str:
    parts: list[str] = []
    for number, (left, right) in enumerate(marks):
        before = options.pre_tags[number % len(options.pre_tags)]
        behind = options.post_tags[number % len(options.post_tags)]
        parts += [text[start:left], before, text[left:right], behind]
        start = right
    return "".join([*parts, text[start:end]])
