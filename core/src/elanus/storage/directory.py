"""Where do files live, and when is one of them there for good?

Everything that storage reads or writes goes through a ``Directory``. ``FileDirectory`` builds the
operations with an order of syncs (``write_new``, ``make_dir``, ``rename_dir``) out of primitive
steps, once for every place that has files; ``LocalDirectory`` and ``MemoryDirectory`` supply the
steps. Paths are relative, separated by ``/``; ``""`` is the root.

Failures are ``NotFoundError``, ``AlreadyExistsError``, ``ReadOnlyError`` or ``StorageError`` with
the ``OSError`` as its cause.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from elanus.errors import AlreadyExistsError, DiskFullError, InvalidArgumentError, StorageError

Bytes: TypeAlias = bytes | bytearray | memoryview
"""Contiguous bytes."""

TEMPORARY_SUFFIX = ".tmp"
"""Files and folders with this suffix were never published; opening for writing sweeps them."""


_ZEROS = bytes(1 << 18)
_COPIED = 1 << 22
"""Bytes that are copied at once."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much fits on a medium.

    Attributes:
        free: Bytes that can still be written.
        total: Bytes of the whole medium.
    """

    free: int
    total: int


class AppendFile(Protocol):
    """A file open for appending. Not safe from several threads at once."""

    @property
    def size(self) -> int:
        """Length in bytes, written but perhaps not yet synced."""

    def write(self, buffers: Sequence[Bytes]) -> None:
        """Append the buffers end to end. After an error any part of them may be in the file."""

    def write_synced(self, buffers: Sequence[Bytes]) -> None:
        """``write`` and ``sync``, perhaps in one step."""

    def sync(self) -> None:
        """Return once every byte written so far survives a power loss."""

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes and sync it."""

    def close(self) -> None:
        """Close the file without a sync. A second call does nothing."""


class SharedFile(Protocol):
    """A few bytes that one process overwrites in place while others look at them.

    Never synced: whoever reads them has to tell whole bytes from torn and stale ones.
    """

    def read(self) -> bytes:
        """Return the bytes as they are now, without a system call where possible."""

    def write(self, content: bytes) -> None:
        """Overwrite the bytes; ``content`` has the length of the file."""

    def close(self) -> None:
        """Close the file. A second call does nothing."""


class DirectoryLock(Protocol):
    """A lock that ends with ``release`` or with the process that took it."""

    def release(self) -> None:
        """Give the lock up. A second call does nothing."""


class FileSource(Protocol):
    """Anything that has the bytes of files."""

    def read(self, path: str) -> memoryview:
        """Return the bytes of a file; they stay valid when it is deleted."""


