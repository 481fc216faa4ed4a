"""What is a term of a query worth?

Statistics belong to the collection, not to a source: the caller sums the ``TermStatistics`` of all
sources, weighs the query once, and every source scores with these weights. Only alive rows count,
so a score does not change when rows move between sources, and is right at once when rows are
deleted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.types import Float32Array, Float64Array, Int64Array

DEFAULT_K1 = 1.2
DEFAULT_B = 0.75
"""Lucene's defaults."""


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """Distinct terms of a query in order of first appearance, each as often as ``counts`` says."""

    terms: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def from_text(cls, text: str, analyzer: Analyzer) -> QueryTerms:
        """Analyze a query the way the texts were."""
        counts: dict[str, int] = {}
        for term in analyzer.tokens(text):
            counts[term] = counts.get(term, 0) + 1
        return cls(tuple(counts), tuple(counts.values()))


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What one source, or several together, know about the terms of a query.

    Attributes:
        num_docs: Alive rows that are not null.
        total_length: Tokens of these rows.
        document_frequencies: int64, shape ``(num_terms,)``: alive rows that hold each term.
    """

    num_docs: int
    total_length: int
    document_frequencies: Int64Array


@dataclass(frozen=True, slots=True)
class CollectionStatistics:
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


@dataclass(frozen=True, slots=True)
class WeightedTerms:
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
