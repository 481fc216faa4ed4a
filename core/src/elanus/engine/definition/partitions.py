"""How are the entities of a collection kept apart by name?

A partition is a number in a hidden column and a name in the settings. The column comes with the
first partition; what is there by then is in the default one. A partition that is dropped vanishes
from the settings first, so that nothing more is written to it; its rows are deleted after that,
and by the next process when this one does not get to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from elanus.engine.context import seq_at
from elanus.engine.definition.schema_change import SchemaChanges
from elanus.engine.state import CollectionState
from elanus.errors import StateError
from elanus.filter import BoundFilter
from elanus.query.partitions import within_partitions
from elanus.schema.evolution import with_partitions


class Partitions:
    """The partitions of one collection that is open for writing.

    Args:
        state: The collection.
        changes: Adds the hidden column.
        delete: Deletes what passes a filter, durably.
    """

    def __init__(
        self,
        state: CollectionState,
        changes: SchemaChanges,
        delete: Callable[[tuple[BoundFilter, ...]], int],
    ) -> None:
        self._state = state
        self._changes = changes
        self._delete = delete

    def create(self, name: str) -> None:
        """Add a partition, durably.

        Raises:
            AlreadyExistsError: There is one of this name.
            SchemaError: The name is not valid.
            StateError: There are too many, or an import is running that would lack the column.
        """
        key = self._state.schema.partition_key
        if key is not None:
            raise StateError(
                f"partition {name!r}: entities are parted by their {key!r}, the partition key; "
                f"filter by it"
            )
        self._state.settings.with_partition(name)
        if not self._state.schema.partitioned:
            self._changes.apply(with_partitions)
        with self._state.lock:
            self._state.commit_settings(self._state.settings.with_partition(name))

    def drop(self, name: str) -> None:
        """Remove a partition with its entities, durably.

        Raises:
            InvalidArgumentError: It is the default partition.
            NotFoundError: No such partition.
        """
        with self._state.lock:
            last_seq = max(self._state.snapshot.seq, seq_at(time.time()))
            self._state.commit_settings(self._state.settings.without_partition(name, last_seq))
        self.finish_drops()

    def finish_drops(self) -> None:
        """Delete the rows of partitions that were dropped."""
        numbers = self._state.settings.dropping
        if not numbers:
            return
        self._delete((within_partitions(self._state.schema, numbers),))
        with self._state.lock:
            settings = self._state.settings
            left = tuple(n for n in settings.dropping if n not in numbers)
            self._state.commit_settings(replace(settings, dropping=left))
