"""Approximate search on a Hierarchical Navigable Small World graph.

The graph is hnswlib's; distances of what it returns are computed again by our kernel, so that a
row has the same score whether a graph, a scan or the memtable found it.

Source: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", arXiv:1603.09320.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, PluginNotInstalledError
from elanus.index.base import Approximation, CandidateTable, SearchCost, VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.hnsw_graph import adopt_nodes
from elanus.index.params import ranged_params
from elanus.index.recall import SAMPLE_ROWS, RecallCurve, measure_recall
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import distances_to_rows
from elanus.types import AnyArray, DataType, Float32Array, Int64Array, MetricType

BUILD_CHUNK_ROWS = 2_000
"""Rows added between two looks at the cancel flag: well under a second of work."""
ADOPTED_SHARE = 0.5
"""Rows of a new graph that an old one must bring: below it, a merge waits for inserts alone."""
LIVING_SHARE = 0.7
"""Rows of an old graph that must live on. With 15 % dead, recall@10 of the repaired graph was
within 0.005 of a fresh one (60,000 passages of 384 dimensions), with 40 % dead 0.013 below."""
ADOPTED_SAMPLE_ROWS = 200
"""Queries that measure an adopted graph: half of those that a built one gets, as it happens at
each merge."""
CHECKED_EF, CHECKED_LIMIT, LOST_RECALL = 64, 10, 0.04
"""An adopted graph whose recall at this point is further below the old one's is thrown away: it
is more than the sample's error and what a larger graph loses."""
FIXED_WALK_NS = 15_000
"""Cost of entering a graph search at all (candidate pool, call), in nanoseconds."""
NODE_BYTES = 160
"""What hnswlib keeps per node besides links and vector: row id, level, lock, look-up by row id.
Measured as the growth of the heap with 60,000 nodes: 157 when built, 184 when opened."""
_SPACES = {MetricType.L2: "l2", MetricType.IP: "ip", MetricType.COSINE: "cosine"}


class HnswIndex:
    """A built graph over the rows of one segment."""

    index_type = "HNSW"

    def __init__(self, graph: Any, rows: VectorRows, curve: RecallCurve) -> None:
        self._graph = graph
        self._rows = rows
        self._curve = curve
        self._flat = FlatIndex(rows)
        self._gate = _EfGate(graph)

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    @property
    def cost(self) -> SearchCost:
        return SearchCost(self._curve.ns_per_scanned_row, self._curve.ns_per_candidate)

    def ef_for(self, recall: float, limit: int) -> int | None:
        return self._curve.ef_for(recall, limit)

    def estimated_recall(self, ef: int, limit: int) -> float:
        return self._curve.estimate(ef, limit)

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        # Under a filter a walk has to see rows / allowed times as many candidates.
        seen = ef * self.num_rows / max(allowed, 1)
        ns = FIXED_WALK_NS + seen * self._curve.ns_per_candidate
        return Approximation("graph", ns, self.estimated_recall(ef, limit))

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
        row_ids = np.full((len(queries), limit), -1, dtype=np.int64)
        distances = np.full((len(queries), limit), np.inf, dtype=np.float32)
        if allowed is None:
            found = self._walk(queries, max(ef, limit), ef)[:, :limit]
            for i, query in enumerate(queries):
                self._fill(query, found[i], row_ids[i], distances[i])
            return CandidateTable(row_ids, distances)
        wanted = min(limit, allowed.count())
        is_allowed = allowed.to_mask()
        # One query at a time: each goes on until it has enough allowed rows.
        for i in range(len(queries)):
            query = queries[i : i + 1]
            rows = self._walk_filtered(query, wanted, is_allowed, ef)
            if rows is None:
                exact = self._flat.search(query, limit, allowed=allowed)
                row_ids[i], distances[i] = exact.row_ids[0], exact.distances[0]
            else:
                self._fill(query[0], rows[:limit], row_ids[i], distances[i])
        return CandidateTable(row_ids, distances)

    def _walk(self, queries: Float32Array, limit: int, ef: int) -> Int64Array:
        """Return row ids of shape ``(nq, min(limit, n))``, nearest first."""
        limit = min(limit, self.num_rows)
        with self._gate.at_least(max(ef, limit)):
            labels, _ = self._graph.knn_query(queries, k=limit, num_threads=1)
        found: Int64Array = labels.astype(np.int64)
        return found

    def _walk_filtered(
        self, query: Float32Array, wanted: int, is_allowed: AnyArray, ef: int
    ) -> Int64Array | None:
        """Pull candidates, twice as many each time, until ``wanted`` of them are allowed.

        Returns None when a scan of the allowed rows has become the cheaper way.
        """
        scan_ns = self.cost.ns_per_scanned_row * float(np.count_nonzero(is_allowed))
        # Half of the list must be left over: the last candidates of a walk are the ones it
        # is least sure of.
        depth = max(ef, 2 * wanted)
        while depth < self.num_rows and depth * self.cost.ns_per_candidate <= scan_ns:
            found = self._walk(query, depth, depth)[0]
            kept: Int64Array = found[is_allowed[found]]
            if len(kept) >= 2 * wanted or (len(kept) >= wanted and depth >= 4 * ef):
                return kept
            depth *= 2
        return None

    def _fill(
        self, query: Float32Array, found: Int64Array, row_ids: AnyArray, distances: AnyArray
    ) -> None:
        rows = self._rows
        rows.check_rows(found)
        exact = distances_to_rows(rows.metric, query, rows.values, rows.scale, found)
        order = np.lexsort((found, exact))
        row_ids[: len(found)] = found[order]
        distances[: len(found)] = exact[order]

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        state = self._graph.__getstate__()[0]
        arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
        header = {k: v for k, v in state.items() if not isinstance(v, np.ndarray)}
        return {"graph": header, "curve": self._curve.to_json()}, arrays


