"""How do measurements at some efforts become figures at a given recall?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TARGETS = (0.90, 0.95, 0.99)

Point = Mapping[str, Any]
"""What was measured at one effort: ``recall``, ``qps`` and others."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure at a recall.

    ``beyond`` is set where every effort reached more than the recall that was asked: the figure
    is that of the fastest of them, and a smaller effort may do better.
    """

    value: float
    beyond: bool = False


def front(points: Sequence[Point], rate: str) -> list[Point]:
    """Return the points that no other beats in both recall and ``rate``, by rising recall."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p["recall"], p[rate]), reverse=True):
        if not kept or point[rate] > kept[-1][rate]:
            kept.append(point)
    return kept[::-1]


def value_at(
    points: Sequence[Point], recall: float, key: str = "qps", *, rate: str = "qps"
) -> Reading | None:
    """Return a figure at a recall, its logarithm linear between the neighbouring points.

    Args:
        points: Measurements of one index.
        recall: Wanted, in (0, 1].
        key: The figure, greater than 0.
        rate: Which rate decides what points count.

    Returns:
        None where no point reaches the recall, or the figure is missing.
    """
    line = front([p for p in points if p.get(key) and p.get(rate)], rate)
    above = [point for point in line if point["recall"] >= recall]
    if not above:
        return None
    below = [point for point in line if point["recall"] < recall]
    if not below:
        return Reading(above[0][key], beyond=above[0]["recall"] > recall)
    low, high = below[-1], above[0]
    share = (recall - low["recall"]) / (high["recall"] - low["recall"])
    return Reading(math.exp((1 - share) * math.log(low[key]) + share * math.log(high[key])))
