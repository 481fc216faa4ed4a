"""What does a write have to know of the committed state?

Every call is made by the leader of a group, under the writer lock, so that nothing changes between
the answer and the commit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elanus.engine.background.expiry import expiry_at, whole_second
from elanus.engine.definition.backfill import MadeVectors
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.live import LiveRows
from elanus.engine.snapshot import Snapshot
from elanus.engine.writing.commit_log import CommitLog
from elanus.engine.writing.partial import PartialEntities
from elanus.engine.writing.write_bounds import WriteBounds
from elanus.errors import NotFoundError
from elanus.filter import BoundFilter
from elanus.query.entities import matching_pks
from elanus.query.expiry import expired_pks, unexpired
from elanus.query.sources import SearchSource
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.types import PrimaryKey


class WriteChecks:
    """The part of ``CollectionState`` that answers the writer's questions."""

    settings: CollectionSettings
    snapshot: Snapshot
    _live: LiveRows
    _log: CommitLog

    @property
    def schema(self) -> Schema:
        """The fields."""
        raise NotImplementedError

    def check_partition(self, name: str, number: int) -> None:
        """Raise ``NotFoundError`` unless there is such a partition, and it has this number."""
        if self.settings.partition(name) != number:
            # Another one has the name by now; nobody looks for rows with this number.
            raise NotFoundError(f"partition {name!r} was dropped while it was written to")

    def existing(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys that are visible, in the given order.

        Raises:
            StorageFailedError: Whether the last writes were lost is not known before reopening, so
                not even a delete of nothing can be acknowledged.
        """
        self._log.check_usable()
        return self._live.existing(pks)

    def unexpired(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys of visible entities that reads find, in the given order."""
        sources = self._unexpired()
        if sources is self.snapshot.sources:
            return list(pks)
        is_there = np.zeros(len(pks), dtype=np.bool_)
        for source in sources:
            is_there |= source.find_pks(pks) >= 0
        return [pks[place] for place in np.flatnonzero(is_there).tolist()]

    def matching(self, filters: Sequence[BoundFilter]) -> list[PrimaryKey]:
        """Return the keys of the entities that match now; fails as ``existing`` does."""
        self._log.check_usable()
        return matching_pks(self.schema, self.snapshot.sources, filters)

    def check_replaced(self, pks: Sequence[PrimaryKey], bounds: WriteBounds) -> None:
        """Raise ``NotAllowedError`` when a key is that of an entity that may not be touched."""
        bounds.check_replaced(self._unexpired(), pks)

    def complete(self, partial: PartialEntities) -> ColumnBatch:
        """Return whole entities: what is given, and the rest as it is now."""
        return partial.completed(self._unexpired())

    def filled(self, made: MadeVectors) -> tuple[list[PrimaryKey], ColumnBatch]:
        """Return the entities that vectors are still for, whole."""
        return made.completed(self._unexpired())

    def _unexpired(self) -> Sequence[SearchSource]:
        self._log.check_usable()
        sources = self.snapshot.sources
        expiry = expiry_at(self.settings, self.schema, whole_second())
        return sources if expiry is None else unexpired(sources, expiry)

    def expired(self, moment_s: float) -> list[PrimaryKey]:
        """Return the keys of what has expired at a time; fails as ``existing`` does."""
        self._log.check_usable()
        expiry = expiry_at(self.settings, self.schema, moment_s)
        return [] if expiry is None else expired_pks(self.schema, self.snapshot.sources, expiry)
