"""What happens to entities before they are logged?

They become a checked column batch with a primary key in every row, each key once. Nothing is
changed in the collection here, so many threads prepare at the same time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from elanus.engine.views import FieldViews
from elanus.errors import EntityError, EntityExistsError
from elanus.schema.batches import Column, ColumnBatch, FixedColumn, strings_to_column
from elanus.schema.collection import PARTITION_FIELD, Schema
from elanus.schema.fields import Field
from elanus.schema.validation import Entities, entities_to_batch
from elanus.types import DataType, PrimaryKey

_MAX_AUTO_DIGITS = 18


class AutoIds:
    """Automatic primary keys: 1, 2, 3, ... never given out twice.

    A counter, so that keys sort in the order of insertion; VARCHAR keys are its digits.
    """

    def __init__(self, first: int = 1) -> None:
        self._lock = threading.Lock()
        self._next = first

    @property
    def next(self) -> int:
        """The smallest key that was never given out."""
        return self._next

    def take(self, count: int) -> range:
        """Return ``count`` new keys."""
        with self._lock:
            first = self._next
            self._next += count
        return range(first, first + count)

    def advance(self, key: int) -> None:
        """Never give out ``key`` or a smaller one."""
        with self._lock:
            self._next = max(self._next, key + 1)

    def note(self, keys: Column) -> None:
        """Never give out keys that entities have already."""
        if isinstance(keys, FixedColumn):
            self.advance(int(keys.values.max(initial=0)))
            return
        texts = [str(key) for key in keys.to_pylist()]
        # Longer numbers are never reached by counting.
        numbers = [int(t) for t in texts if len(t) <= _MAX_AUTO_DIGITS and t.isdecimal()]
        self.advance(max(numbers, default=0))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Entities ready for the log.

    Attributes:
        batch: One row per key.
        unique_pks: The key of each row.
        pks: The key of each entity as given, repeats included.
    """

    batch: ColumnBatch
    unique_pks: list[PrimaryKey]
    pks: list[PrimaryKey]


class Ingest:
    """Prepares entities of one schema."""

    def __init__(self, fields: FieldViews, auto_ids: AutoIds) -> None:
        self._fields = fields
        self._schema = fields.schema
        self._auto_ids = auto_ids

    def prepare(
        self,
        entities: Entities,
        *,
        replace: bool,
        partition: int = 0,
        takes_keys: bool = False,
    ) -> Prepared:
        """Check and convert entities.

        Args:
            entities: List of dicts or dict of columns.
            replace: Of entities with the same key the last one counts; else they are an error.
            partition: Number of the partition that they belong to.
            takes_keys: New entities may bring the keys that the engine makes otherwise.

        Raises:
            EntityError: An entity does not fit.
            EntityExistsError: A key is given twice and ``replace`` is False.
            PluginError: A text cannot be analyzed.
        """
        batch = entities_to_batch(self._fields.given, entities)
        if self._fields.given is not self._schema:
            batch = self._fields.embedders.completed(batch)
        self._fields.check_texts(batch.columns)
        batch = in_partition(self._schema, batch, partition)
        primary = self._schema.primary
        if primary.name not in batch.columns:
            batch = with_auto_ids(self._schema, self._auto_ids, batch)
        elif primary.auto_id and not replace and not takes_keys:
            raise EntityError(
                f"field {primary.name!r} is made by the engine (auto_id); leave it out, use upsert "
                f"to replace existing entities, or set the property 'allow_insert_auto_id'",
                field=primary.name,
            )
        pks: list[PrimaryKey] = batch.columns[primary.name].to_pylist()  # type: ignore[assignment]
        if len(set(pks)) == len(pks):
            return Prepared(batch, pks, pks)
        last = {pk: row for row, pk in enumerate(pks)}
        if not replace:
            row = next(i for i, pk in enumerate(pks) if last[pk] != i)
            raise EntityExistsError(
                f"primary key {pks[row]!r} is given twice in one insert (rows {row} and "
                f"{last[pks[row]]}); use upsert to let the last one count",
                pk=pks[row],
                row=last[pks[row]],
            )
        rows = np.array(sorted(last.values()), dtype=np.int64)
        return Prepared(batch.take(rows), [pks[row] for row in rows.tolist()], pks)


def in_partition(schema: Schema, batch: ColumnBatch, partition: int) -> ColumnBatch:
    """Return the batch with the hidden column that says to which partition its rows belong."""
    if not schema.partitioned:
        return batch
    numbers = np.full(len(batch), partition, dtype=np.int32)
    return ColumnBatch(len(batch), {**batch.columns, PARTITION_FIELD: FixedColumn(numbers)})


def with_auto_ids(schema: Schema, auto_ids: AutoIds, batch: ColumnBatch) -> ColumnBatch:
    """Return the batch with a primary key in every row: automatic ones where it has none."""
    primary = schema.primary
    if primary.name in batch.columns:
        if primary.auto_id:
            auto_ids.note(batch.columns[primary.name])
        return batch
    columns = {**batch.columns, primary.name: _key_column(primary, auto_ids.take(len(batch)))}
    return ColumnBatch(len(batch), {f.name: columns[f.name] for f in schema.stored_fields})


def _key_column(primary: Field, keys: range) -> Column:
    if primary.dtype is DataType.VARCHAR:
        return strings_to_column([str(key) for key in keys])
    return FixedColumn(np.arange(keys.start, keys.stop, dtype=np.int64))
