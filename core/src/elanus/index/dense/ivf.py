"""Approximate search in inverted lists: read only the rows that lie near the query's centroids.

Three types differ in what a list holds of a row: nothing, so that the stored row is read
(IVF_FLAT); one byte a dimension (IVF_SQ8); one codeword for each part of the dimensions (IVF_PQ).
Codes only choose candidates. The nearest of them are scored again from the stored rows, so a row
has the same distance whether an index, a scan or the memtable found it.

The effort that the contract calls ``ef`` is the number of lists that are read, ``nprobe``.

Source: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.base import Approximation, CandidateTable, SearchCost, VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.ivf_lists import StoredLists, build_lists, code_bytes, rebuild_lists
from elanus.index.dense.ivf_training import assign, train_centroids
from elanus.index.dense.probe_curve import ProbeCurve, measure_probes, probe_ladder
from elanus.index.params import ranged_params
from elanus.index.recall import SAMPLE_ROWS
from elanus.kernels.bitset import Bitset
from elanus.kernels.ivf import Coding, rescore
from elanus.types import AnyArray, DataType, Float32Array, Int64Array, MetricType

LEAST_CANDIDATES = 16
"""Candidates that are scored again at least: a few more than asked for cost next to nothing."""
ROWS_PER_LIST = 16
"""Lists are not shorter than this on average, however many are asked for."""
ADOPTED_SHARE = 0.5
"""Rows of a new index that an old one must bring: with fewer, its centroids may lie elsewhere."""
ADOPTED_GROWTH = 1.5
"""Times that the wanted number of lists may differ from the old one's."""
ADOPTED_SAMPLE_ROWS = 200
"""Queries that measure an adopted index: half of those that a built one gets, as it happens at
each merge."""


