"""FLAT over every type of vectors: verified while it is scanned, and with other costs."""

import numpy as np
import pytest

from elanus.index.base import VectorRows
from elanus.index.dense.first_scan import scan_unverified
from elanus.index.dense.flat import FlatIndex, FlatType
from elanus.index.dense.hnsw import HnswType
from elanus.kernels import reference
from elanus.kernels.bfloat16 import to_bfloat16
from elanus.kernels.bitset import Bitset
from elanus.kernels.distance import inverse_norms
from elanus.types import DENSE_METRICS, VECTOR_DTYPES, DataType, Int64Array, MetricType, VectorArray

NUM_ROWS, WIDTH = 100_000, 12
SMALL = np.random.default_rng(0).integers(-3, 4, (NUM_ROWS, WIDTH)).astype(np.float32)
CASES: list[tuple[VectorArray, MetricType, VectorArray]] = [
    (SMALL.astype(np.float16), MetricType.L2, SMALL[:3]),
    (to_bfloat16(SMALL), MetricType.IP, SMALL[:3]),
    (SMALL.astype(np.int8), MetricType.L2, SMALL[:3].astype(np.int8)),
    (SMALL.astype(np.int8).view(np.uint8), MetricType.HAMMING, SMALL[:3].astype(np.uint8)),
]


class Whole:
    """A guard that finds nothing damaged and counts the rows that it was asked about."""

    def __init__(self) -> None:
        self.checked = 0

    def check_all(self) -> None:
        self.checked += NUM_ROWS

    def check_range(self, start: int, stop: int) -> None:
        self.checked += stop - start

    def check_rows(self, rows: Int64Array) -> None:
        self.checked += len(rows)


@pytest.mark.parametrize(("values", "metric", "queries"), CASES)
def test_first_scan_and_later_ones_equal_the_twin(
    values: VectorArray, metric: MetricType, queries: VectorArray
) -> None:
    allowed = Bitset.from_mask(np.arange(NUM_ROWS) % 3 == 1)
    guard = Whole()
    rows = VectorRows(values, None, metric, guard)
    first = scan_unverified(rows, queries, 20, allowed)
    assert first is not None
    assert guard.checked == NUM_ROWS
    later = FlatIndex(VectorRows(values, None, metric)).search(queries, 20, allowed=allowed)
    expected = reference.scan_topk(metric, queries, values, None, allowed, 20)
    for found in (first, later):
        np.testing.assert_array_equal(found.row_ids, expected[0])
        np.testing.assert_array_equal(found.distances, expected[1])


def test_cost_follows_the_bytes_of_a_row() -> None:
    def cost(values: VectorArray) -> float:
        return FlatIndex(VectorRows(values, None, MetricType.L2)).cost.ns_per_scanned_row

    assert cost(SMALL.astype(np.float16)) == cost(SMALL) / 2
    assert cost(SMALL.astype(np.int8)) == cost(SMALL) / 4


def test_zero_rows_and_zero_queries_of_cosine() -> None:
    values = np.zeros((3, 4), dtype=np.int8)
    values[1] = 1
    rows = VectorRows(values, inverse_norms(values), MetricType.COSINE)
    found = FlatIndex(rows).search(np.array([[1, 1, 1, 1], [0, 0, 0, 0]], np.int8), 3)
    assert found.row_ids.tolist() == [[1, 0, 2], [0, 1, 2]]
    np.testing.assert_allclose(found.distances, [[-1, 0, 0], [0, 0, 0]], rtol=1e-6)


def test_what_each_index_type_takes() -> None:
    for dtype in VECTOR_DTYPES:
        metrics = (MetricType.HAMMING,) if dtype is DataType.BINARY_VECTOR else DENSE_METRICS
        for metric in metrics:
            assert FlatType().supports(dtype, metric)
            assert HnswType().supports(dtype, metric) == (dtype is DataType.FLOAT_VECTOR)
