"""Signatures, shares of equal elements and bands against their NumPy twins and against sets."""

import math

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import distances_to_rows, scan_topk
from elanus.kernels.minhash import (
    BandTables,
    Permutations,
    band_hashes,
    minhash_signatures,
    shingles,
)
from elanus.types import MINHASH_METRICS, MetricType


def few_bytes(seed, count, width):
    """Bytes of two values, so that elements of every width are equal now and then."""
    return np.random.default_rng(seed).integers(0, 2, (count, width), dtype=np.uint8)


@pytest.mark.parametrize("metric", MINHASH_METRICS)
@pytest.mark.parametrize("elements", [1, 3, 7, 8, 9, 17, 33, 64, 130])
def test_scan_equals_twin(variant, metric, elements):
    width = elements * metric.element_bits // 8
    rows, queries = few_bytes(1, 90, width), few_bytes(2, 3, width)
    rows[5] = queries[1]
    allowed = Bitset.from_mask(np.arange(90) % 4 != 2)
    for chosen in (None, allowed):
        got = scan_topk(metric, queries, rows, None, chosen, 91)
        expected = reference.scan_topk(metric, queries, rows, None, chosen, 91)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
    row_ids = np.array([6, 5, 89, 5])
    got = distances_to_rows(metric, queries[1], rows, None, row_ids)
    twin = reference.distances_to_rows(metric, queries[1], rows, None, row_ids)
    np.testing.assert_array_equal(got, twin)
    assert got[1] == -1.0


def test_share_worked_by_hand(variant):
    row = np.array([[1, 2, 3, 4]], dtype="<u4").view(np.uint8)
    query = np.array([[1, 9, 3, 4]], dtype="<u4").view(np.uint8)
    assert scan_topk(MetricType.MHJACCARD, query, row, None, None, 1)[1][0, 0] == -0.75
    # Of the bytes only one differs, of the halves one in eight, of the pairs one in two.
    assert scan_topk(MetricType.MHJACCARD_8, query, row, None, None, 1)[1][0, 0] == -15 / 16
    assert scan_topk(MetricType.MHJACCARD_16, query, row, None, None, 1)[1][0, 0] == -7 / 8
    assert scan_topk(MetricType.MHJACCARD_64, query, row, None, None, 1)[1][0, 0] == -0.5


def test_rows_hold_whole_elements():
    rows = few_bytes(1, 3, 6)
    with pytest.raises(InvalidArgumentError, match="whole elements of 32 bits"):
        scan_topk(MetricType.MHJACCARD, rows[:1], rows, None, None, 1)
    floats = np.ones((2, 4), np.float32)
    with pytest.raises(InvalidArgumentError, match="take L2, IP or COSINE"):
        scan_topk(MetricType.MHJACCARD, floats, floats, None, None, 1)


@pytest.mark.parametrize("count", [1, 7, 64, 65, 200])
def test_signatures_equal_twin(variant, count):
    rng = np.random.default_rng(3)
    offsets = np.array([0, 0, 1, 40, 40, 300], dtype=np.int64)
    members = rng.integers(0, 1 << 32, 300, dtype=np.uint32)
    permutations = Permutations.of(7, count)
    got = minhash_signatures(members, offsets, permutations)
    np.testing.assert_array_equal(got, reference.minhash_signatures(members, offsets, permutations))
    assert (got[[0, 3]] == 0xFFFFFFFF).all()


def test_signatures_never_change(variant):
    # They are stored: these numbers are part of the file format.
    members = np.array([1, 2, 3], dtype=np.uint32)
    made = minhash_signatures(members, np.array([0, 3]), Permutations.of(1234, 4))
    assert made.tolist() == [[2141661, 1198035219, 466959674, 409767282]]