class IvfIndex:
    """Inverted lists over the rows of one segment."""

    def __init__(self, lists: StoredLists, rows: VectorRows, curve: ProbeCurve | None) -> None:
        self._lists = lists
        self._rows = rows
        self._curve = curve
        self._flat = FlatIndex(rows)
        self._is_verified = rows.guard is None

    @property
    def index_type(self) -> str:
        return self._lists.index_type

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    @property
    def lists(self) -> StoredLists:
        """The lists as they are stored."""
        return self._lists

    @property
    def cost(self) -> SearchCost:
        curve = self._measured()
        return SearchCost(curve.ns_per_scanned_row, curve.ns_per_probe)

    def ef_for(self, recall: float, limit: int) -> int | None:
        nprobe = self._measured().nprobe_for(recall, limit)
        return None if nprobe is None or nprobe > self._lists.nlist else nprobe

    def estimated_recall(self, ef: int, limit: int) -> float:
        return self._measured().estimate(ef, limit)

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        # Under a filter lists are read until they hold as many allowed rows as they would without.
        probes = min(ef * self.num_rows / max(allowed, 1), self._lists.nlist)
        ns = probes * self._measured().ns_per_probe
        return Approximation("lists", ns, self.estimated_recall(ef, limit))

    def search(
        self,
        queries: Float32Array,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        if ef is None or limit >= self.num_rows:
            return self._flat.search(queries, limit, allowed=allowed)
        if allowed is None:
            return self.probe(queries, limit, ef, least_rows=limit)
        count = allowed.count()
        # As many allowed rows as an unfiltered query would meet.
        least = min(count, max(limit, math.ceil(ef * self.num_rows / self._lists.nlist)))
        cost = self.cost
        probes = ef * self.num_rows / max(count, 1)
        if count * cost.ns_per_scanned_row <= probes * cost.ns_per_candidate:
            return self._flat.search(queries, limit, allowed=allowed)
        return self.probe(queries, limit, ef, least_rows=least, allowed=allowed)

    def probe(
        self,
        queries: Float32Array,
        limit: int,
        nprobe: int,
        *,
        least_rows: int,
        allowed: Bitset | None = None,
    ) -> CandidateTable:
        """Return the nearest allowed rows of the probed lists, by exact distance.

        Args:
            queries: As for ``search``.
            limit: Rows wanted per query.
            nprobe: Lists to read.
            least_rows: Allowed rows that the lists must hold: further ones are read until then.
            allowed: Rows that may be returned.
        """
        rows, lists = self._rows, self._lists
        if lists.coding == Coding.NONE:
            if not self._is_verified:
                rows.check_all()
                self._is_verified = True
            found = lists.native.search(
                queries,
                limit,
                num_probes=nprobe,
                least_rows=least_rows,
                allowed=allowed,
                rows=rows.values,
                row_scale=rows.scale,
            )
            return CandidateTable(*found)
        depth = max(math.ceil(limit * lists.refine_k), LEAST_CANDIDATES)
        candidates, _ = lists.native.search(
            queries,
            min(depth, self.num_rows),
            num_probes=nprobe,
            least_rows=least_rows,
            allowed=allowed,
        )
        if not self._is_verified:
            rows.check_rows(np.unique(candidates[candidates >= 0]))
        found = rescore(rows.metric, queries, rows.values, rows.scale, candidates, limit)
        return CandidateTable(*found)

    def measured(self, checkpoint: Callable[[], None], sample_rows: int = SAMPLE_ROWS) -> IvfIndex:
        """Return this index with a curve of its recall."""

        def search(queries: Float32Array, limit: int, nprobe: int) -> Int64Array:
            return self.probe(queries, limit, nprobe, least_rows=limit).row_ids

        ladder = probe_ladder(self._lists.nlist)
        curve = measure_probes(self._rows, search, ladder, checkpoint, sample_rows=sample_rows)
        return IvfIndex(self._lists, self._rows, curve)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        header, arrays = self._lists.to_arrays()
        return {**header, "curve": self._measured().to_json()}, arrays

    def _measured(self) -> ProbeCurve:
        if self._curve is None:
            raise CorruptionError("inverted lists have no recall curve")
        return self._curve


class IvfType:
    """Registry entry of one kind of inverted lists."""

    opens_at_once = True

    def __init__(self, name: str, coding: Coding) -> None:
        self.name = name
        self._coding = coding
        self._ranges: dict[str, tuple[float, float, float]] = {
            # name: (least, most, default); limits as in Milvus. nlist 0: by the segment's rows.
            "nlist": (0, 65_536, 0),
        }
        if coding == Coding.SCALAR:
            self._ranges["refine_k"] = (1, 1_000, 2)
        if coding == Coding.PRODUCT:
            # m 0: by the dimensions.
            self._ranges |= {"m": (0, 32_768, 0), "nbits": (4, 8, 4), "refine_k": (1, 1_000, 4)}

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        return dtype is DataType.FLOAT_VECTOR

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        parsed = ranged_params(self.name, params, self._ranges, fractions={"refine_k"})
        if parsed.get("nbits", 4) not in (4, 8):
            raise InvalidArgumentError(f"{self.name} nbits must be 4 or 8, got {parsed['nbits']}")
        return parsed

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        nlist = _num_lists(num_rows, params)
        per_row = 4 + 4 + code_bytes(self._coding, dim, params)
        return num_rows * per_row + nlist * (5 * dim + 16 * per_row)

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> IvfIndex:
        rows.check_all()
        checkpoint()
        centroids = train_centroids(rows, _num_lists(rows.num_rows, params), checkpoint)
        every = np.arange(rows.num_rows)
        labels = assign(centroids.over(rows), centroids.values, every, checkpoint)
        lists = build_lists(
            self.name, self._coding, rows, centroids, labels, params, checkpoint=checkpoint
        )
        return IvfIndex(lists, rows, None).measured(checkpoint)

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> IvfIndex | None:
        if not isinstance(index, IvfIndex) or index.index_type != self.name:
            return None
        kept = int(np.count_nonzero(mapping >= 0))
        growth = _num_lists(rows.num_rows, params) / index.lists.nlist
        is_near = 1 / ADOPTED_GROWTH <= growth <= ADOPTED_GROWTH
        if kept < ADOPTED_SHARE * rows.num_rows or not is_near:
            return None
        rows.check_all()
        lists = rebuild_lists(index.lists, rows, mapping, checkpoint=checkpoint)
        return IvfIndex(lists, rows, None).measured(checkpoint, ADOPTED_SAMPLE_ROWS)

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> IvfIndex:
        lists = StoredLists.open(self.name, self._coding, rows, header, arrays)
        try:
            stored = header["curve"]
        except KeyError:
            raise CorruptionError(f"{self.name}: the header has no recall curve") from None
        return IvfIndex(lists, rows, ProbeCurve.from_json(stored))


def _num_lists(num_rows: int, params: Mapping[str, Any]) -> int:
    """Return the number of lists for a segment of that size."""
    wanted = int(params["nlist"]) or round(4 * math.sqrt(num_rows))
    return max(1, min(wanted, num_rows // ROWS_PER_LIST, 65_536))


def ivf_types() -> tuple[IvfType, ...]:
    """Return the registry entries."""
    return (
        IvfType("IVF_FLAT", Coding.NONE),
        IvfType("IVF_SQ8", Coding.SCALAR),
        IvfType("IVF_PQ", Coding.PRODUCT),
    )
