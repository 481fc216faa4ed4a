"""Intervals of means."""

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.evaluation.bootstrap import difference, estimate


def test_an_interval_is_that_of_all_resamples_of_few_values():
    # Of two values a sample is (0, 0), (0, 1), (1, 0) or (1, 1): means 0, 0.5, 0.5 and 1.
    found = estimate(np.array([0.0, 1.0]), resamples=100_000, confidence=0.4)
    assert found == (0.5, 0.5, 0.5)
    assert estimate(np.array([0.0, 1.0]), resamples=100_000, confidence=0.8) == (0.5, 0.0, 1.0)


def test_equal_values_leave_no_doubt():
    assert estimate(np.full(7, 0.25)) == (0.25, 0.25, 0.25)


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    rng = np.random.default_rng(11)
    held = 0
    for number in range(400):
        found = estimate(rng.random(60), resamples=400, confidence=0.9, seed=number)
        held += found.low <= 0.5 <= found.high
    assert 0.84 <= held / 400 <= 0.95


def test_a_seed_repeats_and_another_differs():
    values = np.random.default_rng(1).random(50)
    assert estimate(values, seed=3) == estimate(values, seed=3)
    assert estimate(values, seed=3) != estimate(values, seed=4)


def test_differences_are_taken_query_by_query():
    # Queries differ far more from each other than the two rankings do.
    hard = np.linspace(0, 1, 40)
    found = difference(np.minimum(hard + 0.01, 1), hard)
    assert found.is_clear
    assert found.low > 0
    assert (found.wins, found.losses) == (39, 0)
    assert found.mean == pytest.approx(0.01 * 39 / 40)
    none = difference(hard, hard)
    assert (none.mean, none.low, none.high, none.is_clear) == (0, 0, 0, False)


@pytest.mark.parametrize("options", [{"resamples": 10}, {"confidence": 0}, {"confidence": 1}])
def test_what_is_no_bootstrap_is_refused(options):
    with pytest.raises(InvalidArgumentError):
        estimate(np.ones(3), **options)
    with pytest.raises(InvalidArgumentError, match="at least one query"):
        estimate(np.empty(0))
