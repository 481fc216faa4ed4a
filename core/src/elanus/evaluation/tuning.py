"""Which profile should a collection have, and how much better is it on queries that it was not
chosen by?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, NamedTuple

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.evaluation.bootstrap import Difference, Estimate, difference, estimate
from elanus.evaluation.trials import Choice, Trials
from elanus.query.profile import SearchProfile
from elanus.query.requests import RRF
from elanus.schema.fields import Field
from elanus.types import Float64Array, Int64Array

USUAL, TUNED = "default", "tuned"
"""How searches without a profile, and with it, are called."""


class Split(NamedTuple):
    """What was chosen by one part of the queries, and what it is worth on the others.

    Attributes:
        choice: The settings.
        means: Mean of the metric over the other queries: of each leg alone, of a search that says
            nothing (``"default"``) and of the choice (``"tuned"``).
        best_leg: The largest mean of a leg.
    """

    choice: Choice
    means: Mapping[str, float]
    best_leg: float

    @property
    def gap(self) -> float:
        """How much better the choice is than the best leg."""
        return self.means[TUNED] - self.best_leg


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """What ``Collection.tune`` chose, and how good it is; ``print`` it.

    Attributes:
        profile: What searches do with it.
        metric: By which it was chosen.
        held_out: Mean and interval over the queries that it was not chosen by: of each leg alone,
            of a search that says nothing (``"default"``) and of the profile (``"tuned"``).
        over_best_leg: How much better it is than the best leg on those queries.
        splits: The same choice made on other random halves, the first of them that of ``profile``.
        num_queries: Queries with judgements.
        known_items: They were made of the entities, nobody judged them.
        reranking: Mean over the held-out queries by hits that a reranker reads, 0 for none; empty
            without a reranker.
        analyzers: Mean and interval over all queries by analyzer, of BM25 alone; empty unless some
            were tried.
        applied: The collection has the profile now.
    """

    profile: SearchProfile
    metric: str
    held_out: Mapping[str, Estimate]
    over_best_leg: Difference
    splits: tuple[Split, ...]
    num_queries: int
    known_items: bool = False
    reranking: Mapping[int, float] = dataclass_field(default_factory=dict)
    analyzers: Mapping[str, Estimate] = dataclass_field(default_factory=dict)
    applied: bool = False

    @property
    def mean_gap(self) -> float:
        """Mean over the splits of how much better the choice is than the best leg."""
        return float(np.mean([split.gap for split in self.splits]))

    @property
    def worst_gap(self) -> float:
        """The smallest of them."""
        return min(split.gap for split in self.splits)

    @property
    def best_analyzer(self) -> str | None:
        """The analyzer with the best mean; None when none was tried."""
        if not self.analyzers:
            return None
        return max(self.analyzers, key=lambda name: self.analyzers[name].mean)

    def means(self) -> dict[str, float]:
        """Return the mean over all splits of each leg, ``"default"`` and ``"tuned"``."""
        names = self.splits[0].means
        return {
            name: float(np.mean([split.means[name] for split in self.splits])) for name in names
        }

    def __str__(self) -> str:
        made = "made of the entities" if self.known_items else "judged"
        lines = [
            f"{self.profile}",
            f"{self.metric} on queries that it was not chosen by, of {self.num_queries} {made}:",
        ]
        width = max(map(len, self.held_out))
        lines += [f"  {name:{width}}  {found}" for name, found in self.held_out.items()]
        lines.append(f"  over the best leg: {self.over_best_leg}")
        if len(self.splits) > 1:
            lines.append(
                f"  {len(self.splits)} random halves: {self.mean_gap:+.4f} over the best leg on "
                f"average, {self.worst_gap:+.4f} at worst"
            )
        if self.reranking:
            tried = ", ".join(f"{top}: {mean:.4f}" for top, mean in self.reranking.items())
            lines.append(f"  by hits that the reranker reads: {tried}")
        lines += [f"  analyzer {name}: {found}" for name, found in self.analyzers.items()]
        if self.analyzers:
            lines.append("  an analyzer is part of the schema: a new collection can have another")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Halves:
    """Random parts of the queries to choose by, and the others to measure by.

    Attributes:
        count: Queries.
        share: Of them, the part to choose by.
        seed: Same seed, same parts.

    Raises:
        InvalidArgumentError: There are too few queries to choose by some and measure by others.
    """

    count: int
    share: float
    seed: int

    def __post_init__(self) -> None:
        share = self.share
        if not isinstance(share, int | float) or not 0 < share < 1:
            raise InvalidArgumentError(f"share: expected a share between 0 and 1, got {share!r}")
        if min(self._size, self.count - self._size) < 2:
            raise InvalidArgumentError(
                f"tune: expected at least 4 judged queries, two to choose by and two to measure "
                f"by, got {self.count} (share={share})"
            )

    @property
    def _size(self) -> int:
        return round(self.count * self.share)

    def split(self, number: int) -> tuple[Int64Array, Int64Array]:
        """Return places of the queries to choose by, and of the others, ascending."""
        order = np.random.default_rng(self.seed + number).permutation(self.count).astype(np.int64)
        return np.sort(order[: self._size]), np.sort(order[self._size :])


def tuned(
    trials: Trials, fields: Sequence[Field], halves: Halves, splits: int, metric: str
) -> Tuning:
    """Return what is chosen by a part of the queries, and by as many others again and again."""
    if type(splits) is not int or not 1 <= splits <= 1_000:
        raise InvalidArgumentError(f"splits: expected 1 to 1000, got {splits!r}")
    named: dict[str, Float64Array] = {field.name: trials.leg(field) for field in fields}
    legs = list(named)
    named[USUAL] = trials.usual()
    made = []
    for number in range(splits):
        rows, others = halves.split(number)
        choice = trials.choose(rows)
        values = {**named, TUNED: trials.values(choice)}
        means = {name: float(value[others].mean()) for name, value in values.items()}
        made.append(Split(choice, means, max(means[name] for name in legs)))
    first, (_, others) = made[0], halves.split(0)
    held_out = {**named, TUNED: trials.values(first.choice)}
    best = max(legs, key=lambda name: first.means[name])
    seed = halves.seed
    over = difference(held_out[TUNED][others], held_out[best][others], seed=seed)
    measured = {"metric": metric, "queries": halves.count, "held_out": len(others), **first.means}
    return Tuning(
        profile=profile_of(first.choice, fields, measured),
        metric=metric,
        held_out={n: estimate(v[others], seed=seed) for n, v in held_out.items()},
        over_best_leg=over,
        splits=tuple(made),
        num_queries=halves.count,
    )


def profile_of(
    choice: Choice, fields: Sequence[Field], measured: Mapping[str, Any]
) -> SearchProfile:
    """Return the profile that does what a choice says."""
    names = tuple(field.name for field in fields)
    declared = {(f.name, f.bm25.k1, f.bm25.b) for f in fields if f.bm25 is not None}
    bm25 = {name: (k1, b) for name, k1, b in choice.parameters if (name, k1, b) not in declared}
    rounded = {n: round(v, 6) if isinstance(v, float) else v for n, v in measured.items()}
    if len(names) == 1:
        return SearchProfile(names, bm25=bm25, best_leg=choice.leg, measured=rounded)
    if choice.fusion is None:
        # The others only fill up what the best leg leaves empty.
        alone = RRF(weights={name: float(name == choice.leg) for name in names})
        return SearchProfile(names, alone, bm25=bm25, best_leg=choice.leg, measured=rounded)
    fusion = replace(choice.fusion, weights=dict(zip(names, choice.weights, strict=True)))
    return SearchProfile(names, fusion, choice.depth, bm25, measured=rounded)
