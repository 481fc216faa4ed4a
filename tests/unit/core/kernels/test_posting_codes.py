"""Codes are rounded weights: no row is ruled out by them that belongs to the best."""

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels.bitset import Bitset
from elanus.kernels.packing import PackedPostings
from elanus.kernels.postings import SealedPostings
from elanus.kernels.query_batch import QueryBatch
from elanus.types import Float32Array, Float64Array, Int64Array

from .test_sealed_postings import WINDOW, Rows, check, query, rows_of

NUM_TERMS = 8
HIGH, LOW = 700, 900
"""Rows that codes put in the wrong order: they say that ``HIGH`` is by eleven codes the better."""


def columns(shares: Float64Array) -> list[tuple[Int64Array, Float32Array]]:
    """Return lists of 2,000 rows that are far behind, and of those with a share of each term."""
    fillers = np.arange(1_000, 3_000)
    lists = []
    for term in range(NUM_TERMS):
        rows = np.flatnonzero(shares[:, term])
        every = np.concatenate([rows, fillers])
        weights = np.concatenate([shares[rows, term], np.full(len(fillers), 5 / 255)])
        lists.append((every, weights.astype(np.float32)))
    return lists


def test_small_weights_that_are_raised_to_a_code_hide_no_better_row() -> None:
    shares = np.zeros((1_000, NUM_TERMS))
    for term in range(NUM_TERMS):
        shares[64 * term, term] = 1.0  # the largest weight of each term
    shares[HIGH] = [199.97 / 255] + [0.001 / 255] * (NUM_TERMS - 1)
    shares[LOW] = [189.49 / 255] + [1.499 / 255] * (NUM_TERMS - 1)
    assert shares[LOW].sum() > shares[HIGH].sum()
    rows = rows_of(columns(shares), WINDOW, None)
    wanted = query(*((term, 1.0) for term in range(NUM_TERMS)))
    found = check(rows, wanted, NUM_TERMS + 1)
    assert found.tolist() == [*range(0, 64 * NUM_TERMS, 64), LOW]


def test_frequencies_of_long_rows_hide_no_better_row() -> None:
    """The same where a term stands once in a row of half a million words."""
    lengths = np.full(WINDOW, 65, dtype=np.uint32)
    lengths[HIGH], lengths[LOW] = 555_500, 18_800
    lengths[3_000:4_000] -= 1
    lengths[4_000] += int(100 * WINDOW - lengths.sum(dtype=np.int64))
    norms = 0.3 + 0.9 * lengths[:3_000] / 100
    frequencies = np.zeros((3_000, NUM_TERMS))
    for term in range(NUM_TERMS):
        frequencies[64 * term, term] = 1 << 20
        frequencies[1_000 + term : 3_000 : NUM_TERMS, term] = 1
    frequencies[HIGH] = [np.floor(norms[HIGH] * 199.54 / 55.46)] + [1] * (NUM_TERMS - 1)
    frequencies[LOW] = [490] + [1] * (NUM_TERMS - 1)
    shares = (frequencies / (frequencies + norms[:, None])).sum(axis=1)
    assert shares[LOW] > shares[HIGH] > shares[1_000:].max()
    lists = [(np.flatnonzero(column), column[column > 0]) for column in frequencies.T]
    rows = rows_of(lists, WINDOW, lengths)
    assert rows.bm25().average_length == 100
    wanted = query(*((term, 1.0) for term in range(NUM_TERMS)))
    found = check(rows, wanted, NUM_TERMS + 1, bm25=rows.bm25())
    assert found.tolist() == [*range(0, 64 * NUM_TERMS, 64), LOW]


def test_rows_whose_codes_come_to_nothing_are_found() -> None:
    """A window of them alone is looked at as well."""
    lists = [np.arange(300), np.arange(WINDOW, WINDOW + 10_000)]
    weights = [np.full(300, 1.0, np.float32), np.full(10_000, 1.0, np.float32)]
    rows = rows_of(list(zip(lists, weights, strict=True)), 2 * WINDOW, None)
    found = check(rows, query((0, 1e6), (1, 1e-3)), 310)
    assert found.tolist() == [*range(300), *range(WINDOW, WINDOW + 10)]


