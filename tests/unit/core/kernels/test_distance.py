from pathlib import Path

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels import cpu, reference
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import (
    are_finite,
    distances_to_rows,
    inverse_norms,
    scan_topk,
    unit_rows,
)
from elanus.types import DENSE_METRICS, Float32Array, MetricType

DIMS = [1, 3, 7, 8, 15, 16, 17, 31, 33, 384, 385]


def vectors(seed: int, n: int, dim: int) -> Float32Array:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def grid(seed: int, n: int, dim: int) -> Float32Array:
    """Small integers: every sum is exact, so ids, distances and ties must match bit by bit."""
    return np.random.default_rng(seed).integers(-2, 3, (n, dim)).astype(np.float32)


def scale_for(metric: MetricType, rows: Float32Array) -> Float32Array | None:
    return inverse_norms(rows) if metric is MetricType.COSINE else None


def unit(queries: Float32Array) -> Float32Array:
    return queries / np.linalg.norm(queries, axis=1, keepdims=True)


@pytest.mark.parametrize("metric", DENSE_METRICS)
@pytest.mark.parametrize("dim", DIMS)
def test_distances_agree_with_twin(variant: str, metric: MetricType, dim: int) -> None:
    rows, query = vectors(1, 61, dim), unit(vectors(2, 1, dim))[0]
    row_ids = np.random.default_rng(3).permutation(61).repeat(2)
    arguments = (metric, query, rows, scale_for(metric, rows), row_ids)
    got = distances_to_rows(*arguments)
    # Relative to the size of the terms that are summed, not to a sum that may cancel to 0.
    tolerance = 2e-6 * np.abs(reference.distances_to_rows(*arguments)).max()
    np.testing.assert_allclose(got, reference.distances_to_rows(*arguments), atol=tolerance)
    assert got.dtype == np.float32


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP])
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("nq", [1, 2, 3, 5, 9])
def test_scan_equals_twin_on_exact_values_with_ties(
    variant: str, metric: MetricType, dim: int, nq: int
) -> None:
    rows, queries = grid(4, 300, dim), grid(5, nq, dim)
    for k in (1, 10, 299, 300, 301):
        got = scan_topk(metric, queries, rows, None, None, k)
        expected = reference.scan_topk(metric, queries, rows, None, None, k)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
    assert (got[0].dtype, got[1].dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("dim", [3, 16, 385])
def test_cosine_scan_equals_twin(variant: str, dim: int) -> None:
    rows, queries = vectors(6, 500, dim), unit(vectors(7, 4, dim))
    rows[17] = 0
    scale = inverse_norms(rows)
    got = scan_topk(MetricType.COSINE, queries, rows, scale, None, 500)
    expected = reference.scan_topk(MetricType.COSINE, queries, rows, scale, None, 500)
    np.testing.assert_allclose(got[1], expected[1], atol=2e-6)
    assert np.sort(got[0]).tolist() == [list(range(500))] * 4
    assert got[1][got[0] == 17].tolist() == [0.0] * 4
    assert got[1].min() >= -1 - 1e-6


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_scan_and_distances_give_the_same_bits_for_any_batch(
    variant: str, metric: MetricType
) -> None:
    rows, queries = vectors(8, 1000, 50), unit(vectors(9, 300, 50))
    scale = scale_for(metric, rows)
    row_ids, distances = scan_topk(metric, queries, rows, scale, None, 7)
    for i in (0, 1, 150, 255, 256, 299):
        single = scan_topk(metric, queries[i : i + 1], rows, scale, None, 7)
        np.testing.assert_array_equal(single[0][0], row_ids[i])
        np.testing.assert_array_equal(single[1][0], distances[i])
        named = distances_to_rows(metric, queries[i], rows, scale, row_ids[i])
        np.testing.assert_array_equal(named, distances[i])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("nq", [1, 4])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 700])
