"""The scan over codes returns what the float32 scan returns, to the bit, whatever the vectors."""

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms, scan_topk
from elanus.kernels.quantized import ScanCodes, code_bytes
from elanus.types import DENSE_METRICS, Float32Array, Int64Array, MetricType

DIMS = [1, 16, 63, 65, 385]


def normal(seed: int, n: int, dim: int) -> Float32Array:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def clustered(seed: int, n: int, dim: int) -> Float32Array:
    rng = np.random.default_rng(seed)
    centres = normal(99, 50, dim) * 3
    return (centres[rng.integers(0, 50, n)] + normal(seed, n, dim)).astype(np.float32)


class Searched:
    """Both scans over the same rows."""

    def __init__(self, metric: MetricType, rows: Float32Array) -> None:
        self.metric, self.rows = metric, rows
        self.scale = inverse_norms(rows) if metric is MetricType.COSINE else None
        self.codes = ScanCodes.encode(metric, rows, self.scale)

    def queries(self, queries: Float32Array) -> Float32Array:
        if self.metric is not MetricType.COSINE:
            return queries
        return np.ascontiguousarray(queries * inverse_norms(queries)[:, None])

    def check(self, queries: Float32Array, k: int, allowed: Bitset | None = None) -> Int64Array:
        """Compare the scans and return the row ids."""
        queries = self.queries(queries)
        expected = scan_topk(self.metric, queries, self.rows, self.scale, allowed, k)
        got = self.codes.search(queries, self.rows, self.scale, allowed, k)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])
        assert (got[0].dtype, got[1].dtype) == (np.int64, np.float32)
        return got[0]

    def num_rescored(self, query: Float32Array, k: int) -> int | None:
        """Return how many rows are read from their vectors; None when all of them are."""
        read: list[Int64Array | None] = []
        self.codes.search(
            self.queries(query[None]), self.rows, self.scale, None, k, check_rows=read.append
        )
        return None if read[0] is None else len(read[0])


@pytest.mark.parametrize("metric", DENSE_METRICS)
@pytest.mark.parametrize("dim", DIMS)
def test_equals_the_scan_of_vectors(variant: str, metric: MetricType, dim: int) -> None:
    both = Searched(metric, clustered(1, 900, dim))
    for nq, k in ((1, 10), (2, 1), (5, 100), (2, 900), (1, 901)):
        both.check(clustered(2, nq, dim), k)


def test_queries_of_several_passes() -> None:
    Searched(MetricType.L2, clustered(1, 500, 65)).check(clustered(3, 150, 65), 10)


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP])
def test_ties_go_to_the_smaller_row(variant: str, metric: MetricType) -> None:
    rows = np.random.default_rng(4).integers(-1, 2, (4_000, 65)).astype(np.float32)
    both = Searched(metric, np.concatenate([rows[:2_000], rows[:2_000], rows[2_000:]]))
    found = both.check(rows[:8], 20)
    expected = reference.scan_topk(metric, rows[:8], both.rows, None, None, 20)
    np.testing.assert_array_equal(found, expected[0])


@pytest.mark.parametrize("metric", DENSE_METRICS)
@pytest.mark.parametrize("share", [0.9, 0.3, 0.05, 0.004, 0.0])
def test_only_allowed_rows_are_found(variant: str, metric: MetricType, share: float) -> None:
    both = Searched(metric, clustered(5, 3_000, 96))
    allowed = Bitset.from_mask(np.random.default_rng(6).random(3_000) < share)
    for nq in (1, 3):
        found = both.check(clustered(7, nq, 96), 10, allowed)
        assert all(row in allowed for row in found[found >= 0].tolist())


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_few_rows_are_read_from_their_vectors(variant: str, metric: MetricType) -> None:
    both = Searched(metric, clustered(8, 10_000, 128))
    counts = [both.num_rescored(query, 10) for query in clustered(9, 10, 128)]
    assert all(count is not None and 10 <= count < 500 for count in counts)


