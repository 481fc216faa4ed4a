"""How does a full disk stay usable?

Two lines of defence. Writes that add rows are refused while there is still a little room, so that
deletes, manifests, flushes and merges, which give space back, find some. And a ballast file takes
space that is handed out when something else has filled the disk to the last byte.

Both are best effort: a medium that does not say how much is free is never refused, and a ballast
that cannot be made is no error.
"""

from __future__ import annotations

import logging
import threading
import time

from elanus.errors import DiskFullError, StorageError
from elanus.storage.directory import Directory, Room

_log = logging.getLogger(__name__)

BALLAST_FILE = "BALLAST"
FLOOR_BYTES = 64 << 20
"""Room that rows must leave: a flush of a full memtable, its tombstones and manifests."""
FLOOR_SHARE = 8
"""The floor is at most this part of the medium, so that small media can be used at all."""
BALLAST_BYTES = 16 << 20
"""What is given back in need: thousands of deletes, and the manifests that record them."""
BALLAST_SHARE = 16
"""The ballast is at most this part of the medium."""
SMALL_BALLAST_BYTES = 256 << 10
"""Ballast until ``BALLAST_BYTES`` have been written, so that small databases stay small."""
SMALLEST_BALLAST_BYTES = 16 << 10
"""Less would not hold a manifest."""
MARGIN_BYTES = 64 << 10
"""Room for a folder entry, a manifest and a new log, besides what a delete itself needs."""
RECHECK_S = 0.01
RECHECK_BYTES = 1 << 20
"""How long, and for how many bytes, an answer of the file system is believed."""


class SpaceReserve:
    """The floor and the ballast of one database. Safe from many threads at once.

    Args:
        directory: Root of the database. Read-only: nothing is checked and no file is touched.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._believed_until = 0.0
        self._budget = 0
        self._written = 0
        self._has_warned = False
        self._cannot_reserve = False
        self._ballast = self._found_ballast()

    @property
    def ballast_bytes(self) -> int:
        """Size of the ballast; 0 when there is none."""
        return self._ballast

    def check_room(self, num_bytes: int, *, unflushed: int = 0) -> None:
        """Refuse to add ``num_bytes`` when that would go below the floor.

        Asks the file system once per 10 ms or megabyte, whichever comes first.

        Args:
            num_bytes: What is going to be written.
            unflushed: Bytes in memory that have to fit as well, because only their flush makes
                their log superfluous.

        Raises:
            DiskFullError: There is too little room; nothing was changed.
        """
        if self._directory.read_only:
            return
        with self._lock:
            self._written += num_bytes
            self._budget -= num_bytes
            if self._budget >= 0 and time.monotonic() < self._believed_until:
                return
            room = self._directory.room()
            if room is None:
                self._believe(RECHECK_BYTES)
                return
            floor = floor_of(room)
            # The new bytes are flushed as well.
            needed = 2 * num_bytes + unflushed
            if room.free < needed + floor:
                self._budget = 0
                raise self._full(room, needed, floor)
            # Close to the floor every write is checked.
            self._believe(min(RECHECK_BYTES, (room.free - floor - needed) // 2))
            self._keep_ballast(room)

    def has_room(self, num_bytes: int) -> bool:
        """Whether ``num_bytes`` of something that can wait fit above the floor."""
        room = self._directory.room()
        return room is None or room.free >= num_bytes + floor_of(room)

    def make_room(self, num_bytes: int) -> None:
        """Give the ballast back when ``num_bytes`` may not fit; never refuses.

        For what must still work on a full disk: deletes, manifests, flushes and merges.
        """
        if self._directory.read_only or not self._ballast:
            return
        room = self._directory.room()
        if room is not None and room.free < num_bytes + MARGIN_BYTES:
            self.release()

    def release(self) -> bool:
        """Delete the ballast; return whether that gave space back."""
        with self._lock:
            given, self._ballast = self._ballast, 0
            self._budget = 0
            if not given:
                return False
            try:
                self._directory.delete(BALLAST_FILE)
            except StorageError as error:
                self._warn("the ballast cannot be deleted", error)
                return False
            _log.warning(
                "%s: the disk is full; gave back %d reserved bytes", self._location(), given
            )
            return True

    def restore(self) -> None:
        """Make the ballast again when there is room for it above the floor."""
        if self._directory.read_only:
            return
        with self._lock:
            self._cannot_reserve = False
            room = self._directory.room()
            if room is not None:
                self._keep_ballast(room)

    def _believe(self, num_bytes: int) -> None:
        self._budget = num_bytes
        self._believed_until = time.monotonic() + RECHECK_S

    def _keep_ballast(self, room: Room) -> None:
        wanted = BALLAST_BYTES if self._written >= BALLAST_BYTES else SMALL_BALLAST_BYTES
        wanted = min(wanted, room.total // BALLAST_SHARE)
        if self._cannot_reserve or self._ballast >= wanted or wanted < SMALLEST_BALLAST_BYTES:
            return
        if room.free < floor_of(room) + wanted:
            return
        try:
            self._directory.delete(BALLAST_FILE)
            self._ballast = 0
            self._directory.allocate(BALLAST_FILE, wanted)
            self._ballast = wanted
        except StorageError as error:
            self._cannot_reserve = True
            self._warn("no space could be reserved for a full disk", error)
        self._budget = 0

    def _found_ballast(self) -> int:
        try:
            if not self._directory.read_only and self._directory.exists(BALLAST_FILE):
                return self._directory.size(BALLAST_FILE)
        except (StorageError, LookupError) as error:
            self._warn("the ballast cannot be looked at", error)
        return 0

    def _full(self, room: Room, num_bytes: int, floor: int) -> DiskFullError:
        location = self._location()
        return DiskFullError(
            f"{location}: the disk is full: {room.free:,} bytes are free, this write needs "
            f"{num_bytes:,} and {floor:,} stay reserved for deletes and merges. Nothing was "
            f"stored. Free some space, or delete entities and call compact()",
            path=location,
            free=room.free,
            needed=num_bytes + floor,
        )

    def _warn(self, what: str, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("%s: %s: %s", self._location(), what, error)

    def _location(self) -> str:
        return self._directory.location


def floor_of(room: Room) -> int:
    """Return how many bytes of a medium rows must leave free."""
    return min(FLOOR_BYTES, room.total // FLOOR_SHARE)
