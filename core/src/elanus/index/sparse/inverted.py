"""Which rows have the largest inner product with this sparse vector?

Postings by dimension, in a memtable (``GrowingSparse``) and in a sealed segment
(``SealedSparse``), both searched as a ``SparseView``. A weight of zero is the same as none: it is
not stored. A row is found only if it shares a dimension with the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InternalError
from elanus.index.base import Candidates, CandidateTable
from elanus.index.sparse.merging import (
    POSTINGS_AT_ONCE,
    JoinedPostings,
    PostingsPart,
    Sections,
    checked_num_rows,
    materialized,
)
from elanus.index.sparse.posting_lists import (
    GrowingPostingsSnapshot,
    PostingsReader,
    growing_bytes,
    packed_arrays,
    read_array,
    read_num_rows,
    read_packed,
)
from elanus.kernels.bitset import Bitset
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.packing import PackedPostings
from elanus.kernels.postings import SealedPostings
from elanus.kernels.query_batch import QueryBatch
from elanus.schema.batches import SparseVectorColumn
from elanus.types import AnyArray, BoolArray, Float32Array, Int64Array, UInt32Array

FORMAT = 2
"""Version of what ``SealedSparse.to_arrays`` gives."""


class SparseView:
    """Rows ``0 .. num_rows - 1`` of one source, searchable by sparse vector.

    Safe from many threads.

    Args:
        postings: Weights by dimension, or by place in ``dimensions``.
        num_rows: Rows of the source.
        dimensions: uint32, ascending: the dimensions that occur. None means that ``postings``
            goes by dimension itself.
    """

    def __init__(
        self, postings: PostingsReader, num_rows: int, dimensions: UInt32Array | None = None
    ) -> None:
        self._postings = postings
        self._num_rows = num_rows
        self._dimensions = dimensions

    @property
    def num_rows(self) -> int:
        return self._num_rows

    def search(
        self,
        indices: UInt32Array,
        values: Float32Array,
        limit: int,
        allowed: Bitset | None = None,
        *,
        drop_ratio_search: float = 0.0,
    ) -> Candidates:
        """Return the rows with the largest inner products; distances are negated ones.

        Exact, unless ``drop_ratio_search`` is given.

        Args:
            indices: uint32, shape ``(m,)``: dimensions of the query, in any order.
            values: float32, shape ``(m,)``: their weights.
            limit: Rows wanted, at least 1.
            allowed: Rows that may be returned, ``num_rows`` bits; None allows every row.
            drop_ratio_search: Share of the query's weights, the smallest in magnitude, that do
                not choose rows, from 0 to below 1. What is found is still scored with all of them;
                rows that share only dropped dimensions are not found.

        Raises:
            InvalidArgumentError: ``limit`` is below 1, ``drop_ratio_search`` is out of range, or
                an array does not fit.
            CorruptionError: The stored postings contradict themselves.
        """
        if drop_ratio_search:
            offsets = np.array([0, len(values)], dtype=np.int64)
            batch = QueryBatch(offsets, indices, values)
            return self.search_many(
                batch, limit, allowed, drop_ratio_search=drop_ratio_search
            ).query(0)
        heavy = values != 0
        if not heavy.all():
            indices, values = indices[heavy], values[heavy]
        terms, known = self._places(indices)
        if not len(terms):
            return Candidates.none()
        weights = values if known is None else values[known]
        rows, distances = self._postings.search(terms, weights, limit, allowed=allowed)
        return Candidates(rows, distances)

    def search_many(
        self,
        batch: QueryBatch,
        limit: int,
        allowed: Bitset | None = None,
        *,
        drop_ratio_search: float = 0.0,
    ) -> CandidateTable:
        """Return for each query what ``search`` returns, in one call of the kernel.

        Args:
            batch: Queries; their terms are dimensions.
            limit: Rows wanted per query, at least 1.
            allowed: As in ``search``.
            drop_ratio_search: As in ``search``.

        Raises:
            InvalidArgumentError: As in ``search``.
            CorruptionError: The stored postings contradict themselves.
        """
        batch = batch.select(batch.weights != 0).dropping(drop_ratio_search)
        terms, known = self._places(batch.terms)
        if known is not None:
            batch = batch.select(known)
        batch = batch._replace(terms=terms)
        return CandidateTable(*self._postings.search_many(batch, limit, allowed=allowed))

    def _places(self, indices: UInt32Array) -> tuple[UInt32Array, BoolArray | None]:
        """Return the terms of ``postings`` that this source has, and which they are.

        The second is bool, as long as ``indices``; None when this source knows all of them.
        """
        if self._dimensions is None:
            return indices, None
        if not len(self._dimensions):
            return indices[:0], np.zeros(len(indices), dtype=np.bool_)
        places = np.searchsorted(self._dimensions, indices)
        places = np.minimum(places, len(self._dimensions) - 1)
        found = self._dimensions[places] == indices
        return places[found].astype(np.uint32), found


class GrowingSparse:
    """Sparse vectors of rows that still arrive: one thread appends, any number search snapshots."""

    def __init__(self) -> None:
        self._postings = GrowingPostings()

    @property
    def num_rows(self) -> int:
        return self._postings.num_rows

    @property
    def size_bytes(self) -> int:
        """Memory in use, roughly; dimensions are few beside postings."""
        return growing_bytes(self._postings.num_postings, 0)

    def append(self, vectors: SparseVectorColumn) -> None:
        """Add rows; a null has no dimension."""
        start, stop = int(vectors.offsets[0]), int(vectors.offsets[-1])
        indices, values = vectors.indices[start:stop], vectors.values[start:stop]
        offsets = vectors.offsets - start
        heavy = values != 0
        if not heavy.all():
            # How many weights before each place stay, read at the ends of the rows.
            kept_before = np.zeros(len(values) + 1, dtype=np.int64)
            np.cumsum(heavy, out=kept_before[1:])
            offsets = kept_before[offsets]
            indices, values = indices[heavy], values[heavy]
        self._postings.append(offsets, np.ascontiguousarray(indices), np.ascontiguousarray(values))

    def snapshot(self, num_rows: int) -> SparseView:
        """Return the first ``num_rows`` rows as they are; appending changes nothing in them."""
        self._check_num_rows(num_rows)
        return SparseView(GrowingPostingsSnapshot(self._postings, num_rows), num_rows)

    def seal(self, num_rows: int) -> SealedSparse:
        """Return the first ``num_rows`` rows in the form of a sealed segment."""
        self._check_num_rows(num_rows)
        dimensions = self._postings.terms(num_rows)
        postings = self._postings.export_postings(dimensions, num_rows)
        packed = PackedPostings.pack(*postings, num_rows)
        return SealedSparse(dimensions, packed, num_rows)

    def _check_num_rows(self, num_rows: int) -> None:
        if not 0 <= num_rows <= self.num_rows:
            raise InternalError(
                f"snapshot: expected at most the {self.num_rows} rows appended, got {num_rows}"
            )


class SealedSparse(SparseView):
    """Sparse vectors of a sealed segment, over arrays that may be read-only and memory-mapped.

    Args:
        dimensions: uint32, ascending: the dimensions that occur.
        postings: Weights by place in ``dimensions``.
        num_rows: Rows of the segment.

    Raises:
        CorruptionError: The arrays do not fit together.
    """

    def __init__(self, dimensions: UInt32Array, postings: PackedPostings, num_rows: int) -> None:
        if len(dimensions) != len(postings.entries):
            raise CorruptionError(
                f"sparse index: {len(dimensions)} dimensions but postings of "
                f"{len(postings.entries)}"
            )
        self.reader = SealedPostings(postings, num_rows)
        super().__init__(self.reader, num_rows, dimensions)
        self.dimensions = dimensions
        self.postings = postings

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> SealedSparse:
        """Open what ``to_arrays`` gave, without copying.

        Raises:
            FormatVersionError: A newer version of elanus wrote it.
            CorruptionError: An array is missing, or they do not fit together.
        """
        return cls(
            read_array(arrays, "dimensions", np.uint32),
            read_packed(arrays),
            read_num_rows(header, FORMAT),
        )

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return a JSON header and named arrays from which ``from_arrays`` makes the same index."""
        arrays: dict[str, AnyArray] = {
            "dimensions": self.dimensions,
            **packed_arrays(self.postings),
        }
        return {"format": FORMAT, "num_rows": self.num_rows}, arrays


