"""How is a filter answered, source by source?

A filter is evaluated once more, and each condition writes down whether an index or columns answered
it, how many rows it was asked about and how many it let through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from elanus.filter import BoundFilter, ElementFilter
from elanus.query.sources import RestrictedSource, SearchSource, allowed_rows


class FilterStep(NamedTuple):
    """What one condition did.

    Attributes:
        condition: Its text.
        method: ``columns``, the type of the index that answered, or ``ranges``: the bounds of the
            fields did, and no row was looked at.
        asked: Rows that it was asked about.
        allowed: Rows that it let through.
    """

    condition: str
    method: str
    asked: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.condition}: {self.method}, {self.allowed} of {self.asked} rows"


class SourceFilter(NamedTuple):
    """What the conditions of a filter did on one source, in order.

    Attributes:
        source: Name of the source.
        num_rows: Its rows, dead ones included; of a restricted source those that it shows.
        steps: The conditions; none of a restricted source, of whose other rows they would tell.
        allowed: Visible rows that pass.
    """

    source: str
    num_rows: int
    steps: tuple[FilterStep, ...]
    allowed: int

    @property
    def is_pruned(self) -> bool:
        """Whether the bounds of its fields say that no row passes."""
        return any(s.method == "ranges" and not s.allowed for s in self.steps)

    def __str__(self) -> str:
        head = f"{self.source}: {self.allowed} of {self.num_rows} rows pass"
        return "\n".join([head, *(f"  {step}" for step in self.steps)])


class FilterPlan(NamedTuple):
    """How one filter was answered; ``print`` it.

    Attributes:
        filter: Its canonical text.
        sources: What was done on each source.
    """

    filter: str
    sources: tuple[SourceFilter, ...]

    @property
    def num_pruned(self) -> int:
        """Sources that the bounds of their fields rule out: no row of them is looked at."""
        return sum(source.is_pruned for source in self.sources)

    def __str__(self) -> str:
        head, pruned = f"filter {self.filter}", self.num_pruned
        if pruned:
            head += f"\n{pruned} of {len(self.sources)} sources ruled out by their ranges"
        return "\n".join([head, *map(str, self.sources)])


def explain_filters(
    sources: Sequence[SearchSource], filters: Sequence[BoundFilter]
) -> tuple[FilterPlan, ...]:
    """Return how each filter is answered, one on elements as to the rows that have any."""
    plans = []
    for asked in filters:
        one = asked.of_rows if isinstance(asked, ElementFilter) else asked
        found = []
        for source in sources:
            if isinstance(source, RestrictedSource):
                count = allowed_rows(source, (one,)).count
                found.append(SourceFilter(source.name, source.num_alive, (), count))
            elif source.num_rows:
                steps = tuple(FilterStep(*step) for step in one.explain(source.columns))
                count = allowed_rows(source, (one,)).count
                found.append(SourceFilter(source.name, source.num_rows, steps, count))
        plans.append(FilterPlan(str(one), tuple(found)))
    return tuple(plans)
