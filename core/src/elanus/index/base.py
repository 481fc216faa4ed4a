"""What does every index promise?

One contract per kind of index, on this page; the suite in ``elanus.testing.vector_index`` runs
against every implementation. Row ids are positions in one segment, ``0..n-1``, int64 in arrays.
Distances are float32, smaller is nearer for every metric (see ``MetricType``); equal distances are
ordered by the smaller row id. An index is immutable once built, safe from many threads, and
releases the GIL while it searches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from elanus.kernels.bitset import Bitset
from elanus.types import AnyArray, DataType, Float32Array, Int64Array, MetricType, VectorArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows found for one query, nearest first; both arrays have shape ``(m,)``."""

    row_ids: Int64Array
    distances: Float32Array

    def __len__(self) -> int:
        return len(self.row_ids)

    @classmethod
    def none(cls) -> Candidates:
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


class CandidateTable(NamedTuple):
    """Rows found for ``nq`` queries, both arrays of shape ``(nq, limit)``.

    Missing places hold row id -1 and distance +inf.
    """

    row_ids: Int64Array
    distances: Float32Array

    def query(self, i: int) -> Candidates:
        """Return the candidates of query ``i`` without the padding."""
        found = int(np.count_nonzero(self.row_ids[i] >= 0))
        return Candidates(self.row_ids[i, :found], self.distances[i, :found])


class RowGuard(Protocol):
    """Verifies rows that lie in a file before they are read.

    Each method raises ``CorruptionError`` with path and offset when bytes it looks at are damaged,
    and looks at none twice.
    """

    def check_all(self) -> None:
        """Verify every row."""

    def check_range(self, start: int, stop: int) -> None:
        """Verify the rows ``start .. stop - 1``."""

    def check_rows(self, rows: Int64Array) -> None:
        """Verify the given rows, in any order."""

    def native(self) -> tuple[Any, int] | None:
        """Return the ``BlockVerifier`` that native code asks instead, and the offset of row 0.

        None: there is no need to ask.
        """


@dataclass(frozen=True, slots=True)
class VectorRows:
    """The vectors of one segment, as an index reads them.

    Attributes:
        values: C-contiguous, shape ``(n, dim)``, as they are stored; the dtype says of which type
            (``VECTOR_DTYPES``), and which queries and metrics it takes (``kernels.distance``).
        scale: float32 of shape ``(n,)``: 1 / length of each row for COSINE (0 for a zero row),
            None for the other metrics.
        metric: One that fits the type.
        guard: Checks rows of ``values`` before an index reads them; None when there is no need.
    """

    values: VectorArray
    scale: Float32Array | None
    metric: MetricType
    guard: RowGuard | None = None

    @property
    def num_rows(self) -> int:
        return len(self.values)

    @property
    def dim(self) -> int:
        """Elements of a row: dimensions, or bytes of a binary vector."""
        return int(self.values.shape[1])

    def check_all(self) -> None:
        """Verify every row.

        Raises:
            CorruptionError: With path and offset of the damage.
        """
        if self.guard is not None:
            self.guard.check_all()

    def check_rows(self, rows: Int64Array) -> None:
        """Verify the given rows (int64, in any order).

        Raises:
            CorruptionError: With path and offset of the damage.
        """
        if self.guard is not None:
            self.guard.check_rows(rows)


@dataclass(frozen=True, slots=True)
class SearchCost:
    """What one query would cost, for the planner: pure numbers, no measuring at query time.

    Attributes:
        ns_per_scanned_row: Exact distance to one row, in nanoseconds.
        ns_per_candidate: One place of the candidate list of a graph walk, in nanoseconds;
            0 when the index only scans.
    """

    ns_per_scanned_row: float
    ns_per_candidate: float = 0.0


@dataclass(frozen=True, slots=True)
class Approximation:
    """How an index would answer with a candidate list, for the planner.

    Attributes:
        method: ``graph`` (a walk), ``codes`` (the coded rows of all allowed ones) or ``lists``.
        ns: What one query costs, in nanoseconds.
        recall: Recall measured for it.
    """

    method: str
    ns: float
    recall: float


class VectorIndex(Protocol):
    """Nearest rows of one segment to dense queries."""

    @property
    def index_type(self) -> str:
        """Name in the registry, such as ``"FLAT"``."""
        ...

    @property
    def num_rows(self) -> int:
        """Rows that the index covers."""
        ...

    @property
    def cost(self) -> SearchCost:
        """Cost model, measured when the index was built."""
        ...

    def ef_for(self, recall: float, limit: int) -> int | None:
        """Return the smallest candidate list that reaches ``recall`` at ``limit``.

        None means that only an exact scan does.
        """
        ...

    def estimated_recall(self, ef: int, limit: int) -> float:
        """Return the recall measured at build time for this candidate list and limit."""
        ...

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        """Return how ``search`` answers with this candidate list when ``allowed`` rows may be."""
        ...

    def search(
        self,
        queries: VectorArray,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        """Return the nearest allowed rows to each query, nearest first.

        Args:
            queries: C-contiguous, shape ``(nq, dim)``, of a dtype that the rows take; float32 is
                of unit length for COSINE.
            limit: Rows wanted per query, at least 1.
            allowed: Rows that may be returned, ``num_rows`` bits; None allows every row. The
                result always has ``min(limit, allowed rows)`` rows: an approximate index goes on
                until it has them.
            ef: Candidate list size in rows; None searches exactly.

        Raises:
            InvalidArgumentError: ``queries`` has the wrong dtype or shape, or ``limit`` < 1.
        """
        ...

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return a JSON header and named arrays from which ``open`` makes the same index."""
        ...


class VectorIndexType(Protocol):
    """How an index is built and opened; one per entry of the registry."""

    @property
    def name(self) -> str:
        """Name in the registry, upper case."""
        ...

    @property
    def opens_at_once(self) -> bool:
        """Whether ``open`` only maps: it takes less than one scan of the rows."""
        ...

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        """Return whether such vectors can be indexed; others are scanned."""
        ...

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return checked build parameters with their defaults.

        Raises:
            InvalidArgumentError: An unknown parameter, or a value out of range.
        """
        ...

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        """Return what an index takes in memory besides the rows, roughly.

        ``dim`` counts dimensions, of binary vectors bits.
        """
        ...

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> VectorIndex:
        """Build over ``rows``; ``checkpoint`` is called often and may raise to cancel."""
        ...

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> VectorIndex | None:
        """Build over ``rows`` out of an index of some of them, when that is the cheaper way.

        Args:
            index: An index of this type with these parameters; it stays as it is.
            rows: The rows of the new index.
            mapping: int64, shape ``(index.num_rows,)``: the row of ``rows`` that each row of
                ``index`` has become, each at most once, or -1 where it is gone.
            params: As for ``build``.
            checkpoint: Called often; may raise to cancel.

        Returns:
            An index of all ``rows`` that finds as much as a built one, or None when ``build`` is
            the better way.
        """
        ...

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> VectorIndex:
        """Open what ``to_arrays`` gave."""
        ...