@pytest.mark.parametrize("metric", DENSE_METRICS)
@pytest.mark.parametrize("factor", [1e-38, 1e-30, 1e-19, 1e-10, 1e17, 1e19, 3e38])
def test_huge_and_tiny_values(variant: str, metric: MetricType, factor: float) -> None:
    rows = clustered(10, 500, 70)
    rows /= np.abs(rows).max()
    rows[::3] *= np.float32(factor)
    both = Searched(metric, rows)
    queries = np.concatenate([rows[:2], clustered(11, 2, 70), clustered(11, 2, 70) / 1e3])
    both.check(np.ascontiguousarray(queries, dtype=np.float32), 15)


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_zero_rows_and_values_that_are_no_numbers(variant: str, metric: MetricType) -> None:
    rows = clustered(12, 1_500, 64)
    rows[5:40] = 0
    rows[50, 3], rows[60, 7], rows[70, 0] = np.nan, np.inf, -np.inf
    both = Searched(metric, rows)
    queries = clustered(13, 5, 64)
    queries[1] = 0
    with np.errstate(invalid="ignore"):
        both.check(queries, 20)
    broken = queries.copy()
    broken[2, 0], broken[3, 1] = np.nan, np.inf
    found = both.codes.search(broken, rows, both.scale, None, 20)
    expected = scan_topk(metric, broken, rows, both.scale, None, 20)
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_rows_of_very_different_length(variant: str, metric: MetricType) -> None:
    rows = clustered(14, 3_000, 100)
    rows *= (10.0 ** np.random.default_rng(15).uniform(-6, 6, (3_000, 1))).astype(np.float32)
    both = Searched(metric, rows)
    both.check(clustered(16, 4, 100), 10)
    both.check(rows[:4], 10)


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_rows_that_codes_cannot_tell_apart_are_scanned(variant: str, metric: MetricType) -> None:
    rows = np.ones((9_000, 64), dtype=np.float32)
    rows[:, 0] = 1_000
    rows += normal(17, 9_000, 64) * np.float32(1e-5)
    rows[::2] *= -1  # no centre is amid these
    both = Searched(metric, rows)
    assert both.num_rescored(rows[0], 10) is None
    both.check(rows[:3], 10)


def test_a_common_offset_does_not_widen_the_bounds() -> None:
    rows = clustered(18, 10_000, 64) + 100
    count = Searched(MetricType.L2, rows).num_rescored(rows[3], 10)
    assert count is not None
    assert count < 500


@pytest.mark.parametrize("metric", DENSE_METRICS)
def test_random_shapes_scales_and_offsets(variant: str, metric: MetricType) -> None:
    rng = np.random.default_rng(19)
    for seed in range(6):
        n, dim = int(rng.integers(1, 1_500)), int(rng.integers(1, 200))
        shift = normal(seed, 1, dim) * np.float32(10.0 ** rng.uniform(-2, 2))
        rows = (clustered(seed, n, dim) + shift) * np.float32(10.0 ** rng.uniform(-9, 9))
        both = Searched(metric, np.ascontiguousarray(rows, dtype=np.float32))
        queries = rows[rng.integers(0, n, 3)] * rng.uniform(0.5, 2, (3, 1))
        allowed = Bitset.from_mask(rng.random(n) < 0.6) if seed % 2 else None
        both.check(
            np.ascontiguousarray(queries, dtype=np.float32), int(rng.integers(1, 40)), allowed
        )


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP])
def test_bounds_hold_where_they_are_tight(metric: MetricType) -> None:
    """What codes leave out points along the query, as it rarely does in many dimensions."""
    rng = np.random.default_rng(31)
    for _ in range(30):
        dim = int(rng.integers(2, 5))
        stretch = (10.0 ** rng.uniform(0, 2.5, dim)).astype(np.float32)
        rows = np.ascontiguousarray(normal(int(rng.integers(1 << 30)), 3_000, dim) * stretch)
        both = Searched(metric, rows)
        axes = np.eye(dim, dtype=np.float32) + both.codes.arrays()["centre"]
        queries = np.concatenate([axes, normal(32, 2, dim) * stretch, normal(33, 4, dim) / stretch])
        both.check(np.ascontiguousarray(queries, dtype=np.float32), 10)


