"""How many inverted lists reach a recall?

The counterpart of ``index.recall`` for inverted lists: measured once, when an index is built, with
the same sampled queries, over a ladder of probed lists instead of candidate lists. The two differ
in more than the ladder: fewer lists than the limit are a fine answer, and no list has a smallest
size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from elanus.errors import CorruptionError
from elanus.index.base import VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.recall import LIMITS, MIX, SAFETY, SAMPLE_ROWS, TIMED_SCANS
from elanus.types import Float32Array, Int64Array

ENOUGH_RECALL = 0.999
"""Recall at every limit at which the ladder ends: what more lists find the sample cannot show."""
TYPICAL_RECALL = 0.95
"""Recall at limit 10 of the step whose time stands for the cost of a list."""

ProbeSearch = Callable[[Float32Array, int, int], Int64Array]
"""(queries, limit, nprobe) → row ids of shape ``(nq, limit)``."""


@dataclass(frozen=True, slots=True)
class ProbeCurve:
    """Recall and time of one index by number of probed lists.

    Attributes:
        ladder: Numbers of lists that were measured, ascending.
        recall: For each limit of ``LIMITS`` the recall at each step.
        ns_per_probe: CPU time of a query by its probed lists, in nanoseconds, where recall is
            typical.
        ns_per_scanned_row: CPU time of an exact scan by its rows, in nanoseconds.
    """

    ladder: tuple[int, ...]
    recall: tuple[tuple[float, ...], ...]
    ns_per_probe: float
    ns_per_scanned_row: float

    def nprobe_for(self, recall: float, limit: int) -> int | None:
        """Return the number of lists that reaches ``recall``, interpolated; None if none does."""
        wanted = recall + SAFETY * (1.0 - recall)
        row, scale = self._row(limit)
        below, below_recall = 0.0, 0.0
        best = 0.0
        for probes, measured in zip(self.ladder, self.recall[row], strict=True):
            # The sample's error may let the recall fall with more lists.
            best = max(best, measured)
            if best >= wanted:
                step = (wanted - below_recall) / (best - below_recall) if below else 1.0
                return max(math.ceil((below + step * (probes - below)) * scale), 1)
            below, below_recall = float(probes), best
        return None

    def estimate(self, nprobe: int, limit: int) -> float:
        """Return the recall at a number of lists, interpolated."""
        row, scale = self._row(limit)
        return float(np.interp(nprobe / scale, self.ladder, self.recall[row]))

    def _row(self, limit: int) -> tuple[int, float]:
        for row, measured in enumerate(LIMITS):
            if limit <= measured:
                return row, 1.0
        return len(LIMITS) - 1, limit / LIMITS[-1]

    def to_json(self) -> dict[str, Any]:
        return {
            "ladder": list(self.ladder),
            "recall": [list(row) for row in self.recall],
            "ns_per_probe": self.ns_per_probe,
            "ns_per_scanned_row": self.ns_per_scanned_row,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ProbeCurve:
        """Read what ``to_json`` gave.

        Raises:
            CorruptionError: It is something else.
        """
        try:
            ladder = tuple(int(p) for p in stored["ladder"])
            recall = tuple(tuple(float(r) for r in row) for row in stored["recall"])
            times = float(stored["ns_per_probe"]), float(stored["ns_per_scanned_row"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptionError(f"recall curve of inverted lists: {error!r}") from error
        fits = len(recall) == len(LIMITS) and all(len(row) == len(ladder) for row in recall)
        if not ladder or not fits:
            raise CorruptionError("recall curve of inverted lists: steps and values do not match")
        return cls(ladder, recall, *times)


def probe_ladder(nlist: int) -> tuple[int, ...]:
    """Return 1, 2, 3, 4, 6, 8, 12, 16 ... up to ``nlist``."""
    steps = {1, nlist}
    power = 2
    while power < nlist:
        steps |= {power, min(power * 3 // 2, nlist)}
        power *= 2
    return tuple(sorted(steps))


def measure_probes(
    rows: VectorRows,
    search: ProbeSearch,
    ladder: tuple[int, ...],
    checkpoint: Callable[[], None],
    *,
    seed: int = 0,
    sample_rows: int = SAMPLE_ROWS,
) -> ProbeCurve:
    """Measure the curve of one index with rows moved towards others, as ``index.recall`` does.

    ``ladder`` holds the numbers of lists to try, ascending.
    """
    n = rows.num_rows
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(n, min(sample_rows, n), replace=False))
    others = rng.choice(n, len(sample))

    def unit(picked: Int64Array) -> Float32Array:
        values = rows.values[picked]
        return values if rows.scale is None else values * rows.scale[picked][:, None]

    queries = np.ascontiguousarray((1 - MIX) * unit(sample) + MIX * unit(others), dtype=np.float32)
    deepest = min(max(LIMITS), n - 1)
    flat = FlatIndex(rows)
    checkpoint()
    truth = _without_self(flat.search(queries, deepest + 1).row_ids, sample)
    scans = (partial(flat.search, queries[i : i + 1], 10) for i in range(TIMED_SCANS))
    scan_ns = min(_cpu_ns(scan) for scan in scans) / n
    table: list[list[float]] = [[] for _ in LIMITS]
    measured: list[int] = []
    times: list[float] = []
    shallow = min(LIMITS[1], deepest)
    for probes in ladder:
        checkpoint()
        started = time.thread_time_ns()
        near = _without_self(search(queries, shallow + 1, probes), sample)
        times.append((time.thread_time_ns() - started) / len(sample) / probes)
        far = _without_self(search(queries, deepest + 1, probes), sample)
        measured.append(probes)
        for row, limit in enumerate(LIMITS):
            # A short answer is the index's own: its candidates follow from the limit.
            asked = min(limit, deepest)
            found = near if limit <= LIMITS[1] else far
            table[row].append(_recall(truth[:, :asked], found[:, :asked]))
        if min(values[-1] for values in table) >= ENOUGH_RECALL:
            break
    typical = next((i for i, r in enumerate(table[1]) if r >= TYPICAL_RECALL), len(times) - 1)
    recall = tuple(tuple(values) for values in table)
    return ProbeCurve(tuple(measured), recall, times[typical], scan_ns)


def _cpu_ns(call: Callable[[], object]) -> int:
    started = time.thread_time_ns()
    call()
    return time.thread_time_ns() - started


def _without_self(found: Int64Array, own: Int64Array) -> Int64Array:
    """Drop each query's own row (or, when it was not found, the last place)."""
    is_own = found == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: Int64Array = found[~is_own].reshape(len(found), -1)
    return others


def _recall(truth: Int64Array, found: Int64Array) -> float:
    """Return the share of the true rows that were found, over all queries."""
    # A row id gets the number of its query in front, so that one look-up serves all queries.
    query = np.arange(len(truth), dtype=np.int64)[:, None] << 32
    hits = np.isin(truth + query, np.where(found < 0, -1, found + query))
    return float(np.count_nonzero(hits) / max(truth.size, 1))
