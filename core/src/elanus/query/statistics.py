"""What does a keyword query weigh in this collection?

Statistics first, sources second: counts are gathered over every source, the query is weighed
once, and each source scores with these weights. So a score does not depend on how rows are split
into segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.index.base import CandidateTable
from elanus.index.sparse.bm25_weights import (
    CollectionStatistics,
    QueryTerms,
    TermStatistics,
    WeightedBatch,
    WeightedTerms,
    distinct_terms,
    merge_statistics,
    weigh_batch,
    weigh_terms,
)
from elanus.kernels.bitset import Bitset
from elanus.kernels.query_batch import QueryBatch
from elanus.query.merge import table_of
from elanus.query.requests import SparseQuery, TextQuery
from elanus.query.results import TermScore
from elanus.query.sources import SearchSource
from elanus.schema.functions import BM25
from elanus.types import Float32Array, UInt32Array


class WeightedQuery(Protocol):
    """One query or several, ready to be scored by any source of the collection."""

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> CandidateTable:
        """Return the best rows of one source for each query."""
        ...

    def one(self, query: int) -> WeightedQuery:
        """Return one of the queries."""
        ...


class WeightedText(NamedTuple):
    """One text."""

    field: str
    terms: WeightedTerms
    statistics: CollectionStatistics
    drop_ratio: float = 0.0

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> CandidateTable:
        index = source.text_index(self.field)
        ratio = self.drop_ratio
        found = index.search(self.terms, self.statistics, limit, allowed, drop_ratio_search=ratio)
        return table_of([found])

    def one(self, query: int) -> WeightedText:
        return self

    def explain(self, source: SearchSource, row: int) -> list[TermScore]:
        """Return what each term adds to the score of one row."""
        parts = source.text_index(self.field).explain(row, self.terms, self.statistics)
        return [TermScore(p.term, p.idf, p.frequency, p.contribution) for p in parts]


class LoneText(NamedTuple):
    """One text over the only source that there is, which weighs its terms as it searches."""

    field: str
    text: str
    analyzer: Analyzer
    function: BM25

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> CandidateTable:
        index = source.text_index(self.field)
        k1, b = self.function.k1, self.function.b
        found = index.search_text(
            self.text, self.analyzer, limit, allowed, k1=k1, b=b, alive=source.alive
        )
        return table_of([found])

    def one(self, query: int) -> LoneText:
        return self


@dataclass(frozen=True, slots=True)
class WeightedTexts:
    """Several texts, answered by one call of the kernel for each source."""

    field: str
    texts: WeightedBatch
    statistics: CollectionStatistics
    drop_ratio: float = 0.0

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> CandidateTable:
        index = source.text_index(self.field)
        ratio = self.drop_ratio
        return index.search_many(
            self.texts, self.statistics, limit, allowed, drop_ratio_search=ratio
        )

    def one(self, query: int) -> WeightedText:
        return WeightedText(self.field, self.texts.one(query), self.statistics, self.drop_ratio)


@dataclass(frozen=True, slots=True)
class WeightedVector:
    """One sparse vector; its weights need no statistics."""

    field: str
    indices: UInt32Array
    weights: Float32Array
    drop_ratio: float = 0.0

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> CandidateTable:
        index = source.sparse_index(self.field)
        ratio = self.drop_ratio
        found = index.search(self.indices, self.weights, limit, allowed, drop_ratio_search=ratio)
        return table_of([found])

    def one(self, query: int) -> WeightedVector:
        return self


@dataclass(frozen=True, slots=True)
class WeightedVectors:
    """Several sparse vectors, answered by one call of the kernel for each source."""

    field: str
    query: SparseQuery
    batch: QueryBatch

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> CandidateTable:
        index = source.sparse_index(self.field)
        ratio = self.query.drop_ratio
        return index.search_many(self.batch, limit, allowed, drop_ratio_search=ratio)

    def one(self, query: int) -> WeightedVector:
        return WeightedVector(self.field, *self.query.vectors[query], self.query.drop_ratio)


def weigh_text(
    sources: Sequence[SearchSource], field: str, text: str, query: TextQuery
) -> WeightedText:
    """Weigh the terms of a text by the alive rows of all sources."""
    terms = QueryTerms.from_text(text, query.analyzer)
    together = _statistics(sources, field, terms.terms)
    weighted = weigh_terms(terms, together, k1=query.function.k1, b=query.function.b)
    return WeightedText(field, weighted, CollectionStatistics.of(together), query.drop_ratio)


def weigh(
    sources: Sequence[SearchSource], field: str, query: SparseQuery | TextQuery
) -> WeightedQuery:
    """Return the queries in the form that sources score."""
    if isinstance(query, TextQuery):
        if len(query.texts) == 1:
            text = query.texts[0]
            if len(sources) == 1 and not query.drop_ratio:
                return LoneText(field, text, query.analyzer, query.function)
            return weigh_text(sources, field, text, query)
        return _weigh_texts(sources, field, query)
    if len(query.vectors) == 1:
        return WeightedVector(field, *query.vectors[0], query.drop_ratio)
    offsets = np.zeros(len(query.vectors) + 1, dtype=np.int64)
    np.cumsum([len(indices) for indices, _ in query.vectors], out=offsets[1:])
    indices = np.concatenate([indices for indices, _ in query.vectors])
    weights = np.concatenate([weights for _, weights in query.vectors])
    return WeightedVectors(field, query, QueryBatch(offsets, indices, weights))


def _weigh_texts(sources: Sequence[SearchSource], field: str, query: TextQuery) -> WeightedTexts:
    """Weigh several texts; what sources count is asked for once."""
    texts = [QueryTerms.from_text(text, query.analyzer) for text in query.texts]
    terms = distinct_terms(texts)
    together = _statistics(sources, field, terms)
    function = query.function
    weighted = weigh_batch(texts, terms, together, k1=function.k1, b=function.b)
    return WeightedTexts(field, weighted, CollectionStatistics.of(together), query.drop_ratio)


def _statistics(
    sources: Sequence[SearchSource], field: str, terms: tuple[str, ...]
) -> TermStatistics:
    parts = [s.text_index(field).statistics(terms, s.alive) for s in sources]
    return merge_statistics(parts, len(terms))
