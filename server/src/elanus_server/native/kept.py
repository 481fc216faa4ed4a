"""Iterators, imports and turns, as they are kept between calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from elanus.errors import InvalidArgumentError


class Pages:
    """An iterator, whose batches a client asks for by their place.

    Args:
        batches: The iterator; None: ``begin`` makes it.
        token: Returns where it is.
        begin: Makes the iterator, given the rows of a batch.
    """

    def __init__(
        self,
        batches: Any,
        token: Callable[[], str] = str,
        begin: Callable[[int], Any] | None = None,
    ) -> None:
        self._batches = batches
        self._token = token
        self._begin = begin
        self._place = -1
        self._last: dict[str, Any] = {}
        self.is_over = False

    def begin(self, batch_rows: int) -> None:
        """Say how many rows a batch has."""
        if self._batches is None and self._begin is not None:
            self._batches = self._begin(batch_rows)

    def next(self, place: int) -> dict[str, Any]:
        """Return the batch at a place: the next one, or the last one again."""
        if place == self._place:
            return self._last
        if place != self._place + 1 or self._batches is None:
            raise InvalidArgumentError(f"next: expected place {self._place + 1}, got {place!r}")
        batch = next(self._batches, None)
        self.is_over = batch is None
        self._place, self._last = place, {"batch": batch, "token": self._token()}
        return self._last

    def close(self) -> None:
        """End."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()
        self._batches = None


class SyncLoad:
    """The entities of a sync."""

    def __init__(self, load: Any) -> None:
        self._load = load

    def add(self, entities: Sequence[Mapping[str, Any]]) -> None:
        """Take entities."""
        self._load.add(entities)

    def finish(self, removed: Sequence[Any]) -> None:
        """Make them visible."""
        self._load.finish(removed)

    def close(self) -> None:
        """End."""
        self._load.close()


class ImportLoad:
    """The rows of an import.

    Args:
        begin: Starts it, given what is told of rows with taken keys and what says how far it is.
    """

    def __init__(self, begin: Callable[[Any, Any], Any]) -> None:
        self._conflicts: list[Any] = []
        self._accepts = True
        self._progress: Mapping[str, Any] = {}
        self._load = begin(self._report, lambda: self._progress)

    def told(self) -> dict[str, Any]:
        """Return how it is, and the rows that were left out since this was asked last."""
        conflicts, self._conflicts = self._conflicts, []
        return {
            "is_committed": self._load.is_committed,
            "resumed": self._load.resumed,
            "num_rows": self._load.num_rows,
            "skipped": self._load.skipped,
            "conflicts": conflicts,
        }

    def add(self, entities: Sequence[Mapping[str, Any]], progress: Any) -> dict[str, Any]:
        """Take rows; ``progress`` is what the client needs to go on after them."""
        self._progress = progress
        self._load.add_entities(entities)
        return self.told()

    def finish(self, *, accept: bool) -> dict[str, Any]:
        """Make the rows visible; not if keys were taken meanwhile, unless that is accepted."""
        self._accepts = accept
        try:
            self._load.finish()
        except _RefusedError:
            pass
        finally:
            self._accepts = True
        return self.told()

    def forget(self) -> None:
        """Drop the record of an import whose rows are visible already."""
        self._load.forget()

    def close(self) -> None:
        """End."""
        self._load.close()

    def _report(self, conflicts: Sequence[Any]) -> None:
        self._conflicts += conflicts
        if not self._accepts:
            raise _RefusedError


class _RefusedError(Exception):
    """Rows were left out at the last moment, and the client has to say whether that will do."""


class Turns:
    """Which collections are being synchronised. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    def take(self, identifier: str) -> Turn | None:
        """Return the turn of a collection; None while somebody else has it."""
        with self._lock:
            if identifier in self._taken:
                return None
            self._taken.add(identifier)
            return Turn(self, identifier)

    def give_back(self, identifier: str) -> None:
        """Let the next one take it."""
        with self._lock:
            self._taken.discard(identifier)


class Turn:
    """The turn of one collection."""

    def __init__(self, turns: Turns, identifier: str) -> None:
        self._turns = turns
        self._identifier = identifier
        self._closed = False

    def close(self) -> None:
        """Give it back."""
        if not self._closed:
            self._closed = True
            self._turns.give_back(self._identifier)
