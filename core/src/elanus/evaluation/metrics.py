"""What is a ranking worth, given which entities answer the query?

All of them look at gains: what each place of a ranking is worth, 0 where the entity is not relevant
or was not judged. Rankings of many queries are scored at once, as rows of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.types import Float64Array, Int64Array

MAX_PLACES: Final = 16_384
"""Places that a metric looks at, at most: the hits of one search."""
DEFAULT_METRICS: Final = ("ndcg@10", "mrr@10", "recall@10", "recall@100")


class Relevance(NamedTuple):
    """What the judgements of queries say.

    Attributes:
        ideal: float64, shape ``(nq, most)``, the gains of the relevant entities, the largest
            first; 0 after the last one.
        counts: int64, shape ``(nq,)``, relevant entities.
    """

    ideal: Float64Array
    counts: Int64Array

    @classmethod
    def of(cls, gains: Sequence[Sequence[float]]) -> Relevance:
        """Return what the gains of the judged entities of each query say; only positive ones."""
        counts = np.array([len(one) for one in gains], dtype=np.int64)
        ideal = np.zeros((len(gains), max(counts.max(initial=0), 1)), dtype=np.float64)
        for row, one in enumerate(gains):
            ideal[row, : len(one)] = sorted(one, reverse=True)
        return cls(ideal, counts)


def _discounts(count: int) -> Float64Array:
    discounts: Float64Array = 1.0 / np.log2(np.arange(2, count + 2, dtype=np.float64))
    return discounts


def _ndcg(gains: Float64Array, relevance: Relevance, k: int) -> Float64Array:
    found: Float64Array = gains @ _discounts(gains.shape[1])
    ideal = relevance.ideal[:, :k]
    best: Float64Array = ideal @ _discounts(ideal.shape[1])
    return _shares(found, best)


def _mrr(gains: Float64Array, relevance: Relevance, k: int) -> Float64Array:
    relevant = gains > 0
    first = relevant.argmax(axis=1)
    found: Float64Array = np.where(relevant.any(axis=1), 1.0 / (first + 1), 0.0)
    return found


def _recall(gains: Float64Array, relevance: Relevance, k: int) -> Float64Array:
    return _shares((gains > 0).sum(axis=1).astype(np.float64), relevance.counts.astype(np.float64))


def _precision(gains: Float64Array, relevance: Relevance, k: int) -> Float64Array:
    share: Float64Array = (gains > 0).sum(axis=1) / k
    return share


def _map(gains: Float64Array, relevance: Relevance, k: int) -> Float64Array:
    relevant = gains > 0
    precisions = np.cumsum(relevant, axis=1) / np.arange(1, gains.shape[1] + 1)
    found: Float64Array = np.asarray((precisions * relevant).sum(axis=1), dtype=np.float64)
    return _shares(found, relevance.counts.astype(np.float64))


def _success(gains: Float64Array, relevance: Relevance, k: int) -> Float64Array:
    found: Float64Array = np.asarray((gains > 0).any(axis=1), dtype=np.float64)
    return found


def _shares(parts: Float64Array, wholes: Float64Array) -> Float64Array:
    made = np.zeros(len(parts), dtype=np.float64)
    np.divide(parts, wholes, out=made, where=wholes > 0)
    return made


_KINDS: Final[dict[str, Callable[[Float64Array, Relevance, int], Float64Array]]] = {
    "ndcg": _ndcg,
    "mrr": _mrr,
    "recall": _recall,
    "precision": _precision,
    "map": _map,
    "success": _success,
}


class Metric(NamedTuple):
    """A metric over the first places of rankings.

    Attributes:
        kind: ``ndcg``, ``mrr``, ``recall``, ``precision``, ``map`` or ``success``.
        k: Places that it looks at.

    Sources: nDCG: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques",
    2002, with the gain as it is and the discount ``log2(place + 1)``. The others as in trec_eval:
    ``recip_rank``, ``recall``, ``P``, ``map_cut`` and ``success``, each cut at ``k``.
    """

    kind: str
    k: int

    def __str__(self) -> str:
        return f"{self.kind}@{self.k}"

    def score(self, gains: Float64Array, relevance: Relevance) -> Float64Array:
        """Return what each ranking is worth, from 0 to 1.

        Args:
            gains: float64, shape ``(nq, depth)``, of the places of each ranking; 0 after its last.
            relevance: Of the same queries.

        Returns:
            float64, shape ``(nq,)``.
        """
        return _KINDS[self.kind](gains[:, : self.k], relevance, self.k)


def parse_metric(text: str) -> Metric:
    """Return the metric of a name such as ``"ndcg@10"``.

    Raises:
        InvalidArgumentError: No such metric, or a number of places out of range.
    """
    kind, at, places = text.partition("@") if isinstance(text, str) else ("", "", "")
    k = int(places) if places.isascii() and places.isdigit() else 0
    if kind not in _KINDS or not at or not 1 <= k <= MAX_PLACES:
        raise InvalidArgumentError(
            f"metric: expected one of {', '.join(_KINDS)} with its places, 1 to {MAX_PLACES}, such "
            f"as 'ndcg@10', got {text!r}"
        )
    return Metric(kind, k)
