"""How is a proximity graph over coded rows built and walked?

Thin wrappers of the native graph kernels: they hold the arrays together and know their shapes. What
the numbers mean is in ``index/dense/graph.py``; every CPU variant visits the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np

from elanus import _native
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import native_metric
from elanus.kernels.prepared import PreparedLeg
from elanus.kernels.threads import query_threads
from elanus.types import (
    ByteArray,
    Float32Array,
    Int64Array,
    MetricType,
    UInt32Array,
    VectorArray,
)

# A search of one query takes tens of microseconds; looking these up took one of them.
_empty, _INT64, _FLOAT32 = np.empty, np.dtype(np.int64), np.dtype(np.float32)
NO_ROW = 0xFFFFFFFF
"""Fills up lists of links."""
LINE_BYTES = 64


class CodeKind(StrEnum):
    """How rows are coded."""

    NIBBLES = "nibbles"
    """4 bits, 16 levels."""
    BYTES = "bytes"
    """7 bits, 128 levels, in a byte."""
    BITS = "bits"
    """Binary vectors as they are: a key is their distance."""

    @property
    def levels(self) -> int:
        """Numbers that a code of one dimension can be."""
        return {CodeKind.NIBBLES: 16, CodeKind.BYTES: 128, CodeKind.BITS: 2}[self]

    def row_bytes(self, dim: int) -> int:
        """Return the bytes of a coded row, whole cache lines; ``dim`` of bits is in bytes."""
        per_line = 2 * LINE_BYTES if self is CodeKind.NIBBLES else LINE_BYTES
        return -(-dim // per_line) * LINE_BYTES


_KINDS = {
    CodeKind.NIBBLES: _native.CodeKind.NIBBLES,
    CodeKind.BYTES: _native.CodeKind.BYTES,
    CodeKind.BITS: _native.CodeKind.BITS,
}


_METHODS = {
    "graph": _native.GraphMethod.WALK,
    "codes": _native.GraphMethod.CODES,
    "scan": _native.GraphMethod.SCAN,
}
NativeQuantizer: TypeAlias = tuple[
    _native.CodeKind, _native.Metric, Float32Array, Float32Array, float
]


@dataclass(frozen=True, slots=True)
class Quantizer:
    """What turns rows into codes.

    Attributes:
        kind: Bits of a dimension.
        metric: L2, IP or COSINE; of ``CodeKind.BITS`` HAMMING or JACCARD.
        mean: float32 ``(dim,)``: mean of the rows, for COSINE of the unit rows; none of bits.
        steps: float32 ``(dim,)``: what one level stands for, positive; none of bits.
        spread: Root mean square of a row in steps when each row has a scale of its own; 0 when all
            rows have one length.
    """

    kind: CodeKind
    metric: MetricType
    mean: Float32Array
    steps: Float32Array
    spread: float = 0.0

    @classmethod
    def of_bits(cls, metric: MetricType) -> Quantizer:
        """Return what "codes" binary vectors."""
        nothing = np.empty(0, dtype=np.float32)
        return cls(CodeKind.BITS, metric, nothing, nothing)

    def as_native(self) -> NativeQuantizer:
        """Return it as the native functions take it."""
        metric = native_metric(self.metric)
        return _KINDS[self.kind], metric, self.mean, self.steps, self.spread


@dataclass(frozen=True, slots=True)
class CodedRows:
    """Codes of the rows of one segment.

    Attributes:
        codes: uint8 ``(n, kind.row_bytes(dim))``.
        terms: float32 ``(n, 2)``: scale and added term of each row; for JACCARD how many of its
            bits are set, and 0; ``(0, 2)`` when all rows have one length, and for HAMMING.
    """

    codes: ByteArray
    terms: Float32Array


def encode_rows(
    quantizer: Quantizer, rows: VectorArray, row_scale: Float32Array | None, threads: int
) -> CodedRows:
    """Return the codes of ``rows`` of shape ``(n, dim)``.

    Args:
        quantizer: Of ``dim`` dimensions, or of bits.
        rows: C-contiguous, of a dtype of ``VECTOR_DTYPES``.
        row_scale: ``inverse_norms(rows)`` for COSINE, else None.
        threads: How many work on it; they give the same codes.

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit together.

    Releases the GIL.
    """
    return CodedRows(*_native.encode_graph_rows(*quantizer.as_native(), rows, row_scale, threads))


class GraphBuilder:
    """Builds a pruned proximity graph; its links depend on the order of the rows alone.

    Args:
        quantizer: What made ``coded``.
        rows: ``(n, dim)``, as ``encode_rows`` takes them.
        row_scale: As for ``encode_rows``.
        coded: The rows' codes.
        lifts: float32 ``(n,)``, the coordinate that gives rows of unlike length under IP one
            length; else None.
        entries: uint32: rows that searches begin with.
        degree: Links of a row, a multiple of 16 up to 128.
        ef: Rows that a new row is compared with.
        threads: How many insert at once.

    Raises:
        InvalidArgumentError: Shapes do not fit together, or ``degree`` is out of range.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        rows: VectorArray,
        row_scale: Float32Array | None,
        coded: CodedRows,
        lifts: Float32Array | None,
        entries: UInt32Array,
        *,
        degree: int,
        ef: int,
        threads: int,
    ) -> None:
        self._builder = _native.GraphBuilder(
            *quantizer.as_native(),
            rows,
            row_scale,
            coded.codes,
            coded.terms,
            lifts,
            entries,
            degree,
            ef,
            threads,
        )

    def adopt(self, links: UInt32Array, rows: UInt32Array) -> None:
        """Take over the links of an older graph, before anything is inserted.

        Args:
            links: uint32 ``(m, degree)``.
            rows: uint32 ``(m,)``: what each of its rows has become; ``NO_ROW`` where it is gone.
        """
        self._builder.adopt(links, rows)

    def insert(self, rows: UInt32Array) -> None:
        """Insert rows; those that are in the graph already stay as they are. Releases the GIL."""
        self._builder.insert(rows)

    def seal(self) -> UInt32Array:
        """Return the links, uint32 ``(n, degree)``, nearest first, filled up with ``NO_ROW``."""
        return self._builder.seal()


