"""What does a keyword query weigh in this collection?

Statistics first, sources second: counts are gathered over every source, the query is weighed
once, and each source scores with these weights. So a score does not depend on how rows are split
into segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elanus.index.base import Candidates
from elanus.index.sparse.bm25_weights import (
    CollectionStatistics,
    QueryTerms,
    WeightedTerms,
    merge_statistics,
    weigh_terms,
)
from elanus.kernels.bitset import Bitset
from elanus.query.requests import SparseQuery, TextQuery
from elanus.query.results import TermScore
from elanus.query.sources import SearchSource


@dataclass(frozen=True, slots=True)
class WeightedText:
    """A text query with its weights, ready to be scored by any source of the collection."""

    field: str
    terms: WeightedTerms
    statistics: CollectionStatistics

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> Candidates:
        """Return the best rows of one source."""
        return source.text_index(self.field).search(self.terms, self.statistics, limit, allowed)

    def explain(self, source: SearchSource, row: int) -> list[TermScore]:
        """Return what each term adds to the score of one row."""
        parts = source.text_index(self.field).explain(row, self.terms, self.statistics)
        return [TermScore(p.term, p.idf, p.frequency, p.contribution) for p in parts]


@dataclass(frozen=True, slots=True)
class WeightedVector:
    """A sparse query vector; its weights need no statistics."""

    field: str
    query: SparseQuery

    def search(self, source: SearchSource, allowed: Bitset | None, limit: int) -> Candidates:
        """Return the best rows of one source."""
        index = source.sparse_index(self.field)
        return index.search(self.query.indices, self.query.weights, limit, allowed)


def weigh_text(sources: Sequence[SearchSource], field: str, query: TextQuery) -> WeightedText:
    """Weigh the terms of a text by the alive rows of all sources."""
    terms = QueryTerms.from_text(query.text, query.analyzer)
    parts = [s.text_index(field).statistics(terms.terms, s.alive) for s in sources]
    together = merge_statistics(parts, len(terms.terms))
    weighted = weigh_terms(terms, together, k1=query.function.k1, b=query.function.b)
    return WeightedText(field, weighted, CollectionStatistics.of(together))


def weigh(
    sources: Sequence[SearchSource], field: str, query: SparseQuery | TextQuery
) -> WeightedText | WeightedVector:
    """Return the query in the form that sources score."""
    if isinstance(query, TextQuery):
        return weigh_text(sources, field, query)
    return WeightedVector(field, query)
