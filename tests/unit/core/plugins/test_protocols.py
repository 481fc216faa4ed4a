"""Sparse vectors as dicts and in CSR form."""

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.plugins import SparseVectors


def test_dicts_become_csr_with_ascending_indices() -> None:
    vectors = SparseVectors.from_dicts([{7: 0.5, 2: -1.0}, {}, {2**32 - 1: 2.0}])
    assert vectors.offsets.tolist() == [0, 2, 2, 3]
    assert vectors.indices.tolist() == [2, 7, 2**32 - 1]
    assert vectors.values.tolist() == [-1.0, 0.5, 2.0]
    assert (vectors.offsets.dtype, vectors.indices.dtype, vectors.values.dtype) == (
        np.int64,
        np.uint32,
        np.float32,
    )
    assert len(vectors) == 3


@pytest.mark.parametrize("rows", [[], [{}], [{1: 0.5}, {}, {0: 1.0, 9: 2.0}]])
def test_dicts_survive_the_round_trip(rows: list[dict[int, float]]) -> None:
    assert SparseVectors.from_dicts(rows).to_dicts() == rows


@pytest.mark.parametrize("row", [{-1: 1.0}, {2**32: 1.0}, {0: float("nan")}, {0: float("inf")}])
def test_values_that_do_not_fit_are_refused(row: dict[int, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="sparse vectors"):
        SparseVectors.from_dicts([row])
