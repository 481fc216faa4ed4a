"""How is a graph over the rows of a segment built, taken over and opened?"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.base import VectorIndex, VectorRows
from elanus.index.dense.graph import FORMAT, GraphIndex
from elanus.index.dense.graph_training import Trained, row_lengths, train
from elanus.index.params import ranged_params
from elanus.index.recall import SAMPLE_ROWS, RecallCurve
from elanus.kernels.distance import widened
from elanus.kernels.graph import (
    NO_ROW,
    CodedRows,
    CodeKind,
    GraphBuilder,
    ProductLinks,
    Quantizer,
    SearchGraph,
    encode_rows,
)
from elanus.types import AnyArray, DataType, Int64Array, MetricType, UInt32Array, vector_width

PRODUCT_SHARE = 0.75
"""Share of a row's links that may be by product."""
PRODUCT_EF = 64
"""Rows that a row is compared with for its links by product. 20,000 rows of 100 dimensions and
log-normal lengths, recall@10 at ef 32 and 128, and building: without such links 0.678, 0.881, 3.7
CPU s; 128 for all 0.947, 0.979, 5.2 s; 512 for the longest 5 % and 64 for others 0.964, 0.989, 4.6
s; 512 and 128 0.964, 0.989, 5.3 s."""
LONG_SHARE, LONG_EF = 0.05, 512
"""Share of the rows, the longest ones, that are compared with more, and how many: that is where
queries end."""
FIRST_PRODUCT_ROWS = 125
"""Rows that get such links before a search leads over them; then twice as many each time."""
BUILD_CHUNK_ROWS = 1_000
"""Rows inserted between two looks at the cancel flag."""
LATER_SAMPLE_ROWS = 200
"""Queries that measure an adopted graph: half of those that a built one gets, as it happens at
each merge."""
ADOPTED_SHARE, LIVING_SHARE = 0.5, 0.7
"""Rows of a new graph that an old one must bring, and rows of the old one that must live on."""
CHECKED_EF, CHECKED_LIMIT, LOST_RECALL = 64, 10, 0.04
"""An adopted graph whose recall at this point is further below the old one's is thrown away: it
is more than the sample's error and what a larger graph loses."""


class GraphType:
    """Registry entry of GRAPH."""

    name = "GRAPH"
    opens_at_once = True
    _ranges: Mapping[str, tuple[float, float, float]] = {
        # name: (least, most, default)
        "degree": (16, 128, 64),
        "ef_construction": (16, 4096, 100),
    }
    _names: Mapping[str, str] = {"efConstruction": "ef_construction"}

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        # A walk over signatures loses its way: most texts have nothing in common.
        return dtype.is_dense_vector and not metric.element_bits

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        parsed = ranged_params(self.name, params, self._ranges, aliases=self._names)
        if parsed["degree"] % 16:
            raise InvalidArgumentError(
                f"GRAPH degree must be a multiple of 16, got {parsed['degree']}"
            )
        return parsed

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        if dtype is DataType.BINARY_VECTOR:
            codes = CodeKind.BITS.row_bytes(vector_width(dtype, dim))
        else:
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
        if self._trained.lifts is not None:
            self._link_by_product(links)
        trained = self._trained
        return GraphIndex(
            self._rows, trained.quantizer, self._coded, links, entries, trained.rescored
        )

    def _link_by_product(self, links: UInt32Array) -> None:
        """Link rows to those with the largest products, the longest rows first.

        They are what queries look for: what is found for the others leads over their links.
        """
        rows = self._rows.values
        linker = ProductLinks(
            rows, links, most=int(PRODUCT_SHARE * links.shape[1]), threads=self._threads
        )
        order = np.argsort(-row_lengths(rows), kind="stable").astype(np.uint32)
        num_long = math.ceil(LONG_SHARE * len(order))
        start, count = 0, FIRST_PRODUCT_ROWS
        while start < len(order):
            self._checkpoint()
            is_long = start < num_long
            stop = min(start + count, num_long if is_long else len(order))
            self._add_products(linker, links, order[start:stop], LONG_EF if is_long else PRODUCT_EF)
            start, count = stop, min(2 * count, BUILD_CHUNK_ROWS)

    def _add_products(
        self, linker: ProductLinks, links: UInt32Array, some: UInt32Array, ef: int
    ) -> None:
        rows, trained = self._rows.values, self._trained
        graph = SearchGraph(
            trained.quantizer, rows, self._rows.scale, self._coded, links, trained.entries
        )
        ef = min(ef, len(rows))
        queries = np.ascontiguousarray(widened(rows[some]))
        linker.add(
            some,
            graph.search(queries, ef, ef=ef, rescored=ef, allowed=None, threads=self._threads),
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
