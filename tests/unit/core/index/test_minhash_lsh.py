"""What the bands of signatures answer beyond the contract of every index."""

import math

import numpy as np
import pytest

from elanus.index.base import VectorRows
from elanus.index.dense.flat import FlatIndex
from elanus.index.registry import index_type
from elanus.types import DataType, MetricType

ELEMENTS = 64


def signatures(count, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 1 << 32, (count, ELEMENTS))
    return drawn.astype("<u4").view(np.uint8)


def rows_of(values):
    return VectorRows(np.ascontiguousarray(values), None, MetricType.MHJACCARD)


def build(rows, **params):
    kind = index_type("MINHASH_LSH")
    return kind.build(rows, kind.parse_params(params), checkpoint=lambda: None)


def test_boilerplate_that_fills_every_band_is_scanned_for():
    rows = rows_of(np.concatenate([signatures(20), np.repeat(signatures(1, 1), 300, axis=0)]))
    found = build(rows).search(signatures(1, 1), 5, ef=16)
    assert found.row_ids.tolist() == [[20, 21, 22, 23, 24]]
    assert found.distances.tolist() == [[-1.0] * 5]


def test_places_that_no_candidate_takes_are_filled_with_the_first_rows():
    values = signatures(50)
    values[30, :128] = values[7, :128]
    found = build(rows_of(values)).search(values[7:8], 4, ef=16)
    assert found.row_ids.tolist() == [[7, 30, 0, 1]]
    assert found.distances.tolist() == [[-1.0, -0.5, 0.0, 0.0]]


def test_rows_without_anything_in_common_are_no_answer_of_the_measurement():
    # Pairs of similarity 1/4 in the fourth element of each band: no band is shared.
    values = signatures(400).view("<u4").copy()
    values[200:, 3::4] = values[:200, 3::4]
    index = build(rows_of(values.view(np.uint8)))
    # Rows that fill places are the answer of a few queries.
    assert 0.0 < index.estimated_recall(64, 1) < 0.1
    assert index.ef_for(0.5, 1) is None
    # One element is a band: every pair is found, and nobody else has anything in common.
    every = build(rows_of(values.view(np.uint8)), bands=ELEMENTS)
    assert every.estimated_recall(64, 10) == 1.0


@pytest.mark.parametrize("bands", [4, 16, 64])
def test_pairs_are_found_with_the_probability_of_the_theory(bands):
    similarity, pairs = 0.5, 1_000
    rng = np.random.default_rng(2)
    values = signatures(pairs).view("<u4")
    others = rng.integers(0, 1 << 32, values.shape).astype("<u4")
    queries = np.where(rng.random(values.shape) < similarity, values, others).view(np.uint8)
    index = build(rows_of(values.view(np.uint8)), bands=bands)
    found = index.search(np.ascontiguousarray(queries), 1, ef=8).row_ids[:, 0]
    share = float((found == np.arange(pairs)).mean())
    expected = 1 - (1 - similarity ** (ELEMENTS // bands)) ** bands
    error = math.sqrt(expected * (1 - expected) / pairs)
    # A row of the first places fills what nothing was found for.
    assert share == pytest.approx(expected, abs=4 * error + 0.002)


def test_bands_that_do_not_divide_the_elements_leave_the_rest_out():
    values = signatures(100)
    index = build(rows_of(values), bands=60)
    assert index.num_bands == 60
    assert index.search(values, 1, ef=4).row_ids[:, 0].tolist() == list(range(100))
    assert build(rows_of(values), bands=1_000).num_bands == ELEMENTS


def test_what_is_indexed_and_what_it_takes():
    kind = index_type("minhash_lsh")
    assert kind.supports(DataType.BINARY_VECTOR, MetricType.MHJACCARD_64)
    assert not kind.supports(DataType.BINARY_VECTOR, MetricType.JACCARD)
    assert not kind.supports(DataType.FLOAT_VECTOR, MetricType.L2)
    assert not index_type("GRAPH").supports(DataType.BINARY_VECTOR, MetricType.MHJACCARD)
    params = kind.parse_params({"mh_lsh_band": 16})
    arrays = build(rows_of(signatures(100)), bands=16).to_arrays()[1]
    held = sum(array.nbytes for array in arrays.values())
    assert kind.memory_bytes(100, 32 * ELEMENTS, DataType.BINARY_VECTOR, params) == held


def test_a_search_that_names_no_effort_is_exact():
    values = signatures(300)
    index = build(rows_of(values))
    exact = FlatIndex(rows_of(values)).search(values[:5], 20)
    found = index.search(values[:5], 20)
    assert found.row_ids.tolist() == exact.row_ids.tolist()