def test_scan_returns_only_allowed_rows(variant: str, share: float, nq: int, n: int) -> None:
    rows, queries = grid(10, n, 9), grid(11, nq, 9)
    allowed = Bitset.from_mask(np.random.default_rng(12).random(n) < share)
    got = scan_topk(MetricType.L2, queries, rows, None, allowed, 20)
    expected = reference.scan_topk(MetricType.L2, queries, rows, None, allowed, 20)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def test_no_rows_and_no_queries(variant: str) -> None:
    none = np.empty((0, 4), dtype=np.float32)
    row_ids, distances = scan_topk(MetricType.IP, grid(1, 2, 4), none, None, Bitset.empty(0), 3)
    assert row_ids.tolist() == [[-1] * 3] * 2
    assert distances.tolist() == [[np.inf] * 3] * 2
    row_ids, distances = scan_topk(MetricType.IP, none, grid(1, 2, 4), None, None, 3)
    assert (row_ids.shape, distances.shape) == ((0, 3), (0, 3))
    assert inverse_norms(none).shape == (0,)
    assert distances_to_rows(
        MetricType.L2, grid(1, 1, 4)[0], grid(1, 2, 4), None, np.empty(0, np.int64)
    ).shape == (0,)


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_distances_that_are_no_numbers_sort_last(variant: str, metric: MetricType) -> None:
    rows = grid(13, 40, 5) + 1
    rows[[3, 20]] = np.nan
    rows[7, 2] = np.inf
    query = np.full((1, 5), 0.25, dtype=np.float32)
    scale = None if metric is not MetricType.COSINE else np.ones(40, np.float32)
    got = scan_topk(metric, query, rows, scale, None, 40)
    expected = reference.scan_topk(metric, query, rows, scale, None, 40)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    last = [3, 7, 20] if metric is MetricType.L2 else [3, 20]
    assert got[0][0, -len(last) :].tolist() == last
    assert got[1][0, -len(last) :].tolist() == [np.inf] * len(last)
    everywhere = scan_topk(metric, np.full((1, 5), np.nan, np.float32), rows, scale, None, 3)
    assert everywhere[0].tolist() == [[0, 1, 2]]


def test_variants_agree() -> None:
    rows, queries = vectors(14, 400, 385), unit(vectors(15, 3, 385))
    before = cpu.active_variant()
    found = []
    for name in cpu.available_variants():
        cpu.set_active_variant(name)
        found.append(scan_topk(MetricType.COSINE, queries, rows, inverse_norms(rows), None, 400))
    cpu.set_active_variant(before)
    for row_ids, distances in found:
        np.testing.assert_array_equal(row_ids[:, :50], found[0][0][:, :50])
        np.testing.assert_allclose(distances, found[0][1], rtol=1e-5, atol=1e-6)


def test_hand_worked_values(variant: str) -> None:
    rows = np.array([[3, 4], [0, 0], [-6, 8]], dtype=np.float32)
    query = np.array([1, 0], dtype=np.float32)
    all_rows = np.arange(3)
    scale = inverse_norms(rows)
    np.testing.assert_allclose(scale, [0.2, 0, 0.1])
    got = [
        distances_to_rows(metric, query, rows, s, all_rows).tolist()
        for metric, s in [(MetricType.L2, None), (MetricType.IP, None)]
    ]
    assert got == [[20, 1, 113], [-3, 0, 6]]
    cosine = distances_to_rows(MetricType.COSINE, query, rows, scale, all_rows)
    np.testing.assert_allclose(cosine, [-0.6, 0, 0.6], rtol=1e-6)
    assert not np.signbit(cosine[1])


def test_inverse_norms_of_extreme_rows() -> None:
    tiny, huge = np.float32(1e-30), np.float32(1e30)
    rows = np.array(
        [[tiny, 0], [huge, huge], [0, 0], [np.nan, 1], [np.inf, 1], [1e-45, 0]], dtype=np.float32
    )
    got = inverse_norms(rows)
    np.testing.assert_allclose(got[:2], [1e30, 1 / (1e30 * np.sqrt(2))], rtol=1e-6)
    assert got[2:].tolist() == [0, 0, 0, 0]
    np.testing.assert_array_equal(got, reference.inverse_norms(rows))
    many = vectors(16, 50, 37)
    np.testing.assert_allclose(inverse_norms(many), reference.inverse_norms(many), rtol=1e-6)


