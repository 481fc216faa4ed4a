"""Approximate search on a pruned proximity graph over coded rows.

A walk compares the query with 4-bit codes of rows (7-bit ones where calibration asks for them); the
distances of the best of them are then computed from the rows themselves, so that a row has the same
score whether a graph, a scan or the memtable found it. Under a filter only allowed rows are walked,
over disallowed ones to their neighbours; where few rows are allowed, all their codes are compared.

Decision 0010 has the measurements behind each choice. Source of the links: Jayaram Subramanya et
al., "DiskANN: Fast Accurate Billion-point Nearest Neighbor Search on a Single Node", NeurIPS 2019.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InternalError, InvalidArgumentError
from elanus.index.base import (
    Approximation,
    Candidates,
    CandidateTable,
    SearchCost,
    VectorIndex,
    VectorRows,
)
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.graph_training import Trained, train
from elanus.index.recall import SAMPLE_ROWS, RecallCurve, measure_recall
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import distances_to_rows
from elanus.kernels.graph import (
    NO_ROW,
    CodedRows,
    CodeKind,
    GraphBuilder,
    Quantizer,
    SearchGraph,
    encode_rows,
)
from elanus.types import AnyArray, DataType, Float32Array, Int64Array, MetricType, UInt32Array

FORMAT = 1
"""Version of what ``GraphIndex.to_arrays`` gives."""
BUILD_CHUNK_ROWS = 1_000
"""Rows inserted between two looks at the cancel flag."""
RESCORED_LIMIT = 10
"""At least as many rows are rescored as for this limit: with 4-bit codes of passages, recall at 10
is that of rescoring all from 20 on (ef 24: 10 gave 0.901, 14 0.958, 20 0.963, all 0.963)."""
SCAN_RESCORED_FACTOR = 2
"""How many more are rescored after a scan of all codes, where that is a small part of the work."""
FILTERED_EF = 1.5
"""How much longer the list of a walk under a filter is: its links are not those of the allowed
rows alone."""
FIXED_WALK_NS = 8_000
"""Entry rows, query code and result of a walk, in nanoseconds."""
NS_PER_RESCORED = 120
"""One row that is read from memory for its distance, in nanoseconds."""
LATER_SAMPLE_ROWS = 200
"""Queries that measure an adopted graph: half of those that a built one gets, as it happens at
each merge."""
ADOPTED_SHARE, LIVING_SHARE = 0.5, 0.7
"""Rows of a new graph that an old one must bring, and rows of the old one that must live on."""
CHECKED_EF, CHECKED_LIMIT, LOST_RECALL = 64, 10, 0.04
"""An adopted graph whose recall at this point is further below the old one's is thrown away: it
is more than the sample's error and what a larger graph loses."""
STREAM_SLACK = 2.0
"""Rows that a stream keeps for each that it hands out."""