def test_order_and_repeats_of_members_change_nothing():
    members = np.array([5, 9, 9, 1, 1, 9, 5, 1, 1], dtype=np.uint32)
    made = minhash_signatures(members, np.array([0, 4, 9]), Permutations.of(0, 50))
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("similarity", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_share_of_equal_elements_estimates_jaccard(similarity):
    """The mean error is none, and its spread is that of the theory."""
    rng = np.random.default_rng(4)
    size, count, pairs = 200, 128, 300
    common = round(2 * size * similarity / (1 + similarity))
    true = common / (2 * size - common)
    members, lengths = [], []
    for _ in range(pairs):
        drawn = rng.choice(1 << 32, 2 * size - common, replace=False).astype(np.uint32)
        members += [drawn[:size], drawn[size - common :]]
        lengths += [size, size]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    made = minhash_signatures(np.concatenate(members), offsets, Permutations.of(1, count))
    shares = (made[0::2] == made[1::2]).mean(axis=1)
    spread = math.sqrt(true * (1 - true) / count)
    assert abs(shares.mean() - true) <= 4 * spread / math.sqrt(pairs)
    assert shares.std() == pytest.approx(spread, rel=0.25)


def test_offsets_and_multipliers_are_checked():
    members, good = np.arange(5, dtype=np.uint32), Permutations.of(0, 3)
    for offsets in ([0, 6], [3, 2], [-1, 2]):
        with pytest.raises(InvalidArgumentError, match="offsets"):
            minhash_signatures(members, np.array(offsets), good)
    even = Permutations(good.masks, good.multipliers & np.uint32(0xFFFFFFFE))
    with pytest.raises(InvalidArgumentError, match="odd"):
        minhash_signatures(members, np.array([0, 5]), even)


def tables_of(signatures, band_bytes, bands):
    hashes = band_hashes(signatures, band_bytes, bands)
    row_ids = np.argsort(hashes, axis=1, kind="stable").astype(np.uint32)
    return BandTables(np.take_along_axis(hashes, row_ids.astype(np.int64), axis=1), row_ids)


@pytest.mark.parametrize(("band_bytes", "bands"), [(1, 12), (2, 6), (3, 4), (4, 2), (12, 1)])
def test_rows_in_bands_equal_twin(band_bytes, bands):
    signatures, queries = few_bytes(5, 300, 12), few_bytes(6, 20, 12)
    tables = tables_of(signatures, band_bytes, bands)
    hashes = np.ascontiguousarray(band_hashes(queries, band_bytes, bands).T)
    for limit, least in ((1, 0), (5, 0), (400, 0), (5, 5), (40, 30), (400, 400)):
        found, counts = tables.rows(hashes, limit, most_entries=10_000, least=least)
        for query, row_ids, count in zip(queries, found.tolist(), counts, strict=True):
            twin = reference.rows_in_bands(signatures, query, band_bytes, bands, limit, least)
            assert row_ids == [*twin, *[-1] * (limit - len(twin))]
            assert count == len(twin)


def test_only_allowed_rows_are_met():
    signatures = few_bytes(5, 300, 12)
    tables = tables_of(signatures, 2, 6)
    hashes = np.ascontiguousarray(band_hashes(signatures[:1], 2, 6).T)
    every = tables.rows(hashes, 300, most_entries=10_000)[0][0]
    for mask in (np.arange(300) % 3 == 1, np.arange(300) % 150 == 149, np.arange(300) > 298):
        allowed = Bitset.from_mask(mask)
        for least in (0, 7, 300):
            rows, (count,) = tables.rows(
                hashes, 300, allowed=allowed, most_entries=10_000, least=least
            )
            met = [row for row in every.tolist() if row >= 0 and mask[row]]
            others = [row for row in np.flatnonzero(mask).tolist() if row not in met]
            wanted = met + others[: max(least - len(met), 0)]
            assert rows[0].tolist() == [*wanted, *[-1] * (300 - len(wanted))]
            assert count == len(wanted)


def test_too_many_entries_are_not_read():
    signatures = np.zeros((50, 8), dtype=np.uint8)
    tables = tables_of(signatures, 4, 2)
    hashes = np.ascontiguousarray(band_hashes(signatures[:1], 4, 2).T)
    assert tables.rows(hashes, 3, most_entries=100)[0].tolist() == [[0, 1, 2]]
    found, counts = tables.rows(hashes, 3, most_entries=99, least=3)
    assert found.tolist() == [[-1, -1, -1]]
    assert counts == [-1]


@pytest.mark.parametrize("spread", ["even", "low", "high", "few", "ends"])
def test_hashes_are_found_however_they_spread(spread):
    """Where one lies is guessed by its size, as if they spread evenly."""
    rng = np.random.default_rng(11)
    top = (1 << 32) - 1
    drawn = {
        "even": rng.integers(0, 1 << 32, (3, 2_000)),
        "low": rng.integers(0, 900, (3, 2_000)),
        "high": rng.integers(top - 900, 1 << 32, (3, 2_000)),
        "few": rng.integers(0, 4, (3, 2_000)) * (1 << 30),
        "ends": rng.choice([0, 1, top - 1, top], (3, 2_000)),
    }[spread].astype(np.uint32)
    row_ids = np.argsort(drawn, axis=1, kind="stable").astype(np.uint32)
    tables = BandTables(np.take_along_axis(drawn, row_ids.astype(np.int64), axis=1), row_ids)
    asked = [*drawn[:, ::50].T, *(drawn[:, ::50].T + np.uint32(1)), [0] * 3, [1] * 3, [top] * 3]
    queries = np.array(asked, dtype=np.uint32)
    found, counts = tables.rows(queries, 2_000, most_entries=6_000)
    for query, rows, count in zip(queries, found, counts, strict=True):
        shared = (drawn == query[:, None]).sum(axis=0)
        order = np.lexsort((np.arange(2_000), -shared))
        assert rows[:count].tolist() == order[: np.count_nonzero(shared)].tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shingles_equal_twin(size):
    rng = np.random.default_rng(size)
    for lengths in ([], [0], [1], [size - 1, size, size + 1], rng.integers(0, 20, 50)):
        counts = np.array(lengths, dtype=np.int64)
        numbers = rng.integers(0, 1 << 63, counts.sum(), dtype=np.uint64) * np.uint64(2)
        made, twin = (f(numbers, counts, size) for f in (shingles, reference.shingles))
        for got, wanted in zip(made, twin, strict=True):
            assert got.dtype == wanted.dtype
            np.testing.assert_array_equal(got, wanted)


def test_lengths_of_texts_are_checked():
    numbers = np.arange(5, dtype=np.uint64)
    for lengths in ([6], [-1, 6], [2, 2], [2, 4], []):
        with pytest.raises(InvalidArgumentError, match="lengths: expected those of texts with 5"):
            shingles(numbers, np.array(lengths, dtype=np.int64), 3)
    with pytest.raises(InvalidArgumentError, match="size: expected at least 1"):
        shingles(numbers, np.array([5]), 0)


def test_rows_that_do_not_exist_are_damage():
    signatures = few_bytes(5, 40, 8)
    tables = tables_of(signatures, 4, 2)
    tables.row_ids[:] = 40
    hashes = np.ascontiguousarray(band_hashes(signatures[:1], 4, 2).T)
    with pytest.raises(CorruptionError, match="does not exist"):
        tables.rows(hashes, 3, most_entries=1_000)


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8])
def test_signatures_meet_in_a_band_as_the_theory_says(similarity):
    rng = np.random.default_rng(8)
    bands, band_elements, pairs = 16, 4, 2_000
    ones = rng.integers(0, 1 << 32, (pairs, bands * band_elements), dtype=np.uint32)
    others = rng.integers(0, 1 << 32, ones.shape, dtype=np.uint32)
    others = np.where(rng.random(ones.shape) < similarity, ones, others)
    left, right = (
        band_hashes(np.ascontiguousarray(side).view(np.uint8), 4 * band_elements, bands)
        for side in (ones, others)
    )
    met = float((left == right).any(axis=0).mean())
    expected = 1 - (1 - similarity**band_elements) ** bands
    error = math.sqrt(expected * (1 - expected) / pairs)
    assert met == pytest.approx(expected, abs=4 * error + 1e-9)
