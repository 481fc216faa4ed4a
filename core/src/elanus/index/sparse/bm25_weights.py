"""What is a term of a query worth?

Statistics belong to the collection, not to a source: the caller sums the ``TermStatistics`` of all
sources, weighs the query once, and every source scores with these weights. Only alive rows count,
so a score does not change when rows move between sources, and is right at once when rows are
deleted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.types import Float32Array, Float64Array, Int64Array

DEFAULT_K1 = 1.2
DEFAULT_B = 0.75
"""Lucene's defaults."""


class QueryTerms(NamedTuple):
    """Distinct terms of a query in order of first appearance, each as often as ``counts`` says."""

    terms: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def from_text(cls, text: str, analyzer: Analyzer) -> QueryTerms:
        """Analyze a query the way the texts were."""
        tokens = analyzer.tokens(text)
        terms = tuple(dict.fromkeys(tokens))
        if len(terms) == len(tokens):
            return cls(terms, (1,) * len(terms))
        counted = Counter(tokens)
        return cls(terms, tuple([counted[term] for term in terms]))


class TermStatistics(NamedTuple):
    """What one source, or several together, know about the terms of a query.

    Attributes:
        num_docs: Alive rows that are not null.
        total_length: Tokens of these rows.
        document_frequencies: int64, shape ``(num_terms,)``: alive rows that hold each term.
    """

    num_docs: int
    total_length: int
    document_frequencies: Int64Array


class CollectionStatistics(NamedTuple):
    """What scoring needs to know about the whole collection.

    Attributes:
        num_docs: Alive rows that are not null.
        average_length: Tokens per such row; 0 when there are none.
    """

    num_docs: int
    average_length: float

    @classmethod
    def of(cls, terms: TermStatistics) -> CollectionStatistics:
        """Return the statistics of a collection, given those of all its sources together."""
        average = terms.total_length / terms.num_docs if terms.num_docs else 0.0
        return cls(terms.num_docs, average)


class WeightedTerms(NamedTuple):
    """A query with the weight of each term, which is all that sources need of it.

    Attributes:
        terms: Distinct terms.
        idf: float64, shape ``(num_terms,)``.
        weights: float32, shape ``(num_terms,)``: idf times the count of the term in the query.
        k1: Saturation of the term frequency, 0 or larger.
        b: Share of length normalisation, 0 to 1.
    """

    terms: tuple[str, ...]
    idf: Float64Array
    weights: Float32Array
    k1: float = DEFAULT_K1
    b: float = DEFAULT_B


@dataclass(frozen=True, slots=True)
class WeightedBatch:
    """Several queries with the weights of their terms.

    Attributes:
        terms: Distinct terms of all queries.
        places: int64, shape ``(m,)``: places in ``terms`` of each query's terms, in its order.
        offsets: int64, shape ``(nq + 1,)``: query ``i`` has ``offsets[i]`` to ``offsets[i + 1]``.
        idf: float64, shape ``(len(terms),)``.
        weights: float32, shape ``(m,)``: idf times the count of the term in its query.
        k1: As in ``WeightedTerms``.
        b: As in ``WeightedTerms``.
    """

    terms: tuple[str, ...]
    places: Int64Array
    offsets: Int64Array
    idf: Float64Array
    weights: Float32Array
    k1: float = DEFAULT_K1
    b: float = DEFAULT_B

    @classmethod
    def of_one(cls, query: WeightedTerms) -> WeightedBatch:
        """Return a batch of one query."""
        count = len(query.terms)
        offsets = np.array([0, count], dtype=np.int64)
        places = np.arange(count, dtype=np.int64)
        return cls(query.terms, places, offsets, query.idf, query.weights, query.k1, query.b)

    def one(self, query: int) -> WeightedTerms:
        """Return one of the queries."""
        part = slice(int(self.offsets[query]), int(self.offsets[query + 1]))
        places = self.places[part]
        terms = tuple([self.terms[place] for place in places.tolist()])
        return WeightedTerms(terms, self.idf[places], self.weights[part], self.k1, self.b)


@dataclass(frozen=True, slots=True)
class TermContribution:
    """What one term of a query adds to the score of one row.

    Attributes:
        term: The analyzed term.
        idf: Its inverse document frequency in the collection.
        frequency: How often the row holds it.
        contribution: Its part of the score; the parts add up to the score.
    """

    term: str
    idf: float
    frequency: float
    contribution: float


def merge_statistics(parts: Sequence[TermStatistics], num_terms: int) -> TermStatistics:
    """Add up what several sources know about the same ``num_terms`` terms."""
    if len(parts) == 1:
        return parts[0]
    frequencies = np.zeros(num_terms, dtype=np.int64)
    for part in parts:
        frequencies += part.document_frequencies
    return TermStatistics(
        sum(part.num_docs for part in parts), sum(part.total_length for part in parts), frequencies
    )


def inverse_document_frequencies(num_docs: int, document_frequencies: Int64Array) -> Float64Array:
    """Return ``ln(1 + (N - df + 0.5) / (df + 0.5))`` of each term, never negative.

    Source: Lucene's ``BM25Similarity.idf``.
    """
    # Whole numbers and halves are exact in float64, so the order of the terms does not matter.
    # A handful of terms: a list costs less than array operations.
    total = num_docs + 0.5
    idf = [math.log1p((total - held) / (held + 0.5)) for held in document_frequencies.tolist()]
    return np.array(idf, dtype=np.float64)


def weigh_terms(
    query: QueryTerms, statistics: TermStatistics, *, k1: float = DEFAULT_K1, b: float = DEFAULT_B
) -> WeightedTerms:
    """Weigh the terms of a query by the statistics of all sources together."""
    idf = inverse_document_frequencies(statistics.num_docs, statistics.document_frequencies)
    # Most queries name each term once.
    counted = idf if max(query.counts, default=1) == 1 else idf * np.array(query.counts)
    return WeightedTerms(query.terms, idf, counted.astype(np.float32), k1, b)


def distinct_terms(queries: Sequence[QueryTerms]) -> tuple[str, ...]:
    """Return the terms of all queries, each once, in order of first appearance."""
    return tuple(dict.fromkeys([term for query in queries for term in query.terms]))


def weigh_batch(
    queries: Sequence[QueryTerms],
    terms: tuple[str, ...],
    statistics: TermStatistics,
    *,
    k1: float = DEFAULT_K1,
    b: float = DEFAULT_B,
) -> WeightedBatch:
    """Weigh several queries at once, each as ``weigh_terms`` does.

    Args:
        queries: The queries.
        terms: Their distinct terms.
        statistics: Of all sources together, over ``terms``.
        k1: Saturation of the term frequency.
        b: Share of length normalisation.
    """
    idf = inverse_document_frequencies(statistics.num_docs, statistics.document_frequencies)
    place_of = {term: place for place, term in enumerate(terms)}
    places = np.array([place_of[term] for query in queries for term in query.terms], dtype=np.int64)
    counts = np.array([count for query in queries for count in query.counts], dtype=np.float64)
    offsets = np.zeros(len(queries) + 1, dtype=np.int64)
    np.cumsum([len(query.terms) for query in queries], out=offsets[1:])
    weights = (idf[places] * counts).astype(np.float32)
    return WeightedBatch(terms, places, offsets, idf, weights, k1, b)
