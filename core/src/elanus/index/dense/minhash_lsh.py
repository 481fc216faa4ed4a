"""Near-duplicates by bands of MinHash signatures.

A signature is cut into ``b`` bands of ``r`` elements. A row is a candidate when one of its bands is
that of the query, which has the probability ``1 - (1 - s^r)^b`` for the similarity ``s``: rows that
are alike are found, and rows that have little in common are not. Candidates are scored from the
stored signatures, so a row has the same similarity whether an index, a scan or the memtable found
it; only which rows are looked at is a matter of chance.

The effort that the contract calls ``ef`` is the number of candidates that are scored, Milvus'
``refine_k``. Where fewer rows than asked for share a band, the first others fill the places.

Source: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elanus.errors import CorruptionError
from elanus.index.base import Approximation, CandidateTable, SearchCost, VectorIndex, VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.params import ranged_params
from elanus.index.recall import LADDER, LIMITS, MEASURED_TOGETHER, RecallCurve
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import distances_to_rows
from elanus.kernels.minhash import BandTables, band_hashes
from elanus.types import (
    AnyArray,
    DataType,
    Float32Array,
    Int64Array,
    MetricType,
    UInt32Array,
    VectorArray,
)

DEFAULT_BAND_ELEMENTS = 4
"""Elements of a band where nobody says how many bands there are: of 256 elements two texts of
similarity 0.8 share a band always, of 0.5 in 98 of 100 cases, of 0.2 in 10."""
SAMPLE_ROWS = 200
"""Queries that measure the recall: a standard error of about 0.015 at recall 0.95, limit 10."""


class MinHashLshIndex:
    """Tables of the bands of one segment."""

    index_type = "MINHASH_LSH"

    def __init__(
        self, rows: VectorRows, tables: BandTables, band_bytes: int, curve: RecallCurve | None
    ) -> None:
        self._rows = rows
        self._tables = tables
        self._band_bytes = band_bytes
        self._curve = curve
        self._flat = FlatIndex(rows)

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    @property
    def num_bands(self) -> int:
        """Bands of a signature."""
        return len(self._tables.hashes)

    @property
    def cost(self) -> SearchCost:
        curve = self._measured()
        return SearchCost(curve.ns_per_scanned_row, curve.ns_per_candidate)

    def ef_for(self, recall: float, limit: int) -> int | None:
        return self._measured().ef_for(recall, limit)

    def estimated_recall(self, ef: int, limit: int) -> float:
        return self._measured().estimate(ef, limit)

    def approximate(self, allowed: int, limit: int, ef: int) -> Approximation:
        # How many rows share a band does not depend on how many are asked for.
        ns = ef * self._measured().ns_per_candidate
        if allowed <= max(ef, limit):
            return Approximation("scan", allowed * self.cost.ns_per_scanned_row, 1.0)
        return Approximation("bands", ns, self.estimated_recall(ef, limit))

    def search(
        self,
        queries: VectorArray,
        limit: int,
        *,
        allowed: Bitset | None = None,
        ef: int | None = None,
    ) -> CandidateTable:
        count = self.num_rows if allowed is None else allowed.count()
        if ef is None or count <= max(ef, limit):
            return self._flat.search(queries, limit, allowed=allowed)
        return self._in_bands(queries, limit, max(ef, limit), allowed)

    def _in_bands(
        self, queries: VectorArray, limit: int, depth: int, allowed: Bitset | None
    ) -> CandidateTable:
        """Return ``limit`` rows, of which there are as many, for each query."""
        hashes = band_hashes(queries, self._band_bytes, self.num_bands)
        candidates, counts = self._tables.rows(
            np.ascontiguousarray(hashes.T),
            depth,
            allowed=allowed,
            # A row in each band that a query has in common with it: more is no sparse answer.
            most_entries=self.num_rows,
            least=limit,
        )
        row_ids = np.empty((len(queries), limit), dtype=np.int64)
        distances = np.empty((len(queries), limit), dtype=np.float32)
        for i, count in enumerate(counts):
            if count < 0:
                scanned = self._flat.search(queries[i : i + 1], limit, allowed=allowed)
                row_ids[i], distances[i] = scanned.row_ids[0], scanned.distances[0]
            else:
                row_ids[i], distances[i] = self._nearest(queries[i], candidates[i, :count], limit)
        return CandidateTable(row_ids, distances)

    def _nearest(
        self, query: AnyArray, candidates: Int64Array, limit: int
    ) -> tuple[Int64Array, Float32Array]:
        rows = self._rows
        rows.check_rows(candidates)
        found = distances_to_rows(rows.metric, query, rows.values, None, candidates)
        order = np.lexsort((candidates, found))[:limit]
        return candidates[order], found[order]

    def measured(self, checkpoint: Callable[[], None]) -> MinHashLshIndex:
        """Return this index with a curve of its recall."""
        curve = _measure(self._rows, self._flat, self._in_bands, checkpoint)
        return MinHashLshIndex(self._rows, self._tables, self._band_bytes, curve)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        header = {
            "metric": self._rows.metric.value,
            "band_bytes": self._band_bytes,
            "curve": self._measured().to_json(),
        }
        return header, {"hashes": self._tables.hashes, "row_ids": self._tables.row_ids}

    def _measured(self) -> RecallCurve:
        if self._curve is None:
            raise CorruptionError("MINHASH_LSH: the bands have no recall curve")
        return self._curve


def _measure(
    rows: VectorRows,
    flat: FlatIndex,
    in_bands: Callable[[VectorArray, int, int, Bitset | None], CandidateTable],
    checkpoint: Callable[[], None],
) -> RecallCurve:
    """Measure how much of the exact answers the bands find.

    Queries are rows, and the row itself does not count: whether two rows meet in a band depends on
    the two alone, so that a row is no easier a question than another text of the same kind.
    A row that is as near as the last of the exact answer is as good as that one, and rows that have
    nothing in common with the query are no answer at all.
    """
    n = rows.num_rows
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(n, min(SAMPLE_ROWS, n), replace=False))
    queries = np.ascontiguousarray(rows.values[sample])
    deepest = min(max(LIMITS), n - 1)
    started = time.thread_time_ns()
    exact = _without(flat.search(queries, min(deepest + 1, n)), sample, deepest)
    scan_ns = (time.thread_time_ns() - started) / (n * len(sample))
    table = [[float("nan")] * len(LADDER) for _ in LIMITS]
    ns: list[float] = []
    for places in MEASURED_TOGETHER:
        limit = min(LIMITS[places[-1]], deepest)
        for step, ef in enumerate(LADDER):
            if ef < limit:
                continue
            checkpoint()
            started = time.thread_time_ns()
            found = _without(in_bands(queries, limit + 1, max(ef, limit + 1), None), sample, limit)
            ns.append((time.thread_time_ns() - started) / len(sample) / ef)
            for place in places:
                table[place][step] = _share(exact, found, min(LIMITS[place], limit))
    curve = tuple(tuple(row) for row in table)
    return RecallCurve(curve, float(np.median(ns)) if ns else 0.0, scan_ns)


def _without(found: CandidateTable, own: Int64Array, width: int) -> Float32Array:
    """Return the distances of the nearest rows but the query's own, +inf where there is none."""
    distances = np.where(found.row_ids == own[:, None], np.inf, found.distances)
    nearest: Float32Array = np.sort(distances, axis=1)[:, :width]
    return nearest


