"""Which rows are about these words, and how much?

BM25 over terms of a text field, in a memtable (``GrowingBM25``) and in a sealed segment
(``SealedBM25``), both searched as a ``BM25View``. Statistics belong to the collection, not to the
source: the caller sums the ``TermStatistics`` of all sources, weighs the query once, and every
source scores with these weights. Only alive rows count, so a score does not change when rows move
between sources, and is right at once when rows are deleted.

A null is no document: it counts in no statistic and is never found. An empty text is a document of
length 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.analysis.analyzer import Analyzer, Vocabulary
from elanus.errors import CorruptionError, InternalError
from elanus.index.base import Candidates
from elanus.index.sparse.merging import (
    POSTINGS_AT_ONCE,
    JoinedPostings,
    JoinedTerms,
    PostingsPart,
    Sections,
    checked_num_rows,
    materialized,
)
from elanus.index.sparse.posting_lists import (
    GrowingPostingsSnapshot,
    PostingLists,
    PostingsReader,
    growing_bytes,
    read_array,
    read_num_rows,
)
from elanus.index.sparse.term_dictionary import TermDictionary
from elanus.kernels.bitset import Bitset
from elanus.kernels.postings import Bm25Scoring, GrowingPostings, SealedPostings
from elanus.schema.batches import StringColumn
from elanus.types import (
    AnyArray,
    BoolArray,
    Float32Array,
    Float64Array,
    Int64Array,
    UInt32Array,
)

FORMAT = 1
"""Version of what ``SealedBM25.to_arrays`` gives."""
DEFAULT_K1 = 1.2
DEFAULT_B = 0.75
"""Lucene's defaults."""
_INITIAL_ROWS = 64


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """Distinct terms of a query in order of first appearance, each as often as ``counts`` says."""

    terms: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def from_text(cls, text: str, analyzer: Analyzer) -> QueryTerms:
        """Analyze a query the way the texts were."""
        counts = Counter(analyzer.tokens(text))
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
    df = document_frequencies.astype(np.float64)
    return np.log1p((num_docs - df + 0.5) / (df + 0.5))


def weigh_terms(
    query: QueryTerms, statistics: TermStatistics, *, k1: float = DEFAULT_K1, b: float = DEFAULT_B
) -> WeightedTerms:
    """Weigh the terms of a query by the statistics of all sources together."""
    idf = inverse_document_frequencies(statistics.num_docs, statistics.document_frequencies)
    counts = np.array(query.counts, dtype=np.float64)
    return WeightedTerms(query.terms, idf, (idf * counts).astype(np.float32), k1, b)


class BM25View:
    """Rows ``0 .. num_rows - 1`` of one source, searchable by terms. Safe from many threads.

    Args:
        find_term: Returns the number of a term in ``postings``, or -1.
        postings: Term frequencies by term.
        lengths: uint32, shape ``(num_rows,)``, tokens of each row.
        documents: bool, shape ``(num_rows,)``, False where the text is null; None means no nulls.
    """

    def __init__(
        self,
        find_term: Callable[[str], int],
        postings: PostingsReader,
        lengths: UInt32Array,
        documents: BoolArray | None,
    ) -> None:
        self._find_term = find_term
        self._postings = postings
        self._lengths = lengths
        self._documents = documents
        # Alive bits change with a delete only; the search after the next one asks the same again.
        self._last_totals: tuple[Bitset | None, int, int] | None = None

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
        frequencies = np.zeros(len(terms), dtype=np.int64)
        places, numbers = self._known_terms(terms)
        if len(numbers):
            frequencies[places] = self._postings.document_frequencies(numbers, alive=alive)
        return TermStatistics(num_docs, total_length, frequencies)

    def search(
        self,
        query: WeightedTerms,
        statistics: CollectionStatistics,
        limit: int,
        allowed: Bitset | None = None,
    ) -> Candidates:
        """Return the rows with the highest BM25 scores, exactly; distances are negated scores.

        The score of a row is the sum over the query's terms of
        ``weight * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average_length))``.

        Args:
            query: Terms and their weights.
            statistics: Of the whole collection.
            limit: Rows wanted, at least 1. Rows without a term of the query are never found.
            allowed: Rows that may be returned, ``num_rows`` bits; None allows every row.

        Raises:
            InvalidArgumentError: ``limit`` is below 1, or ``k1`` or ``b`` is out of range.
            CorruptionError: The stored postings contradict themselves.

        Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
        2009.
        """
        places, numbers = self._known_terms(query.terms)
        if not len(numbers):
            return Candidates.none()
        rows, distances = self._postings.search(
            numbers,
            query.weights[places],
            limit,
            allowed=allowed,
            bm25=self._scoring(query, statistics),
        )
        return Candidates(rows, distances)

    def explain(
        self, row: int, query: WeightedTerms, statistics: CollectionStatistics
    ) -> list[TermContribution]:
        """Return what each term of the query that ``row`` holds adds to its score."""
        places, numbers = self._known_terms(query.terms)
        rows = np.array([row], dtype=np.int64)
        one = np.ones(1, dtype=np.float32)
        scoring = self._scoring(query, statistics)
        contributions = []
        for place, number in zip(places.tolist(), numbers, strict=True):
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

    def _scoring(self, query: WeightedTerms, statistics: CollectionStatistics) -> Bm25Scoring:
        return Bm25Scoring(query.k1, query.b, statistics.average_length, self._lengths)

    def _known_terms(self, terms: Sequence[str]) -> tuple[Int64Array, UInt32Array]:
        """Return places in ``terms`` and numbers here of the terms that this source knows."""
        # A handful of terms: lists cost less than array operations.
        numbers = [self._find_term(term) for term in terms]
        places = [place for place, number in enumerate(numbers) if number >= 0]
        return (
            np.array(places, dtype=np.int64),
            np.array([numbers[place] for place in places], dtype=np.uint32),
        )

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


