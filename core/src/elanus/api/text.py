"""How is text analyzed, and what of it is marked?"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from elanus.analysis.analyzer import Analyzer, Token
from elanus.analysis.multi import FieldAnalyzer, MultiAnalyzer, shared_analyzer
from elanus.errors import InvalidArgumentError
from elanus.filter.words.text_search import fewest_shifts
from elanus.query.highlighter import Highlighter, HighlightRequest
from elanus.query.requests import LegRequest, TextQuery
from elanus.schema.collection import Schema, did_you_mean

__all__ = ["Token", "highlight_request", "phrase_slop", "query_analyzer", "run_analyzer"]

_HASHED_BYTES, _NUM_DIMENSIONS = 100, 2**32 - 1
"""Bytes of a term that count for its number in Milvus, and how many numbers there are."""


def query_analyzer(field: str, analyzer: FieldAnalyzer, name: str | None) -> Analyzer:
    """Return the analyzer of a query: that of the field, or the one of several with a name.

    Raises:
        InvalidArgumentError: The field has no analyzer with that name.
    """
    if isinstance(analyzer, MultiAnalyzer):
        try:
            return analyzer.named(name)
        except (KeyError, TypeError):
            hint = did_you_mean(name, analyzer.names())
            raise InvalidArgumentError(
                f"analyzer_name: field {field!r} has no analyzer {name!r}{hint}"
            ) from None
    if name is not None:
        raise InvalidArgumentError(
            f"analyzer_name: field {field!r} has one analyzer, which needs no name, got {name!r}"
        )
    return analyzer


def run_analyzer(
    texts: str | Sequence[str],
    analyzer: str | Mapping[str, object] = "standard",
    *,
    analyzer_name: str | None = None,
    with_detail: bool = False,
    with_hash: bool = False,
) -> Any:
    """Return the terms that an analyzer makes of texts, to look at what it does.

    Args:
        texts: One text or several.
        analyzer: Name or parameters, as ``Field(analyzer=...)`` takes them.
        analyzer_name: Which one to run where the parameters hold several; None: ``default``.
        with_detail: Return a ``Token`` for each term, with its place in the text.
        with_hash: Return a ``Token`` for each term, with its number in the sparse vectors of
            Milvus.

    Returns:
        The terms in order, for several texts a list for each.

    Raises:
        SchemaError: There is no such analyzer.
        InvalidArgumentError: ``texts`` are no texts, or there is no analyzer with that name.
        PluginNotInstalledError: The analyzer needs a package that is not installed.
    """
    built = shared_analyzer(analyzer)
    chosen = query_analyzer("analyzer", built, analyzer_name)
    return analyzed(texts, chosen, with_detail=with_detail, with_hash=with_hash)


def analyzed(
    texts: str | Sequence[str], analyzer: Analyzer, *, with_detail: bool, with_hash: bool
) -> Any:
    """Return the terms of one text, or of several a list for each.

    Raises:
        InvalidArgumentError: Something else than texts came.
    """

    def run(text: str) -> list[Any]:
        if with_hash:
            return [t._replace(hash=_term_number(t.token)) for t in analyzer.details(text)]
        return analyzer.details(text) if with_detail else analyzer.tokens(text)

    if isinstance(texts, str):
        return run(texts)
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise InvalidArgumentError(
            f"run_analyzer: expected a text or a list of texts, got {texts!r}"
        )
    return [run(text) for text in texts]


def _term_number(term: str) -> int:
    """Return the dimension that a term has in the sparse vectors of Milvus."""
    return zlib.crc32(term.encode()[:_HASHED_BYTES]) % _NUM_DIMENSIONS


def analyzer_of_field(schema: Schema, name: str, what: str) -> FieldAnalyzer:
    """Return how a text field is analyzed.

    Raises:
        FieldNotFoundError: No such field.
        InvalidArgumentError: The field has no analyzer.
    """
    spec = schema.field(name).analyzer
    if spec is None:
        raise InvalidArgumentError(
            f"{what}: field {name!r} has no analyzer; declare it with analyzer='standard'"
        )
    return shared_analyzer(spec)


def highlight_request(
    schema: Schema, legs: Sequence[LegRequest], value: object
) -> HighlightRequest | None:
    """Return what to mark in the hits of a search; None when nothing is asked for.

    Raises:
        InvalidArgumentError: ``value`` is no highlighter, or there is nothing that it could mark.
        FieldNotFoundError: It names a field that there is not.
    """
    if value is None:
        return None
    options = Highlighter.of(value)
    names = [query["field"] for query in options.highlight_query]
    if options.highlight_search_text:
        queries = [leg.query for leg in legs]
        names += [query.function.field for query in queries if isinstance(query, TextQuery)]
    if not names:
        raise InvalidArgumentError(
            "highlight: nothing to mark: no BM25 field is searched; say what to mark by "
            'highlight_query=[{"type": "TextMatch", "field": ..., "text": ...}]'
        )
    analyzers = {name: analyzer_of_field(schema, name, "highlight") for name in names}
    return HighlightRequest(options, analyzers)


def phrase_slop(
    query: str, texts: Sequence[str], analyzer: str | Mapping[str, object] = "standard"
) -> list[int | None]:
    """Return the smallest ``slop`` at which ``phrase_match`` finds a phrase in each text.

    Args:
        query: The phrase.
        texts: Where it is looked for.
        analyzer: Name or parameters, as ``Field(analyzer=...)`` takes them.

    Returns:
        One number for each text; None where a term is missing, and for a phrase without terms.

    Raises:
        InvalidArgumentError: No such analyzer, or one of several.
    """
    found = shared_analyzer(analyzer)
    if isinstance(found, MultiAnalyzer):
        raise InvalidArgumentError("analyzer: expected one, got several")
    return [fewest_shifts(found, query, text) for text in texts]
