"""Which rows are about these words, and how much?

BM25 over the terms of a text field. A memtable (``GrowingBM25``) and a sealed segment
(``SealedBM25``) are both searched as a ``BM25View``; ``bm25_weights`` has what a query weighs.

A null is no document: it counts in no statistic and is never found. An empty text is a document of
length 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.errors import InternalError
from elanus.index.base import Candidates, CandidateTable
from elanus.index.sparse.bm25_weights import (
    CollectionStatistics,
    QueryTerms,
    TermContribution,
    TermStatistics,
    WeightedBatch,
    WeightedTerms,
)
from elanus.index.sparse.posting_lists import PostingsReader
from elanus.kernels.bitset import Bitset
from elanus.kernels.postings import Bm25Scoring, CountedTerms
from elanus.kernels.query_batch import QueryBatch
from elanus.types import BoolArray, UInt32Array


class BM25View:
    """Rows ``0 .. num_rows - 1`` of one source, searchable by terms. Safe from many threads.

    Args:
        find_terms: Returns the number of each term in ``postings``, or -1.
        postings: Term frequencies by term.
        lengths: uint32, shape ``(num_rows,)``, tokens of each row.
        documents: bool, shape ``(num_rows,)``, False where the text is null; None means no nulls.
    """

    def __init__(
        self,
        find_terms: Callable[[Sequence[str]], list[int]],
        postings: PostingsReader,
        lengths: UInt32Array,
        documents: BoolArray | None,
    ) -> None:
        self._find_terms = find_terms
        self._postings = postings
        self._lengths = lengths
        self._documents = documents
        # Alive bits change with a delete only; the search after the next one asks the same again.
        self._last_totals: tuple[Bitset | None, int, int] | None = None
        # Statistics and search of one query ask for the same terms, one after the other.
        self._last_terms: tuple[Sequence[str], list[int], UInt32Array] | None = None
        self._last_scoring: Bm25Scoring | None = None

    @property
    def num_rows(self) -> int:
        return len(self._lengths)

    def statistics(self, terms: Sequence[str], alive: Bitset | None = None) -> TermStatistics:
        """Return what this source adds to the statistics of the collection.

        Args:
            terms: Terms of the query.
            alive: Rows that count, ``num_rows`` bits; None counts all.
        """
        num_docs, total_length = self._totals(alive)
        places, numbers = self._known_terms(terms)
        known = self._postings.document_frequencies(numbers, alive=alive)
        if len(known) == len(terms):
            return TermStatistics(num_docs, total_length, known)
        frequencies = np.zeros(len(terms), dtype=np.int64)
        frequencies[places] = known
        return TermStatistics(num_docs, total_length, frequencies)

    def search(
        self,
        query: WeightedTerms,
        statistics: CollectionStatistics,
        limit: int,
        allowed: Bitset | None = None,
        *,
        drop_ratio_search: float = 0.0,
    ) -> Candidates:
        """Return the rows with the highest BM25 scores; distances are negated scores.

        Exact, unless ``drop_ratio_search`` is given.

        The score of a row is the sum over the query's terms of
        ``weight * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average_length))``.

        Args:
            query: Terms and their weights.
            statistics: Of the whole collection.
            limit: Rows wanted, at least 1. Rows without a term of the query are never found.
            allowed: Rows that may be returned, ``num_rows`` bits; None allows every row.
            drop_ratio_search: Share of the query's terms, those of the smallest weights, that do
                not choose rows, from 0 to below 1. What is found is still scored with all of them;
                rows that hold only dropped terms are not found.

        Raises:
            InvalidArgumentError: ``limit`` is below 1, or ``k1``, ``b`` or ``drop_ratio_search``
                is out of range.
            CorruptionError: The stored postings contradict themselves.

        Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
        2009.
        """
        if drop_ratio_search:
            batch = WeightedBatch.of_one(query)
            return self.search_many(
                batch, statistics, limit, allowed, drop_ratio_search=drop_ratio_search
            ).query(0)
        places, numbers = self._known_terms(query.terms)
        if not len(numbers):
            return Candidates.none()
        weights = query.weights if len(places) == len(query.terms) else query.weights[places]
        rows, distances = self._postings.search(
            numbers,
            weights,
            limit,
            allowed=allowed,
            bm25=self._scoring(query.k1, query.b, statistics.average_length),
        )
        return Candidates(rows, distances)

    def search_alone(
        self,
        query: QueryTerms,
        limit: int,
        allowed: Bitset | None = None,
        *,
        k1: float,
        b: float,
        alive: Bitset | None = None,
    ) -> Candidates:
        """Return what ``search`` returns where this source is the whole collection.

        Statistics, weights and search are one call of the kernel.

        Args:
            query: Terms and how often each is asked for.
            limit: Rows wanted, at least 1.
            allowed: Rows that may be returned, ``num_rows`` bits; None allows every row.
            k1: Saturation of the term frequency.
            b: Share of length normalisation.
            alive: Rows that count in the statistics, ``num_rows`` bits; None counts all.

        Raises:
            InvalidArgumentError: As in ``search``.
            CorruptionError: The stored postings contradict themselves.
        """
        num_docs, total_length = self._totals(alive)
        numbers = self._find_terms(query.terms)
        scoring = self._scoring(k1, b, total_length / num_docs if num_docs else 0.0)
        terms = CountedTerms(numbers, query.counts, num_docs)
        return Candidates(
            *self._postings.search_terms(terms, limit, bm25=scoring, alive=alive, allowed=allowed)
        )

    def search_text(
        self,
        text: str,
        analyzer: Analyzer,
        limit: int,
        allowed: Bitset | None = None,
        *,
        k1: float,
        b: float,
        alive: Bitset | None = None,
    ) -> Candidates:
        """Return what ``search_alone`` returns for the terms of a text; arguments as there."""
        terms = QueryTerms.from_text(text, analyzer)
        return self.search_alone(terms, limit, allowed, k1=k1, b=b, alive=alive)

    def search_many(
        self,
        queries: WeightedBatch,
        statistics: CollectionStatistics,
        limit: int,
        allowed: Bitset | None = None,
        *,
        drop_ratio_search: float = 0.0,
    ) -> CandidateTable:
        """Return for each query what ``search`` returns, in one call of the kernel.

        Raises:
            InvalidArgumentError: As in ``search``.
            CorruptionError: The stored postings contradict themselves.
        """
        places, numbers = self._known_terms(queries.terms)
        number_of = np.zeros(len(queries.terms), dtype=np.uint32)
        is_known = np.zeros(len(queries.terms), dtype=np.bool_)
        number_of[places], is_known[places] = numbers, True
        terms = number_of[queries.places]
        # What is dropped does not depend on what this source knows.
        batch = QueryBatch(queries.offsets, terms, queries.weights).dropping(drop_ratio_search)
        batch = batch.select(is_known[queries.places])
        scoring = self._scoring(queries.k1, queries.b, statistics.average_length)
        found = self._postings.search_many(batch, limit, allowed=allowed, bm25=scoring)
        return CandidateTable(*found)

    def explain(
        self, row: int, query: WeightedTerms, statistics: CollectionStatistics
    ) -> list[TermContribution]:
        """Return what each term of the query that ``row`` holds adds to its score."""
        places, numbers = self._known_terms(query.terms)
        rows = np.array([row], dtype=np.int64)
        one = np.ones(1, dtype=np.float32)
        scoring = self._scoring(query.k1, query.b, statistics.average_length)
        contributions = []
        for place, number in zip(places, numbers, strict=True):
            term = np.array([number], dtype=np.uint32)
            frequency = -float(self._postings.distances_to_rows(term, one, rows)[0])
            if not np.isfinite(frequency):
                continue
            weight = query.weights[place : place + 1]
            distance = self._postings.distances_to_rows(term, weight, rows, bm25=scoring)[0]
            contributions.append(
                TermContribution(
                    query.terms[place], float(query.idf[place]), frequency, -float(distance)
                )
            )
        return contributions

    def _scoring(self, k1: float, b: float, average_length: float) -> Bm25Scoring:
        last = self._last_scoring
        wanted = k1, b, average_length
        if last is not None and (last.k1, last.b, last.average_length) == wanted:
            return last
        scoring = Bm25Scoring(*wanted, self._lengths)
        self._last_scoring = scoring
        return scoring

    def _known_terms(self, terms: Sequence[str]) -> tuple[list[int], UInt32Array]:
        """Return places in ``terms`` and numbers here of the terms that this source knows."""
        last = self._last_terms
        if last is not None and last[0] is terms:
            return last[1], last[2]
        # A handful of terms: lists cost less than array operations.
        found = self._find_terms(terms)
        places = list(range(len(found)))
        if found and min(found) < 0:
            places = [place for place, number in enumerate(found) if number >= 0]
            found = [found[place] for place in places]
        numbers = np.array(found, dtype=np.uint32)
        if isinstance(terms, tuple):
            # A tuple that is the same object holds the same terms.
            self._last_terms = (terms, places, numbers)
        return places, numbers

    def _totals(self, alive: Bitset | None) -> tuple[int, int]:
        """Return documents and their tokens."""
        last = self._last_totals
        if last is not None and last[0] is alive:
            return last[1], last[2]
        if alive is not None and alive.num_bits != self.num_rows:
            raise InternalError(f"alive: expected {self.num_rows} rows, got {alive.num_bits}")
        mask = self._documents if alive is None else alive.to_mask()
        if mask is None:
            num_docs, total = self.num_rows, int(self._lengths.sum(dtype=np.int64))
        else:
            # The length of a null is 0, so only the count has to leave it out.
            counted = mask if self._documents is None else mask & self._documents
            num_docs = int(np.count_nonzero(counted))
            total = int(self._lengths[mask].sum(dtype=np.int64))
        self._last_totals = (alive, num_docs, total)
        return num_docs, total
