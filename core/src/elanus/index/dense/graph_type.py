"""How is a graph over the rows of a segment built, taken over and opened?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.index.base import VectorIndex, VectorRows
from elanus.index.dense.graph import FORMAT, GraphIndex
from elanus.index.dense.graph_training import Trained, train
from elanus.index.params import ranged_params
from elanus.index.recall import SAMPLE_ROWS, RecallCurve
from elanus.kernels.graph import (
    NO_ROW,
    CodedRows,
    CodeKind,
    GraphBuilder,
    Quantizer,
    encode_rows,
)
from elanus.types import AnyArray, DataType, Int64Array, MetricType, vector_width

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
        return dtype.is_dense_vector

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
