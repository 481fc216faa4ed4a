"""How far could a mean over queries be off, had other queries been asked?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.types import Float64Array

_BLOCK = 4_000_000
"""Values that are drawn at a time: a bound on memory."""


class Estimate(NamedTuple):
    """A mean over queries, and the interval that it would lie in for other queries of their kind.

    Attributes:
        mean: Over the queries.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


class Difference(NamedTuple):
    """How much more one ranking is worth than another, over the same queries.

    Attributes:
        mean: Mean of the differences.
        low: Lower end of its interval.
        high: Upper end of its interval.
        wins: Queries for which it is worth more.
        losses: Queries for which it is worth less.
    """

    mean: float
    low: float
    high: float
    wins: int
    losses: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt which one is better."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        said = "clear" if self.is_clear else "may be chance"
        return (
            f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}] ({said}), better for "
            f"{self.wins} queries, worse for {self.losses}"
        )


def check_resampling(resamples: int, confidence: float) -> None:
    """Raise ``InvalidArgumentError`` unless these describe a bootstrap."""
    if type(resamples) is not int or not 100 <= resamples <= 1_000_000:
        raise InvalidArgumentError(f"resamples: expected 100 to 1,000,000, got {resamples!r}")
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InvalidArgumentError(
            f"confidence: expected a share between 0 and 1, got {confidence!r}"
        )


def estimate(
    values: Float64Array, *, resamples: int = 2_000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return the mean of values with its percentile bootstrap interval.

    Args:
        values: float64, shape ``(n,)``, one value per query, at least one.
        resamples: Samples drawn with replacement, each of ``n`` queries.
        confidence: Share of the means of samples that lie in the interval.
        seed: Same seed, same interval.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    check_resampling(resamples, confidence)
    count = len(values)
    if not count:
        raise InvalidArgumentError("bootstrap: expected values of at least one query, got none")
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // count)
    means = [
        values[rng.integers(0, count, size=(min(step, resamples - start), count))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return Estimate(float(values.mean()), float(low), float(high))


def difference(
    mine: Float64Array,
    other: Float64Array,
    *,
    resamples: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Return how much more ``mine`` is worth, paired by query; arguments as of ``estimate``."""
    gaps = mine - other
    found = estimate(gaps, resamples=resamples, confidence=confidence, seed=seed)
    return Difference(*found, wins=int((gaps > 0).sum()), losses=int((gaps < 0).sum()))
