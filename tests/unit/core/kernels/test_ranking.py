"""Merging candidates and fusing lists, against their slow twins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.ranking import fuse_lists, merge_candidates, unit_scale, unit_scores
from elanus.types import MetricType


def table(queries: list[list[int]], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ascending candidates with the given distances, rows numbered from 0."""
    row_ids = np.full((len(queries), width), -1, dtype=np.int64)
    distances = np.full((len(queries), width), np.inf, dtype=np.float32)
    for query, found in enumerate(queries):
        row_ids[query, : len(found)] = np.arange(len(found))
        distances[query, : len(found)] = sorted(found)
    return row_ids, distances


@given(
    st.integers(1, 3).flatmap(
        lambda nq: st.lists(
            st.lists(st.lists(st.integers(0, 6), max_size=8), min_size=nq, max_size=nq),
            max_size=4,
        ).map(lambda sources: (nq, sources))
    ),
    st.integers(1, 10),
)
def test_merge_keeps_the_nearest_and_their_equals(
    drawn: tuple[int, list[list[list[int]]]], limit: int
) -> None:
    nq, sources = drawn
    tables = [table(queries, 8) for queries in sources]
    merged = merge_candidates(tables, nq, limit)
    found = [
        [place for place in zip(*places, strict=True) if place[1] >= 0]
        for places in zip(
            merged.distances.tolist(),
            merged.sources.tolist(),
            merged.row_ids.tolist(),
            strict=True,
        )
    ]
    expected = reference.merge_candidates(tables, nq, limit)
    assert found == expected
    assert merged.row_ids.shape[1] == max(map(len, expected))
    assert merged.tied == [
        query for query, rows in enumerate(expected) if len({d for d, _, _ in rows}) < len(rows)
    ]


def test_merge_refuses_another_number_of_queries() -> None:
    with pytest.raises(InvalidArgumentError, match="expected row ids and distances of 3 queries"):
        merge_candidates([table([[1], [2]], 2)], 3, 5)
    with pytest.raises(InvalidArgumentError, match="k: expected 1"):
        merge_candidates([], 1, 0)


PLACES = st.tuples(st.integers(0, 3), st.integers(0, 9) | st.just(2**40))


@given(
    st.lists(
        st.lists(PLACES, unique=True, max_size=12).flatmap(
            lambda places: st.tuples(
                st.just(places),
                st.lists(
                    st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0]),
                    min_size=len(places),
                    max_size=len(places),
                ),
            )
        ),
        max_size=4,
    )
)
def test_fusing_adds_the_parts_of_each_row(
    drawn: list[tuple[list[tuple[int, int]], list[float]]],
) -> None:
    lists = [
        (
            np.array([s for s, _ in places], dtype=np.int64),
            np.array([r for _, r in places], dtype=np.int64),
            np.array(parts, dtype=np.float64),
        )
        for places, parts in drawn
    ]
    fused = fuse_lists(lists)
    assert list(
        zip(
            fused.sources.tolist(),
            fused.row_ids.tolist(),
            fused.scores.tolist(),
            strict=True,
        )
    ) == reference.fuse_lists(lists)


def test_sums_that_are_no_numbers_come_last() -> None:
    rows = np.arange(6, dtype=np.int64)
    sources = np.zeros(6, dtype=np.int64)
    infinite = np.array([np.nan, np.inf, 1.0, -np.inf, np.nan, np.inf])
    fused = fuse_lists([(sources, rows, infinite), (sources[:2], rows[:2], -infinite[:2])])
    assert fused.row_ids.tolist() == [5, 2, 3, 0, 1, 4]
    assert reference.fuse_lists([(sources, rows, infinite)]) == [
        (0, row, pytest.approx(infinite[row], nan_ok=True)) for row in (1, 5, 2, 3, 0, 4)
    ]


def test_fusing_refuses_arrays_of_several_lengths() -> None:
    two, one = np.zeros(2, dtype=np.int64), np.zeros(1)
    with pytest.raises(InvalidArgumentError, match="arrays of one length"):
        fuse_lists([(two, two, one)])


def test_unit_scores_by_hand() -> None:
    distances = np.array([-1.0, 0.0, 1.0], dtype=np.float32)
    cosine = unit_scores(unit_scale(MetricType.COSINE, is_sparse=False), distances)
    assert cosine.tolist() == [1.0, 0.5, 0.0]
    ip = unit_scores(unit_scale(MetricType.IP, is_sparse=False), distances)
    assert ip.tolist() == [0.5 + math.atan(1.0) / math.pi, 0.5, 0.5 - math.atan(1.0) / math.pi]
    l2 = unit_scores(unit_scale(MetricType.L2, is_sparse=False), distances[1:])
    assert l2.tolist() == [1.0, 1.0 - 2.0 * math.atan(1.0) / math.pi]
    sparse = unit_scores(unit_scale(MetricType.BM25, is_sparse=True), distances)
    assert sparse.tolist() == [
        2.0 * math.atan(1.0) / math.pi,
        0.0,
        -2.0 * math.atan(1.0) / math.pi,
    ]
    with pytest.raises(InvalidArgumentError, match="expected one of dense vectors"):
        unit_scores(unit_scale(MetricType.BM25, is_sparse=False), distances)
