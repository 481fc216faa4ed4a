"""Which rows of those that still arrive share terms with a query, best first, exactly?"""

from __future__ import annotations

import numpy as np

from elanus import _native
from elanus.errors import InvalidArgumentError
from elanus.kernels.arrays import Expected, mismatch
from elanus.kernels.bitset import Bitset
from elanus.kernels.postings import (
    Bm25Scoring,
    CountedTerms,
    batch_arguments,
    hit_places,
    native_bm25,
    query_arguments,
    words_of,
)
from elanus.kernels.query_batch import QueryBatch
from elanus.kernels.threads import query_threads
from elanus.types import Float32Array, Int64Array, UInt32Array


class GrowingPostings:
    """Postings of rows that still arrive: one writer appends, any number of readers search.

    Rows are numbered in order of arrival. A reader passes the number of rows of its snapshot and
    sees no later ones. Terms without postings match nothing. Safe from many threads at once.
    """

    def __init__(self) -> None:
        self._native = _native.GrowingPostings()

    @property
    def num_rows(self) -> int:
        return self._native.num_rows

    @property
    def num_postings(self) -> int:
        return self._native.num_postings

    @property
    def size_bytes(self) -> int:
        """Memory in use, spare room included."""
        return self._native.size_bytes

    def append(self, offsets: Int64Array, term_ids: UInt32Array, weights: Float32Array) -> int:
        """Add rows, all or none, and return the row id of the first.

        Args:
            offsets: int64 of shape ``(n + 1,)``; new row ``i`` owns entries ``offsets[i]`` to
                ``offsets[i + 1]``. It need not start at 0.
            term_ids: uint32, the term of each entry; once per row.
            weights: float32, the weight of each entry.

        Raises:
            InvalidArgumentError: An array has the wrong dtype, rank or length, or ``offsets``
                descend or leave ``term_ids``.

        Releases the GIL.
        """
        try:
            return self._native.append(offsets, term_ids, weights)
        except TypeError as error:
            raise mismatch(
                error,
                Expected("offsets", offsets, "int64", 1),
                Expected("term_ids", term_ids, "uint32", 1),
                Expected("weights", weights, "float32", 1),
            ) from None

    def search(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        k: int,
        *,
        num_rows: int,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the best rows below ``num_rows``; see ``SealedPostings.search``.

        ``allowed`` is over ``num_rows`` rows; ``bm25.lengths`` has at least as many.

        Raises:
            InvalidArgumentError: As in ``SealedPostings.search``, or ``num_rows`` is larger than
                the number of rows appended.

        Releases the GIL.
        """
        words, scoring = words_of(allowed), native_bm25(bm25)
        try:
            return self._native.search(terms, weights, k, num_rows, words, scoring)
        except TypeError as error:
            raise mismatch(error, *query_arguments(terms, weights)) from None

    def search_terms(
        self,
        terms: CountedTerms,
        k: int,
        *,
        num_rows: int,
        bm25: Bm25Scoring,
        alive: Bitset | None = None,
        allowed: Bitset | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Weigh terms by the rows below ``num_rows`` and search them.

        See ``SealedPostings.search_terms``; ``alive`` is over ``num_rows`` rows.

        Raises:
            InvalidArgumentError: As there, or ``num_rows`` is larger than the number of rows
                appended.

        Releases the GIL.
        """
        row_ids, distances = hit_places(k, num_rows)
        numbers, counts, num_docs = terms
        found = self._native.search_terms(
            numbers,
            counts,
            num_docs,
            num_rows,
            words_of(alive),
            words_of(allowed),
            bm25.native,
            row_ids,
            distances,
        )
        return row_ids[:found], distances[:found]

    def search_many(
        self,
        batch: QueryBatch,
        k: int,
        *,
        num_rows: int,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
        threads: int | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the best rows for each query of a batch; see ``SealedPostings.search_many``.

        Raises:
            InvalidArgumentError: As there, or ``num_rows`` is larger than the number of rows
                appended.

        Releases the GIL.
        """
        count = query_threads(batch.num_queries, threads)
        k = min(k, max(num_rows, 1))
        words, scoring = words_of(allowed), native_bm25(bm25)
        try:
            return self._native.search_many(*batch, k, num_rows, words, scoring, threads=count)
        except TypeError as error:
            raise mismatch(error, *batch_arguments(batch)) from None

    def distances_to_rows(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        row_ids: Int64Array,
        *,
        num_rows: int,
        bm25: Bm25Scoring | None = None,
    ) -> Float32Array:
        """Return the distance of each named row; see ``SealedPostings.distances_to_rows``.

        Raises:
            InvalidArgumentError: As there, or ``num_rows`` is larger than the number of rows
                appended.

        Releases the GIL.
        """
        scoring = native_bm25(bm25)
        try:
            return self._native.distances_to_rows(terms, weights, row_ids, num_rows, scoring)
        except TypeError as error:
            expected = Expected("row_ids", row_ids, "int64", 1)
            raise mismatch(error, *query_arguments(terms, weights), expected) from None

    def document_frequencies(
        self, terms: UInt32Array, *, num_rows: int, alive: Bitset | None = None
    ) -> Int64Array:
        """Return how many of the first ``num_rows`` rows, alive ones only, contain each term.

        Raises:
            InvalidArgumentError: ``terms`` has the wrong dtype or rank, ``alive`` is not over
                ``num_rows`` rows, or ``num_rows`` is larger than the number of rows appended.
        """
        try:
            return self._native.document_frequencies(terms, num_rows, words_of(alive))
        except TypeError as error:
            raise mismatch(error, Expected("terms", terms, "uint32", 1)) from None

    def terms(self, num_rows: int) -> UInt32Array:
        """Return the terms that occur in the first ``num_rows`` rows, uint32, ascending.

        Raises:
            InvalidArgumentError: ``num_rows`` is larger than the number of rows appended.

        Releases the GIL.
        """
        return self._native.terms(num_rows)

    def export_postings(
        self, terms: UInt32Array, num_rows: int
    ) -> tuple[Int64Array, UInt32Array, Float32Array]:
        """Return the postings of the first ``num_rows`` rows, for some terms in the order given.

        Args:
            terms: uint32 of shape ``(m,)``; one without postings has an empty list.
            num_rows: Rows to take.

        Returns:
            offsets int64 of shape ``(m + 1,)``; rows uint32 and weights float32, where
            ``terms[i]`` owns ``offsets[i]`` to ``offsets[i + 1]``.

        Raises:
            InvalidArgumentError: ``terms`` has the wrong dtype or rank, or ``num_rows`` is larger
                than the number of rows appended.

        Releases the GIL.
        """
        try:
            return self._native.export_postings(terms, num_rows)
        except TypeError as error:
            raise mismatch(error, Expected("terms", terms, "uint32", 1)) from None

    def export_csr(
        self, num_rows: int, num_terms: int
    ) -> tuple[Int64Array, UInt32Array, Float32Array]:
        """Return the postings of the first ``num_rows`` rows as ``SealedPostings`` takes them.

        Returns:
            offsets int64 of shape ``(num_terms + 1,)``, rows uint32, weights float32.

        Raises:
            InvalidArgumentError: ``num_rows`` is larger than the number of rows appended, or a
                term of these rows is not below ``num_terms``.

        Releases the GIL.
        """
        terms = self._native.terms(num_rows)
        offsets, rows, weights = self._native.export_postings(terms, num_rows)
        if len(terms) and terms[-1] >= num_terms:
            raise InvalidArgumentError(
                f"num_terms: expected more than the largest term id {terms[-1]}, got {num_terms}"
            )
        spread = np.zeros(num_terms + 1, dtype=np.int64)
        spread[terms.astype(np.int64) + 1] = np.diff(offsets)
        return np.cumsum(spread), rows, weights
