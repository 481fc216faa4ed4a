"""How does a large merge go on after the process that began it was killed or closed?

It writes down which rows it takes over, and each of its steps when that is done: columns, then one
index after the other. Whoever opens the collection next begins with the step that is missing. A
merge that takes a moment writes nothing down, which would take as long.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace

from elanus.engine.background.maintenance import CancelledError
from elanus.engine.sealed import SealedSegment
from elanus.engine.state import CollectionState
from elanus.errors import ClosedError, CorruptionError, InternalError, StorageError
from elanus.kernels.bitset import Bitset
from elanus.storage.manifest import IndexEntry, SegmentInfo
from elanus.storage.merge_record import (
    MergedSegment,
    MergeRecord,
    delete_merge,
    delete_other_merges,
    list_merges,
    save_merge,
)
from elanus.types import Int64Array

_log = logging.getLogger(__name__)

RECORDED_BYTES = 64 << 20
"""Bytes from which a merge is worth two more syncs for each of its steps."""


class MergeJob:
    """One merge, and how far it is."""

    def __init__(
        self,
        state: CollectionState,
        segments: Sequence[SealedSegment],
        alive: Sequence[Bitset],
        record: MergeRecord | None,
    ) -> None:
        """Use ``begin`` or ``unfinished``."""
        self.segments = tuple(segments)
        """What is merged, in order."""
        self.alive = tuple(alive)
        """The rows of each that are taken over."""
        self._state = state
        self._record = record
        self._made = None if record is None else record.made

    @classmethod
    def begin(cls, state: CollectionState, segments: Sequence[SealedSegment]) -> MergeJob:
        """Start a merge of the rows that are alive now."""
        alive = [segment.alive for segment in segments]
        job = cls(state, segments, alive, None)
        if sum(segment.size_bytes for segment in segments) >= RECORDED_BYTES:
            merged = tuple(
                MergedSegment(s.info.uuid, rows) for s, rows in zip(segments, alive, strict=True)
            )
            job._save(MergeRecord(uuid.uuid4(), merged))
        return job

    @classmethod
    def unfinished(cls, state: CollectionState) -> MergeJob | None:
        """Return the merge that an earlier process has left, and forget those that cannot go on.

        Called when nothing is merged: a merge that is going on is not finished either.
        """
        live = {segment.info.uuid: segment for segment in state.sealed()}
        found: MergeJob | None = None
        for record in list_merges(state.directory, state.path):
            segments = [live[m.uuid] for m in record.merged if m.uuid in live]
            if found is None and _can_go_on(state, record, segments):
                found = cls(state, segments, [m.alive for m in record.merged], record)
                continue
            _forget(state, record)
        kept = None if found is None or found._record is None else found._record.job
        delete_other_merges(state.directory, state.path, kept)
        return found

    @classmethod
    def forget_unfinished(cls, state: CollectionState) -> None:
        """Let no merge that an earlier process has left go on; called when nothing is merged.

        Before fields change: what it has written are values, postings and graphs of the fields as
        they were, and one that is dropped and added again has none of its old values.

        Raises:
            StorageError: The medium failed; those that are left can go on.
        """
        for record in list_merges(state.directory, state.path):
            _forget(state, record)
        delete_other_merges(state.directory, state.path, None)

    @property
    def rows(self) -> list[Int64Array]:
        """The rows of each segment that are taken over, int64, ascending."""
        return [alive.to_rows() for alive in self.alive]

    @property
    def written(self) -> SegmentInfo:
        """The new segment with the indexes that are written.

        Raises:
            InternalError: Its columns are not.
        """
        if self._made is None:
            raise InternalError("a merge writes columns before indexes")
        return self._made

    def note(self, made: SegmentInfo) -> None:
        """Remember that a step is done."""
        self._made = made
        if self._record is not None:
            self._save(replace(self._record, made=made))

    def note_index(self, field: str, entry: IndexEntry) -> None:
        """Remember that an index of the new segment is written."""
        self.note(replace(self.written, indexes={**self.written.indexes, field: entry}))

    def opened(self) -> SealedSegment | None:
        """Return the new segment as far as it is written; None when it has to be written anew."""
        if self._made is None:
            return None
        state = self._state
        try:
            return SealedSegment.open(
                state.directory, state.path, state.fields, self._made, state.context.memory
            )
        except CorruptionError as error:
            _log.warning("%s; the merge starts anew", error)
            state.discard_unused(self._made)
            self._made = None
            return None

    def end(self) -> None:
        """Forget the merge; its segment is in place, or there was no row."""
        record, self._record = self._record, None
        if record is not None:
            try:
                delete_merge(self._state.directory, self._state.path, record.job)
            except StorageError as error:
                # The next opening sees that there is nothing to go on with.
                _log.warning("%s: a record of a merge is left: %s", self._state.path, error)

    def _save(self, record: MergeRecord) -> None:
        """Write a record; a merge whose record cannot be written goes on without one."""
        try:
            self._record = save_merge(self._state.directory, self._state.path, record)
        except StorageError as error:
            _log.warning("%s: a merge is not recorded: %s", self._state.path, error)
            self._record = record
            self.end()

    def fail(self, error: BaseException) -> None:
        """Give up. What was written stays when the merge can go on at the next opening."""
        if self._record is not None and isinstance(error, CancelledError | ClosedError):
            return
        self.end()
        if self._made is not None:
            self._state.discard_unused(self._made)


def _forget(state: CollectionState, record: MergeRecord) -> None:
    """Let a merge never go on, durably, and delete what it has written."""
    delete_merge(state.directory, state.path, record.job)
    # One that was put in place ended before it could say so.
    if record.made is not None and all(s.info.uuid != record.made.uuid for s in state.sealed()):
        state.discard_unused(record.made)


def _can_go_on(
    state: CollectionState, record: MergeRecord, segments: Sequence[SealedSegment]
) -> bool:
    """Whether what a merge has read and written is what it would read and write now.

    Args:
        state: The collection.
        record: The merge.
        segments: Those of its segments that are still there.
    """
    if len(segments) != len(record.merged) or not segments:
        return False
    if record.made is not None:
        columns = {field.name for field in state.schema.stored_fields}
        if record.made.columns.keys() != columns:
            return False
    # A row that is alive now and was not taken over would be lost.
    return all(
        merged.alive.num_bits == segment.num_rows and not (segment.alive - merged.alive).count()
        for merged, segment in zip(record.merged, segments, strict=True)
    )