def _share(exact: Float32Array, found: Float32Array, limit: int) -> float:
    wanted = int(np.count_nonzero(exact[:, :limit] < 0))
    if wanted == 0:
        return 1.0
    good = (found[:, :limit] < 0) & (found[:, :limit] <= exact[:, limit - 1 : limit])
    return float(np.count_nonzero(good) / wanted)


class MinHashLshType:
    """Registry entry of MINHASH_LSH."""

    name = MinHashLshIndex.index_type
    opens_at_once = True
    _ranges: Mapping[str, tuple[float, float, float]] = {
        # name: (least, most, default). 0: one band for every four elements.
        "bands": (0, 32_768, 0),
    }
    _names: Mapping[str, str] = {"mh_lsh_band": "bands"}

    def supports(self, dtype: DataType, metric: MetricType) -> bool:
        return dtype is DataType.BINARY_VECTOR and bool(metric.element_bits)

    def parse_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return ranged_params(self.name, params, self._ranges, aliases=self._names)

    def memory_bytes(
        self, num_rows: int, dim: int, dtype: DataType, params: Mapping[str, Any]
    ) -> int:
        # The metric is not known here; with wider elements there are fewer bands.
        return num_rows * 8 * _num_bands(dim // 32, params)

    def build(
        self, rows: VectorRows, params: Mapping[str, Any], *, checkpoint: Callable[[], None]
    ) -> MinHashLshIndex:
        checkpoint()
        rows.check_all()
        width = rows.metric.element_bits // 8
        elements = rows.dim // width
        bands = _num_bands(elements, params)
        band_bytes = elements // bands * width
        hashes = band_hashes(rows.values, band_bytes, bands)
        row_ids = np.empty_like(hashes)
        for band in range(bands):
            checkpoint()
            order = np.argsort(hashes[band], kind="stable")
            row_ids[band] = order
            hashes[band] = hashes[band][order]
        return MinHashLshIndex(rows, BandTables(hashes, row_ids), band_bytes, None).measured(
            checkpoint
        )

    def adopt(
        self,
        index: VectorIndex,
        rows: VectorRows,
        mapping: Int64Array,
        params: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None],
    ) -> None:
        """Sorting hashes takes about as long as merging them: nothing to be gained."""
        return

    def open(
        self, rows: VectorRows, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]
    ) -> MinHashLshIndex:
        try:
            band_bytes, metric = header["band_bytes"], header["metric"]
            hashes, row_ids = arrays["hashes"], arrays["row_ids"]
            curve = RecallCurve.from_json(header["curve"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptionError(f"{self.name}: the stored index is damaged ({error!r})") from None
        if metric != rows.metric.value:
            raise CorruptionError(f"{self.name}: built for {metric}, the field has {rows.metric}")
        tables = BandTables(_table(hashes, rows.num_rows), _table(row_ids, rows.num_rows))
        bands = len(tables.hashes)
        fits = isinstance(band_bytes, int) and band_bytes > 0 and bands * band_bytes <= rows.dim
        if not fits or bands == 0 or tables.row_ids.shape != tables.hashes.shape:
            raise CorruptionError(
                f"{self.name}: {bands} bands of {band_bytes!r} bytes do not fit signatures of "
                f"{rows.dim} bytes; build the index again"
            )
        return MinHashLshIndex(rows, tables, band_bytes, curve)


def _table(array: AnyArray, num_rows: int) -> UInt32Array:
    if array.dtype != np.uint32 or array.size % max(num_rows, 1) or not num_rows:
        raise CorruptionError(
            f"{MinHashLshType.name}: a table of {array.size} {array.dtype} does not fit "
            f"{num_rows} rows; build the index again"
        )
    table: UInt32Array = array.reshape(-1, num_rows)  # type: ignore[assignment]
    return table


def _num_bands(elements: int, params: Mapping[str, Any]) -> int:
    """Return the bands of a signature: as asked, but no more than it has elements."""
    wanted = int(params["bands"]) or elements // DEFAULT_BAND_ELEMENTS
    return max(1, min(wanted, elements))
