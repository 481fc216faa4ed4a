"""Which settings are the best on some of the queries?

What is chosen has to hold for queries that nobody has asked yet. Of settings that are as good as
each other, for all that the queries can tell, the plainer ones are taken: the declared parameters
of BM25, even weights, no fusion where it wins nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from elanus.evaluation.candidates import JoinedLegs, LegLists
from elanus.evaluation.judgements import Judged
from elanus.evaluation.metrics import Metric
from elanus.query.requests import DBSF, RRF, Weighted
from elanus.schema.fields import Field
from elanus.types import Float64Array, Int64Array, PrimaryKey

K1: Final = (0.6, 0.9, 1.2, 1.5, 2.0, 2.5, 3.0)
B: Final = (0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
DEPTHS: Final = (50, 100, 200)
FUSIONS: Final[tuple[RRF | DBSF | Weighted, ...]] = (
    *(RRF(k) for k in (2, 5, 10, 20, 40, 60, 100)),
    DBSF(),
    Weighted(),
)
DEFAULT_DEPTH: Final = 100
"""Candidates of a leg where nothing is said and ten hits are wanted."""
_STEPS: Final = {2: 10, 3: 6}
"""Parts into which weights are cut, by the number of legs; 4 for more legs."""
_ALIKE: Final = 0.5
"""Standard errors of a paired difference within which settings count as equally good."""
_CLEAR: Final = 1.0
"""Standard errors by which what is less plain has to win: the best of many settings is always
better than one, if by chance."""

Parameters = tuple[tuple[str, float, float], ...]
"""Field, k1 and b of each BM25 field."""


class Choice(NamedTuple):
    """Settings of a search.

    Attributes:
        parameters: Of each BM25 field.
        fusion: How legs are joined; None: ``leg`` decides alone.
        depth: Candidates of each leg.
        weights: Of each leg.
        leg: The best leg.
    """

    parameters: Parameters
    fusion: RRF | DBSF | Weighted | None
    depth: int
    weights: tuple[float, ...]
    leg: str


class Trials:
    """What settings are worth for each query; every setting is tried once.

    Args:
        judged: The queries.
        metric: By which settings are compared.
        fields: The legs.
        find: Returns what a leg finds, with other parameters of BM25 if it is such a leg.
        k1: Values of k1 to try.
        b: Values of b to try.
        depths: Numbers of candidates to try.
    """

    def __init__(
        self,
        judged: Judged,
        metric: Metric,
        fields: Sequence[Field],
        find: Callable[[Field, tuple[float, float] | None], LegLists],
        *,
        k1: Sequence[float] = K1,
        b: Sequence[float] = B,
        depths: Sequence[int] = DEPTHS,
    ) -> None:
        self._judged, self._metric, self._fields = judged, metric, list(fields)
        self._find = find
        self._grid = [(one, other) for one in k1 for other in b]
        self._depths = list(depths)
        self._lists: dict[tuple[str, tuple[float, float] | None], LegLists] = {}
        self._leg_values: dict[tuple[str, tuple[float, float] | None], Float64Array] = {}
        self._joined: dict[Parameters, JoinedLegs] = {}
        self._tables: dict[Parameters, tuple[list[Choice], Float64Array]] = {}
        self._names = [field.name for field in self._fields]
        self._sets = _weights(len(self._fields))

    def leg(self, field: Field, pair: tuple[float, float] | None = None) -> Float64Array:
        """Return what one leg alone is worth for each query; as declared if ``pair`` is None."""
        key = field.name, pair
        if key not in self._leg_values:
            self._leg_values[key] = self._found(field, pair).values(self._judged, self._metric)
        return self._leg_values[key]

    def usual(self) -> Float64Array:
        """Return what a search is worth that says nothing: RRF of legs of equal weight."""
        if len(self._fields) == 1:
            return self.leg(self._fields[0])
        weights = [1.0] * len(self._fields)
        legs = self._legs(self._declared())
        (values,) = legs.values(RRF(), DEFAULT_DEPTH, [weights], self._metric)
        found: Float64Array = values
        return found

    def values(self, choice: Choice) -> Float64Array:
        """Return what a choice is worth for each query."""
        if choice.fusion is None:
            field = self._fields[self._names.index(choice.leg)]
            return self.leg(field, self._pair(field, choice.parameters))
        choices, table = self._table(choice.parameters)
        values: Float64Array = table[choices.index(choice._replace(leg=""))]
        return values

    def rankings(self, choice: Choice, k: int) -> list[list[PrimaryKey]]:
        """Return the order of a choice, the best ``k`` of each query."""
        if choice.fusion is None:
            field = self._fields[self._names.index(choice.leg)]
            found = self._found(field, self._pair(field, choice.parameters))
            return [list(keys[:k]) for keys in found.keys]
        legs = self._legs(choice.parameters)
        return legs.rankings(choice.fusion, choice.depth, choice.weights, k)

    def choose(self, rows: Int64Array) -> Choice:
        """Return the best settings by some of the queries.

        Args:
            rows: Places of the queries that may be looked at.
        """
        parameters = self._best_parameters(rows)
        legs = {f.name: self.leg(f, self._pair(f, parameters))[rows].mean() for f in self._fields}
        leg = max(legs, key=lambda name: legs[name])
        alone = Choice(parameters, None, DEFAULT_DEPTH, (), leg)
        if len(self._fields) == 1:
            return alone
        choices, table = self._table(parameters)
        seen = table[:, rows]
        best = seen[int(seen.mean(axis=1).argmax())]
        # Of those that are as good, the one that relies least on a single leg.
        alike = np.flatnonzero([not is_better(best, one) for one in seen]).tolist()
        place = min(alike, key=lambda i: (_unevenness(choices[i].weights), -seen[i].mean(), i))
        single = self.values(alone)[rows]
        is_joined = is_better(seen[place], single, _CLEAR)
        return choices[place]._replace(leg=leg) if is_joined else alone

    def _best_parameters(self, rows: Int64Array) -> Parameters:
        made = []
        for field in self._fields:
            if field.bm25 is None:
                continue
            declared = field.bm25.k1, field.bm25.b
            best = max(self._grid, key=lambda pair: self.leg(field, pair)[rows].mean())
            if not is_better(self.leg(field, best)[rows], self.leg(field)[rows], _CLEAR):
                best = declared
            made.append((field.name, *best))
        return tuple(made)

    def _declared(self) -> Parameters:
        return tuple((f.name, f.bm25.k1, f.bm25.b) for f in self._fields if f.bm25)

    def _pair(self, field: Field, parameters: Parameters) -> tuple[float, float] | None:
        found = next(((k1, b) for name, k1, b in parameters if name == field.name), None)
        declared = None if field.bm25 is None else (field.bm25.k1, field.bm25.b)
        return None if found == declared else found

    def _found(self, field: Field, pair: tuple[float, float] | None) -> LegLists:
        key = field.name, pair
        if key not in self._lists:
            self._lists[key] = self._find(field, pair)
        return self._lists[key]

    def _legs(self, parameters: Parameters) -> JoinedLegs:
        if parameters not in self._joined:
            found = [self._found(f, self._pair(f, parameters)) for f in self._fields]
            self._joined[parameters] = JoinedLegs(found, self._judged)
        return self._joined[parameters]

    def _table(self, parameters: Parameters) -> tuple[list[Choice], Float64Array]:
        """Return every way of joining legs with these parameters, and what each is worth."""
        if parameters not in self._tables:
            legs = self._legs(parameters)
            choices, parts = [], []
            for depth in self._depths:
                for fusion in FUSIONS:
                    parts.append(legs.values(fusion, depth, self._sets, self._metric))
                    choices += [Choice(parameters, fusion, depth, own, "") for own in self._sets]
            self._tables[parameters] = choices, np.concatenate(parts)
        return self._tables[parameters]


def _weights(count: int) -> list[tuple[float, ...]]:
    """Return sets of positive weights that add up to 1, one weight for each leg."""
    steps = max(_STEPS.get(count, 4), count)

    def parts(left: int, legs: int) -> list[tuple[int, ...]]:
        if legs == 1:
            return [(left,)]
        return [
            (first, *rest)
            for first in range(1, left - legs + 2)
            for rest in parts(left - first, legs - 1)
        ]

    return [tuple(part / steps for part in own) for own in parts(steps, count)]


def _unevenness(weights: Sequence[float]) -> float:
    return round(max(weights) - min(weights), 9)


def is_better(one: Float64Array, other: Float64Array, errors: float = _ALIKE) -> bool:
    """Whether values are larger by more standard errors of the paired difference than these."""
    gaps = one - other
    if len(gaps) < 2:
        return bool(gaps.mean() > 0)
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    return bool(gaps.mean() > errors * error)