class GrowingBM25:
    """Terms of rows that still arrive: one thread appends, any number search snapshots.

    Args:
        analyzer: How texts become terms.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self._vocabulary = Vocabulary()
        self._counter = analyzer.counter(self._vocabulary)
        self._postings = GrowingPostings()
        self._num_rows = 0
        # Longer than num_rows; replaced when full, so a snapshot keeps the array it began with.
        self._lengths = np.zeros(_INITIAL_ROWS, dtype=np.uint32)
        self._documents = np.zeros(_INITIAL_ROWS, dtype=np.bool_)
        self._has_nulls = False

    @property
    def num_rows(self) -> int:
        return self._num_rows

    @property
    def size_bytes(self) -> int:
        """Memory in use, roughly."""
        rows = self._lengths.nbytes + self._documents.nbytes
        return rows + growing_bytes(self._postings.num_postings, len(self._vocabulary))

    def append(self, texts: StringColumn) -> None:
        """Analyze and add rows; they show in snapshots taken with the larger number of rows."""
        values = [None if text is None else str(text) for text in texts.to_pylist()]
        batch = self._counter.count(values)
        start, stop = self._num_rows, self._num_rows + len(texts)
        self._reserve(stop)
        self._lengths[start:stop] = batch.lengths
        self._documents[start:stop] = True if texts.validity is None else texts.validity
        if texts.validity is not None and not texts.validity.all():
            self._has_nulls = True
        self._postings.append(batch.offsets, batch.term_ids, batch.counts)
        self._num_rows = stop

    def snapshot(self, num_rows: int) -> BM25View:
        """Return the first ``num_rows`` rows as they are; appending changes nothing in them."""
        self._check_num_rows(num_rows)
        postings = GrowingPostingsSnapshot(self._postings, num_rows)
        lengths, documents = self._row_arrays(num_rows)
        return BM25View(self._find_term, postings, lengths, documents)

    def seal(self, num_rows: int) -> SealedBM25:
        """Return the first ``num_rows`` rows in the form of a sealed segment."""
        self._check_num_rows(num_rows)
        ids, offsets, rows, weights = self._postings.export_postings(num_rows)
        terms = [self._vocabulary.term(i) for i in ids.tolist()]
        # Ascending code points are ascending UTF-8 bytes.
        order = sorted(range(len(terms)), key=terms.__getitem__)
        postings = PostingLists(offsets, rows, weights).reorder(np.array(order, dtype=np.int64))
        lengths, documents = self._row_arrays(num_rows)
        return SealedBM25(
            TermDictionary.from_terms([terms[i] for i in order]),
            postings,
            lengths.copy(),
            None if documents is None or documents.all() else documents.copy(),
        )

    def _find_term(self, term: str) -> int:
        number = self._vocabulary.id_of(term)
        return -1 if number is None else number

    def _row_arrays(self, num_rows: int) -> tuple[UInt32Array, BoolArray | None]:
        documents = self._documents[:num_rows] if self._has_nulls else None
        return self._lengths[:num_rows], documents

    def _check_num_rows(self, num_rows: int) -> None:
        if not 0 <= num_rows <= self._num_rows:
            raise InternalError(
                f"snapshot: expected at most the {self._num_rows} rows appended, got {num_rows}"
            )

    def _reserve(self, num_rows: int) -> None:
        if num_rows > len(self._lengths):
            room = max(num_rows, 2 * len(self._lengths)) - len(self._lengths)
            self._lengths = np.concatenate([self._lengths, np.zeros(room, dtype=np.uint32)])
            self._documents = np.concatenate([self._documents, np.zeros(room, dtype=np.bool_)])


class SealedBM25(BM25View):
    """Terms of a sealed segment, over arrays that may be read-only and memory-mapped.

    Opening reads nothing but the ends of the arrays.
    """

    def __init__(
        self,
        dictionary: TermDictionary,
        postings: PostingLists,
        lengths: UInt32Array,
        documents: BoolArray | None,
    ) -> None:
        if len(dictionary) != len(postings.offsets) - 1:
            counts = f"{len(dictionary)} terms but postings of {len(postings.offsets) - 1}"
            raise CorruptionError(f"keyword index: {counts}")
        if documents is not None and len(documents) != len(lengths):
            counts = f"{len(lengths)} lengths but {len(documents)} null marks"
            raise CorruptionError(f"keyword index: {counts}")
        native = SealedPostings(postings.offsets, postings.rows, postings.weights, len(lengths))
        super().__init__(dictionary.find, native, lengths, documents)
        self.dictionary = dictionary
        self.postings = postings
        self.lengths = lengths
        self.documents = documents

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> SealedBM25:
        """Open what ``to_arrays`` gave, without copying.

        Raises:
            FormatVersionError: A newer version of elanus wrote it.
            CorruptionError: An array is missing, or they do not fit together.
        """
        num_rows = read_num_rows(header, FORMAT)
        lengths = read_array(arrays, "lengths", np.uint32)
        if len(lengths) != num_rows:
            raise CorruptionError(f"keyword index: {num_rows} rows but {len(lengths)} lengths")
        return cls(
            TermDictionary(
                read_array(arrays, "term_offsets", np.int64),
                read_array(arrays, "term_data", np.uint8),
            ),
            PostingLists(
                read_array(arrays, "posting_offsets", np.int64),
                read_array(arrays, "posting_rows", np.uint32),
                read_array(arrays, "posting_weights", np.float32),
            ),
            lengths,
            read_array(arrays, "documents", np.bool_) if "documents" in arrays else None,
        )

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return a JSON header and named arrays from which ``from_arrays`` makes the same index.

        ``documents`` is there only when a text is null.
        """
        arrays: dict[str, AnyArray] = {
            "term_offsets": self.dictionary.offsets,
            "term_data": self.dictionary.data,
            "posting_offsets": self.postings.offsets,
            "posting_rows": self.postings.rows,
            "posting_weights": self.postings.weights,
            "lengths": self.lengths,
        }
        if self.documents is not None:
            arrays["documents"] = self.documents
        return {"format": FORMAT, "num_rows": self.num_rows}, arrays


