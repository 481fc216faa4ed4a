"""What do keyword and sparse indexes share?

Postings by term as plain arrays and as they are stored, where a file of them is searched as it
lies, and reading them alike in a memtable and in a sealed segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError, FormatVersionError
from elanus.kernels.bitset import Bitset
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.packing import POSTINGS_PADDING, PackedPostings
from elanus.kernels.postings import Bm25Scoring, CountedTerms
from elanus.kernels.query_batch import QueryBatch
from elanus.types import AnyArray, Float32Array, Int64Array, UInt32Array

ScalarT = TypeVar("ScalarT", bound=np.generic)

GROWING_POSTING_BYTES, GROWING_TERM_BYTES = 12, 300
"""A posting is 8 bytes in lists that double when they are full; a term is two lists, an entry of a
hash table, and its text with two places in CPython's list and dict."""


@dataclass(frozen=True, slots=True)
class PostingLists:
    """Postings of term ``t``: rows and weights at ``offsets[t]`` to ``offsets[t + 1]``.

    Attributes:
        offsets: int64, shape ``(num_terms + 1,)``.
        rows: uint32, shape ``(num_postings,)``, ascending within a term.
        weights: float32, shape ``(num_postings,)``: term frequencies or sparse values.
    """

    offsets: Int64Array
    rows: UInt32Array
    weights: Float32Array

    def __post_init__(self) -> None:
        ends = self.offsets
        fits = len(self.rows) == len(self.weights) and len(ends) > 0
        if not fits or ends[0] != 0 or ends[-1] != len(self.rows):
            raise CorruptionError(
                f"postings: the offsets do not span {len(self.rows)} rows and "
                f"{len(self.weights)} weights"
            )

    def reorder(self, order: Int64Array) -> PostingLists:
        """Return the same postings with term ``order[i]`` in place ``i``."""
        sizes = np.diff(self.offsets)[order]
        offsets = np.zeros(len(order) + 1, dtype=np.int64)
        np.cumsum(sizes, out=offsets[1:])
        source = np.repeat(self.offsets[order] - offsets[:-1], sizes)
        source += np.arange(offsets[-1], dtype=np.int64)
        return PostingLists(offsets, self.rows[source], self.weights[source])


def read_packed(arrays: Mapping[str, AnyArray]) -> PackedPostings:
    """Return stored postings, without reading them.

    Raises:
        CorruptionError: An array is missing, or they do not fit together.
    """
    packed = PackedPostings(
        read_array(arrays, "posting_entries", np.uint32),
        read_array(arrays, "posting_starts", np.uint32),
        read_array(arrays, "posting_data", np.uint8),
    )
    if len(packed.entries) != len(packed.starts) or len(packed.data) < POSTINGS_PADDING:
        raise CorruptionError(
            f"postings: {len(packed.entries)} entries, {len(packed.starts)} starts and "
            f"{len(packed.data)} bytes do not fit together"
        )
    return packed


def packed_arrays(packed: PackedPostings) -> dict[str, AnyArray]:
    """Return postings under the names that indexes store them with."""
    return {
        "posting_entries": packed.entries,
        "posting_starts": packed.starts,
        "posting_data": packed.data,
    }


def growing_bytes(num_postings: int, num_terms: int) -> int:
    """Return the memory that growing postings take, roughly: lists have room to grow."""
    return num_postings * GROWING_POSTING_BYTES + num_terms * GROWING_TERM_BYTES


class PostingsReader(Protocol):
    """Postings of a fixed number of rows: ``kernels.postings.SealedPostings`` is one."""

    def search(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return row ids and distances of the best rows that share a term, best first."""
        ...

    def search_terms(
        self,
        terms: CountedTerms,
        k: int,
        *,
        bm25: Bm25Scoring,
        alive: Bitset | None = None,
        allowed: Bitset | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the same, with weights by the alive rows here."""
        ...

    def search_many(
        self,
        batch: QueryBatch,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Return the same for each query, ``(nq, any)``; missing places hold -1 and +inf."""
        ...

    def distances_to_rows(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        row_ids: Int64Array,
        *,
        bm25: Bm25Scoring | None = None,
    ) -> Float32Array:
        """Return the distance of each named row, +inf for one without a term of the query."""
        ...

    def document_frequencies(
        self, terms: UInt32Array, *, alive: Bitset | None = None
    ) -> Int64Array:
        """Return how many rows, alive ones only, contain each term."""
        ...


@dataclass(frozen=True, slots=True)
class GrowingPostingsSnapshot:
    """The first ``num_rows`` rows of growing postings; rows that come later do not show."""

    postings: GrowingPostings
    num_rows: int

    def search(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        return self.postings.search(
            terms, weights, k, num_rows=self.num_rows, allowed=allowed, bm25=bm25
        )

    def search_terms(
        self,
        terms: CountedTerms,
        k: int,
        *,
        bm25: Bm25Scoring,
        alive: Bitset | None = None,
        allowed: Bitset | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        return self.postings.search_terms(
            terms, k, num_rows=self.num_rows, bm25=bm25, alive=alive, allowed=allowed
        )

    def search_many(
        self,
        batch: QueryBatch,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        return self.postings.search_many(
            batch, k, num_rows=self.num_rows, allowed=allowed, bm25=bm25
        )

    def distances_to_rows(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        row_ids: Int64Array,
        *,
        bm25: Bm25Scoring | None = None,
    ) -> Float32Array:
        return self.postings.distances_to_rows(
            terms, weights, row_ids, num_rows=self.num_rows, bm25=bm25
        )

    def document_frequencies(
        self, terms: UInt32Array, *, alive: Bitset | None = None
    ) -> Int64Array:
        return self.postings.document_frequencies(terms, num_rows=self.num_rows, alive=alive)


def read_array(arrays: Mapping[str, AnyArray], name: str, dtype: type[ScalarT]) -> NDArray[ScalarT]:
    """Return a stored array after checking that it is there and of the right kind.

    Raises:
        CorruptionError: It is missing, or has another dtype or rank.
    """
    array = arrays.get(name)
    if array is None:
        raise CorruptionError(f"keyword index: array {name!r} is missing")
    if array.dtype != np.dtype(dtype) or array.ndim != 1:
        raise CorruptionError(
            f"keyword index: array {name!r}: expected {np.dtype(dtype)} of rank 1, "
            f"got {array.dtype} of rank {array.ndim}"
        )
    return cast("NDArray[ScalarT]", array)


def read_num_rows(header: Mapping[str, Any], format_version: int) -> int:
    """Return the number of rows that a stored header gives.

    Raises:
        FormatVersionError: A newer version wrote the index.
        CorruptionError: The header is not one, or an older version wrote it: such an index is
            derived again, as a damaged one is.
    """
    written, num_rows = header.get("format"), header.get("num_rows")
    if isinstance(written, int) and written > format_version:
        raise FormatVersionError(
            f"keyword index: format {written} is newer than {format_version}, the newest that "
            "this version of elanus reads; update elanus"
        )
    if isinstance(written, int) and 0 < written < format_version:
        raise CorruptionError(
            f"keyword index: format {written} is older than {format_version} and no longer read"
        )
    if written != format_version or not isinstance(num_rows, int) or num_rows < 0:
        raise CorruptionError(f"keyword index: the header is damaged: {dict(header)!r}")
    return num_rows
