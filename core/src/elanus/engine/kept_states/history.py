"""Which older states may somebody still ask for, and which files do they need?

A manifest that was replaced stays, with its files and the logs behind it, while the retention of
the collection or a named snapshot needs it. Everything else is deleted as soon as no search of
this process reads it; other processes have what they read mapped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue

from elanus.engine.context import seq_at
from elanus.errors import HistoryError, StorageError
from elanus.kernels.file_map import wait_until_unmapped
from elanus.storage.directory import Directory, join_path
from elanus.storage.leftovers import INDEXES_FOLDER
from elanus.storage.manifest import (
    Manifest,
    SegmentInfo,
    delete_versions,
    list_versions,
    load_version,
)
from elanus.storage.segment_writer import SEGMENTS_FOLDER
from elanus.storage.versions import KEPT_VERSIONS
from elanus.storage.wal_format import list_wals, wal_path


def horizon(retention_s: float, last_seq: int) -> int:
    """Return the smallest sequence number that a retention covers now."""
    return max(seq_at(time.time()), last_seq) - seq_at(retention_s)


def needed_manifests(
    older: Sequence[Manifest], current: Manifest, *, horizon: int, pinned: Iterable[int] = ()
) -> list[Manifest]:
    """Return the older manifests that are needed, by version.

    Args:
        older: Manifests before the current one, by version.
        current: The current one.
        horizon: Smallest sequence number that somebody may ask for.
        pinned: Versions that named snapshots hold.
    """
    versions = set(pinned)
    needed: list[Manifest] = []
    for manifest, following in zip(older, [*older, current][1:], strict=True):
        # It answers for numbers from its own end up to where the following one takes over.
        answers = following.next_seq > max(manifest.next_seq, horizon + 1)
        if answers or manifest.version in versions:
            needed.append(manifest)
    return needed


def candidates(directory: Directory, path: str, seq: int) -> Iterator[Manifest]:
    """Yield the manifests that end at ``seq`` or before, the newest first.

    The first is the one to take, if its files are still there.
    """
    for version in reversed(list_versions(directory, path)):
        manifest = load_version(directory, path, version)
        if manifest.next_seq - 1 <= seq:
            yield manifest


def gone(seq: int) -> HistoryError:
    """Return the error for a state that was not kept."""
    return HistoryError(
        f"as_of: the state at sequence number {seq} is not kept any more; keep more with "
        f"set_retention(seconds), or name a state with Database.snapshot(name) while it is current"
    )


def files_of(info: SegmentInfo) -> list[str]:
    """Return files and folders of a segment, as paths within the collection."""
    files = [
        join_path(SEGMENTS_FOLDER, str(info.uuid)),
        join_path(INDEXES_FOLDER, str(info.uuid)),
    ]
    return [*files, *changeable_files(info)]


def changeable_files(info: SegmentInfo) -> list[str]:
    """Return those files of a segment that may be replaced during its life."""
    deletes = [] if info.deletes is None else [info.deletes.file]
    return [*deletes, *(entry.file for entry in info.indexes.values())]


class History:
    """The kept states of one collection that is open for writing.

    ``discard`` may be called from anywhere, a destructor included; everything else needs the
    collection's writer lock, except ``sweep``.
    """

    def __init__(
        self, directory: Directory, path: str, current: Manifest, older: Sequence[Manifest]
    ) -> None:
        self.path = path
        self._directory = directory
        self._current = current
        self._older = list(older)
        self._dead: SimpleQueue[str] = SimpleQueue()
        self._needed = _files([*older, current])

    @property
    def current(self) -> Manifest:
        """The current manifest."""
        return self._current

    @property
    def older(self) -> tuple[Manifest, ...]:
        """The manifests before the current one that are kept, by version."""
        return tuple(self._older)

    def advance(self, current: Manifest, *, horizon: int, pinned: Iterable[int]) -> None:
        """Take note of a new manifest, of time going by or of snapshots that changed.

        Args:
            current: The current manifest.
            horizon: Smallest sequence number that somebody may ask for.
            pinned: Versions that named snapshots hold.
        """
        replaced = self._current if current.version != self._current.version else None
        older = self._older if replaced is None else [*self._older, replaced]
        kept = needed_manifests(older, current, horizon=horizon, pinned=pinned)
        dropped = [m for m in older if m not in kept]
        self._older, self._current = kept, current
        self._needed = _files([*kept, current])
        # Files of the state that was just replaced may be in use here: their segments give them
        # up. Those of states that were kept for others are in nobody's hands.
        for manifest in dropped:
            if manifest is not replaced:
                for file in _files([manifest]) - self._needed:
                    self._dead.put(file)

    def discard(self, files: Iterable[str]) -> None:
        """Delete files at the next ``sweep``, unless a kept state needs them."""
        for file in files:
            self._dead.put(file)

    def sweep(self) -> None:
        """Delete what nobody needs. What cannot be deleted is swept when the database is opened."""
        waiting: list[str] = []
        if not self._dead.empty():
            # What is deleted while it is mapped keeps its space until the map is gone.
            wait_until_unmapped()
        with contextlib.suppress(Empty):
            while True:
                file = self._dead.get_nowait()
                if file in self._needed:
                    waiting.append(file)
                    continue
                with contextlib.suppress(StorageError):
                    self._delete(join_path(self.path, file))
        self.discard(waiting)
        with contextlib.suppress(StorageError):
            kept = {m.version for m in self._older}
            oldest = self._current.version - KEPT_VERSIONS
            delete_versions(
                self._directory,
                self.path,
                lambda version: version <= oldest and version not in kept,
            )
            start = min(m.wal_start for m in [*self._older, self._current])
            for number in list_wals(self._directory, self.path):
                if number < start:
                    self._directory.delete(wal_path(self.path, number))

    def _delete(self, path: str) -> None:
        if self._directory.is_dir(path):
            self._directory.delete_dir(path)
        elif self._directory.exists(path):  # else it went with its folder
            self._directory.delete(path)


def _files(manifests: Iterable[Manifest]) -> frozenset[str]:
    return frozenset(f for m in manifests for s in m.segments for f in files_of(s))
