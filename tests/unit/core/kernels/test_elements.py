"""Rows that hold elements, against a look at each of them."""

from __future__ import annotations

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels.elements import rows_holding, rows_holding_at

DTYPES = ["int8", "int16", "int32", "int64", "bool"]
MEAN_LENGTHS = [0.001, 0.3, 3.0, 40.0]
"""From rows that are found by halving to those that are passed one by one."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mean", MEAN_LENGTHS)
def test_rows_are_those_with_an_element(dtype: str, mean: float) -> None:
    drawn = np.random.default_rng(3)
    for num_rows in (0, 1, 7, 30_000):
        # A stretch of empty rows, and a long one: places are far from where lengths put them.
        lengths = drawn.poisson(mean, num_rows)
        lengths[num_rows // 3 : num_rows // 2] = 0
        lengths[num_rows // 2 : num_rows // 2 + 1] = 3_000
        offsets = np.append(0, np.cumsum(lengths))
        values = drawn.integers(0, 2 if dtype == "bool" else 100, offsets[-1]).astype(dtype)
        rows = np.repeat(np.arange(num_rows), lengths)
        for wanted in ([], [1], [0, 1], [3, 50, 2**40], [-1], [-(2**63), 99]):
            expected = np.zeros(num_rows, dtype=np.bool_)
            expected[rows[np.isin(values.astype(np.int64), wanted)]] = True
            moved = offsets + 1_000
            assert np.array_equal(rows_holding(values, wanted, moved, num_rows), expected)
            assert np.array_equal(rows_holding_at(values, wanted, rows, num_rows), expected)


def test_elements_that_fit_no_rows_are_refused() -> None:
    values, offsets = np.arange(3), np.array([0, 1, 3])
    with pytest.raises(InvalidArgumentError, match="offsets"):
        rows_holding(values, [1], offsets, 3)
    with pytest.raises(InvalidArgumentError, match="offsets"):
        rows_holding(values, [1], offsets[:2], 1)
    with pytest.raises(InvalidArgumentError, match="rows"):
        rows_holding_at(values, [1], np.array([0, 1]), 2)
    for row in (2, -1):
        with pytest.raises(InvalidArgumentError, match="no row"):
            rows_holding_at(values, [1], np.array([0, row, 1]), 2)
    assert rows_holding_at(values, [1], np.array([0, 1, 1]), 2).tolist() == [False, True]