def joined_sections(
    parts: Sequence[tuple[SealedSparse, Int64Array]], *, at_once: int = POSTINGS_AT_ONCE
) -> tuple[dict[str, Any], Sections]:
    """Return header and sections of several segments as one.

    Args:
        parts: Each segment with int64 of shape ``(its rows,)``: the row id that each of its rows
            gets, or -1 where it is dropped. The new ids are ``0 .. n - 1``, each once.
        at_once: Postings that are in memory at the same time.

    Raises:
        InternalError: The new row ids are not that.
    """
    num_rows = checked_num_rows([(index.num_rows, mapping) for index, mapping in parts])
    every = [index.dimensions for index, _ in parts]
    dimensions = np.unique(np.concatenate([np.empty(0, dtype=np.uint32), *every]))
    postings = JoinedPostings(
        [
            PostingsPart(
                index.reader,
                index.postings.frequencies,
                np.searchsorted(dimensions, index.dimensions),
                mapping,
            )
            for index, mapping in parts
        ],
        len(dimensions),
        num_rows,
        at_once,
        None,
    )
    sections = {"dimensions": dimensions[postings.kept], **postings.sections()}
    return {"format": FORMAT, "num_rows": num_rows}, sections


def merge_sealed(parts: Sequence[tuple[SealedSparse, Int64Array]]) -> SealedSparse:
    """Join sealed segments into one in memory; arguments and errors as ``joined_sections``."""
    header, sections = joined_sections(parts)
    return SealedSparse.from_arrays(header, materialized(sections))
