"""What is an import asked to do?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from elanus.engine.definition.properties import own_properties
from elanus.types import PrimaryKey


class OnConflict(StrEnum):
    """What becomes of a row whose primary key is taken."""

    ERROR = "error"
    REPLACE = "replace"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row whose primary key is taken.

    Attributes:
        pk: The key.
        place: Row of the batch that was being added; None when the row came in earlier.
        message: Who has the key.
    """

    pk: PrimaryKey
    place: int | None
    message: str


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What an import is asked to do.

    Attributes:
        on_conflict: What becomes of rows whose key is taken.
        identity: What tells this import from another, as JSON values; None when its source cannot
            be read again, so that it cannot go on after a crash.
        resume: Whether to go on with an equal import that ended early.
        report: Told about rows with taken keys, when ``on_conflict`` is ``error``; raises to stop.
        progress: Returns what the importer has to be given to go on, as JSON values.
        partition: Name of the partition that the rows belong to; None: the default one.
        properties: Told how many rows become visible, returns properties that the collection gets
            at that moment.
        waits_for_removals: ``finish`` is told which entities go, so only then can rows be compared
            with what is there.
    """

    on_conflict: OnConflict
    identity: Mapping[str, Any] | None
    resume: bool
    report: Callable[[Sequence[Conflict]], None]
    progress: Callable[[], Mapping[str, Any]]
    partition: str | None = None
    waits_for_removals: bool = False
    properties: Callable[[int], Mapping[str, Any]] | None = None

    def properties_of(self, rows: int) -> dict[str, Any]:
        """Return the properties that the collection gets with some number of rows.

        Raises:
            InvalidArgumentError: One of them means something.
        """
        return {} if self.properties is None else own_properties(self.properties(rows))