def test_codes_of_another_kind_of_score_are_not_looked_at() -> None:
    rng = np.random.default_rng(4)
    lists = []
    for count in (12_000, 5_000, 700):
        listed = np.sort(rng.choice(2 * WINDOW, count, replace=False))
        lists.append((listed, 1 + rng.poisson(3.0, count).astype(np.float32)))
    lengths = rng.integers(1, 2_000, 2 * WINDOW).astype(np.uint32)
    wanted = query((0, 0.3), (1, 1.0), (2, 2.0))
    coded, exact = rows_of(lists, 2 * WINDOW, lengths), rows_of(lists, 2 * WINDOW, None)
    check(coded, wanted, 20)
    plain = Rows(exact.growing, exact.sealed, exact.packed, None, lengths)
    check(plain, wanted, 20, bm25=coded.bm25())


def test_scores_of_nothing_are_no_negative_zeros() -> None:
    rows = rows_of(
        [(np.arange(9_000), np.ones(9_000)), (np.arange(300), np.ones(300))], WINDOW, None
    )
    few = Bitset.from_rows(np.arange(298, 310), WINDOW)
    for allowed in (few, None):
        _, distances = rows.sealed.search(*query((0, 0.0), (1, 1.0)), 400, allowed=allowed)
        assert distances[:2].tolist() == [-1.0, -1.0]
        assert not np.signbit(distances[300 if allowed is None else 2 :]).any()
    _, distances = rows.growing.search(*query((0, 0.0)), 5, num_rows=WINDOW)
    assert not np.signbit(distances).any()


def test_scores_that_are_no_numbers_are_as_far_as_can_be() -> None:
    largest = np.full(300, 3e38, np.float32)
    rows = rows_of([(np.arange(300), largest), (np.arange(100, 400), largest)], WINDOW, None)
    wanted = query((0, 1e9), (1, -1e9))  # +inf, -inf, and their sum
    expected = [np.inf if row >= 100 else -np.inf for row in range(400)]
    asked = np.arange(400)
    found = rows.sealed.distances_to_rows(*wanted, asked)
    assert found.tolist() == expected
    assert rows.growing.distances_to_rows(*wanted, asked, num_rows=WINDOW).tolist() == expected
    for k in (5, 250):
        check(rows, wanted, k)
    # As far as can be is still found, also where nothing else lies around.
    found, _ = rows.growing.search(*query((1, -1e9)), 3, num_rows=WINDOW)
    assert found.tolist() == [100, 101, 102]


def test_rows_ascend_and_frequencies_are_whole() -> None:
    offsets, weights = np.array([0, 2], dtype=np.int64), np.ones(2, dtype=np.float32)
    for rows in ([3, 3], [4, 3]):
        with pytest.raises(InvalidArgumentError, match="rows: expected row ids that ascend"):
            PackedPostings.pack(offsets, np.array(rows, dtype=np.uint32), weights, 9, None)
    with pytest.raises(InvalidArgumentError, match="weights: expected term frequencies"):
        rows_of([(np.arange(2), np.array([1.0, 1.5]))], 2, np.ones(2, dtype=np.uint32))


@pytest.mark.parametrize("is_sealed", [False, True])
def test_weights_that_choose_no_rows_score_those_of_the_others(is_sealed: bool) -> None:
    rng = np.random.default_rng(8)
    lists = []
    for count in (3_000, 900, 400):
        listed = np.sort(rng.choice(5_000, count, replace=False))
        lists.append((listed, rng.gamma(2, 1, count).astype(np.float32)))
    rows = rows_of(lists, 5_000, None)
    dense = np.zeros((5_000, 3), dtype=np.float32)
    for term, (listed, weights) in enumerate(lists):
        dense[listed, term] = weights
    weights = np.array([5.0, 1.0, 2.0], dtype=np.float32)
    chooses = np.array([0, 1, 1], dtype=np.uint8)
    batch = QueryBatch(
        np.array([0, 3], dtype=np.int64), np.arange(3, dtype=np.uint32), weights, chooses
    )
    k = 10
    # Twice as many rows as are wanted are chosen by some of the weights, then all weights count.
    chosen = np.argsort(-(dense[:, 1:] @ weights[1:]), kind="stable")[: 2 * k]
    scores = (dense @ weights)[chosen]
    best = chosen[np.lexsort((chosen, -scores))][:k]
    source: SealedPostings = rows.sealed
    if is_sealed:
        found, distances = source.search_many(batch, k)
    else:
        found, distances = rows.growing.search_many(batch, k, num_rows=5_000)
    assert found[0].tolist() == best.tolist()
    np.testing.assert_allclose(-distances[0], (dense @ weights)[best], rtol=1e-5)
    none = batch._replace(chooses=np.zeros(3, dtype=np.uint8))
    assert source.search_many(none, k)[0].tolist() == [[-1] * k]
