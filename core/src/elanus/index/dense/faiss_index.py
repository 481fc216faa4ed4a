"""Approximate search by any index of the faiss library, named by its factory string.

The library chooses candidates; their distances are computed again by our kernel, so that a row has
the same score whichever index found it. The effort that the contract calls ``ef`` is ``nprobe`` of
inverted lists and ``efSearch`` of graphs.

Source: Douze et al., "The Faiss library", arXiv:2401.08281.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InvalidArgumentError, PluginNotInstalledError
from elanus.index.base import Approximation, CandidateTable, SearchCost, VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.probe_curve import ProbeCurve, measure_probes, probe_ladder
from elanus.kernels.bitset import Bitset
from elanus.kernels.ivf import rescore
from elanus.types import AnyArray, ByteArray, DataType, Float32Array, Int64Array, MetricType

_log = logging.getLogger(__name__)

DEFAULT_FACTORY = "HNSW32"
ADD_ROWS = 8_192
"""Rows added between two looks at the cancel flag."""
TRAINING_ROWS = 262_144
"""Rows that train an index at most; faiss itself samples 256 for a centroid."""
LARGEST_EFFORT = 1_024
"""Where the ladder of ``efSearch`` ends."""
CANDIDATES_PER_HIT = 4
"""Candidates whose distance is computed again, as a multiple of the limit: codes of a factory
string may be coarse, and ``RFlat`` orders them before that where they are."""
GROWTH = 4
"""Times by which the effort grows while a filter leaves too few rows."""


class FaissIndex:
    """An index of faiss over the rows of one segment."""

    index_type = "FAISS"

    def __init__(self, native: Any, rows: VectorRows, curve: ProbeCurve | None) -> None:
        self._native = native
        self._rows = rows
        self._curve = curve
        self._flat = FlatIndex(rows)
        self._nlist = _num_lists(native)

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    @property
    def cost(self) -> SearchCost:
        curve = self._measured()
        return SearchCost(curve.ns_per_scanned_row, curve.ns_per_probe)

    def ef_for(self, recall: float, limit: int) -> int | None:
        return self._measured().nprobe_for(recall, limit)

    def estimated_recall(self, ef: int, limit: int) -> float:
        return self._measured().estimate(ef, limit)

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        seen = ef * self.num_rows / max(allowed, 1)
        ns = seen * self.cost.ns_per_candidate
        method = "lists" if self._nlist else "graph"
        return Approximation(method, ns, self.estimated_recall(ef, limit))

    def search(
        self,
        queries: Float32Array,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        count = self.num_rows if allowed is None else allowed.count()
        if ef is None or limit >= count:
            return self._flat.search(queries, limit, allowed=allowed)
        if allowed is not None:
            # Under a filter as many more candidates are walked past as rows are not allowed.
            ef = math.ceil(ef * self.num_rows / count)
            cost = self.cost
            if count * cost.ns_per_scanned_row <= ef * cost.ns_per_candidate:
                return self._flat.search(queries, limit, allowed=allowed)
        row_ids = np.full((len(queries), limit), -1, dtype=np.int64)
        distances = np.full((len(queries), limit), np.inf, dtype=np.float32)
        # One query at a time: faiss multiplies batches in another order, which changes near-ties.
        for i in range(len(queries)):
            query = queries[i : i + 1]
            found = self._search_one(query, limit, ef, allowed)
            row_ids[i], distances[i] = found.row_ids[0], found.distances[0]
        return CandidateTable(row_ids, distances)

    def _search_one(
        self, query: Float32Array, limit: int, ef: int, allowed: Bitset | None
    ) -> CandidateTable:
        """Search with more and more effort until there are ``limit`` rows, then exactly."""
        rows = self._rows
        most = self._nlist or self.num_rows
        effort = min(ef, most)
        while True:
            found = self._candidates(query, limit * CANDIDATES_PER_HIT, effort, allowed)
            if found is not None and np.count_nonzero(found >= 0) >= limit:
                rows.check_rows(found[found >= 0])
                nearest = rescore(rows.metric, query, rows.values, rows.scale, found, limit)
                return CandidateTable(*nearest)
            if found is None or effort >= most:
                return self._flat.search(query, limit, allowed=allowed)
            effort = min(effort * GROWTH, most)

    def _candidates(
        self, query: Float32Array, depth: int, effort: int, allowed: Bitset | None
    ) -> Int64Array | None:
        """Return row ids ``(1, depth)``; None where the index cannot filter."""
        depth = min(depth, self.num_rows)
        try:
            parameters = _parameters(self._native, effort, depth, allowed)
            _, labels = self._native.search(query, depth, params=parameters)
        except RuntimeError:
            if allowed is None:
                raise
            return None
        found: Int64Array = np.ascontiguousarray(labels, dtype=np.int64)
        return found

    def measured(self, checkpoint: Callable[[], None]) -> FaissIndex:
        """Return this index with a curve of its recall."""

        def search(queries: Float32Array, limit: int, effort: int) -> Int64Array:
            return self.search(queries, limit, ef=effort).row_ids

        ladder = probe_ladder(self._nlist or min(LARGEST_EFFORT, self.num_rows))
        if not self._nlist:
            ladder = tuple(e for e in ladder if e >= min(8, self.num_rows))
        curve = measure_probes(self._rows, search, ladder, checkpoint)
        return FaissIndex(self._native, self._rows, curve)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        stored: ByteArray = load_faiss().serialize_index(self._native)
        header = {"metric": self._rows.metric.value, "curve": self._measured().to_json()}
        return header, {"index": stored}

    def _measured(self) -> ProbeCurve:
        if self._curve is None:
            raise CorruptionError("FAISS index has no recall curve")
        return self._curve


class FaissType:
    """Registry entry of FAISS."""

    name = "FAISS"
    opens_at_once = False

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        return dtype is DataType.FLOAT_VECTOR

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = sorted(set(params) - {"factory"})
        if unknown:
            raise InvalidArgumentError(f"FAISS has no parameter {unknown[0]!r}; it takes factory")
        factory = params.get("factory", DEFAULT_FACTORY)
        if not isinstance(factory, str) or not factory.strip():
            raise InvalidArgumentError(
                f"FAISS factory must be a factory string of faiss such as {DEFAULT_FACTORY!r}, "
                f"got {factory!r}"
            )
        return {"factory": factory}

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        # What a factory string takes is not known before it is built; a graph with its rows is
        # the largest of the usual ones.
        return num_rows * (4 * dim + 320)

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> FaissIndex:
        faiss = load_faiss()
        rows.check_all()
        metric = faiss.METRIC_L2 if rows.metric is MetricType.L2 else faiss.METRIC_INNER_PRODUCT
        checkpoint()
        factory = params["factory"]
        try:
            native = faiss.index_factory(rows.dim, factory, metric)
        except RuntimeError as error:
            raise InvalidArgumentError(
                f"FAISS factory {factory!r} is none for dim {rows.dim}: {error}"
            ) from error
        if not native.is_trained:
            step = -(-rows.num_rows // TRAINING_ROWS)
            try:
                native.train(_unit(rows, slice(None, None, step)))
            except RuntimeError as error:
                _log.warning(
                    "FAISS factory %r cannot be trained with %d rows: %s; they are scanned",
                    factory,
                    rows.num_rows,
                    error,
                )
                native = faiss.index_factory(rows.dim, "Flat", metric)
        for start in range(0, rows.num_rows, ADD_ROWS):
            checkpoint()
            native.add(_unit(rows, slice(start, start + ADD_ROWS)))
        return FaissIndex(native, rows, None).measured(checkpoint)

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> FaissIndex | None:
        return None

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> FaissIndex:
        if header.get("metric") != rows.metric.value or "index" not in arrays:
            raise CorruptionError(
                f"FAISS index for {header.get('metric')} with {sorted(arrays)}: its segment has "
                f"{rows.metric.value}"
            )
        try:
            native = load_faiss().deserialize_index(arrays["index"])
        except (RuntimeError, TypeError, AssertionError) as error:
            raise CorruptionError(f"FAISS index cannot be read: {error}") from error
        if native.ntotal != rows.num_rows or native.d != rows.dim:
            raise CorruptionError(
                f"FAISS index covers {native.ntotal} rows of dim {native.d}, its segment has "
                f"{rows.num_rows} of dim {rows.dim}"
            )
        return FaissIndex(native, rows, ProbeCurve.from_json(header.get("curve", {})))


def _unit(rows: VectorRows, part: slice) -> Float32Array:
    """Return some rows as faiss compares them: of unit length for COSINE."""
    values = rows.values[part]
    if rows.scale is not None:
        values = values * rows.scale[part][:, None]
    return np.ascontiguousarray(values, dtype=np.float32)


def _inner(native: Any) -> tuple[Any, Any]:
    """Return an index as its own class, and the index that it wraps or None."""
    faiss = load_faiss()
    index = faiss.downcast_index(native)
    if isinstance(index, faiss.IndexRefine):
        return index, index.base_index
    if isinstance(index, faiss.IndexPreTransform):
        return index, index.index
    return index, None


def _num_lists(native: Any) -> int:
    """Return the number of inverted lists; 0 for other indexes."""
    index, inner = _inner(native)
    if inner is not None:
        return _num_lists(inner)
    nlist = getattr(index, "nlist", 0)
    return int(nlist)


def _parameters(native: Any, effort: int, depth: int, allowed: Bitset | None) -> Any:
    """Return the search parameters of an index and of those that it wraps."""
    faiss = load_faiss()
    index, inner = _inner(native)
    if isinstance(index, faiss.IndexRefine):
        return faiss.IndexRefineSearchParameters(
            k_factor=1, base_index_params=_parameters(inner, effort, depth, allowed)
        )
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(
            index_params=_parameters(inner, effort, depth, allowed)
        )
    chosen: dict[str, Any] = {}
    if allowed is not None:
        chosen["sel"] = faiss.IDSelectorBitmap(allowed.words.view(np.uint8))
    if getattr(index, "nlist", 0):
        return faiss.SearchParametersIVF(nprobe=effort, **chosen)
    if hasattr(index, "hnsw"):
        return faiss.SearchParametersHNSW(efSearch=max(effort, depth), **chosen)
    return faiss.SearchParameters(**chosen)


def load_faiss() -> Any:
    """Return the package.

    Raises:
        PluginNotInstalledError: It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise PluginNotInstalledError(
            "index type FAISS needs the package faiss-cpu: pip install 'elanus[faiss]', "
            "or use index type IVF_SQ8",
            name="FAISS",
            extra="elanus[faiss]",
        ) from error
    return faiss