class _EfGate:
    """Shares one graph between searches that want different candidate lists.

    hnswlib keeps ``ef`` on the graph. A search may run with a larger one than it asked for,
    never with a smaller one; the value goes down only while nobody searches.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._lock = threading.Lock()
        self._ef = int(graph.ef)
        self._running = 0

    @contextmanager
    def at_least(self, ef: int) -> Iterator[None]:
        with self._lock:
            if ef > self._ef or (self._running == 0 and ef != self._ef):
                self._graph.set_ef(ef)
                self._ef = ef
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1


class HnswType:
    """Registry entry of HNSW."""

    name = "HNSW"
    opens_at_once = False
    _ranges: Mapping[str, tuple[float, float, float]] = {
        # name: (least, most, default); limits as in Milvus
        "M": (2, 2048, 16),
        "ef_construction": (8, 4096, 128),
    }

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        return dtype is DataType.FLOAT_VECTOR

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        aliases = {"efConstruction": "ef_construction"}
        return ranged_params(self.name, params, self._ranges, aliases=aliases)

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        links = int(params["M"])
        ground = 4 * dim + 8 * links
        # A node has 1 / (M - 1) lists above the ground, each of M links.
        above = 4 * (links + 1) // max(links - 1, 1)
        return num_rows * (ground + above + NODE_BYTES)

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> HnswIndex:
        rows.check_all()
        graph = load_hnswlib().Index(_SPACES[rows.metric], rows.dim)
        graph.init_index(
            max_elements=rows.num_rows, M=params["M"], ef_construction=params["ef_construction"]
        )
        _add(graph, rows, np.arange(rows.num_rows, dtype=np.int64), checkpoint)
        return HnswIndex(graph, rows, _measured(graph, rows, SAMPLE_ROWS))

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> HnswIndex | None:
        kept = int(np.count_nonzero(mapping >= 0))
        is_large = kept >= ADOPTED_SHARE * rows.num_rows
        if not is_large or kept < LIVING_SHARE * len(mapping):
            return None
        checkpoint()
        header, arrays = index.to_arrays()
        state = adopt_nodes({**header["graph"], **arrays}, mapping, rows.num_rows)
        if state is None or (state["M"], state["ef_construction"]) != _stored(params):
            return None
        graph = load_hnswlib().Index(state)
        del state, arrays
        is_new = np.ones(rows.num_rows, dtype=np.bool_)
        is_new[mapping[mapping >= 0]] = False
        added: Int64Array = np.flatnonzero(is_new).astype(np.int64)
        rows.check_rows(added)
        _add(graph, rows, added, checkpoint)
        adopted = HnswIndex(graph, rows, _measured(graph, rows, ADOPTED_SAMPLE_ROWS))
        before, after = (i.estimated_recall(CHECKED_EF, CHECKED_LIMIT) for i in (index, adopted))
        return adopted if after >= before - LOST_RECALL else None

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> HnswIndex:
        state = {**header["graph"], **arrays}
        if state["cur_element_count"] != rows.num_rows or state["dim"] != rows.dim:
            raise CorruptionError(
                f"HNSW graph covers {state['cur_element_count']} rows of dim {state['dim']}, its "
                f"segment has {rows.num_rows} of dim {rows.dim}"
            )
        return HnswIndex(load_hnswlib().Index(state), rows, RecallCurve.from_json(header["curve"]))


def _add(graph: Any, rows: VectorRows, row_ids: Int64Array, checkpoint: Callable[[], None]) -> None:
    """Insert the given rows into a graph."""
    threads = os.cpu_count() or 1
    for start in range(0, len(row_ids), BUILD_CHUNK_ROWS):
        checkpoint()
        part = row_ids[start : start + BUILD_CHUNK_ROWS]
        graph.add_items(rows.values[part], part, num_threads=threads)


def _stored(params: Mapping[str, Any]) -> tuple[int, int]:
    """Return M and ef_construction as hnswlib keeps them."""
    return params["M"], max(params["ef_construction"], params["M"])


def _measured(graph: Any, rows: VectorRows, sample_rows: int) -> RecallCurve:
    flat = FlatIndex(rows)

    def exact(sample: Float32Array, limit: int) -> Int64Array:
        return flat.search(sample, limit).row_ids

    def approximate(sample: Float32Array, limit: int, ef: int) -> Int64Array:
        graph.set_ef(max(ef, limit))
        labels, _ = graph.knn_query(sample, k=limit, num_threads=1)
        found: Int64Array = labels.astype(np.int64)
        return found

    return measure_recall(rows.values, rows.scale, exact, approximate, sample_rows=sample_rows)


def load_hnswlib() -> Any:
    """Return the package.

    Raises:
        PluginNotInstalledError: It is not installed.
    """
    try:
        import hnswlib
    except ImportError as error:
        raise PluginNotInstalledError(
            "index type HNSW needs the package hnswlib: pip install 'elanus[hnsw]', "
            "or use index type FLAT",
            name="HNSW",
            extra="elanus[hnsw]",
        ) from error
    return hnswlib
