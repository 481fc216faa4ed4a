"""What should the kernels answer?

The NumPy twin of every kernel: slow, obvious, and the oracle of the tests. Same arguments, same
results; dense distances may differ in the last bits, for sums run in another order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.kernels.bfloat16 import from_bfloat16
from elanus.kernels.bitset import Bitset
from elanus.kernels.minhash import Permutations
from elanus.kernels.postings import Bm25Scoring
from elanus.kernels.ranking import CandidateArrays, RankedArrays
from elanus.types import (
    ByteArray,
    Float32Array,
    Float64Array,
    Int64Array,
    MetricType,
    UInt32Array,
    UInt64Array,
    VectorArray,
)

_SHINGLE_ODD, _SHINGLE_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)
_MASK64 = 0xFFFFFFFFFFFFFFFF
_CASTAGNOLI = 0x82F63B78  # bits reversed

# XXH64, xxhash_spec.md.
_PRIME1 = 0x9E3779B185EBCA87
_PRIME2 = 0xC2B2AE3D27D4EB4F
_PRIME3 = 0x165667B19E3779F9
_PRIME4 = 0x85EBCA77C2B2AE63
_PRIME5 = 0x27D4EB2F165667C5


# --- dense ----------------------------------------------------------------------------------


def as_float64(vectors: VectorArray) -> Float64Array:
    """Return what the elements of vectors stand for; uint16 are the bits of bfloat16."""
    if vectors.dtype == np.uint16:
        return from_bfloat16(vectors.astype(np.uint16)).astype(np.float64)
    return vectors.astype(np.float64)


def distances_to_rows(
    metric: MetricType,
    query: VectorArray,
    rows: VectorArray,
    row_scale: Float32Array | None,
    row_ids: Int64Array,
) -> Float32Array:
    """Twin of ``distance.distances_to_rows``, in float64 until the end."""
    if rows.dtype == np.uint8:
        return _bit_distances(metric, query, rows[row_ids])
    picked, wanted = as_float64(rows[row_ids]), as_float64(query)
    with np.errstate(all="ignore"):
        if metric is MetricType.L2:
            distances = ((picked - wanted) ** 2).sum(axis=1)
        else:
            distances = 0.0 - picked @ wanted
        if metric is MetricType.COSINE and row_scale is not None:
            distances = distances * row_scale[row_ids]
        if metric is MetricType.COSINE and query.dtype == np.int8:
            distances = distances * inverse_norms(query[np.newaxis])[0]
        return np.where(np.isnan(distances), np.inf, distances).astype(np.float32)


def _bit_distances(metric: MetricType, query: VectorArray, rows: VectorArray) -> Float32Array:
    if metric.element_bits:
        dtype = f"u{metric.element_bits // 8}"
        equal = rows.view(dtype) == query.view(dtype)
        counts: Float32Array = equal.sum(axis=1).astype(np.float32)
        return np.float32(0) - counts / np.float32(equal.shape[1])
    wanted, stored = (np.unpackbits(v.astype(np.uint8), axis=-1) for v in (query, rows))
    differing: Float32Array = (wanted != stored).sum(axis=1).astype(np.float32)
    if metric is MetricType.HAMMING:
        return differing
    either: Float32Array = (wanted | stored).sum(axis=1).astype(np.float32)
    return np.where(either == 0, np.float32(0), differing / np.maximum(either, 1))


def scan_topk(
    metric: MetricType,
    queries: VectorArray,
    rows: VectorArray,
    row_scale: Float32Array | None,
    allowed: Bitset | None,
    k: int,
) -> tuple[Int64Array, Float32Array]:
    """Twin of ``distance.scan_topk``."""
    row_ids = np.full((len(queries), k), -1, dtype=np.int64)
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    candidates = np.arange(len(rows)) if allowed is None else allowed.to_rows()
    for i, query in enumerate(queries):
        all_distances = distances_to_rows(metric, query, rows, row_scale, candidates)
        found, nearest = _nearest(candidates, all_distances, k)
        row_ids[i, : len(found)] = found
        distances[i, : len(found)] = nearest
    return row_ids, distances


def inverse_norms(rows: VectorArray) -> Float32Array:
    """Twin of ``distance.inverse_norms``."""
    with np.errstate(all="ignore"):
        inverse = (1.0 / np.linalg.norm(as_float64(rows), axis=1)).astype(np.float32)
    return np.where(np.isfinite(inverse), inverse, np.float32(0))


def _nearest(
    row_ids: Int64Array, distances: Float32Array, k: int
) -> tuple[Int64Array, Float32Array]:
    order = np.lexsort((row_ids, distances))[:k]
    return row_ids[order], distances[order]


# --- minhash --------------------------------------------------------------------------------


def minhash_signatures(
    members: UInt32Array, offsets: Int64Array, permutations: Permutations
) -> UInt32Array:
    """Twin of ``minhash.minhash_signatures``."""
    masks, multipliers = permutations
    made = np.full((len(offsets) - 1, len(masks)), 0xFFFFFFFF, dtype=np.uint32)
    for i, (start, end) in enumerate(pairwise(offsets.tolist())):
        x = (members[start:end, None] ^ masks) * multipliers
        for shift, multiplier in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            x = (x ^ (x >> np.uint32(shift))) * np.uint32(multiplier)
        made[i] = x.min(axis=0, initial=0xFFFFFFFF)
    return made


def shingles(
    numbers: UInt64Array, lengths: Int64Array, size: int
) -> tuple[UInt32Array, Int64Array]:
    """Twin of ``minhash.shingles``."""
    counts = np.where(lengths > 0, np.maximum(lengths - size + 1, 1), 0)
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    starts = np.cumsum(lengths) - lengths
    first = np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
    widths = np.repeat(np.minimum(lengths, size), counts)
    mixed = np.zeros(len(first), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for place in range(int(widths.max(initial=0))):
            there = widths > place
            added = (mixed[there] ^ numbers[first[there] + place]) * _SHINGLE_MIX
            mixed[there] = (added ^ (added >> np.uint64(32))) + _SHINGLE_ODD
        mixed *= _SHINGLE_ODD
    return (mixed >> np.uint64(32)).astype(np.uint32), offsets


def rows_in_bands(
    signatures: ByteArray,
    query: ByteArray,
    band_bytes: int,
    num_bands: int,
    limit: int,
    least: int = 0,
) -> list[int]:
    """Twin of ``minhash.BandTables.rows`` for one query that may see all rows."""
    shape = (num_bands, band_bytes)
    used = num_bands * band_bytes
    bands = signatures[:, :used].reshape(-1, *shape)
    shared = (bands == query[:used].reshape(shape)).all(axis=2).sum(axis=1)
    order: list[int] = np.lexsort((np.arange(len(shared)), -shared)).tolist()
    found = [row for row in order if shared[row]][:limit]
    others = [row for row in range(len(shared)) if not shared[row]]
    return found + others[: max(min(least, limit) - len(found), 0)]


# --- postings -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Postings:
    """Twin of the postings classes: lists by term, of rows ``0 .. num_rows - 1``."""

    lists: dict[int, tuple[UInt32Array, Float32Array]]
    num_rows: int

    @classmethod
    def from_csr(
        cls, offsets: Int64Array, rows: UInt32Array, weights: Float32Array, num_rows: int
    ) -> Postings:
        """Return the postings that ``SealedPostings`` reads from these arrays."""
        spans = [slice(a, b) for a, b in pairwise(offsets.tolist())]
        return cls({t: (rows[s], weights[s]) for t, s in enumerate(spans)}, num_rows)

    @classmethod
    def from_rows(
        cls, offsets: Int64Array, terms: UInt32Array, weights: Float32Array, num_rows: int
    ) -> Postings:
        """Return the postings of the first ``num_rows`` rows of a batch of sparse vectors."""
        gathered: dict[int, list[tuple[int, float]]] = {}
        for row in range(num_rows):
            for i in range(int(offsets[row]), int(offsets[row + 1])):
                gathered.setdefault(int(terms[i]), []).append((row, float(weights[i])))
        lists = {
            term: (
                np.array([row for row, _ in entries], dtype=np.uint32),
                np.array([weight for _, weight in entries], dtype=np.float32),
            )
            for term, entries in gathered.items()
        }
        return cls(lists, num_rows)

    def search(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        k: int,
        *,
        allowed: Bitset | None = None,
        bm25: Bm25Scoring | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """Twin of ``SealedPostings.search``, with the same bits."""
        scores, matched = self._scores(terms, weights, bm25)
        if allowed is not None:
            matched &= allowed.to_mask()
        rows = np.flatnonzero(matched)
        return _nearest(rows, _negated(scores[rows]), k)

    def distances_to_rows(
        self,
        terms: UInt32Array,
        weights: Float32Array,
        row_ids: Int64Array,
        *,
        bm25: Bm25Scoring | None = None,
    ) -> Float32Array:
        """Twin of ``SealedPostings.distances_to_rows``, with the same bits."""
        scores, matched = self._scores(terms, weights, bm25)
        return np.where(matched, _negated(scores), np.float32(np.inf))[row_ids]

    def document_frequencies(
        self, terms: UInt32Array, *, alive: Bitset | None = None
    ) -> Int64Array:
        """Twin of ``SealedPostings.document_frequencies``."""
        mask = np.ones(self.num_rows, dtype=np.bool_) if alive is None else alive.to_mask()
        return np.array([mask[self._list(int(t))[0]].sum() for t in terms], dtype=np.int64)

    def _list(self, term: int) -> tuple[UInt32Array, Float32Array]:
        empty = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.float32)
        return self.lists.get(term, empty)

    def _scores(
        self, terms: UInt32Array, weights: Float32Array, bm25: Bm25Scoring | None
    ) -> tuple[Float32Array, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        scores = np.zeros(self.num_rows, dtype=np.float32)
        matched = np.zeros(self.num_rows, dtype=np.bool_)
        with np.errstate(all="ignore"):
            for term, query_weight in zip(terms.tolist(), weights, strict=True):
                rows, values = self._list(term)
                impact = values if bm25 is None else _bm25_impact(bm25, rows, values)
                np.add.at(scores, rows, query_weight * impact)
                matched[rows] = True
        return scores, matched


def _bm25_impact(bm25: Bm25Scoring, rows: UInt32Array, tf: Float32Array) -> Float32Array:
    k1, b, one = np.float32(bm25.k1), np.float32(bm25.b), np.float32(1)
    slope = np.float32(0)
    if bm25.average_length > 0:
        slope = np.float32(float(k1) * float(b) / bm25.average_length)
    norm = k1 * (one - b) + slope * bm25.lengths[rows].astype(np.float32)
    return np.asarray((tf * (k1 + one)) / (tf + norm), dtype=np.float32)


def _negated(scores: Float32Array) -> Float32Array:
    distances = np.float32(0) - scores
    return np.where(np.isnan(distances), np.float32(np.inf), distances)


# --- bytes ----------------------------------------------------------------------------------


def crc32c(data: bytes, seed: int = 0) -> int:
    """Twin of ``checksum.crc32c``: one bit at a time."""
    state = seed ^ 0xFFFFFFFF
    for byte in bytes(data):
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (_CASTAGNOLI if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def hash64_strings(offsets: Int64Array, data: ByteArray) -> UInt64Array:
    """Twin of ``hashing.hash64_strings``."""
    ends = offsets.tolist()
    if not ends or ends != sorted(ends) or ends[0] < 0 or ends[-1] > len(data):
        raise InvalidArgumentError("offsets: expected ascending values within the data")
    raw = data.tobytes()
    hashes = [_xxh64(raw[a:b]) for a, b in pairwise(ends)]
    return np.array(hashes, dtype=np.uint64)


class KeyTable:
    """Twin of ``keys.IntKeyTable`` and ``keys.StringKeyTable``: a dict, over any keys."""

    def __init__(self) -> None:
        self._rows: dict[object, int] = {}

    def put(self, keys: Sequence[object], first_row: int) -> list[int]:
        """Point key ``i`` to row ``first_row + i``; return the rows before, -1 if none."""
        older = []
        for row, key in enumerate(keys, first_row):
            older.append(self._rows.get(key, -1))
            self._rows[key] = row
        return older

    def find(self, keys: Sequence[object]) -> list[int]:
        """Return the newest row of each key, -1 where there is none."""
        return [self._rows.get(key, -1) for key in keys]


def _rotate(value: int, bits: int) -> int:
    value &= _MASK64
    return (value << bits | value >> (64 - bits)) & _MASK64


def _round(lane: int, value: int) -> int:
    return _rotate(lane + value * _PRIME2, 31) * _PRIME1 & _MASK64


def _xxh64(text: bytes) -> int:
    position, size = 0, len(text)

    def take(width: int) -> int:
        nonlocal position
        position += width
        return int.from_bytes(text[position - width : position], "little")

    value = _PRIME5
    if size >= 32:
        lanes = [(_PRIME1 + _PRIME2) & _MASK64, _PRIME2, 0, -_PRIME1 & _MASK64]
        while size - position >= 32:
            lanes = [_round(lane, take(8)) for lane in lanes]
        value = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _PRIME1 + _PRIME4) & _MASK64
    value = (value + size) & _MASK64
    while size - position >= 8:
        value = (_rotate(value ^ _round(0, take(8)), 27) * _PRIME1 + _PRIME4) & _MASK64
    if size - position >= 4:
        value = (_rotate(value ^ take(4) * _PRIME1, 23) * _PRIME2 + _PRIME3) & _MASK64
    while position < size:
        value = _rotate(value ^ take(1) * _PRIME5, 11) * _PRIME1 & _MASK64
    value = (value ^ value >> 33) * _PRIME2 & _MASK64
    value = (value ^ value >> 29) * _PRIME3 & _MASK64
    return value ^ value >> 32


# --- ranking --------------------------------------------------------------------------------


def merge_candidates(
    tables: Sequence[CandidateArrays], num_queries: int, limit: int
) -> list[list[tuple[float, int, int]]]:
    """Return (distance, source, row id) of the nearest candidates of each query.

    As ``ranking.merge_candidates``, without the padding.
    """
    merged = []
    for query in range(num_queries):
        found = [
            (float(distance), source, int(row_id))
            for source, (row_ids, distances) in enumerate(tables)
            for row_id, distance in zip(row_ids[query], distances[query], strict=True)
            if row_id >= 0
        ]
        found.sort(key=lambda candidate: candidate[0])
        merged.append([c for c in found if len(found) <= limit or c[0] <= found[limit - 1][0]])
    return merged


def fuse_lists(lists: Sequence[RankedArrays]) -> list[tuple[int, int, float]]:
    """Return (source, row id, sum of parts) of every row, largest sum first, NaN last."""
    scores: dict[tuple[int, int], float] = {}
    for sources, row_ids, parts in lists:
        for source, row_id, part in zip(
            sources.tolist(), row_ids.tolist(), parts.tolist(), strict=True
        ):
            scores[source, row_id] = scores.get((source, row_id), 0.0) + part
    ranked = sorted(scores.items(), key=lambda entry: (math.isnan(entry[1]), -entry[1]))
    return [(*place, score) for place, score in ranked]
