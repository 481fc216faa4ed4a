"""Which rows does a collection consist of, and what does one logged write do to them?

The writer, recovery and every process that follows the writer's log apply the same steps in the
same order, so they hold the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elanus.engine.growing import GrowingSegment
from elanus.engine.keys import Keys
from elanus.engine.sealed import SealedSegment
from elanus.engine.snapshot import Snapshot
from elanus.engine.views import FieldViews
from elanus.errors import CorruptionError
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.storage.batch_codec import decode_batch, encode_batch
from elanus.storage.wal_format import Frame, StoredFrame
from elanus.types import Int64Array, PrimaryKey

UPSERT_FRAME = 1
"""Payload: the entities; each replaces what has its key."""
DELETE_FRAME = 2
"""Payload: the keys, as a batch of the primary key's column alone."""

Segment = SealedSegment | GrowingSegment


class LiveRows:
    """Sealed segments, oldest first, and memtables, oldest first. The last memtable grows.

    Not safe from several threads at once; the snapshots that it makes are.
    """

    def __init__(
        self,
        fields: FieldViews,
        sealed: Sequence[SealedSegment] = (),
        memtables: Sequence[GrowingSegment] = (),
    ) -> None:
        self.fields = fields
        self.sealed = list(sealed)
        self.memtables = list(memtables)

    @property
    def schema(self) -> Schema:
        """The fields."""
        return self.fields.schema

    @property
    def segments(self) -> list[Segment]:
        """Sealed segments, then memtables, each oldest first."""
        return [*self.sealed, *self.memtables]

    def existing(self, pks: Sequence[PrimaryKey]) -> list[PrimaryKey]:
        """Return those of the keys that are visible, in the given order."""
        keys = Keys.of(self.schema.primary, pks)
        found: set[int] = set()
        for segment in self.segments:
            rows = segment.find(keys)
            # Inserted keys are new nearly always, so nothing more is looked at.
            if rows.max(initial=-1) >= 0:
                found.update(np.flatnonzero(rows >= 0).tolist())
        return [pks[i] for i in sorted(found)]

    def kill(self, pks: Sequence[PrimaryKey]) -> None:
        """Hide the entities with these keys."""
        keys = Keys.of(self.schema.primary, pks)
        for segment in self.segments:
            rows = segment.find(keys)
            dead: Int64Array = rows[rows >= 0]
            if len(dead):
                segment.kill(dead)

    def snapshot(self, seq: int) -> Snapshot:
        """Return what readers see as of a sequence number."""
        sources = tuple(s.source() for s in self.segments if s.num_rows > s.num_deleted)
        return Snapshot(seq, sources, self.fields)

    def replay(self, path: str, frame: StoredFrame) -> ColumnBatch | None:
        """Apply a write that was read from a log to the growing memtable.

        Args:
            path: The log, for messages.
            frame: The write.

        Returns:
            The entities that were written; None for a delete.

        Raises:
            CorruptionError: The frame is not understood.
        """
        primary = self.schema.primary
        batch: ColumnBatch | None = None
        if frame.type == UPSERT_FRAME:
            batch = decode_batch(frame.payload, self.schema.stored_fields, path=path)
            keys = batch.columns[primary.name]
        elif frame.type == DELETE_FRAME:
            keys = decode_batch(frame.payload, [primary], path=path).columns[primary.name]
        else:
            raise CorruptionError(
                f"{path}: record of unknown type {frame.type}", path=path, offset=frame.offset
            )
        self.kill(keys.to_pylist())  # type: ignore[arg-type]
        growing = self.memtables[-1]
        if batch is not None:
            growing.append(batch, frame.seq)
        growing.note_write(frame.seq)
        return batch


def upsert_frame(batch: ColumnBatch, seq: int) -> Frame:
    """Return the record of entities that replace what has their keys."""
    return Frame(UPSERT_FRAME, seq, encode_batch(batch))


def delete_frame(schema: Schema, pks: Sequence[PrimaryKey], seq: int) -> Frame:
    """Return the record of deleted keys."""
    keys = Keys.of(schema.primary, pks)
    batch = ColumnBatch(len(keys), {schema.primary.name: keys.column})
    return Frame(DELETE_FRAME, seq, encode_batch(batch))
