"""How good is a ranking, given which documents answer which query?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranking: Sequence[str], gains: Mapping[str, int], k: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the first ``k`` places, 0 to 1.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002,
    with the gain as it is and the discount ``log2(place + 1)``, as in trec_eval.
    """
    ideal = sorted((gain for gain in gains.values() if gain > 0), reverse=True)
    best = _discounted(ideal[:k])
    return _discounted([gains.get(d, 0) for d in ranking[:k]]) / best if best else 0.0


def mean_ndcg(
    rankings: Mapping[str, Sequence[str]], judgements: Mapping[str, Mapping[str, int]], k: int = 10
) -> float:
    """Return the mean nDCG over all judged queries; one without a ranking counts as 0."""
    values = [ndcg(rankings.get(query, ()), gains, k) for query, gains in judgements.items()]
    return math.fsum(values) / len(values)


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
