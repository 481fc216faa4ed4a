"""Approximate search on a pruned proximity graph over coded rows.

A walk compares the query with 4-bit codes of rows (7-bit ones where calibration asks for them),
binary vectors as they are; the
distances of the best of them are then computed from the rows themselves, so that a row has the same
score whether a graph, a scan or the memtable found it. Under a filter only allowed rows are walked,
over disallowed ones to their neighbours; where few rows are allowed, all their codes are compared.

Decision 0010 has the measurements behind each choice. Source of the links: Jayaram Subramanya et
al., "DiskANN: Fast Accurate Billion-point Nearest Neighbor Search on a Single Node", NeurIPS 2019.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from elanus.errors import InternalError, InvalidArgumentError
from elanus.index.base import (
    Approximation,
    Candidates,
    CandidateTable,
    SearchCost,
    VectorRows,
)
from elanus.index.dense.flat import FlatIndex
from elanus.index.dense.graph_training import TRIAL_RECALL
from elanus.index.recall import TIMED_SCANS, RecallCurve, measure_recall
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import distances_to_rows, query_dtypes, widened
from elanus.kernels.graph import (
    CodedRows,
    CodeKind,
    GraphHits,
    Quantizer,
    SearchGraph,
)
from elanus.kernels.prepared import PreparedLeg
from elanus.types import AnyArray, Int64Array, UInt32Array, VectorArray

FORMAT = 2
"""Version of what ``GraphIndex.to_arrays`` gives. Curves of format 1 were measured with longer
walks than searches make now; such a graph is built again, as a damaged one is."""
RESCORED_LIMIT = 10
"""At least as many rows are rescored as for this limit: with 4-bit codes of passages, recall at 10
is that of rescoring all from 20 on (ef 24: 10 gave 0.901, 14 0.958, 20 0.963, all 0.963)."""
SCAN_RESCORED_FACTOR = 2
"""How many more are rescored after a scan of all codes, where that is a small part of the work."""
FEW_BLOCKED, FILTERED_EF = 0.8, 2.0
"""Share of allowed rows below which a list is longer, and how much: the links are not those of the
allowed rows alone, and where the filter cuts the space in two, many rows are equally near to a
query on the other side. Recall@10 asked for 0.95 (100,000 passages) with 1.0 / 1.5 / 2.0 times the
list: half of the rows at random 0.945 / 0.965 / 0.974, the half nearest to some row 0.910 / 0.939 /
0.959."""
LONG_LIST = 256
"""Candidate list from which a walk over all rows is compared with other ways: an answer to a
shorter one is not worth the comparison."""
CROWDED_LIST = 3_000
"""Candidate list whose places cost twice as much as those of a short one: a row that is found moves
those behind it. Walks for 1,000 / 3,000 / 10,000 of 100,000 passages with lists of 1,280 / 3,840 /
12,800 took 1.9, 2.2 and 4.4 times as long a place as one with 128."""
FIXED_WALK_NS = 8_000
"""Entry rows, query code and result of a walk, in nanoseconds."""
NS_PER_RESCORED = 120
"""One row that is read from memory for its distance, in nanoseconds."""
MOST_PREPARED = 4_096
"""Rows whose distances are computed in one go: a scan of more takes much longer than a call."""
RANGE_ROWS = 64
"""Rows pulled at a time for a range, and so many outside of it end the search."""
FIRST_STREAM_EF = 64
"""Rows that the first walk of a stream keeps when nothing is asked."""
STREAM_SLACK = 2.0
"""Rows that a stream keeps for each that it hands out."""


_FLOAT32 = np.dtype(np.float32)


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
        self._num_rows, self._dim = rows.num_rows, rows.dim
        self._quantizer = quantizer
        self._coded = coded
        self._links = links
        self._entries = entries
        self._rescored = rescored
        self._curve = curve
        self._ns_per_code = ns_per_code
        self._flat = FlatIndex(rows)
        self._query_dtypes = tuple(map(np.dtype, query_dtypes(rows.values)))
        self._graph = SearchGraph(quantizer, rows.values, rows.scale, coded, links, entries)
        self._search_graph = self._graph.search
        if rows.guard is not None:
            place = rows.guard.native()
            if place is not None:
                self._graph.guard(*place)

    @property
    def num_rows(self) -> int:
        return self._num_rows

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
        rescored = SCAN_RESCORED_FACTOR * self._num_rescored(limit)
        if allowed <= rescored:
            # Nothing would be left out by codes.
            return Approximation("scan", allowed * self.curve.ns_per_scanned_row, 1.0)
        recall = self.curve.estimate(ef, limit)
        share = allowed / self._num_rows
        ns = self._walk_ns(ef, share)
        if share == 1.0 and ef < LONG_LIST:
            return Approximation("graph", ns, recall)
        codes_ns = allowed * self._ns_per_code + rescored * NS_PER_RESCORED
        if codes_ns < ns:
            is_exact = self._quantizer.kind is CodeKind.BITS
            return Approximation("codes", codes_ns, 1.0 if is_exact else max(recall, TRIAL_RECALL))
        return Approximation("graph", ns, recall)

    def _num_rescored(self, limit: int) -> int:
        return self._rescored * max(limit, RESCORED_LIMIT)

    def _walk_ns(self, ef: int, share: float) -> float:
        ns = ef * self.curve.ns_per_candidate * (1.0 + ef / CROWDED_LIST)
        if share < FEW_BLOCKED:
            # Measured: each place of the list costs more, the more lists lead to blocked rows.
            ns *= FILTERED_EF * (2.7 + 0.2 / share)
        return FIXED_WALK_NS + ns

    def search(
        self,
        queries: VectorArray,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        if ef is None or limit >= self._num_rows:
            return self._flat.search(queries, limit, allowed=allowed)
        if limit < 1:
            raise InvalidArgumentError(f"limit: expected at least 1, got {limit}")
        self._check_queries(queries)
        method, ef = self._planned(allowed, limit, ef)
        if method == "scan":
            return self._flat.search(queries, limit, allowed=allowed)
        if method == "codes":
            rescored = SCAN_RESCORED_FACTOR * self._num_rescored(limit)
            found = self._graph.scan(queries, limit, rescored=rescored, allowed=allowed)
        else:
            found = self._walk(queries, limit, ef, allowed)
        return self._completed(queries, limit, allowed, found)

    def prepared(
        self,
        limit: int,
        *,
        allowed: Bitset | None,
        ef: int | None,
        keys: Int64Array | None,
        like: PreparedLeg | None = None,
    ) -> PreparedLeg | None:
        """Return what finds the ``limit`` nearest rows, and what comes after them, as ``search``.

        Args:
            limit: Rows wanted.
            allowed: As in ``search``.
            ef: As in ``search``.
            keys: int64, one for each row; None: none are wanted.
            like: What was returned for other rows, with the same limit and keys; it is quicker.

        Returns:
            None where many rows are scanned, and where they are no floats.
        """
        asked = limit + 1
        if self._quantizer.kind is CodeKind.BITS or _FLOAT32 not in self._query_dtypes:
            return None
        method = "scan"
        if ef is not None and asked < self._num_rows:
            method, ef = self._planned(allowed, asked, ef)
        if method == "scan":
            if allowed is None or allowed.count() > MOST_PREPARED:
                return None
            return self._graph.prepared(
                limit, 1, 1, method=method, allowed=allowed, keys=keys, like=like
            )
        rescored = self._num_rescored(asked) * (SCAN_RESCORED_FACTOR if method == "codes" else 1)
        ef = max(ef or 0, asked)
        return self._graph.prepared(
            limit, ef, rescored, method=method, allowed=allowed, keys=keys, like=like
        )

    def _planned(self, allowed: Bitset | None, limit: int, ef: int) -> tuple[str, int]:
        """Return how the allowed rows are searched, and the candidate list of a walk."""
        if allowed is None:
            if ef < LONG_LIST:
                return "graph", ef
            return self.approximate(self._num_rows, limit, ef).method, ef
        count = allowed.count()
        few = count < FEW_BLOCKED * self._num_rows
        method = self.approximate(count, limit, ef).method
        return method, math.ceil(FILTERED_EF * ef) if few else ef

    def _walk(self, queries: VectorArray, limit: int, ef: int, allowed: Bitset | None) -> GraphHits:
        rescored = self._rescored * (limit if limit > RESCORED_LIMIT else RESCORED_LIMIT)
        return self._search_graph(queries, limit, ef if ef > limit else limit, rescored, allowed)

    def _completed(
        self,
        queries: VectorArray,
        limit: int,
        allowed: Bitset | None,
        found: GraphHits,
    ) -> CandidateTable:
        """Return what was found; scan for the queries that a walk found too little for."""
        row_ids, distances, least = found
        if least < 0:
            # Says which row is damaged.
            self._rows.check_all()
            raise InternalError("graph: a row was damaged when it was searched, and is no more")
        # At least `limit` rows are allowed: fewer are scanned.
        if least < limit:
            short = row_ids[:, -1] < 0
            exact = self._flat.search(queries[short], limit, allowed=allowed)
            row_ids[short], distances[short] = exact.row_ids, exact.distances
        return CandidateTable(row_ids, distances)

    def _check_queries(self, queries: VectorArray) -> None:
        shape = queries.shape
        is_fit = len(shape) == 2 and shape[1] == self._dim
        if not is_fit or queries.dtype not in self._query_dtypes:
            raise InvalidArgumentError(
                f"queries: expected {' or '.join(map(str, self._query_dtypes))} of shape "
                f"(nq, {self._dim}), got {queries.dtype} of shape {shape}"
            )

    def stream(
        self, query: VectorArray, *, allowed: Bitset | None = None, ef: int | None = None
    ) -> GraphStream:
        """Return a search that goes on where it stopped.

        Args:
            query: ``(dim,)``, of a dtype that the rows take; float32 of unit length for COSINE.
            allowed: Rows that may come, ``num_rows`` bits; None allows every row.
            ef: Rows that the first walk keeps; None takes a middling number.

        Raises:
            InvalidArgumentError: ``query`` has the wrong dtype or shape.
        """
        self._check_queries(query[None, :])
        first = FIRST_STREAM_EF if ef is None else ef
        native = self._graph.stream(query, allowed=allowed, ef=first, slack=STREAM_SLACK)
        return GraphStream(native.next, self._rows, query, self._rescored)

    def within(
        self,
        query: VectorArray,
        radius: float,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> Candidates:
        """Return the allowed rows whose distance is at most ``radius``, nearest first.

        Candidates are pulled until ``RANGE_ROWS`` of them in a row lie outside.

        Args:
            query: ``(dim,)``, of a dtype that the rows take; float32 of unit length for COSINE.
            radius: In distances as ``search`` gives them, smaller is nearer.
            allowed: Rows that may be returned, ``num_rows`` bits; None allows every row.
            ef: Rows that the first walk keeps; None takes a middling number.
        """
        stream = self.stream(query, allowed=allowed, ef=ef)
        parts = []
        while True:
            part = stream.next(RANGE_ROWS)
            inside = part.distances <= radius
            parts.append(Candidates(part.row_ids[inside], part.distances[inside]))
            if len(part) < RANGE_ROWS or not inside.any():
                break
        row_ids = np.concatenate([part.row_ids for part in parts])
        distances = np.concatenate([part.distances for part in parts])
        order = np.lexsort((row_ids, distances))
        return Candidates(row_ids[order], distances[order])

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

        def approximate(sample: VectorArray, limit: int, ef: int) -> Int64Array:
            return self._completed(sample, limit, None, self._walk(sample, limit, ef, None)).row_ids

        def exact(sample: VectorArray, limit: int) -> Int64Array:
            return self._flat.search(sample, limit).row_ids

        rows = self._rows
        self._curve = measure_recall(
            rows.values, rows.scale, exact, approximate, sample_rows=sample_rows
        )
        query = rows.values[:1]
        if self._quantizer.kind is not CodeKind.BITS:
            query = widened(query)
        spent = []
        for _ in range(TIMED_SCANS):
            started = time.thread_time_ns()
            self._graph.scan(query, 1, rescored=self._num_rescored(1), allowed=None)
            spent.append(time.thread_time_ns() - started)
        self._ns_per_code = min(spent) / rows.num_rows


class GraphStream:
    """Rows of a graph in about the order of their distance, as many as are asked for."""

    def __init__(
        self,
        next_rows: Callable[[int], Int64Array],
        rows: VectorRows,
        query: VectorArray,
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
