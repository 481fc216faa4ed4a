"""Kernels over float16, bfloat16, int8 and binary vectors against their NumPy twins."""

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels import cpu, reference
from elanus.kernels.bfloat16 import from_bfloat16, to_bfloat16
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import distances_to_rows, inverse_norms, scan_topk
from elanus.types import (
    BINARY_METRICS,
    DENSE_METRICS,
    AnyArray,
    Float32Array,
    MetricType,
    VectorArray,
)

DIMS = [1, 3, 7, 8, 9, 15, 17, 31, 33, 63, 65, 385]
SMALL = {
    "float16": lambda v: v.astype(np.float16),
    "bfloat16": to_bfloat16,
    "int8": lambda v: v.astype(np.int8),
}


def small_numbers(seed: int, n: int, dim: int) -> Float32Array:
    """Small integers: exact in every type and in every sum, and with many ties."""
    return np.random.default_rng(seed).integers(-2, 3, (n, dim)).astype(np.float32)


def bytes_of(seed: int, n: int, width: int) -> AnyArray:
    return np.random.default_rng(seed).integers(0, 256, (n, width), dtype=np.uint8)


def int8s(seed: int, n: int, dim: int) -> AnyArray:
    return np.random.default_rng(seed).integers(-128, 128, (n, dim), dtype=np.int8)


def same(got: tuple[AnyArray, AnyArray], expected: tuple[AnyArray, AnyArray]) -> None:
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def widened(rows: VectorArray) -> Float32Array:
    return np.ascontiguousarray(reference.as_float64(rows), dtype=np.float32)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("nq", [1, 3, 5])
def test_scan_equals_twin_on_exact_values_with_ties(
    variant: str, kind: str, dim: int, nq: int
) -> None:
    rows, queries = SMALL[kind](small_numbers(1, 90, dim)), small_numbers(2, nq, dim)
    rows[7] = 0
    allowed = Bitset.from_mask(np.random.default_rng(3).random(90) < 0.5)
    for metric in (MetricType.L2, MetricType.IP):
        for chosen in (None, allowed):
            got = scan_topk(metric, queries, rows, None, chosen, 91)
            same(got, reference.scan_topk(metric, queries, rows, None, chosen, 91))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "int8"])
@pytest.mark.parametrize("metric", DENSE_METRICS)
@pytest.mark.parametrize("dim", [1, 7, 40, 385])
def test_distances_have_the_bits_of_the_widened_rows(
    variant: str, kind: str, metric: MetricType, dim: int
) -> None:
    values = np.random.default_rng(4).normal(size=(70, dim)).astype(np.float32)
    values[:5] *= np.float32(1e-6)  # subnormal float16
    rows = int8s(5, 70, dim) if kind == "int8" else SMALL[kind](values)
    rows[9] = 0
    queries = np.random.default_rng(6).normal(size=(3, dim)).astype(np.float32)
    scale = inverse_norms(rows) if metric is MetricType.COSINE else None
    if scale is not None:
        np.testing.assert_array_equal(scale, inverse_norms(widened(rows)))
        np.testing.assert_allclose(scale, reference.inverse_norms(rows), rtol=1e-6)
        assert scale[9] == 0
    found = scan_topk(metric, queries, rows, scale, None, 70)
    same(found, scan_topk(metric, queries, widened(rows), scale, None, 70))
    for query, row_ids, distances in zip(queries, *found, strict=True):
        again = distances_to_rows(metric, query, rows, scale, row_ids)
        np.testing.assert_array_equal(again, distances)
        twin = reference.distances_to_rows(metric, query, rows, scale, row_ids)
        np.testing.assert_allclose(distances, twin, atol=3e-6 * np.abs(twin).max(), rtol=1e-5)


def test_every_float16_and_every_bfloat16_is_widened(variant: str) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    one = np.ones(1, dtype=np.float32)
    for rows in (bits.view(np.float16), bits):
        with np.errstate(invalid="ignore"):
            expected = -reference.as_float64(rows)
        expected[np.isnan(expected)] = np.inf
        got = distances_to_rows(
            MetricType.IP, one, np.ascontiguousarray(rows[:, None]), None, np.arange(1 << 16)
        )
        np.testing.assert_array_equal(got, expected.astype(np.float32))


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP])
def test_int8_pairs_are_exact(variant: str, metric: MetricType, dim: int) -> None:
    rows, queries = int8s(7, 90, dim), int8s(8, 3, dim)
    rows[3] = rows[50]
    allowed = Bitset.from_mask(np.arange(90) % 3 != 1)
    for chosen in (None, allowed):
        got = scan_topk(metric, queries, rows, None, chosen, 90)
        same(got, reference.scan_topk(metric, queries, rows, None, chosen, 90))


def test_int8_sums_of_the_longest_vectors_do_not_overflow(variant: str) -> None:
    low, high = np.full((1, 32_768), -128, np.int8), np.full((1, 32_768), 127, np.int8)
    row = np.zeros(1, dtype=np.int64)
    distance = distances_to_rows(MetricType.L2, low[0], high, None, row)
    assert distance.tolist() == [float(np.float32(255**2 * 32_768))]
    assert distances_to_rows(MetricType.IP, low[0], low, None, row).tolist() == [-(2.0**29)]


