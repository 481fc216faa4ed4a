"""What is asked of every measured system?

An adapter holds one database of one system: created in a folder, or opened there again. It does
what that system's documentation shows, with that system's defaults, and nothing clever; what a
setting changes is named in ``LADDERS``. Adapters run under the interpreter of their system, so
this file needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

LIMIT = 10
"""Hits asked for in every search."""
LEG_LIMIT = 100
"""Candidates of each leg of a hybrid search, the same for every system."""
COLLECTION = "passages"

Effort = dict[str, Any]
"""Search-time setting of a system; empty: its default."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch to insert; ``vectors`` is float32 ``(n, dim)`` of unit length."""

    ids: list[int]
    texts: list[str]
    sources: list[str]
    buckets: list[int]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Step:
    """One part of what has to happen after the last insert until every index is complete.

    Attributes:
        name: What is done.
        run: Does it.
        snapshot: Copy the folder under this suffix afterwards, to be searched in this state too.
        counted: Whether it is part of the time until the indexes are complete; a step that only
            serves a snapshot is not.
    """

    name: str
    run: Callable[[], object]
    snapshot: str | None = None
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """One search: ``text`` and ``vector`` of the same question.

    Attributes:
        below: Only rows with ``bucket`` below this; None: all rows.
        source: Only rows of this source; None: all rows. Never set together with ``below``.
        with_text: Return the texts of the hits too, not only their ids.
        effort: As prepared by ``prepare``.
    """

    text: str
    vector: npt.NDArray[np.float32]
    below: int | None = None
    source: str | None = None
    with_text: bool = False
    effort: Effort = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Search-time settings by rising recall; ``default`` is the place of the default."""

    efforts: tuple[Effort, ...]
    default: int


COMPLETE = "complete"
"""The state of a database after all steps; other states are named by ``Step.snapshot``."""


class Adapter(Protocol):
    """One database of one system."""

    IMPORT: ClassVar[str]
    """Statement whose time is the import time."""
    PACKAGES: ClassVar[tuple[str, ...]]
    """Distributions whose versions are reported."""
    KINDS: ClassVar[tuple[str, ...]]
    """What it can search: of ``dense``, ``bm25``, ``hybrid``."""
    LADDERS: ClassVar[Mapping[str, Ladder]]
    """Settings by state; a state without a ladder is measured at its defaults only."""
    SETTINGS: ClassVar[str]
    """Index and parameters, for the report."""

    def create(self, folder: str, dim: int) -> None:
        """Make an empty database for vectors of ``dim`` dimensions."""

    def insert(self, rows: Rows) -> None:
        """Store rows; returns when the system says that they are stored."""

    def steps(self) -> Sequence[Step]:
        """Return what completes the indexes, in order."""

    def open(self, folder: str) -> None:
        """Open a database that ``create`` made."""

    def prepare(self, effort: Effort) -> None:
        """Make the setting take effect where it is not part of a search; not timed."""

    def dense(self, query: Query) -> list[int]:
        """Return ids by cosine, best first."""

    def bm25(self, query: Query) -> list[int]:
        """Return ids by BM25 of the text, best first."""

    def hybrid(self, query: Query) -> list[int]:
        """Return ids by reciprocal rank fusion (k = 60) of both."""

    def close(self) -> None:
        """Close the database."""
