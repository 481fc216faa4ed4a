"""Which candidate list reaches a recall?

A ``RecallCurve`` is measured once, when an index is built: sampled queries are answered exactly and
through the index for a ladder of candidate list sizes. At query time it is a table look-up.

Queries are not rows. A row finds its neighbours easily, because the graph was built around it; a
question lies between the rows and is harder. So a sampled query is a row moved towards another
one. With real held-out questions over 100,000 passages (384 dimensions, cosine) a candidate list
of 64 reached recall 0.952; rows said 0.995, rows moved by ``MIX`` said the same as the questions
to within 0.01. A binary vector is moved by taking over a share of the other one's bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from elanus.kernels.distance import widened
from elanus.types import Float32Array, Int64Array, VectorArray

LADDER = (10, 16, 24, 32, 48, 64, 96, 104, 112, 128, 192, 256, 384, 512, 768, 1024)
"""Candidate list sizes at which recall is measured, in rows."""
ONLY_FOR_LONGEST = frozenset({104, 112})
"""Of these, which are measured for the largest limit alone: just above it recall rises steeply."""
FIRST_LADDER = tuple(ef for ef in LADDER if ef not in ONLY_FOR_LONGEST)
"""Steps of curves that were stored without theirs."""
LIMITS = (1, 10, 100)
"""Limits for which recall is measured; others take the next larger one."""
MEASURED_TOGETHER = ((0, 1), (2,))
"""Limits by place, measured by one search each time: an index may rescore more rows for more
wanted, so that a search for 100 says little about the recall of one for 10."""
WHOLE = 0.9995
"""Recall from which longer lists are not measured any more."""
SAMPLE_ROWS = 400
"""Queries that measure the curve: a standard error of about 0.006 at recall 0.95, limit 10."""
TIMED_SCANS = 3
"""Exact scans that are timed one by one: a batch would share the reading of the rows."""
SAFETY = 0.15
"""Share of the allowed misses that is held back for the error of the sample."""
MIX = 1 / 3
"""How far a sampled row is moved towards another one, as a share of the way."""
BITS_MIX = 1 / 4
"""The same of binary vectors. Signs of 16,000 passages, HAMMING, lists of 24 / 32 / 64 / 128:
questions reached recall 0.928 / 0.944 / 0.981 / 0.995; a quarter said 0.939 / 0.950 / 0.975 /
0.991, a third 0.887 / 0.912 / 0.955 / 0.982."""

AnswerT = TypeVar("AnswerT")

MAX_KNOWN = 256
"""Answers that a curve remembers."""

IndexSearch = Callable[[VectorArray, int, int], Int64Array]
"""(queries, limit, ef) → row ids of shape ``(nq, limit)``."""
ExactSearch = Callable[[VectorArray, int], Int64Array]


@dataclass(frozen=True, slots=True)
class RecallCurve:
    """Recall and time of one index by candidate list size.

    Attributes:
        recall: For each limit of ``LIMITS`` the recall at each step of ``LADDER``; NaN where the
            candidate list is shorter than the limit of those measured together, or not measured.
        ns_per_candidate: Median CPU time of a query by its candidate list, in nanoseconds.
        ns_per_scanned_row: CPU time of an exact scan by its rows, in nanoseconds.
    """

    recall: tuple[tuple[float, ...], ...]
    ns_per_candidate: float
    ns_per_scanned_row: float
    _known: dict[tuple[float, int], Any] = field(default_factory=dict, compare=False, repr=False)

    def ef_for(self, recall: float, limit: int) -> int | None:
        """Return the candidate list that reaches ``recall``, interpolated; None if none does."""
        return self._remembered((recall, limit), self._find_ef)

    def estimate(self, ef: int, limit: int) -> float:
        """Return the recall at a candidate list of ``ef`` rows, interpolated."""
        # Candidate lists are whole numbers from 1 and stand below 0, recalls are at most 1.
        return self._remembered((-float(ef), limit), lambda *_: self._interpolate(ef, limit))

    def _remembered(self, key: tuple[float, int], make: Callable[[float, int], AnswerT]) -> AnswerT:
        """Return what was made for this key; every search asks for the same few."""
        try:
            found: AnswerT = self._known[key]
        except KeyError:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[key] = make(*key)
        return found

    def _find_ef(self, recall: float, limit: int) -> int | None:
        wanted = recall + SAFETY * (1.0 - recall)
        row, scale = self._row(limit)
        below, below_recall = 0.0, 0.0
        for ef, reached in zip(LADDER, self.recall[row], strict=True):
            if reached >= wanted:
                step = (wanted - below_recall) / (reached - below_recall) if below else 1.0
                return max(math.ceil((below + step * (ef - below)) * scale), limit)
            if reached == reached:
                below, below_recall = float(ef), reached
        return None

    def _interpolate(self, ef: int, limit: int) -> float:
        row, scale = self._row(limit)
        known = [(e, r) for e, r in zip(LADDER, self.recall[row], strict=True) if r == r]
        if not known:
            return 0.0
        return float(np.interp(ef / scale, [e for e, _ in known], [r for _, r in known]))

    def _row(self, limit: int) -> tuple[int, float]:
        for row, measured in enumerate(LIMITS):
            if limit <= measured:
                return row, 1.0
        return len(LIMITS) - 1, limit / LIMITS[-1]

    def to_json(self) -> dict[str, Any]:
        return {
            "ladder": list(LADDER),
            "recall": [[None if r != r else r for r in row] for row in self.recall],
            "ns_per_candidate": self.ns_per_candidate,
            "ns_per_scanned_row": self.ns_per_scanned_row,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RecallCurve:
        ladder = stored.get("ladder", FIRST_LADDER)
        rows = [dict(zip(ladder, row, strict=True)) for row in stored["recall"]]
        known = [[row.get(ef) for ef in LADDER] for row in rows]
        recall = tuple(tuple(float("nan") if r is None else float(r) for r in row) for row in known)
        return cls(recall, stored["ns_per_candidate"], stored["ns_per_scanned_row"])


def measure_recall(
    rows: VectorArray,
    scale: Float32Array | None,
    exact: ExactSearch,
    approximate: IndexSearch,
    *,
    seed: int = 0,
    sample_rows: int = SAMPLE_ROWS,
) -> RecallCurve:
    """Measure the curve of one index.

    Args:
        rows: ``(n, dim)``; queries are float32, or uint8 when the rows are bits (uint8).
        scale: What brings each row to unit length for COSINE, float32 ``(n,)``; else None.
        exact: The oracle.
        approximate: The index.
        seed: Which rows are sampled.
        sample_rows: How many.

    The row that a query was made of finds itself first, which is no feat: it is taken out of both
    answers.
    """
    n = len(rows)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(n, min(sample_rows, n), replace=False))
    others = rng.choice(n, len(sample))
    queries = _moved(rows, scale, sample, others, rng)
    deepest = min(max(LIMITS), n - 1)
    truth = _without_self(exact(queries, deepest + 1), sample, deepest)
    scan_ns = min(_cpu_ns(partial(exact, queries[i : i + 1], 10)) for i in range(TIMED_SCANS)) / n
    table = [[float("nan")] * len(LADDER) for _ in LIMITS]
    walk_ns: list[float] = []

    def search(limit: int, ef: int) -> Int64Array:
        started = time.thread_time_ns()
        # One more, for the row itself.
        found = _without_self(approximate(queries, limit + 1, ef), sample, limit)
        walk_ns.append((time.thread_time_ns() - started) / len(sample) / ef)
        return found

    for rows_of_table in MEASURED_TOGETHER:
        _climb(table, rows_of_table, truth, search)
    curve = tuple(tuple(row) for row in table)
    return RecallCurve(curve, float(np.median(walk_ns)), scan_ns)


def _moved(
    rows: VectorArray,
    scale: Float32Array | None,
    sample: Int64Array,
    others: Int64Array,
    rng: np.random.Generator,
) -> VectorArray:
    """Return sampled rows that were moved towards others."""
    if rows.dtype == np.uint8:
        taken = np.packbits(rng.random((len(sample), 8 * rows.shape[1])) < BITS_MIX, axis=1)
        return (rows[sample] & ~taken) | (rows[others] & taken)

    def unit(picked: Int64Array) -> Float32Array:
        # Only the sample: a scaled copy of all rows would be as large as the segment.
        values = widened(rows[picked])
        return values if scale is None else values * scale[picked][:, None]

    # Length does not matter for the order of cosines, so moved rows are not scaled again.
    return np.ascontiguousarray((1 - MIX) * unit(sample) + MIX * unit(others), dtype=np.float32)


def _climb(
    table: list[list[float]],
    places: tuple[int, ...],
    truth: Int64Array,
    search: Callable[[int, int], Int64Array],
) -> None:
    """Fill some rows of a table of recalls, up to the list that finds all."""
    asked = min(LIMITS[places[-1]], truth.shape[1])
    for step, ef in enumerate(LADDER):
        if ef < asked or (ef in ONLY_FOR_LONGEST and LIMITS[places[-1]] < max(LIMITS)):
            continue
        found = search(asked, ef)
        for place in places:
            limit = min(LIMITS[place], asked)
            table[place][step] = _recall(truth[:, :limit], found[:, :limit])
        if all(table[place][step] >= WHOLE for place in places):
            for place in places:
                table[place][step:] = [table[place][step]] * (len(LADDER) - step)
            return


def _cpu_ns(call: Callable[[], object]) -> int:
    started = time.thread_time_ns()
    call()
    return time.thread_time_ns() - started


def _without_self(found: Int64Array, own: Int64Array, width: int) -> Int64Array:
    """Drop each query's own row (or, when it was not found, the last place)."""
    is_own = found == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: Int64Array = found[~is_own].reshape(len(found), -1)[:, :width]
    return others


def _recall(truth: Int64Array, found: Int64Array) -> float:
    hits = [len(np.intersect1d(t, f)) for t, f in zip(truth, found, strict=True)]
    return float(sum(hits) / max(truth.size, 1))
