"""What does a reader see?

A ``Snapshot`` is a list of sources, each frozen at one moment: it never changes, so a search needs
no lock. Writers publish a new one; whoever holds an old one keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from elanus.engine.views import FieldViews
from elanus.filter import BoundFilter
from elanus.query.plain import PlainRequest, PlainSearch
from elanus.query.sources import SearchSource


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Sources as of one sequence number.

    Attributes:
        seq: Every write up to this number is visible, no later one.
        sources: Sealed segments, oldest first, then the memtables.
        fields: Of the rows: reads are bound to these, not to what the collection has by now.
        plain: Searches that were asked of it more than once; None: once.
        parts: What restricted handles see of it, by their filters.
    """

    seq: int
    sources: tuple[SearchSource, ...]
    fields: FieldViews
    plain: dict[PlainRequest, PlainSearch | None] = field(
        default_factory=dict, compare=False, repr=False
    )
    parts: dict[tuple[BoundFilter, ...], Snapshot] = field(
        default_factory=dict, compare=False, repr=False
    )
