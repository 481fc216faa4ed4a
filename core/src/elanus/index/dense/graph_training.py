"""How are the rows of a segment coded, and where does a search of its graph begin?

Steps are fitted to each dimension, relative to the mean: 4 bits then lose about 1.2 % of a row's
energy for normally distributed dimensions, whatever their variances, which is what a rotation of
the rows would reach as well. Where a sample shows that 4 bits confuse too many neighbours, 7 bits
are taken. Binary vectors are their own codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elanus.index.base import VectorRows
from elanus.kernels.distance import inverse_norms, scan_topk, widened
from elanus.kernels.graph import NO_ROW, CodeKind, Quantizer, SearchGraph, encode_rows
from elanus.types import ByteArray, Float32Array, Int64Array, MetricType, UInt32Array, VectorArray

SAMPLE_ROWS = 8_000
"""Rows that means, steps and entry rows are fitted to."""
STEP_SIZES = {
    CodeKind.NIBBLES: (0.20, 0.25, 0.30, 0.335, 0.37),
    CodeKind.BYTES: (0.04, 0.055, 0.07, 0.09),
}
"""Steps that are tried, as shares of the standard deviation; 0.335 is best for 16 levels of a
normal distribution."""
SAMPLE_BIT_BYTES = 8 << 20
"""Bytes of binary vectors that entry rows are fitted to at most: they are unpacked."""
ONE_LENGTH = 1e-3
"""Relative spread of lengths up to which rows count as of one length."""
NUM_ENTRIES = 64
"""Entry rows: more save fewer steps than they cost to score."""
CENTRE_ROUNDS = 5
TRIAL_ROWS, TRIAL_QUERIES, TRIAL_LIMIT, TRIAL_NEIGHBOURS = 20_000, 300, 10, 500
RESCORED = {CodeKind.NIBBLES: (2, 3), CodeKind.BYTES: (2, 3, 4, 6, 10, 16)}
"""How many rows by codes are rescored for each row wanted: the fewest that are enough. Codes that
need more than 3 lead walks astray as well: of 20,000 clustered rows of 128 dimensions, walked on 4
bits, recall@10 of 0.95 and 0.99 takes 25 and 40 us, on 7 bits with 4 rows rescored 19 and 31."""
MOST_RESCORED = max(max(factors) for factors in RESCORED.values())
TRIAL_RECALL = 0.995
"""Share of the true best 10 rows that the rescored ones have to hold."""


@dataclass(frozen=True, slots=True)
class Trained:
    """How rows are coded.

    Attributes:
        quantizer: Means and steps.
        entries: uint32: rows that searches begin with, each once.
        rescored: Rows by codes that hold each row wanted.
        lifts: float32 ``(n,)``: for IP rows of unlike length, the coordinate that gives them one
            length; else None.
    """

    quantizer: Quantizer
    entries: UInt32Array
    rescored: int
    lifts: Float32Array | None


def train(rows: VectorRows, *, seed: int = 0) -> Trained:
    """Fit codes and entry rows to a sample of the rows.

    Args:
        rows: At least one.
        seed: Which rows are sampled.
    """
    rng = np.random.default_rng(seed)
    if rows.values.dtype == np.uint8:
        return Trained(Quantizer.of_bits(rows.metric), _bit_entries(rows, rng), 1, None)
    sample = _unit(rows, np.sort(rng.choice(rows.num_rows, min(SAMPLE_ROWS, rows.num_rows), False)))
    lifts = None
    has_one_length = rows.metric is MetricType.COSINE
    if not has_one_length:
        lengths = row_lengths(rows.values)
        longest = float(lengths.max(initial=0.0))
        has_one_length = longest - float(lengths.min(initial=longest)) <= ONE_LENGTH * longest
        if rows.metric is MetricType.IP and not has_one_length:
            lifts = np.sqrt(np.maximum(longest**2 - lengths.astype(np.float64) ** 2, 0.0))
            lifts = lifts.astype(np.float32)
    trial = _Trial(rows, rng)
    kinds = [CodeKind.NIBBLES, CodeKind.BYTES]
    if kinds[0].row_bytes(rows.dim) == kinds[1].row_bytes(rows.dim):
        kinds = kinds[1:]  # few dimensions fit into one cache line either way
    for kind in kinds:
        quantizer = _fit(kind, rows.metric, sample, has_one_length=has_one_length)
        rescored = trial.rescored(quantizer)
        if rescored is not None:
            break
    entries = _entries(rows, sample, quantizer.metric)
    if lifts is not None:
        entries = _with_longest(entries, lengths)
    return Trained(quantizer, entries, rescored or MOST_RESCORED, lifts)


def _unit(rows: VectorRows, picked: Int64Array) -> Float32Array:
    values = widened(rows.values[picked])
    return values if rows.scale is None else values * rows.scale[picked][:, None]


def row_lengths(values: VectorArray) -> Float32Array:
    """Return the Euclidean length of each row, float32 ``(n,)``."""
    inverse = inverse_norms(np.ascontiguousarray(values))
    with np.errstate(divide="ignore"):
        return np.where(inverse > 0, 1 / inverse, 0).astype(np.float32)


def _fit(
    kind: CodeKind, metric: MetricType, sample: Float32Array, *, has_one_length: bool
) -> Quantizer:
    """Return the quantizer whose codes lie nearest to the sample."""
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = sample - mean
    deviation = centred.std(axis=0, dtype=np.float64).astype(np.float32)
    # A dimension that is the same everywhere tells nothing; any step does.
    deviation[deviation <= np.finfo(np.float32).tiny] = 1.0
    scaled = centred / deviation
    if not has_one_length:
        own = np.sqrt(np.mean(scaled**2, axis=1, keepdims=True))
        scaled = np.divide(scaled, own, out=np.zeros_like(scaled), where=own > 0)
    errors = []
    for step in STEP_SIZES[kind]:
        half = kind.levels / 2
        levels = np.clip(np.floor(scaled / step) + half, 0, kind.levels - 1)
        decoded = (levels - (kind.levels - 1) / 2) * step
        errors.append(float(np.mean((decoded - scaled) ** 2)))
    step = STEP_SIZES[kind][int(np.argmin(errors))]
    steps = (deviation * step).astype(np.float32)
    return Quantizer(kind, metric, mean, steps, 0.0 if has_one_length else 1.0 / step)


class _Trial:
    """Some rows, searched exactly and by codes.

    The nearest of all rows to each query are among them: codes confuse rows that lie together, and
    in a sample of a large segment hardly any do.
    """

    def __init__(self, rows: VectorRows, rng: np.random.Generator) -> None:
        num_rows = rows.num_rows
        asked = rng.choice(num_rows, min(TRIAL_QUERIES, num_rows), replace=False)
        self._queries = np.ascontiguousarray(_unit(rows, asked))
        self._limit = min(TRIAL_LIMIT, num_rows - 1)
        near, _ = scan_topk(
            rows.metric,
            self._queries,
            rows.values,
            rows.scale,
            None,
            min(TRIAL_NEIGHBOURS, num_rows),
        )
        others = rng.choice(num_rows, min(TRIAL_ROWS, num_rows), replace=False)
        picked = np.union1d(near, others)
        self._values = np.ascontiguousarray(rows.values[picked])
        self._scale = None if rows.scale is None else rows.scale[picked]
        # The nearest is the row that asks: that it is found says nothing.
        self._truth = np.searchsorted(picked, near[:, 1 : 1 + self._limit])

    def rescored(self, quantizer: Quantizer) -> int | None:
        """Return how many rows by codes hold each of the best ones; None when too many."""
        coded = encode_rows(quantizer, self._values, self._scale, 1)
        # A graph without links: only its codes are scanned.
        links = np.full((len(self._values), 16), NO_ROW, dtype=np.uint32)
        entries = np.zeros(1, dtype=np.uint32)
        graph = SearchGraph(quantizer, self._values, self._scale, coded, links, entries)
        for factor in RESCORED[quantizer.kind]:
            wanted, kept = 1 + self._limit, 1 + factor * self._limit
            found = graph.scan(self._queries, wanted, rescored=kept, allowed=None)
            pairs = zip(self._truth, found.row_ids, strict=True)
            hits = [len(np.intersect1d(a, b)) for a, b in pairs]
            if sum(hits) >= TRIAL_RECALL * self._truth.size:
                return factor
        return None


def _entries(rows: VectorRows, sample: Float32Array, metric: MetricType) -> UInt32Array:
    """Return the rows nearest to the centres of the sample (k-means from evenly spaced rows)."""
    count = min(NUM_ENTRIES, len(sample))
    centres = sample[np.linspace(0, len(sample) - 1, count).astype(np.int64)].copy()
    squares = np.einsum("ij,ij->i", sample, sample)
    for _ in range(CENTRE_ROUNDS):
        apart = squares[:, None] - 2 * sample @ centres.T + np.einsum("ij,ij->i", centres, centres)
        nearest = apart.argmin(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        counts = np.bincount(nearest, minlength=count)
        centres[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
    queries = np.ascontiguousarray(centres, dtype=np.float32)
    if metric is MetricType.COSINE:
        queries = queries * inverse_norms(queries)[:, None]
    if metric is MetricType.IP:
        metric = MetricType.L2  # the largest products would all be with the longest row
    found, _ = scan_topk(metric, queries, rows.values, rows.scale, None, 1)
    return np.unique(found[:, 0]).astype(np.uint32)


def _with_longest(entries: UInt32Array, lengths: Float32Array) -> UInt32Array:
    """Return the longest rows, which have the largest products, and every other entry."""
    count = min(NUM_ENTRIES, len(lengths))
    longest = np.argpartition(-lengths, count - 1)[:count].astype(np.uint32)
    return np.union1d(longest, entries[::2])


def _bit_entries(rows: VectorRows, rng: np.random.Generator) -> UInt32Array:
    """Return rows in the middle of the clusters of a sample of binary vectors.

    k-medoids whose medoids are the rows nearest to what most rows of a cluster have: the middle
    itself would be empty where few bits are set.
    """
    count = min(SAMPLE_ROWS, max(NUM_ENTRIES, SAMPLE_BIT_BYTES // rows.dim), rows.num_rows)
    picked = np.sort(rng.choice(rows.num_rows, count, replace=False))
    sample = np.ascontiguousarray(rows.values[picked])
    medoids = np.unique(np.linspace(0, count - 1, NUM_ENTRIES).astype(np.int64))
    for _ in range(CENTRE_ROUNDS):
        nearest, _ = scan_topk(rows.metric, sample, sample[medoids], None, None, 1)
        members = [np.flatnonzero(nearest[:, 0] == place) for place in range(len(medoids))]
        medoids = np.array([m[_medoid(rows.metric, sample[m])] for m in members if len(m)])
    return np.sort(picked[medoids]).astype(np.uint32)


def _medoid(metric: MetricType, members: ByteArray) -> int:
    """Return which row is nearest to the bits that most rows have."""
    votes = np.unpackbits(members, axis=1).sum(axis=0, dtype=np.int64)
    majority = np.packbits(2 * votes > len(members))
    nearest, _ = scan_topk(metric, majority[None], members, None, None, 1)
    return int(nearest[0, 0])