def joined_sections(
    parts: Sequence[tuple[SealedBM25, Int64Array]], *, at_once: int = POSTINGS_AT_ONCE
) -> tuple[dict[str, Any], Sections]:
    """Return header and sections of several segments as one, without analyzing text again.

    Args:
        parts: Each segment with int64 of shape ``(its rows,)``: the row id that each of its rows
            gets, or -1 where it is dropped. The new ids are ``0 .. n - 1``, each once.
        at_once: Postings that are in memory at the same time.

    Raises:
        InternalError: The new row ids are not that.
    """
    num_rows = checked_num_rows([(index.num_rows, mapping) for index, mapping in parts])
    terms = JoinedTerms([index.dictionary for index, _ in parts])
    renumbered = [
        PostingsPart(index.postings, numbers, mapping)
        for (index, mapping), numbers in zip(parts, terms.numbers, strict=True)
    ]
    postings = JoinedPostings(renumbered, len(terms), num_rows, at_once)
    lengths = np.zeros(num_rows, dtype=np.uint32)
    documents = np.ones(num_rows, dtype=np.bool_)
    for index, mapping in parts:
        kept = mapping >= 0
        lengths[mapping[kept]] = index.lengths[kept]
        if index.documents is not None:
            documents[mapping[kept]] = index.documents[kept]
    sections = {**terms.sections(postings.kept), **postings.sections(), "lengths": lengths}
    if not documents.all():
        sections["documents"] = documents
    return {"format": FORMAT, "num_rows": num_rows}, sections


def merge_sealed(parts: Sequence[tuple[SealedBM25, Int64Array]]) -> SealedBM25:
    """Join sealed segments into one in memory; arguments and errors as ``joined_sections``."""
    header, sections = joined_sections(parts)
    return SealedBM25.from_arrays(header, materialized(sections))
