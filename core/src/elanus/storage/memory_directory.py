"""Files in memory, for ``:memory:`` databases and for tests."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence

import numpy as np

from elanus.errors import AlreadyExistsError, NotFoundError, StorageError
from elanus.storage.directory import (
    AppendFile,
    Bytes,
    Directory,
    DirectoryLock,
    FileDirectory,
    Room,
    SharedFile,
    check_path,
    parent_path,
    storage_error,
)

_ALIGNMENT = 64


class MemoryDirectory(FileDirectory):
    """A tree of files in memory, with the behaviour of a local folder. Safe from many threads.

    Args:
        capacity: Bytes that all files together may take; None: no bound.
    """

    def __init__(self, capacity: int | None = None) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        self._files: dict[str, _MemoryFile] = {}
        self._folders: set[str] = {""}
        self._locked: set[str] = set()

    @property
    def location(self) -> str:
        return ":memory:"

    @property
    def read_only(self) -> bool:
        return False

    def exists(self, path: str) -> bool:
        with self._lock:
            return check_path(path) in self._files or path in self._folders

    def is_dir(self, path: str) -> bool:
        with self._lock:
            return check_path(path) in self._folders

    def size(self, path: str) -> int:
        with self._lock:
            return self._file(path).size

    def list_names(self, path: str) -> list[str]:
        with self._lock:
            check_path(path)
            known = [*self._files, *(self._folders - {""})]
            return sorted(p.rpartition("/")[2] for p in known if parent_path(p) == path)

    def read(self, path: str) -> memoryview:
        with self._lock:
            return self._file(path).view()

    def create_append(self, path: str) -> AppendFile:
        with self._lock:
            self._check_free(path)
            self._files[path] = made = _MemoryFile()
            return _MemoryAppendFile(self, path, made)

    def open_append(self, path: str) -> AppendFile:
        with self._lock:
            return _MemoryAppendFile(self, path, self._file(path))

    def link(self, source: str, target: str) -> None:
        with self._lock:
            self._check_free(target)
            self._files[target] = self._file(source)

    def copy(self, source: str, target: str) -> None:
        self.link(source, target)

    def rename(self, source: str, target: str) -> None:
        with self._lock:
            self._check_free(target)
            if check_path(source) not in self._folders:
                raise NotFoundError(f"cannot publish {target!r}: there is no folder {source!r}")
            moved = f"{source}/"
            self._files = {_moved(p, moved, f"{target}/"): f for p, f in self._files.items()}
            self._folders = {_moved(p, moved, f"{target}/") for p in self._folders}
            self._folders.remove(source)
            self._folders.add(target)

    def create_dir(self, path: str) -> None:
        with self._lock:
            self._check_free(path)
            self._folders.add(path)

    def remove_dir(self, path: str) -> None:
        if self.list_names(path):
            raise StorageError(f"cannot delete {path!r}: the folder is not empty")
        with self._lock:
            self._folders.discard(path)

    def sync_dir(self, path: str) -> None:
        if not self.is_dir(path):
            raise NotFoundError(f"cannot sync {path!r}: there is no such folder")

    def delete(self, path: str) -> None:
        with self._lock:
            self._files.pop(check_path(path), None)

    def open_shared(self, path: str, size: int, *, writable: bool) -> SharedFile:
        with self._lock:
            if writable and check_path(path) not in self._files:
                self._check_free(path)
                self._files[path] = _MemoryFile()
            file = self._file(path)
            if writable and file.size != size:
                file.truncate(0)
                file.append([bytes(size)])
            if file.size != size:
                raise NotFoundError(f"cannot open {path!r}: it has another length")
            return _MemorySharedFile(file, self._lock)

    def for_reading(self) -> Directory:
        return self

    def try_lock(self, path: str, holder: bytes) -> DirectoryLock | None:
        with self._lock:
            check_path(path)
            if path in self._locked:
                return None
            self._locked.add(path)
            self._files[path] = file = _MemoryFile()
            file.append([holder])
            return _MemoryLock(self._locked, path)

    def is_locked(self, path: str) -> bool:
        return path in self._locked

    def room(self) -> Room | None:
        if self._capacity is None:
            return None
        with self._lock:
            used = sum(file.size for file in {id(f): f for f in self._files.values()}.values())
        return Room(max(0, self._capacity - used), self._capacity)

    def check_room(self, path: str, size: int) -> None:
        """Raise ``DiskFullError`` when ``size`` more bytes are too many."""
        room = self.room()
        if room is not None and room.free < size:
            raise storage_error("write", path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _file(self, path: str) -> _MemoryFile:
        if check_path(path) not in self._files:
            raise NotFoundError(f"cannot open {path!r}: there is no such file")
        return self._files[path]

    def _check_free(self, path: str) -> None:
        if check_path(path) in self._files or path in self._folders:
            raise AlreadyExistsError(f"cannot create {path!r}: it exists already")
        if parent_path(path) not in self._folders:
            raise NotFoundError(f"cannot create {path!r}: its folder does not exist")


class _MemoryFile:
    """The bytes of one file: growing at first, and one aligned block once somebody reads them."""

    def __init__(self) -> None:
        self._growing = bytearray()
        self._sealed: memoryview | None = None

    @property
    def size(self) -> int:
        return len(self._growing) if self._sealed is None else len(self._sealed)

    def append(self, buffers: Sequence[Bytes]) -> None:
        growing = self._unsealed()
        for buffer in buffers:
            growing += buffer

    def truncate(self, size: int) -> None:
        del self._unsealed()[size:]

    def view(self) -> memoryview:
        if self._sealed is None:
            # Aligned like a map, so that arrays inside the file are aligned as well.
            room = np.empty(len(self._growing) + _ALIGNMENT, dtype=np.uint8)
            start = -room.ctypes.data % _ALIGNMENT
            block = room[start : start + len(self._growing)]
            block[:] = np.frombuffer(self._growing, dtype=np.uint8)
            self._sealed = block.data.toreadonly()
            self._growing = bytearray()
        return self._sealed

    def _unsealed(self) -> bytearray:
        # Views handed out keep their block; appending goes on in a copy.
        if self._sealed is not None:
            self._growing = bytearray(self._sealed)
            self._sealed = None
        return self._growing


class _MemoryAppendFile:
    def __init__(self, owner: MemoryDirectory, path: str, file: _MemoryFile) -> None:
        self._owner = owner
        self._path = path
        self._file = file

    @property
    def size(self) -> int:
        return self._file.size

    def write(self, buffers: Sequence[Bytes]) -> None:
        pending = [memoryview(b).cast("B") for b in buffers if len(b)]
        self._owner.check_room(self._path, sum(len(b) for b in pending))
        self._file.append(pending)

    def write_synced(self, buffers: Sequence[Bytes]) -> None:
        self.write(buffers)

    def sync(self) -> None:
        """Memory is never more durable than it is."""

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        """Nothing to release."""


class _MemorySharedFile:
    def __init__(self, file: _MemoryFile, lock: threading.Lock) -> None:
        self._file = file
        self._lock = lock

    def read(self) -> bytes:
        with self._lock:
            return bytes(self._file.view())

    def write(self, content: bytes) -> None:
        with self._lock:
            self._file.truncate(0)
            self._file.append([content])

    def close(self) -> None:
        """Nothing to release."""


class _MemoryLock:
    def __init__(self, locked: set[str], path: str) -> None:
        self._locked = locked
        self._path = path
        self._held = True

    def release(self) -> None:
        if self._held:
            self._held = False
            self._locked.discard(self._path)


def _moved(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path.startswith(old) else path