class ProductLinks:
    """Adds links for the inner product of rows without a common length.

    Args:
        rows: ``(n, dim)``, as ``encode_rows`` takes them.
        links: uint32 ``(n, degree)`` of a graph, as ``GraphBuilder.seal`` gives them; rewritten:
            links by product come first.
        most: Links by product of a row, at most ``degree``.
        threads: How many work on it.

    Raises:
        InvalidArgumentError: Shapes do not fit together.

    Source: Morozov and Babenko, "Non-metric Similarity Graphs for Maximum Inner Product Search",
    NeurIPS 2018.
    """

    def __init__(self, rows: VectorArray, links: UInt32Array, *, most: int, threads: int) -> None:
        self._native = _native.ProductLinks(rows, links, most, threads)

    def add(self, rows: UInt32Array, candidates: GraphHits) -> None:
        """Link rows to the best of their candidates, and these back. Releases the GIL.

        Args:
            rows: uint32 ``(m,)``, each once.
            candidates: What a search by inner product found for each of them.
        """
        self._native.add(rows, candidates.row_ids, candidates.distances)


class GraphHits(NamedTuple):
    """What a search of a graph found.

    Attributes:
        row_ids: int64 ``(nq, limit)``, nearest first; -1 where no more were found.
        distances: float32 ``(nq, limit)``; +inf where no more were found.
        least: Rows found for the query with the fewest; -1 when a row to be read is damaged.
    """

    row_ids: Int64Array
    distances: Float32Array
    least: int