class Directory(Protocol):
    """A tree of files that are written once, and of a few that grow at their end."""

    @property
    def location(self) -> str:
        """Where this directory is, for messages."""

    @property
    def read_only(self) -> bool:
        """True when every operation that changes something raises ``ReadOnlyError``."""

    def exists(self, path: str) -> bool:
        """Return whether a file or folder has this path."""

    def is_dir(self, path: str) -> bool:
        """Return whether a folder has this path."""

    def size(self, path: str) -> int:
        """Return the length of a file in bytes."""

    def list_names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; none when there is no such folder."""

    def read(self, path: str) -> memoryview:
        """Return the bytes of a file, read-only and without a copy where possible.

        The view, and every array made from it, stays valid for as long as it lives, even when the
        file is deleted. Bytes appended later are not part of it.
        """

    def read_copy(self, path: str) -> memoryview:
        """Return a copy of the bytes of a file, for one whose end somebody may cut off meanwhile.

        Taking what is missing from a map would end the process.
        """

    def write_new(self, path: str, chunks: Iterable[Bytes]) -> int:
        """Write a file that appears under its name whole and durable, or not at all.

        Returns:
            Length of the file in bytes.

        Raises:
            AlreadyExistsError: The name is taken; the file there is unchanged. Of several
                callers at once, exactly one wins.
        """

    def write_file(self, path: str, chunks: Iterable[Bytes]) -> int:
        """Write and sync a file inside a folder that ``rename_dir`` publishes later.

        The entry in its folder is durable only after ``sync_dir``.

        Returns:
            Length of the file in bytes.

        Raises:
            AlreadyExistsError: The name is taken.
        """

    def copy(self, source: str, target: str) -> None:
        """Give the bytes of a file that does not change any more to another path, durably.

        Deleting one of the two leaves the other; they share their space where the medium can do
        that. The folder of ``target`` exists.

        Raises:
            AlreadyExistsError: ``target`` exists.
            NotFoundError: ``source`` does not.
            StorageError: The medium failed.
        """
        ...

    def create_append(self, path: str) -> AppendFile:
        """Create a file for appending; its entry is durable only after ``sync_dir``.

        Raises:
            AlreadyExistsError: The name is taken.
        """

    def open_append(self, path: str) -> AppendFile:
        """Open an existing file for appending at its end."""

    def make_dir(self, path: str) -> None:
        """Create a folder and its missing parents, durably. Existing ones are left alone."""

    def rename_dir(self, source: str, target: str) -> None:
        """Rename a synced folder within its parent, durably.

        Raises:
            AlreadyExistsError: The name is taken.
        """

    def sync_dir(self, path: str) -> None:
        """Return once the entries of a folder survive a power loss."""

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens when there is none. May come back after a power loss."""

    def delete_dir(self, path: str) -> None:
        """Delete a folder with all in it; nothing happens when there is none."""

    def open_shared(self, path: str, size: int, *, writable: bool) -> SharedFile:
        """Open a small file that is overwritten in place.

        Args:
            path: The file; ``writable`` creates it, filled with zeros, when it is missing.
            size: Its length in bytes.
            writable: Whether it is going to be written.

        Raises:
            NotFoundError: There is no such file, or it has another length.
        """

    def for_reading(self) -> Directory:
        """Return the same directory, read-only and without anything inherited from a parent
        process."""

    def try_lock(self, path: str, holder: bytes) -> DirectoryLock | None:
        """Take an exclusive lock, or return None at once when somebody holds it.

        Args:
            path: The lock file; created when missing, and never deleted.
            holder: Becomes the content of the file, for the messages of those who come later.
        """

    def is_locked(self, path: str) -> bool:
        """Return whether somebody holds the lock; False where that cannot be told.

        While it looks, which takes microseconds, ``try_lock`` may find the lock held.
        """

    def room(self) -> Room | None:
        """Return how much fits on the medium; None when there is no bound or it is not known."""

    def allocate(self, path: str, size: int) -> None:
        """Create a file of unspecified bytes that really takes ``size`` bytes of the medium.

        Nothing is synced. After an error the file may be there, shorter.

        Raises:
            AlreadyExistsError: The name is taken.
            DiskFullError: There is no room.
        """


def join_path(*parts: str) -> str:
    """Join parts of a path; empty parts vanish."""
    return "/".join(part for part in parts if part)


def parent_path(path: str) -> str:
    """Return the folder that holds ``path``."""
    return path.rpartition("/")[0]


def check_path(path: str) -> str:
    """Return ``path`` if it stays inside its directory.

    Raises:
        InvalidArgumentError: Absolute, or with an empty part, ``.`` or ``..``.
    """
    if path and any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidArgumentError(
            f"path {path!r} must be relative, without empty parts, '.' and '..'"
        )
    return path


