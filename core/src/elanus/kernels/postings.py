"""Which rows share terms with a query, best first, exactly?

``SealedPostings`` reads the packed postings of a sealed segment, ``GrowingPostings`` (in
``growing_postings.py``) keeps those of rows that still arrive. Both score by inner product of
sparse vectors, or by BM25 when given a ``Bm25Scoring``. A distance is the negated score. Scores add
up in the order of the query's terms in float32, on every path, so sealed and growing postings of
the same rows give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bitset import Bitset
from elanus.kernels.packing import FrequencyCoding, PackedPostings
from elanus.kernels.prepared import PreparedLeg
from elanus.kernels.query_batch import QueryBatch
from elanus.kernels.text import QueryNumbers
from elanus.kernels.threads import query_threads
from elanus.types import Float32Array, Int64Array, UInt32Array, UInt64Array


@dataclass(frozen=True, slots=True, eq=False)
class Bm25Scoring:
    """BM25 with given parameters over rows of given lengths.

    A posting adds ``q * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average_length))``,
    where ``q`` is the query's weight for the term: its idf times its count in the query.

    Attributes:
        k1: Saturation of the term frequency, at least 0.
        b: Share of length normalisation, 0 to 1.
        average_length: Tokens per row over the whole collection; 0 turns normalisation off.
        lengths: uint32 of shape ``(n,)`` or longer, tokens of each row.

    Raises:
        InvalidArgumentError: ``lengths`` has the wrong dtype, rank or layout. Numbers out of
            range are refused by the search.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
    """

    k1: float
    b: float
    average_length: float
    lengths: UInt32Array
    native: _native.Bm25 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            native = _native.Bm25(self.k1, self.b, self.average_length, self.lengths)
        except TypeError as error:
            raise mismatch(error, Expected("lengths", self.lengths, "uint32", 1)) from None
        object.__setattr__(self, "native", native)


class CountedTerms(NamedTuple):
    """Terms of a query over rows that are all there are.

    Attributes:
        numbers: The number of each term, below 0 where no row has it.
        counts: How often the query names each.
        num_docs: Rows that count.
    """

    numbers: Sequence[int]
    counts: Sequence[int]
    num_docs: int


class SealedPostings:
    """Packed postings of a sealed segment; arrays may be read-only and memory-mapped.

    Nothing is read until a search needs it. What a search reads is checked, so damaged arrays raise
    ``CorruptionError`` or give wrong rows, and are never read out of bounds.

    Args:
        packed: The postings.
        num_rows: Rows of the segment, at most 2**29.
        coding: How their term frequencies are coded; None when they are exact weights.

    Raises:
        InvalidArgumentError: An array has the wrong dtype, rank, layout or length.
    """

    def __init__(
        self, packed: PackedPostings, num_rows: int, coding: FrequencyCoding | None = None
    ) -> None:
        native = None if coding is None else coding.native
        try:
            self._native = _native.SealedPostings(
                packed.entries, packed.starts, packed.data, num_rows, native
            )
        except TypeError as error:
            raise mismatch(
                error,
                Expected("entries", packed.entries, "uint32", 1),
                Expected("starts", packed.starts, "uint32", 1),
                Expected("data", packed.data, "uint8", 1),
            ) from None

    @property
    def num_terms(self) -> int:
        return self._native.num_terms

    @property
    def num_rows(self) -> int:
        return self._native.num_rows

    def search(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the best rows that share a term with the query, best first.

        Args:
            terms: uint32 of shape ``(m,)``, values in ``[0, num_terms)``; repeats count.
            weights: float32 of shape ``(m,)``; for BM25 the idf times the count of each term.
            k: Rows wanted, at least 1.
            allowed: Rows that may be returned, over ``num_rows`` rows. None allows all.
            bm25: Scores by BM25; None scores by inner product.

        Returns:
            Row ids int64 and distances float32, both of shape ``(found,)`` with ``found <= k``,
            distances ascending. Rows without a term of the query are never found; rows with one
            are, whatever their score. Ties go to the smaller row id.

        Raises:
            InvalidArgumentError: An array has the wrong dtype, rank or length, a term does not
                exist, or a number is out of range.
            CorruptionError: The postings contradict themselves.

        Releases the GIL. Safe from many threads at once.
        """
        try:
            return self._native.search(terms, weights, k, words_of(allowed), native_bm25(bm25))
        except TypeError as error:
            raise mismatch(error, *query_arguments(terms, weights)) from None

    def search_terms(
        self,
        terms: CountedTerms,
        k: int,
        *,
        bm25: Bm25Scoring,
        alive: Bitset | None = None,
        allowed: Bitset | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Weigh terms by the rows here, and return what ``search`` returns with these weights.

        A term weighs ``ln(1 + (N - df + 0.5) / (df + 0.5))`` times its count.

        Args:
            terms: What is looked for.
            k: Rows wanted, at least 1.
            bm25: As in ``search``.
            alive: Rows that count, over ``num_rows`` rows. None counts all.
            allowed: As in ``search``.

        Raises:
            InvalidArgumentError: As in ``search``, or there is not one count for each term.
            CorruptionError: The postings contradict themselves.

        Releases the GIL. Safe from many threads at once.
        """
        row_ids, distances = hit_places(k, self.num_rows)
        found = self._native.search_terms(
            *terms, words_of(alive), words_of(allowed), bm25.native, row_ids, distances
        )
        return row_ids[:found], distances[:found]

    def search_text(
        self,
        text: str,
        numbers: QueryNumbers,
        num_docs: int,
        k: int,
        *,
        bm25: Bm25Scoring,
        alive: Bitset | None = None,
        allowed: Bitset | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return what ``search_terms`` returns for the terms of a text.

        Args:
            text: What is looked for.
            numbers: Gives the terms of ``text`` their numbers here.
            num_docs: Rows that count.
            k: As in ``search_terms``.
            bm25: As in ``search_terms``.
            alive: As in ``search_terms``.
            allowed: As in ``search_terms``.

        Raises:
            InvalidArgumentError: As in ``search_terms``.
            CorruptionError: The postings contradict themselves.

        Releases the GIL while it searches. Safe from many threads at once.
        """
        row_ids, distances = hit_places(k, self.num_rows)
        found = self._native.search_text(
            numbers.native,
            text,
            num_docs,
            words_of(alive),
            words_of(allowed),
            bm25.native,
            row_ids,
            distances,
        )
        if found == len(row_ids):
            return row_ids, distances
        return row_ids[:found], distances[:found]

    def prepared(
        self,
        numbers: QueryNumbers,
        num_docs: int,
        limit: int,
        *,
        bm25: Bm25Scoring,
        alive: Bitset | None,
        allowed: Bitset | None,
        keys: Int64Array | None,
    ) -> PreparedLeg:
        """Return what answers one text after the other without making arrays.

        Args:
            numbers: As in ``search_text``.
            num_docs: As in ``search_text``.
            limit: Rows wanted, at least 1.
            bm25: As in ``search_text``.
            alive: As in ``search_text``.
            allowed: As in ``search_text``.
            keys: int64 ``(n,)``, a key for each row; None: none are wanted.
        """
        words = words_of(alive), words_of(allowed)
        return _native.PreparedText(
            self._native, numbers.native, num_docs, limit, *words, bm25.native, keys
        )

    def prepared_like(self, like: PreparedLeg, allowed: Bitset | None) -> PreparedLeg | None:
        """Return what ``prepared`` does for other allowed rows, in less time.

        Args:
            like: What it returned, whose other arguments are the same.
            allowed: As there.
        """
        if not isinstance(like, _native.PreparedText):
            return None
        return like.under(words_of(allowed), None if allowed is None else allowed.known_rows())

    def search_many(
        self,
        batch: QueryBatch,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
        threads: int | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the best rows for each query of a batch, in one call.

        Args:
            batch: Queries; terms and weights as in ``search``. Of a query with terms that choose
                no rows, twice as many rows as wanted are chosen by the others, and ranked by all.
            k: Rows wanted per query, at least 1.
            allowed: As in ``search``.
            bm25: As in ``search``.
            threads: Threads, as ``kernels.threads.query_threads`` takes it.

        Returns:
            Row ids int64 and distances float32, both of shape ``(nq, min(k, num_rows))``, those
            that ``search`` gives; missing places hold -1 and +inf.

        Raises:
            InvalidArgumentError: As in ``search``, or ``batch.offsets`` do not ascend.
            CorruptionError: The postings contradict themselves.

        Releases the GIL. Safe from many threads at once.
        """
        count = query_threads(batch.num_queries, threads)
        k = min(k, max(self.num_rows, 1))
        try:
            return self._native.search_many(
                *batch, k, words_of(allowed), native_bm25(bm25), threads=count
            )
        except TypeError as error:
            raise mismatch(error, *batch_arguments(batch)) from None

    def distances_to_rows(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        row_ids: Int64Array,
        *,
        bm25: Bm25Scoring | None = None,
    ) -> Float32Array:
        """Return the distance of each named row, in the order given.

        Args:
            terms: As in ``search``.
            weights: As in ``search``.
            row_ids: int64 of shape ``(m,)``, values in ``[0, num_rows)``.
            bm25: As in ``search``.

        Returns:
            float32 of shape ``(m,)``, the same bits that ``search`` gives; +inf for rows without
            a term of the query.

        Raises:
            InvalidArgumentError: As in ``search``, or a row id is outside.
            CorruptionError: The offsets contradict themselves.

        Releases the GIL. Safe from many threads at once.
        """
        try:
            return self._native.distances_to_rows(terms, weights, row_ids, native_bm25(bm25))
        except TypeError as error:
            expected = Expected("row_ids", row_ids, "int64", 1)
            raise mismatch(error, *query_arguments(terms, weights), expected) from None

    def document_frequencies(
        self, terms: UInt32Array, *, alive: Bitset | None = None
    ) -> Int64Array:
        """Return how many rows contain each term.

        Args:
            terms: uint32 of shape ``(m,)``, values in ``[0, num_terms)``.
            alive: Rows that count, over ``num_rows`` rows. None counts all, without reading
                postings.

        Returns:
            int64 of shape ``(m,)``.

        Raises:
            InvalidArgumentError: ``terms`` has the wrong dtype or rank, or a term does not exist.
            CorruptionError: The offsets contradict themselves.
        """
        try:
            return self._native.document_frequencies(terms, words_of(alive))
        except TypeError as error:
            raise mismatch(error, Expected("terms", terms, "uint32", 1)) from None

    def unpack(self, first: int, last: int) -> tuple[Int64Array, UInt32Array, Float32Array]:
        """Return the postings of the terms ``first .. last - 1`` as ``pack_terms`` takes them.

        Raises:
            InvalidArgumentError: A term does not exist.
            CorruptionError: The postings contradict themselves.

        Releases the GIL.
        """
        return self._native.unpack(first, last)


def hit_places(k: int, num_rows: int) -> tuple[Int64Array, Float32Array]:
    """Return places for the rows that can be found."""
    if k < 1:
        raise InvalidArgumentError(f"k: expected at least 1, got {k}")
    places = min(k, max(num_rows, 1))
    return np.empty(places, dtype=np.int64), np.empty(places, dtype=np.float32)


def words_of(bitset: Bitset | None) -> UInt64Array | None:
    """Return the words of a bitset as the kernels take them."""
    return None if bitset is None else bitset.words


def native_bm25(bm25: Bm25Scoring | None) -> _native.Bm25 | None:
    """Return the scoring as the kernels take it."""
    return None if bm25 is None else bm25.native


def query_arguments(terms: object, weights: object) -> tuple[Expected, Expected]:
    """Return what a query has to be, for the message of an error."""
    return Expected("terms", terms, "uint32", 1), Expected("weights", weights, "float32", 1)


def batch_arguments(batch: QueryBatch) -> tuple[Expected, ...]:
    """Return what a batch has to be, for the message of an error."""
    return (
        Expected("offsets", batch.offsets, "int64", 1),
        *query_arguments(batch.terms, batch.weights),
        Expected("chooses", batch.chooses, "uint8", 1, optional=True),
    )
