"""What do the legs of a hybrid search find, and what comes out when they are joined in some way?

Each leg is searched once for all queries; whatever joins its candidates is then tried over arrays,
with the engine's own arithmetic, so that a trial gives the order that a search would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from elanus.evaluation.judgements import Judged
from elanus.evaluation.metrics import Metric
from elanus.query.fusion import contributions
from elanus.query.requests import RRF, Fusion
from elanus.schema.fields import Field
from elanus.types import Float32Array, Float64Array, Int64Array, PrimaryKey


class LegLists(NamedTuple):
    """What one leg finds for each query, best first.

    Attributes:
        field: That it searches.
        keys: Primary keys of the candidates of each query.
        distances: float32 of each query, smaller is nearer.
    """

    field: Field
    keys: Sequence[Sequence[PrimaryKey]]
    distances: Sequence[Float32Array]

    def values(self, judged: Judged, metric: Metric) -> Float64Array:
        """Return what the order of this leg alone is worth for each query."""
        return metric.score(judged.gains_of(self.keys, metric.k), judged.relevance)


class JoinedLegs:
    """Candidates of several legs, as places in a table of all that any leg found.

    A row of the table is a query, and its columns are entities in the order of their keys, by which
    the engine breaks ties.

    Args:
        legs: What each found.
        judged: The queries.
    """

    def __init__(self, legs: Sequence[LegLists], judged: Judged) -> None:
        self._legs = legs
        self._judged = judged
        found = [sorted({k for leg in legs for k in leg.keys[i]}) for i in range(len(judged.ids))]
        self._width = max(max(map(len, found), default=0), 1)
        columns = [{key: column for column, key in enumerate(keys)} for keys in found]
        self._places = [self._flat(leg, columns) for leg in legs]
        self._gains = np.zeros((len(found), self._width), dtype=np.float64)
        for row, gains in enumerate(judged.gains):
            for key, gain in gains.items():
                if key in columns[row]:
                    self._gains[row, columns[row][key]] = gain
        self._keys = found

    def _flat(self, leg: LegLists, columns: Sequence[Mapping[PrimaryKey, int]]) -> list[Int64Array]:
        """Return the places of each query's candidates in the table."""
        return [
            np.array([columns[row][key] for key in keys], dtype=np.int64) + row * self._width
            for row, keys in enumerate(leg.keys)
        ]

    def _parts_of(self, fusion: Fusion, depth: int) -> list[tuple[Int64Array, Float64Array]]:
        """Return places and contributions of the candidates of each leg, of weight 1.

        Of RRF what weights are divided by, ``k + rank``: rounded twice, sums would tie otherwise
        than those of a search.
        """
        made = []
        for leg, places in zip(self._legs, self._places, strict=True):
            cut_distances = [distances[:depth] for distances in leg.distances]
            if isinstance(fusion, RRF):
                parts = [fusion.k + np.arange(1.0, len(one) + 1) for one in cut_distances]
            else:
                parts = [contributions(fusion, leg.field, 1.0, one) for one in cut_distances]
            cut = [place[:depth] for place in places]
            made.append((np.concatenate(cut), np.concatenate(parts)))
        return made

    def orders(
        self, fusion: Fusion, depth: int, weights: Sequence[Sequence[float]], k: int
    ) -> list[Int64Array]:
        """Return for each set of weights the columns of the best ``k`` of each query; -1 pads.

        Args:
            fusion: How legs are joined; its own weights do not count.
            depth: Candidates of each leg.
            weights: Sets of one weight per leg.
            k: Places wanted.
        """
        legs = self._parts_of(fusion, depth)
        shape = len(self._judged.ids), self._width
        absent = np.ones(shape[0] * shape[1], dtype=np.bool_)
        for places, _ in legs:
            absent[places] = False
        made = []
        for own in weights:
            scores = np.zeros(shape[0] * shape[1], dtype=np.float64)
            for (places, parts), weight in zip(legs, own, strict=True):
                scores[places] += weight / parts if isinstance(fusion, RRF) else weight * parts
            scores[absent] = -np.inf
            table = scores.reshape(shape)
            # Stable: equal scores stay in the order of their keys.
            order = np.argsort(-table, axis=1, kind="stable")[:, :k].astype(np.int64)
            made.append(np.where(np.isneginf(np.take_along_axis(table, order, axis=1)), -1, order))
        return made

    def values(
        self, fusion: Fusion, depth: int, weights: Sequence[Sequence[float]], metric: Metric
    ) -> Float64Array:
        """Return what each set of weights is worth for each query; ``(sets, nq)``."""
        rows = []
        for order in self.orders(fusion, depth, weights, metric.k):
            gains = np.where(order < 0, 0.0, np.take_along_axis(self._gains, order, axis=1))
            rows.append(metric.score(gains, self._judged.relevance))
        return np.stack(rows)

    def rankings(
        self, fusion: Fusion, depth: int, weights: Sequence[float], k: int
    ) -> list[list[PrimaryKey]]:
        """Return the keys of the best ``k`` of each query."""
        (order,) = self.orders(fusion, depth, [weights], k)
        return [
            [keys[column] for column in columns if column >= 0]
            for keys, columns in zip(self._keys, order.tolist(), strict=True)
        ]