class GraphIndex:
    """A built graph over the rows of one segment.

    Args:
        rows: The rows.
        quantizer: What coded them.
        coded: Their codes.
        links: uint32 ``(n, degree)``.
        entries: uint32: rows that walks begin with.
        rescored: Rows by codes that hold each row wanted.
        curve: Recall and time by candidate list.
        ns_per_code: Time of a scan of all codes, in nanoseconds a row.

    Raises:
        CorruptionError: The arrays do not fit together.
    """

    index_type = "GRAPH"

    def __init__(
        self,
        rows: VectorRows,
        quantizer: Quantizer,
        coded: CodedRows,
        links: UInt32Array,
        entries: UInt32Array,
        rescored: int,
        curve: RecallCurve | None = None,
        ns_per_code: float = 0.0,
    ) -> None:
        self._rows = rows
        self._quantizer = quantizer
        self._coded = coded
        self._links = links
        self._entries = entries
        self._rescored = rescored
        self._curve = curve
        self._ns_per_code = ns_per_code
        self._flat = FlatIndex(rows)
        self._graph = SearchGraph(quantizer, rows.values, rows.scale, coded, links, entries)
        if rows.guard is not None:
            place = rows.guard.native()
            if place is not None:
                self._graph.guard(*place)

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    @property
    def cost(self) -> SearchCost:
        curve = self.curve
        return SearchCost(curve.ns_per_scanned_row, curve.ns_per_candidate)

    @property
    def curve(self) -> RecallCurve:
        """Recall by candidate list, measured when the graph was built."""
        if self._curve is None:
            raise InternalError("graph: its recall was not measured")
        return self._curve

    def ef_for(self, recall: float, limit: int) -> int | None:
        return self.curve.ef_for(recall, limit)

    def estimated_recall(self, ef: int, limit: int) -> float:
        return self.curve.estimate(ef, limit)

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        share = allowed / max(self.num_rows, 1)
        method, ns = "graph", self._walk_ns(ef, share)
        codes_ns = self._codes_ns(allowed, limit)
        if share < 1.0 and codes_ns < ns:
            method, ns = "codes", codes_ns
        return Approximation(method, ns, self.estimated_recall(ef, limit))

    def _num_rescored(self, limit: int) -> int:
        return self._rescored * max(limit, RESCORED_LIMIT)

    def _walk_ns(self, ef: int, share: float) -> float:
        if share < 1.0:
            # Lists are read for their allowed rows: about one more for each that is blocked.
            ef = math.ceil(ef * FILTERED_EF * (0.5 + 0.5 / max(share, 0.05)))
        return FIXED_WALK_NS + ef * self.curve.ns_per_candidate

    def _codes_ns(self, allowed: int, limit: int) -> float:
        rescored = min(allowed, SCAN_RESCORED_FACTOR * self._num_rescored(limit))
        return allowed * self._ns_per_code + rescored * NS_PER_RESCORED

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
        if limit < 1:
            raise InvalidArgumentError(f"limit: expected at least 1, got {limit}")
        self._check_queries(queries)
        if allowed is None:
            found = self._walk(queries, limit, ef, None)
            return self._completed(queries, limit, min(limit, self.num_rows), None, found)
        count = allowed.count()
        wanted = min(limit, count)
        if wanted == count:
            return self._flat.search(queries, limit, allowed=allowed)
        if self.approximate(count, limit, ef).method == "codes":
            rescored = SCAN_RESCORED_FACTOR * self._num_rescored(limit)
            found = self._graph.scan(queries, limit, rescored=rescored, allowed=allowed)
        else:
            found = self._walk(queries, limit, math.ceil(FILTERED_EF * ef), allowed)
        return self._completed(queries, limit, wanted, allowed, found)

    def _walk(
        self, queries: Float32Array, limit: int, ef: int, allowed: Bitset | None
    ) -> tuple[Int64Array, Float32Array] | None:
        rescored = self._num_rescored(limit)
        return self._graph.search(
            queries, limit, ef=max(ef, limit), rescored=rescored, allowed=allowed
        )

    def _completed(
        self,
        queries: Float32Array,
        limit: int,
        wanted: int,
        allowed: Bitset | None,
        found: tuple[Int64Array, Float32Array] | None,
    ) -> CandidateTable:
        """Return what was found; scan for the queries that a walk found too little for."""
        if found is None:
            # Says which row is damaged.
            self._rows.check_all()
            raise InternalError("graph: a row was damaged when it was searched, and is no more")
        row_ids, distances = found
        short = row_ids[:, wanted - 1] < 0
        if short.any():
            exact = self._flat.search(queries[short], limit, allowed=allowed)
            row_ids[short], distances[short] = exact.row_ids, exact.distances
        return CandidateTable(row_ids, distances)

    def _check_queries(self, queries: Float32Array) -> None:
        if queries.dtype != np.float32 or queries.ndim != 2 or queries.shape[1] != self._rows.dim:
            raise InvalidArgumentError(
                f"queries: expected float32 of shape (nq, {self._rows.dim}), got {queries.dtype} "
                f"of shape {queries.shape}"
            )

    def stream(
        self, query: Float32Array, *, allowed: Bitset | None = None, ef: int | None = None
    ) -> GraphStream:
        """Return a search that goes on; see ``VectorIndex.stream``."""
        self._check_queries(query[None, :])
        first = CHECKED_EF if ef is None else ef
        native = self._graph.stream(query, allowed=allowed, ef=first, slack=STREAM_SLACK)
        return GraphStream(native.next, self._rows, query, self._rescored)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        quantizer = self._quantizer
        header = {
            "format": FORMAT,
            "codes": quantizer.kind.value,
            "spread": quantizer.spread,
            "rescored": self._rescored,
            "curve": self.curve.to_json(),
            "ns_per_code": self._ns_per_code,
        }
        arrays: dict[str, AnyArray] = {
            "codes": self._coded.codes,
            "terms": self._coded.terms,
            "links": self._links,
            "entries": self._entries,
            "mean": quantizer.mean,
            "steps": quantizer.steps,
        }
        return header, arrays

    @property
    def links(self) -> UInt32Array:
        """The links, uint32 ``(n, degree)``, nearest first, filled up with ``NO_ROW``."""
        return self._links

    def measure(self, sample_rows: int) -> None:
        """Measure recall and time."""

        def approximate(sample: Float32Array, limit: int, ef: int) -> Int64Array:
            found = self._walk(sample, limit, ef, None)
            if found is None:
                self._rows.check_all()
                raise InternalError("graph: a row was damaged when it was searched")
            return found[0]

        def exact(sample: Float32Array, limit: int) -> Int64Array:
            return self._flat.search(sample, limit).row_ids

        rows = self._rows
        self._curve = measure_recall(
            rows.values, rows.scale, exact, approximate, sample_rows=sample_rows
        )
        query = np.ascontiguousarray(rows.values[:1])
        started = time.thread_time_ns()
        self._graph.scan(query, 1, rescored=self._num_rescored(1), allowed=None)
        self._ns_per_code = (time.thread_time_ns() - started) / max(rows.num_rows, 1)