def test_reads_a_memory_mapped_file(variant: str, tmp_path: Path) -> None:
    rows, queries = grid(17, 90, 6), grid(18, 2, 6)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", dtype=np.float32, mode="r", shape=(90, 6))
    got = scan_topk(MetricType.L2, queries, mapped, None, None, 5)
    expected = reference.scan_topk(MetricType.L2, queries, rows, None, None, 5)
    np.testing.assert_array_equal(got[0], expected[0])


ROWS, QUERIES = grid(19, 10, 4), grid(20, 2, 4)
NARROW = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("queries", "rows", "scale", "k", "message"),
    [
        (QUERIES.astype(np.float64), ROWS, None, 1, "queries: .* got dtype float64"),
        (QUERIES[0], ROWS, None, 1, r"queries: .* got shape \(4,\)"),
        (QUERIES, ROWS[:, ::2], None, 1, "rows: .* got strides"),
        (QUERIES, ROWS.T, None, 1, "rows: .* got strides"),
        (QUERIES, [[0.0]], None, 1, "rows: .* got list"),
        (QUERIES, None, None, 1, "rows: .* got NoneType"),
        (NARROW, ROWS, None, 1, "query: expected dim 4 as the rows have, got 3"),
        (NARROW[:, :0].copy(), ROWS[:, :0].copy(), None, 1, "rows: expected at least 1 dim"),
        (QUERIES, ROWS, np.ones(9, np.float32), 1, "row_scale: .* 10 rows, got 9"),
        (QUERIES, ROWS, np.ones(0, np.float32), 1, "row_scale: .* 10 rows, got 0"),
        (QUERIES, ROWS, np.ones(10), 1, "row_scale: .* got dtype float64"),
        (QUERIES, ROWS, None, 0, "k: expected 1 to"),
        (QUERIES, ROWS, None, -1, "k: expected 1 to"),
        (QUERIES, ROWS, None, 1 << 33, "k: expected 1 to"),
        (QUERIES, ROWS, None, 1.5, "k: "),
    ],
)
def test_arguments_that_do_not_fit_are_named(
    queries: object, rows: object, scale: object, k: object, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        scan_topk(MetricType.COSINE, queries, rows, scale, None, k)  # type: ignore[arg-type]


def test_scale_is_for_cosine_only() -> None:
    with pytest.raises(InvalidArgumentError, match="row_scale: only the COSINE metric"):
        scan_topk(MetricType.L2, QUERIES, ROWS, inverse_norms(ROWS), None, 1)


def test_allowed_must_be_over_the_rows() -> None:
    with pytest.raises(InvalidArgumentError, match="bitset: expected 1 words for 10 rows, got 2"):
        scan_topk(MetricType.L2, QUERIES, ROWS, None, Bitset.full(65), 1)


def test_sparse_metric_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="expected one of L2, IP, COSINE"):
        scan_topk(MetricType.BM25, QUERIES, ROWS, None, None, 1)


@pytest.mark.parametrize("row_id", [-1, 10, 1 << 40, -(1 << 40)])
def test_row_ids_outside_are_refused(row_id: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"row_ids: expected values in \[0, 10\)"):
        distances_to_rows(MetricType.L2, QUERIES[0], ROWS, None, np.array([0, row_id]))


def test_unit_rows_have_length_one_and_zero_rows_stay() -> None:
    rows = np.array([[3, 4], [0, 0], [1e-30, 0], [3e38, 3e38]], dtype=np.float32)
    half = np.float32(np.sqrt(0.5))
    expected = np.array([[0.6, 0.8], [0, 0], [1, 0], [half, half]], dtype=np.float32)
    found = unit_rows(rows)
    assert found is not None
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_found(value: float) -> None:
    rows = np.full((3, 37), 3e38, dtype=np.float32)
    assert are_finite(rows)
    rows[2, 36] = value
    assert not are_finite(rows)
    assert unit_rows(rows) is None
