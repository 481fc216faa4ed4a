from collections.abc import Callable

import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.index.base import VectorRows
from elanus.index.dense import first_scan
from elanus.index.dense.first_scan import scan_unverified
from elanus.index.dense.flat import FIRST_SCAN_BYTES, FlatIndex
from elanus.kernels import threads as kernel_threads
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms, scan_topk
from elanus.types import Float32Array, Int64Array, MetricType

DIM = 32
NUM_ROWS = 50_000


class Guard:
    """Remembers which rows were checked; some cannot be."""

    def __init__(self, damaged: tuple[int, ...] = ()) -> None:
        self.checked = np.zeros(NUM_ROWS, dtype=np.int64)
        self._damaged = damaged

    def check_all(self) -> None:
        self.check_range(0, NUM_ROWS)

    def check_range(self, start: int, stop: int) -> None:
        self.checked[start:stop] += 1
        for row in self._damaged:
            if start <= row < stop:
                raise CorruptionError("damaged", path="a.vec", offset=row)

    def check_rows(self, rows: Int64Array) -> None:
        for row in rows.tolist():
            self.check_range(row, row + 1)


def vectors(seed: int = 0) -> Float32Array:
    values = np.random.default_rng(seed).standard_normal((NUM_ROWS, DIM)).astype(np.float32)
    values[[7, 31_000, 49_999]] = values[123]  # equal distances far apart
    values[40] = np.nan
    values[41] = 0
    return values


VALUES = vectors()


def rows_of(metric: MetricType, guard: Guard) -> VectorRows:
    scale = inverse_norms(VALUES) if metric is MetricType.COSINE else None
    return VectorRows(VALUES, scale, metric, guard)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(kernel_threads, "THREADED_BYTES", 0)
    monkeypatch.setattr(kernel_threads.os, "cpu_count", lambda: request.param)
    monkeypatch.setattr(first_scan, "PART_BYTES", 100_000)
    return int(request.param)


@pytest.mark.parametrize("metric", [MetricType.L2, MetricType.IP, MetricType.COSINE])
@pytest.mark.parametrize("share", [None, 0.5])
def test_parts_give_what_one_scan_gives(
    threads: int, metric: MetricType, share: float | None
) -> None:
    allowed = None
    if share is not None:
        allowed = Bitset.from_mask(np.random.default_rng(1).random(NUM_ROWS) < share)
    guard = Guard()
    rows = rows_of(metric, guard)
    queries = np.ascontiguousarray(VALUES[[123, 5, 41]])
    for limit in (1, 3, 11, 2_000):
        found = scan_unverified(rows, queries, limit, allowed)
        assert found is not None
        ids, distances = scan_topk(metric, queries, VALUES, rows.scale, allowed, limit)
        np.testing.assert_array_equal(found.row_ids, ids)
        np.testing.assert_array_equal(found.distances.view(np.int32), distances.view(np.int32))
    assert (guard.checked == 4).all()


def test_more_is_asked_for_than_there_is(threads: int) -> None:
    allowed = Bitset.from_rows(np.array([3, 49_998]), NUM_ROWS)
    found = scan_unverified(rows_of(MetricType.L2, Guard()), VALUES[:1], 4, allowed)
    assert found is not None
    assert found.row_ids.tolist() == [[3, 49_998, -1, -1]]
    assert np.isinf(found.distances[0, 2:]).all()


def test_too_many_places_are_left_to_one_scan(threads: int) -> None:
    rows = rows_of(MetricType.L2, Guard())
    assert scan_unverified(rows, VALUES[:1_000], 1_000, None) is None


def test_damage_in_any_part_is_raised(threads: int) -> None:
    for damaged in (0, 25_000, NUM_ROWS - 1):
        rows = rows_of(MetricType.L2, Guard((damaged,)))
        with pytest.raises(CorruptionError) as caught:
            scan_unverified(rows, VALUES[:1], 10, None)
        assert caught.value.offset == damaged


def search(index: FlatIndex, allowed: Bitset | None = None) -> list[int]:
    ids: list[int] = index.search(VALUES[:1], 3, allowed=allowed).row_ids[0].tolist()
    return ids


def test_flat_index_checks_what_it_scans() -> None:
    assert VALUES.nbytes >= FIRST_SCAN_BYTES
    guard = Guard()
    index = FlatIndex(rows_of(MetricType.L2, guard))
    few = Bitset.from_rows(np.array([0, 9, 40_000]), NUM_ROWS)
    assert sorted(search(index, few)) == [0, 9, 40_000]
    assert np.flatnonzero(guard.checked).tolist() == [0, 9, 40_000]
    whole = search(index)
    assert whole[0] == 0
    assert guard.checked.min() == 1
    guard.checked[:] = 0
    assert search(index) == whole
    assert guard.checked.max() == 0  # verified once


@pytest.mark.parametrize(
    "ask", [search, lambda i: search(i, Bitset.from_rows(np.array([9]), NUM_ROWS))]
)
def test_flat_index_raises_damage_again_and_again(ask: Callable[[FlatIndex], object]) -> None:
    index = FlatIndex(rows_of(MetricType.L2, Guard((9,))))
    for _ in range(2):
        with pytest.raises(CorruptionError):
            ask(index)