class GraphStream:
    """Rows of a graph in about the order of their distance, as many as are asked for."""

    def __init__(
        self,
        next_rows: Callable[[int], Int64Array],
        rows: VectorRows,
        query: Float32Array,
        rescored: int,
    ) -> None:
        self._next_rows = next_rows
        self._rows = rows
        self._query = query
        self._rescored = rescored
        self._held = Candidates.none()

    def next(self, count: int) -> Candidates:
        """Return the next rows, nearest first; fewer than ``count`` only when no more are left.

        No row comes twice, and every allowed row comes in the end.
        """
        # Rows come in the order of their codes: the nearest of some more are the nearest.
        missing = self._rescored * count - len(self._held)
        if missing > 0:
            self._hold(self._next_rows(missing))
        row_ids, distances = self._held.row_ids, self._held.distances
        self._held = Candidates(row_ids[count:], distances[count:])
        return Candidates(row_ids[:count], distances[:count])

    def _hold(self, found: Int64Array) -> None:
        rows = self._rows
        rows.check_rows(found)
        distances = distances_to_rows(rows.metric, self._query, rows.values, rows.scale, found)
        row_ids = np.concatenate([self._held.row_ids, found])
        distances = np.concatenate([self._held.distances, distances])
        order = np.lexsort((row_ids, distances))
        self._held = Candidates(row_ids[order], distances[order])


