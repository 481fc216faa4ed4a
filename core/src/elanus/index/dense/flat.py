"""Exact search by scanning every allowed row: the oracle of the other indexes.

Needs no building and no memory of its own, so that it also serves rows that were just inserted
and segments whose index is still being built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from elanus.errors import InvalidArgumentError
from elanus.index.base import Approximation, CandidateTable, SearchCost, VectorIndex, VectorRows
from elanus.index.dense.first_scan import scan_unverified
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import scan_topk
from elanus.types import AnyArray, DataType, Int64Array, MetricType, VectorArray

NS_PER_SCANNED_VALUE = 0.14
"""Cost of one float32 of an exact scan, measured with AVX2 on vectors that lie in memory."""

BLOCK_BYTES = 64 * 1024
"""Files are verified in blocks of this length, so that more allowed rows than they have blocks
touch most of them: then it is cheaper to verify all than to look up where each row lies."""
FIRST_SCAN_BYTES = 4 << 20
"""Vectors from which verifying and scanning part by part saves more than it costs."""


class FlatIndex:
    """Exact scan over the rows of one segment."""

    index_type = "FLAT"

    def __init__(self, rows: VectorRows) -> None:
        self._rows = rows
        self._is_verified = rows.guard is None

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    @property
    def cost(self) -> SearchCost:
        floats = self._rows.dim * self._rows.values.itemsize / 4
        return SearchCost(ns_per_scanned_row=NS_PER_SCANNED_VALUE * floats)

    def ef_for(self, recall: float, limit: int) -> int | None:
        return None

    def estimated_recall(self, ef: int, limit: int) -> float:
        return 1.0

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        return Approximation("scan", allowed * self.cost.ns_per_scanned_row, 1.0)

    def search(
        self,
        queries: VectorArray,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        rows = self._rows
        if not self._is_verified:
            found = self._first_search(queries, limit, allowed)
            if found is not None:
                return found
        row_ids, distances = scan_topk(
            rows.metric, queries, rows.values, rows.scale, allowed, limit
        )
        return CandidateTable(row_ids, distances)

    def _first_search(
        self, queries: VectorArray, limit: int, allowed: Bitset | None
    ) -> CandidateTable | None:
        """Verify the rows to be scanned; return what they give when they were scanned as well."""
        rows = self._rows
        if allowed is not None and allowed.count() * BLOCK_BYTES < rows.values.nbytes:
            rows.check_rows(allowed.to_rows())
            return None
        found = None
        if rows.values.nbytes >= FIRST_SCAN_BYTES and len(queries) and limit > 0:
            found = scan_unverified(rows, queries, limit, allowed)
        if found is None:
            rows.check_all()
        self._is_verified = True
        return found

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        return {}, {}


class FlatType:
    """Registry entry of FLAT."""

    name = "FLAT"
    opens_at_once = True

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        return dtype.is_dense_vector

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if params:
            raise InvalidArgumentError(f"FLAT takes no parameters, got {', '.join(sorted(params))}")
        return {}

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        return 0

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> FlatIndex:
        return FlatIndex(rows)

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> FlatIndex:
        return FlatIndex(rows)

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> FlatIndex:
        return FlatIndex(rows)