class FileDirectory(ABC):
    """The order of syncs, written once over the primitive steps of a file system.

    Each abstract method is one step that can fail or be lost by itself.
    """

    @property
    @abstractmethod
    def location(self) -> str: ...

    @property
    @abstractmethod
    def read_only(self) -> bool: ...

    @abstractmethod
    def exists(self, path: str) -> bool: ...

    @abstractmethod
    def is_dir(self, path: str) -> bool: ...

    @abstractmethod
    def size(self, path: str) -> int: ...

    @abstractmethod
    def list_names(self, path: str) -> list[str]: ...

    @abstractmethod
    def read(self, path: str) -> memoryview: ...

    def read_copy(self, path: str) -> memoryview:
        return self.read(path)

    @abstractmethod
    def create_append(self, path: str) -> AppendFile: ...

    @abstractmethod
    def open_append(self, path: str) -> AppendFile: ...

    @abstractmethod
    def sync_dir(self, path: str) -> None: ...

    @abstractmethod
    def delete(self, path: str) -> None: ...

    @abstractmethod
    def open_shared(self, path: str, size: int, *, writable: bool) -> SharedFile: ...

    @abstractmethod
    def for_reading(self) -> Directory: ...

    @abstractmethod
    def try_lock(self, path: str, holder: bytes) -> DirectoryLock | None: ...

    def is_locked(self, path: str) -> bool:
        return False

    def room(self) -> Room | None:
        return None

    @abstractmethod
    def link(self, source: str, target: str) -> None:
        """Give a file a second name; ``AlreadyExistsError`` when that is taken."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Rename a folder; ``AlreadyExistsError`` when the new name is taken."""

    @abstractmethod
    def create_dir(self, path: str) -> None:
        """Create one folder; ``AlreadyExistsError`` when it is there."""

    @abstractmethod
    def remove_dir(self, path: str) -> None:
        """Delete one empty folder."""

    def write_new(self, path: str, chunks: Iterable[Bytes]) -> int:
        temporary = f"{path}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
        try:
            size = self.write_file(temporary, chunks)
            self.link(temporary, path)
        except BaseException:
            # The failure that matters is the first one, and opening sweeps what stays behind.
            with contextlib.suppress(StorageError):
                self.delete(temporary)
            raise
        self.delete(temporary)
        self.sync_dir(parent_path(path))
        return size

    def write_file(self, path: str, chunks: Iterable[Bytes]) -> int:
        file = self.create_append(path)
        try:
            for chunk in chunks:
                file.write([chunk])
            file.sync()
            return file.size
        finally:
            file.close()

    def copy(self, source: str, target: str) -> None:
        raw = self.read(source)
        self.write_new(target, (raw[i : i + _COPIED] for i in range(0, len(raw), _COPIED)))

    def make_dir(self, path: str) -> None:
        if self.is_dir(path):
            return
        if path:
            self.make_dir(parent_path(path))
        with contextlib.suppress(AlreadyExistsError):  # another thread was faster
            self.create_dir(path)
        if path:
            self.sync_dir(parent_path(path))

    def rename_dir(self, source: str, target: str) -> None:
        if parent_path(source) != parent_path(target):
            raise InvalidArgumentError(
                f"cannot rename {source!r} to {target!r}: both must be in the same folder"
            )
        self.rename(source, target)
        self.sync_dir(parent_path(target))

    def allocate(self, path: str, size: int) -> None:
        file = self.create_append(path)
        try:
            for start in range(0, size, len(_ZEROS)):
                file.write([memoryview(_ZEROS)[: size - start]])
        finally:
            file.close()

    def delete_dir(self, path: str) -> None:
        if not self.is_dir(path):
            return
        for name in self.list_names(path):
            child = join_path(path, name)
            if self.is_dir(child):
                self.delete_dir(child)
            else:
                self.delete(child)
        self.remove_dir(path)


def storage_error(what: str, path: str, error: OSError) -> StorageError:
    """Return the error to raise when the medium failed at ``path``."""
    hints = {
        errno.ENOSPC: "; free some space and try again",
        errno.EDQUOT: "; the quota is used up: free some space and try again",
        errno.EROFS: "; open the database with read_only=True",
        errno.EACCES: "; check the owner and permissions, or open with read_only=True",
        errno.EMFILE: "; raise the limit on open files (ulimit -n)",
    }
    reason = error.strerror or str(error)
    message = f"cannot {what} {path!r}: {reason}{hints.get(error.errno or 0, '')}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(message, path=path)
    return StorageError(message)