class GraphType:
    """Registry entry of GRAPH."""

    name = "GRAPH"
    opens_at_once = True
    _ranges: Mapping[str, tuple[int, int, int]] = {
        # name: (least, most, default)
        "degree": (16, 128, 64),
        "ef_construction": (16, 4096, 100),
    }
    _names: Mapping[str, str] = {"efConstruction": "ef_construction"}

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        return dtype is DataType.FLOAT_VECTOR

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        given = {self._names.get(k, k): v for k, v in params.items()}
        unknown = sorted(set(given) - set(self._ranges))
        if unknown:
            raise InvalidArgumentError(
                f"GRAPH has no parameter {unknown[0]!r}; it takes {', '.join(self._ranges)}"
            )
        parsed: dict[str, int] = {}
        for name, (least, most, default) in self._ranges.items():
            value = given.get(name, default)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise InvalidArgumentError(
                    f"GRAPH {name} must be an integer in {least}..{most}, got {value!r}"
                )
            parsed[name] = value
        if parsed["degree"] % 16:
            raise InvalidArgumentError(
                f"GRAPH degree must be a multiple of 16, got {parsed['degree']}"
            )
        return parsed

    def memory_bytes(self, num_rows: int, dim: int, params: Mapping[str, Any]) -> int:
        codes = CodeKind.NIBBLES.row_bytes(dim)
        return num_rows * (codes + 4 * int(params["degree"]) + 8)

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> GraphIndex:
        checkpoint()
        rows.check_all()
        _check_not_empty(rows)
        plan = _Build(rows, train(rows), params, checkpoint)
        index = plan.run(plan.builder())
        index.measure(SAMPLE_ROWS)
        return index

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> GraphIndex | None:
        kept = int(np.count_nonzero(mapping >= 0))
        is_large = kept >= ADOPTED_SHARE * rows.num_rows
        if not is_large or kept < LIVING_SHARE * len(mapping) or not isinstance(index, GraphIndex):
            return None
        checkpoint()
        rows.check_all()
        plan = _Build(rows, train(rows), params, checkpoint)
        builder = plan.builder()
        places = np.where(mapping >= 0, mapping, NO_ROW).astype(np.uint32)
        builder.adopt(np.ascontiguousarray(index.links), places)
        adopted = plan.run(builder)
        adopted.measure(LATER_SAMPLE_ROWS)
        before, after = (i.estimated_recall(CHECKED_EF, CHECKED_LIMIT) for i in (index, adopted))
        return adopted if after >= before - LOST_RECALL else None

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> GraphIndex:
        if header.get("format") != FORMAT:
            raise CorruptionError(f"graph: format {header.get('format')!r}, expected {FORMAT}")
        try:
            kind = CodeKind(header["codes"])
            quantizer = Quantizer(
                kind,
                rows.metric,
                _array(arrays, "mean", np.float32, 1),
                _array(arrays, "steps", np.float32, 1),
                float(header["spread"]),
            )
            curve = RecallCurve.from_json(header["curve"])
            ns_per_code = float(header["ns_per_code"])
            rescored = int(header["rescored"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptionError(f"graph: its header is not one: {error!r}") from error
        if len(quantizer.mean) != rows.dim or len(quantizer.steps) != rows.dim:
            raise CorruptionError(
                f"graph: means and steps of {len(quantizer.mean)} and {len(quantizer.steps)} "
                f"dimensions, its segment has {rows.dim}"
            )
        coded = CodedRows(
            _array(arrays, "codes", np.uint8, 2), _array(arrays, "terms", np.float32, 2)
        )
        links = _array(arrays, "links", np.uint32, 2)
        entries = _array(arrays, "entries", np.uint32, 1)
        return GraphIndex(rows, quantizer, coded, links, entries, rescored, curve, ns_per_code)


class _Build:
    """One graph that is being built."""

    def __init__(
        self,
        rows: VectorRows,
        trained: Trained,
        params: Mapping[str, Any],
        checkpoint: Callable[[], None],
    ) -> None:
        self._rows = rows
        self._trained = trained
        self._params = params
        self._checkpoint = checkpoint
        self._threads = os.cpu_count() or 1
        self._coded = encode_rows(trained.quantizer, rows.values, rows.scale, self._threads)

    def builder(self) -> GraphBuilder:
        """Return a builder without rows."""
        return GraphBuilder(
            self._trained.quantizer,
            self._rows.values,
            self._rows.scale,
            self._coded,
            self._trained.lifts,
            self._trained.entries,
            degree=self._params["degree"],
            ef=self._params["ef_construction"],
            threads=self._threads,
        )

    def run(self, builder: GraphBuilder) -> GraphIndex:
        """Insert all rows that are missing, and return the graph; its recall is not measured."""
        entries = self._trained.entries
        # In random order: neighbours that come one after the other would miss each other.
        others = np.random.default_rng(0).permutation(self._rows.num_rows).astype(np.uint32)
        order = np.concatenate([entries, others])
        for start in range(0, len(order), BUILD_CHUNK_ROWS):
            self._checkpoint()
            builder.insert(order[start : start + BUILD_CHUNK_ROWS])
        links = builder.seal()
        trained = self._trained
        return GraphIndex(
            self._rows, trained.quantizer, self._coded, links, entries, trained.rescored
        )


def _check_not_empty(rows: VectorRows) -> None:
    if rows.num_rows == 0:
        raise InvalidArgumentError("GRAPH needs at least one row; use FLAT for an empty segment")


def _array(arrays: Mapping[str, AnyArray], name: str, dtype: Any, ndim: int) -> Any:
    found = arrays.get(name)
    if found is None or found.dtype != dtype or found.ndim != ndim:
        what = "missing" if found is None else f"{found.dtype} of {found.ndim} dimensions"
        raise CorruptionError(f"graph: array {name!r} is {what}")
    return np.ascontiguousarray(found)