def test_threads_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Searched(MetricType.L2, clustered(20, 7_001, 64))
    monkeypatch.setattr("elanus.kernels.quantized.THREADED_BYTES", 1)
    monkeypatch.setattr("elanus.kernels.threads.THREADED_BYTES", 1)
    both.check(clustered(21, 3, 64), 12)
    for rows in (np.arange(0, 7_001, 3), np.arange(40, 1_000)):  # the second in one range only
        both.check(clustered(21, 3, 64), 12, Bitset.from_rows(rows, 7_001))
    again = ScanCodes.encode(MetricType.L2, both.rows, None).arrays()
    for name, array in both.codes.arrays().items():
        np.testing.assert_array_equal(array, again[name])


def test_codes_are_what_they_say() -> None:
    rows = clustered(22, 200, 70)
    arrays = ScanCodes.encode(MetricType.L2, rows, None).arrays()
    centred = rows.astype(np.float64) - arrays["centre"]
    codes = arrays["codes"][:, :70].astype(np.float64) - 128
    decoded = arrays["scales"][:, None].astype(np.float64) * codes
    lost = np.linalg.norm(centred - decoded, axis=1)
    assert (arrays["errors"] >= lost).all()
    np.testing.assert_allclose(arrays["errors"], lost, rtol=1e-5)
    np.testing.assert_allclose(arrays["norms"], np.linalg.norm(centred, axis=1), rtol=1e-6)
    assert (arrays["codes"][:, 70:] == 128).all()
    # One byte a dimension, filled up to 64, and 12 bytes a row.
    assert sum(a.nbytes for a in arrays.values()) == code_bytes(200, 70) == 200 * 140 + 280


def test_opens_over_read_only_arrays_without_a_copy() -> None:
    both = Searched(MetricType.COSINE, clustered(23, 2_000, 64))
    arrays = both.codes.arrays()
    for array in arrays.values():
        array.flags.writeable = False
    both.codes = ScanCodes(MetricType.COSINE, arrays)
    assert both.codes.arrays()["codes"] is arrays["codes"]
    both.check(clustered(24, 3, 64), 10)


@pytest.mark.parametrize("name", ["codes", "scales", "errors", "norms", "centre"])
def test_arrays_that_contradict_each_other_are_refused(name: str) -> None:
    arrays = ScanCodes.encode(MetricType.L2, clustered(25, 50, 65), None).arrays()
    longer = np.concatenate([arrays[name], arrays[name]])
    for broken in (arrays[name][:-1], longer, arrays[name].astype(np.float64)):
        with pytest.raises(CorruptionError, match="scan codes: expected"):
            ScanCodes(MetricType.L2, {**arrays, name: broken})
    with pytest.raises(CorruptionError, match=name):
        ScanCodes(MetricType.L2, {n: a for n, a in arrays.items() if n != name})


def test_bad_arguments_say_what_is_wrong() -> None:
    both = Searched(MetricType.L2, clustered(26, 100, 64))
    query = clustered(27, 1, 64)
    with pytest.raises(InvalidArgumentError, match="k: expected"):
        both.codes.search(query, both.rows, None, None, 0)
    with pytest.raises(InvalidArgumentError, match="expected dim 64"):
        both.codes.search(clustered(28, 1, 63), both.rows, None, None, 1)
    with pytest.raises(InvalidArgumentError, match="100 rows of 64"):
        both.codes.search(query, both.rows[:99], None, None, 1)
    with pytest.raises(InvalidArgumentError, match="queries: expected"):
        both.codes.search(query.astype(np.float64), both.rows, None, None, 1)
    with pytest.raises(InvalidArgumentError, match="rows: expected"):
        ScanCodes.encode(MetricType.L2, both.rows.astype(np.float64), None)
    with pytest.raises(InvalidArgumentError, match="row_scale"):
        ScanCodes.encode(MetricType.COSINE, both.rows, np.ones(99, dtype=np.float32))


def test_no_rows() -> None:
    both = Searched(MetricType.IP, np.empty((0, 8), dtype=np.float32))
    assert both.check(clustered(29, 2, 8), 3).tolist() == [[-1] * 3] * 2


def test_cancelling_stops_encoding() -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    with pytest.raises(StopError):
        ScanCodes.encode(MetricType.L2, clustered(30, 10, 8), None, checkpoint=stop)