class SearchGraph:
    """Searches a graph over arrays that may lie in a file. Safe from many threads.

    Raises:
        CorruptionError: The arrays do not fit together.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        rows: VectorArray,
        row_scale: Float32Array | None,
        coded: CodedRows,
        links: UInt32Array,
        entries: UInt32Array,
    ) -> None:
        self.native = _native.Graph(
            *quantizer.as_native(), rows, row_scale, coded.codes, coded.terms, links, entries
        )
        self._search = self.native.search
        self._scan = self.native.scan

    def guard(self, verifier: _native.BlockVerifier, offset: int) -> None:
        """Have ``verifier`` check rows, which begin at ``offset`` in its file, before a read."""
        self.native.guard(verifier, offset)

    def search(
        self,
        queries: VectorArray,
        limit: int,
        ef: int,
        rescored: int,
        allowed: Bitset | None,
        threads: int | None = None,
    ) -> GraphHits:
        """Return the nearest rows that a walk finds.

        Args:
            queries: C-contiguous, ``(nq, dim)``, as ``kernels.distance`` takes them for these
                rows.
            limit: Rows wanted per query.
            ef: Rows that a walk keeps.
            rescored: Rows whose distance is computed, at least ``limit``.
            allowed: Rows that may be returned; None allows all.
            threads: Threads for a batch of queries, as ``kernels.threads.query_threads`` takes it.

        Releases the GIL for large work.
        """
        shape = (len(queries), limit)
        row_ids, distances = _empty(shape, _INT64), _empty(shape, _FLOAT32)
        words = None if allowed is None else allowed.words
        count = 1 if shape[0] == 1 else query_threads(shape[0], threads)
        least = self._search(queries, ef, rescored, 0, words, row_ids, distances, count)
        return GraphHits(row_ids, distances, least)

    def scan(
        self,
        queries: VectorArray,
        limit: int,
        *,
        rescored: int,
        allowed: Bitset | None,
        threads: int | None = None,
    ) -> GraphHits:
        """The same by the codes of all allowed rows."""
        shape = (len(queries), limit)
        row_ids, distances = np.empty(shape, np.int64), np.empty(shape, np.float32)
        words = None if allowed is None else allowed.words
        count = query_threads(len(queries), threads)
        least = self._scan(queries, rescored, words, row_ids, distances, count)
        return GraphHits(row_ids, distances, least)

    def prepared(
        self,
        limit: int,
        ef: int,
        rescored: int,
        *,
        method: str,
        allowed: Bitset | None,
        keys: Int64Array | None,
        like: PreparedLeg | None = None,
    ) -> PreparedLeg:
        """Return what answers one float query after the other without making arrays.

        It takes a list of floats or float32 ``(dim,)``, of any length for COSINE. There is more to
        be said of any other query, NaN, too few rows and a damaged row.

        Args:
            limit: Rows wanted, at least 1.
            ef: Rows that a walk keeps.
            rescored: Rows whose distance is computed, more than ``limit``.
            method: ``graph`` walks, ``codes`` compares the codes of all allowed rows, ``scan``
                computes the distances of all of them; then it does not matter how few there are.
            allowed: Rows that may be returned; None allows all.
            keys: int64 ``(n,)``, a key for each row; None: none are wanted.
            like: What was returned for other rows, with the same limit and keys; it is quicker.
        """
        words = None if allowed is None else allowed.words
        if isinstance(like, _native.PreparedGraph):
            rows = None if allowed is None or method != "scan" else allowed.known_rows()
            return like.under(ef, rescored, _METHODS[method], words, rows)
        return _native.PreparedGraph(
            self.native, limit, ef, rescored, _METHODS[method], words, keys
        )

    def stream(
        self, query: VectorArray, *, allowed: Bitset | None, ef: int, slack: float
    ) -> _native.CandidateStream:
        """Return a search that goes on: ``next(count)`` gives rows that did not come before.

        Args:
            query: ``(dim,)``, as those of ``search``.
            allowed: Rows that may come.
            ef: Rows that the first walk keeps.
            slack: Rows kept for each that is handed out, at least 1.
        """
        words = None if allowed is None else allowed.words
        return _native.CandidateStream(self.native, query, words, ef, slack)