def test_int8_cosine_is_the_same_on_every_cpu() -> None:
    rows, queries = int8s(9, 200, 77), int8s(10, 4, 77)
    rows[5] = 0
    queries[3] = 0
    scale = inverse_norms(rows)
    expected = reference.scan_topk(MetricType.COSINE, queries, rows, scale, None, 200)
    before = cpu.active_variant()
    found = []
    for name in cpu.available_variants():
        cpu.set_active_variant(name)
        found.append(scan_topk(MetricType.COSINE, queries, rows, scale, None, 200))
        for query, row_ids, distances in zip(queries, *found[-1], strict=True):
            again = distances_to_rows(MetricType.COSINE, query, rows, scale, row_ids)
            np.testing.assert_array_equal(again, distances)
    cpu.set_active_variant(before)
    for got in found:
        same(got, found[0])
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-6, atol=1e-7)
    assert found[0][0][3].tolist() == list(range(200))
    assert set(found[0][1][3].tolist()) == {0.0}


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 31, 32, 33, 48, 63, 64, 65, 130])
@pytest.mark.parametrize("metric", BINARY_METRICS)
def test_binary_scan_equals_twin(variant: str, metric: MetricType, width: int) -> None:
    rows, queries = bytes_of(11, 90, width), bytes_of(12, 3, width)
    rows[[4, 5]] = 0
    rows[6] = 255
    queries[2] = 0
    allowed = Bitset.from_mask(np.arange(90) % 4 != 2)
    for chosen in (None, allowed):
        got = scan_topk(metric, queries, rows, None, chosen, 91)
        same(got, reference.scan_topk(metric, queries, rows, None, chosen, 91))
    row_ids = np.array([6, 4, 89, 4])
    got = distances_to_rows(metric, queries[0], rows, None, row_ids)
    twin = reference.distances_to_rows(metric, queries[0], rows, None, row_ids)
    np.testing.assert_array_equal(got, twin)


def test_hand_worked_bits(variant: str) -> None:
    rows = np.array([[0b1100, 0], [0b1010, 1], [0, 0], [0b0110, 0]], dtype=np.uint8)
    query = np.array([0b0110, 0], dtype=np.uint8)
    every = np.arange(4)
    hamming = distances_to_rows(MetricType.HAMMING, query, rows, None, every)
    assert hamming.tolist() == [2, 3, 2, 0]
    jaccard = distances_to_rows(MetricType.JACCARD, query, rows, None, every)
    np.testing.assert_array_equal(jaccard, np.float32([2 / 3, 3 / 4, 1, 0]))
    empty = distances_to_rows(MetricType.JACCARD, np.zeros(2, np.uint8), rows, None, every)
    assert empty.tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("metric", "queries", "rows", "message"),
    [
        (MetricType.HAMMING, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.uint8), "queries"),
        (MetricType.L2, np.zeros((1, 2), np.float16), np.zeros((1, 2), np.float16), "queries"),
        (MetricType.L2, np.zeros((1, 2), np.int8), np.zeros((1, 2), np.float32), "queries"),
        (MetricType.L2, np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.int8), "queries"),
        (MetricType.L2, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.int16), "rows"),
        (MetricType.L2, np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.uint8), "metric"),
        (MetricType.JACCARD, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), "metric"),
        (MetricType.HAMMING, np.zeros((1, 2), np.int8), np.zeros((1, 2), np.int8), "metric"),
        (MetricType.L2, np.zeros((1, 3), np.int8), np.zeros((1, 2), np.int8), "query: expected"),
    ],
)
def test_what_does_not_fit_is_named(
    metric: MetricType, queries: VectorArray, rows: VectorArray, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        scan_topk(metric, queries, rows, None, None, 1)
    with pytest.raises(InvalidArgumentError, match=message.removesuffix("ies")):
        distances_to_rows(metric, queries[0], rows, None, np.zeros(1, np.int64))


def test_bfloat16_rounds_to_the_nearest_and_to_even() -> None:
    step = 2.0**-7  # between bfloat16 numbers from 1 to 2
    values = [1 + step / 2, 1 + 1.5 * step, 1 + 0.51 * step, 1 + 0.49 * step, -1 - step / 2, 0.0]
    expected = [1, 1 + 2 * step, 1 + step, 1, -1, 0]
    assert from_bfloat16(to_bfloat16(np.float32(values))).tolist() == expected
    special = np.float32([np.inf, -np.inf, -0.0, np.nan, 3.4e38, 1e-40])
    back = from_bfloat16(to_bfloat16(special))
    assert back[:2].tolist() == [np.inf, -np.inf]
    assert np.signbit(back[2])
    assert np.isnan(back[3])
    assert back[4] == np.inf
    assert abs(back[5] - 1e-40) <= 2**-134
    bits = np.arange(1 << 16, dtype=np.uint16)
    numbers = from_bfloat16(bits)
    kept = ~np.isnan(numbers)
    np.testing.assert_array_equal(to_bfloat16(numbers)[kept], bits[kept])
