"""What did rankers do, and did they see enough?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from elanus.query.scores import shown_score
from elanus.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class RankStep:
    """What one ranker did to one hit.

    Attributes:
        ranker: Which one.
        score_before: Score of the hit when it came to the ranker.
        score_after: Score that it left with.
        rank_before: Place among the candidates, from 1.
        rank_after: Place that it left with; None: it was left out.
        factor: What the score was multiplied by, or raised by; None: the ranker gave a new one.
        is_sum: The factor was added.
    """

    ranker: str
    score_before: float
    score_after: float
    rank_before: int
    rank_after: int | None
    factor: float | None = None
    is_sum: bool = False

    def __str__(self) -> str:
        moved = f"rank {self.rank_before} → {self.rank_after or 'left out'}"
        before, after = shown_score(self.score_before), shown_score(self.score_after)
        if self.score_before == self.score_after:
            return f"{self.ranker}: score {after}, {moved}"
        if self.factor is None:
            return f"{self.ranker}: {before} → {after}, {moved}"
        if self.is_sum:
            sign, added = "-" if self.factor < 0 else "+", shown_score(abs(self.factor))
            return f"{self.ranker}: {before} {sign} {added} = {after}, {moved}"
        product = self.score_before * self.factor
        if self.factor and not math.isclose(product, self.score_after, rel_tol=1e-6):
            # A distance was mapped first.
            before += f" as {shown_score(self.score_after / self.factor)}"
        return f"{self.ranker}: {before} x {shown_score(self.factor)} = {after}, {moved}"


class RankRecord(NamedTuple):
    """What one ranker did to the candidates of one query; arrays of shape ``(n,)``, best first.

    Attributes:
        ranker: Which one.
        sources: int64, numbers of sources.
        row_ids: int64.
        before: float64, scores that candidates came with.
        after: float64, scores that they left with.
        ranks: int64, their places afterwards, from 1; 0 for those that were left out.
        factors: float64, what scores were multiplied by, or raised by; None: replaced.
        is_sum: Factors were added.
        places: int64, their places beforehand, from 1; None: 1, 2, 3 and so on.
    """

    ranker: str
    sources: Int64Array
    row_ids: Int64Array
    before: Float64Array
    after: Float64Array
    ranks: Int64Array
    factors: Float64Array | None
    is_sum: bool
    places: Int64Array | None = None

    def of_rows(self, sources: Int64Array, row_ids: Int64Array) -> RankRecord:
        """Return what was done to these rows alone."""
        kept = places_of(self.sources, self.row_ids, sources, row_ids)
        return self._replace(
            sources=self.sources[kept],
            row_ids=self.row_ids[kept],
            before=self.before[kept],
            after=self.after[kept],
            ranks=self.ranks[kept],
            factors=None if self.factors is None else self.factors[kept],
            places=kept + 1 if self.places is None else self.places[kept],
        )

    def step_of(self, source: int, row_id: int) -> RankStep | None:
        """Return what was done to a row; None when it was no candidate."""
        places = np.flatnonzero((self.row_ids == row_id) & (self.sources == source))
        if not len(places):
            return None
        place = int(places[0])
        return RankStep(
            self.ranker,
            float(self.before[place]),
            float(self.after[place]),
            place + 1 if self.places is None else int(self.places[place]),
            int(self.ranks[place]) or None,
            None if self.factors is None else float(self.factors[place]),
            self.is_sum,
        )


def places_of(
    sources: Int64Array, row_ids: Int64Array, of_sources: Int64Array, of_row_ids: Int64Array
) -> Int64Array:
    """Return where, in a list of rows, those of another list stand; in the order of the first.

    Args:
        sources: int64, numbers of sources, shape ``(n,)``.
        row_ids: int64, rows in them, shape ``(n,)``.
        of_sources: int64, shape ``(m,)``: of the rows that are looked for.
        of_row_ids: int64, shape ``(m,)``.
    """
    step = 1 + max(int(one.max(initial=0)) for one in (sources, of_sources))
    found = np.isin(row_ids * step + sources, of_row_ids * step + of_sources)
    return np.flatnonzero(found).astype(np.int64)


def steps_of(records: Sequence[RankRecord], source: int, row_id: int) -> tuple[RankStep, ...]:
    """Return what rankers did to a row, as far as it came."""
    steps = [record.step_of(source, row_id) for record in records]
    return tuple([step for step in steps if step is not None])


class RankingSummary(NamedTuple):
    """What the rankers of a search saw.

    Attributes:
        rankers: In the order in which they were applied.
        num_candidates: Candidates that they began with.
        is_fused: These are all that the legs of a hybrid search found.
        is_exact: No other row could be a hit.
        unseen: Score that a row may have at best which was no candidate, before ``MMR``, a model or
            the end of the page cuts; None: none is left, or the rankers do not say.
        last: Score of the last row before that cut; None: there are not as many.
    """

    rankers: tuple[str, ...]
    num_candidates: int
    is_fused: bool
    is_exact: bool
    unseen: float | None = None
    last: float | None = None

    def __str__(self) -> str:
        head = f"ranked by {', then '.join(self.rankers)}: {self.num_candidates} candidates"
        if self.is_fused:
            return f"{head}, all that the legs found"
        if self.is_exact:
            return f"{head}, no other row can be a hit"
        if self.unseen is None or self.last is None:
            return f"{head}; others were not looked at, candidates= looks at more"
        return (
            f"{head}; another row may score {shown_score(self.unseen)}, the last that counts has "
            f"{shown_score(self.last)}, candidates= looks at more"
        )
