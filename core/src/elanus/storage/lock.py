"""Who may write?

One process per database, decided by a lock of the operating system that ends with the process.
The content of the lock file only serves messages: a file that is left behind means nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import TracebackType

from elanus.errors import DatabaseLockedError, ReadOnlyError, StorageError
from elanus.storage.directory import Directory, DirectoryLock

LOCK_FILE = "LOCK"
POLL_S = 0.01
"""Seconds between two tries of somebody who waits for the lock."""
_BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds a lock, as far as the lock file tells.

    Attributes:
        pid: Process id.
        host: Name of the machine.
        boot_id: Differs between two starts of a machine; empty where there is none.
        since: When the lock was taken, ISO 8601, UTC.
    """

    pid: int
    host: str
    boot_id: str
    since: str


class WriterLock:
    """The right to write to a database, until ``release`` or the end of this process."""

    def __init__(self, lock: DirectoryLock, location: str) -> None:
        """Use ``acquire``."""
        self._lock = lock
        self._location = location
        self._owner_pid = os.getpid()

    @classmethod
    def acquire(cls, directory: Directory, *, wait_s: float = 0.0) -> WriterLock:
        """Take the lock, at once or within ``wait_s`` seconds, or fail.

        Raises:
            DatabaseLockedError: Another process, or this one, has the database open for writing.
            ReadOnlyError: The directory cannot be written to.
            StorageError: The medium failed.
        """
        me = LockHolder(os.getpid(), platform.node(), boot_id(), _now())
        content = json.dumps(asdict(me)).encode("utf-8")
        # Once more at least: somebody may just have looked whether it is held.
        deadline = time.monotonic() + max(wait_s, POLL_S)
        while (lock := directory.try_lock(LOCK_FILE, content)) is None:
            if time.monotonic() >= deadline:
                raise _locked(directory.location, read_holder(directory), me)
            time.sleep(POLL_S)
        return cls(lock, directory.location)

    @property
    def owner_pid(self) -> int:
        """The process that took the lock. Forked children do not own it."""
        return self._owner_pid

    def check_owner(self) -> None:
        """Refuse to write in a child that was forked while the database was open.

        Raises:
            ReadOnlyError: This process is not the one that took the lock.
        """
        if os.getpid() != self._owner_pid:
            raise ReadOnlyError(
                f"{self._location}: process {self._owner_pid} opened this database for writing, "
                f"and this process ({os.getpid()}) was forked from it: a child may only read. "
                f"Open the database in the process that writes"
            )

    def release(self) -> None:
        """Give the lock up. A second call does nothing, nor does a call in a forked child."""
        if os.getpid() == self._owner_pid:
            self._lock.release()

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def read_holder(directory: Directory) -> LockHolder | None:
    """Return who last took the lock, or None when the file does not tell."""
    with contextlib.suppress(StorageError, LookupError, ValueError, TypeError):
        return LockHolder(**json.loads(bytes(directory.read(LOCK_FILE))))
    return None


def _locked(location: str, holder: LockHolder | None, me: LockHolder) -> DatabaseLockedError:
    if holder is None:
        who = "another process has it"
    elif (holder.pid, holder.host, holder.boot_id) == (me.pid, me.host, me.boot_id):
        who = f"this process ({holder.pid}) already has it"
    elif holder.host == me.host:
        who = f"process {holder.pid} has it"
    else:
        who = f"process {holder.pid} on {holder.host} has it"
    since = f" since {holder.since}" if holder else ""
    return DatabaseLockedError(
        f"{location}: {who} open for writing{since}. Only one process writes at a time: close it "
        f"there, wait for it with wait_s=, or open it here with read_only=True",
        pid=holder.pid if holder else None,
    )


def boot_id() -> str:
    """Return what differs between two starts of this machine; empty where there is none."""
    with contextlib.suppress(OSError), open(_BOOT_ID_FILE, encoding="ascii") as file:
        return file.read().strip()
    return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
