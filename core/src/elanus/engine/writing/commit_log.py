"""Where do a collection's writes go before they are acknowledged, and what if that fails?

Nothing is ever tried again on a log whose write or sync failed: the kernel may have dropped the
bytes and report success the second time. Writing goes on in a new log whose header says how much
of the failed one counts; when that cannot be made, the collection takes no more writes until it is
opened again.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence

from elanus.engine.context import EngineContext
from elanus.errors import StorageError, StorageFailedError
from elanus.storage.wal import WalWriter, discard_wal
from elanus.storage.wal_format import Frame, wal_path

_log = logging.getLogger(__name__)


class CommitLog:
    """The log of one collection that is open for writing; used under the writer lock."""

    def __init__(self, context: EngineContext, path: str, wal: WalWriter, number: int) -> None:
        self._context = context
        self._path = path
        self._wal = wal
        self._failure: StorageError | None = None
        self.number = number
        self.acked_end = wal.size
        """Length of the file up to the last acknowledged write, in bytes."""

    @property
    def salt(self) -> int:
        """Marks every record of this log."""
        return self._wal.salt

    @property
    def synced_end(self) -> int:
        """Length of the file that survives a power loss, in bytes."""
        return self._wal.synced_end

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._wal.size

    @property
    def can_write(self) -> bool:
        """False once something has failed that only reopening can put right."""
        return self._failure is None and not self._wal.is_poisoned

    def fail(self, error: StorageError) -> None:
        """Take no more writes: what reached the disk is unknown until reopening."""
        self._failure = self._failure or error

    def check_usable(self) -> None:
        """Raise once something has failed that only reopening can put right."""
        if self._failure is not None:
            raise StorageFailedError(
                f"an earlier commit failed ({self._failure}); close the database and open it again"
            ) from self._failure

    def append(self, frames: Sequence[Frame]) -> None:
        """Write frames, and sync them if the durability asks for that.

        Raises:
            StorageFailedError: Not durable; ``leave`` tells whether a new log may follow.
        """
        self._wal.append(frames, sync=self._context.durability.syncs_commits)
        self.acked_end = self._wal.size

    def sync(self) -> bool:
        """Make everything acknowledged survive a power loss; return whether there was anything.

        Raises:
            StorageFailedError: Acknowledged writes may be lost; no more are taken.
        """
        if not self.can_write or self._wal.synced_end == self._wal.size:
            return False
        try:
            self._wal.sync()
        except StorageFailedError as error:
            self.fail(error)
            raise
        return True

    def leave(self, failure: StorageError) -> bool:
        """Go on in a new log after a failed write or sync; return whether that is possible."""
        if self._wal.synced_end < self.acked_end:
            # Acknowledged with a weaker durability: only reopening tells what there is.
            self.fail(failure)
            return False
        try:
            if is_disk_full(failure):
                self._context.reserve.release()
            self._start(self.acked_end)
        except StorageError as error:
            _log.error("%s: no new log after a failed one: %s", self._path, error)
            self.fail(failure)
        return self._failure is None

    def start_next(self) -> None:
        """Go on in a new log.

        Raises:
            StorageError: There is no new log; writing goes on in the old one.
        """
        # A later log says that this one is whole, so it has to be.
        self.sync()
        self._start(self._wal.size)

    def close(self) -> None:
        """Sync and close the file. Idempotent."""
        try:
            self.sync()
        finally:
            self._wal.close()

    def abandon(self) -> None:
        """Close the file without a sync; it is about to be deleted."""
        self._wal.close()

    def _start(self, previous_end: int) -> None:
        path = wal_path(self._path, self.number + 1)
        try:
            fresh = WalWriter.create(
                self._context.directory,
                path,
                db_uuid=self._context.db_uuid,
                number=self.number + 1,
                previous_end=previous_end,
            )
        except StorageError as error:
            # If its header did reach the disk it would cut off what is appended from now on.
            if not discard_wal(self._context.directory, path):
                self.fail(error)
            raise
        self._wal.close()
        self._wal = fresh
        self.number += 1
        self.acked_end = fresh.size


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error goes back to a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
