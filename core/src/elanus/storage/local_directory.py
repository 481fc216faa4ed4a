"""A folder of the local file system, with the syncs that make a write durable."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import mmap
import os
import sys
import weakref
from collections.abc import Iterator, Sequence

from elanus.errors import AlreadyExistsError, NotFoundError, ReadOnlyError
from elanus.kernels.file_map import map_file
from elanus.kernels.file_writes import append_to, overwrite
from elanus.storage.directory import (
    AppendFile,
    Bytes,
    Directory,
    DirectoryLock,
    FileDirectory,
    Room,
    SharedFile,
    check_path,
    storage_error,
)

_HELD = {errno.EWOULDBLOCK, errno.EACCES}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


class LocalDirectory(FileDirectory):
    """A folder on a local disk.

    Args:
        root: The folder. It need not exist: ``make_dir("")`` creates it.
        read_only: Refuse every operation that changes something; works on read-only mounts.
    """

    def __init__(self, root: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self._root = os.path.abspath(os.fspath(root))
        self._read_only = read_only

    @property
    def location(self) -> str:
        return self._root

    @property
    def read_only(self) -> bool:
        return self._read_only

    def exists(self, path: str) -> bool:
        return os.path.exists(self._resolve(path))

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self._resolve(path))

    def size(self, path: str) -> int:
        with _translated("read", path):
            return os.stat(self._resolve(path)).st_size

    def list_names(self, path: str) -> list[str]:
        no_folder = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with _translated("list", path), no_folder:
            return sorted(os.listdir(self._resolve(path)))
        return []

    def read(self, path: str) -> memoryview:
        with _translated("read", path):
            return map_file(self._resolve(path))

    def read_copy(self, path: str) -> memoryview:
        with _translated("read", path), open(self._resolve(path), "rb") as file:
            return memoryview(file.read())

    def create_append(self, path: str) -> AppendFile:
        return self._open(path, os.O_CREAT | os.O_EXCL)

    def open_append(self, path: str) -> AppendFile:
        return self._open(path, 0)

    def link(self, source: str, target: str) -> None:
        with self._changing("publish", target):
            old, new = self._resolve(source), self._resolve(target)
            try:
                os.link(old, new)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                # Without hard links nothing but the writer's lock keeps two processes from
                # taking the same name, which is why the check comes first.
                if os.path.lexists(new):
                    raise FileExistsError(errno.EEXIST, "exists already", new) from error
                os.rename(old, new)

    def copy(self, source: str, target: str) -> None:
        with self._changing("copy to", target):
            try:
                os.link(self._resolve(source), self._resolve(target))
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
            else:
                _sync_folder(os.path.dirname(self._resolve(target)))
                return
        super().copy(source, target)

    def rename(self, source: str, target: str) -> None:
        with self._changing("publish", target):
            new = self._resolve(target)
            if os.path.lexists(new):
                raise FileExistsError(errno.EEXIST, "exists already", new)
            os.rename(self._resolve(source), new)

    def create_dir(self, path: str) -> None:
        with self._changing("create", path or self._root):
            if path:
                os.mkdir(self._resolve(path))
            else:
                _make_root(self._root)

    def remove_dir(self, path: str) -> None:
        with self._changing("delete", path):
            os.rmdir(self._resolve(path))

    def sync_dir(self, path: str) -> None:
        with self._changing("sync", path):
            _sync_folder(self._resolve(path))

    def delete(self, path: str) -> None:
        with self._changing("delete", path), contextlib.suppress(FileNotFoundError):
            os.unlink(self._resolve(path))

    def open_shared(self, path: str, size: int, *, writable: bool) -> SharedFile:
        if writable:
            with self._changing("open", path):
                return _LocalSharedFile.create(self._resolve(path), path, size)
        with _translated("open", path):
            return _LocalSharedFile.open(self._resolve(path), path, size)

    def for_reading(self) -> Directory:
        return LocalDirectory(self._root, read_only=True)

    def try_lock(self, path: str, holder: bytes) -> DirectoryLock | None:
        with self._changing("lock", path):
            fd = os.open(self._resolve(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(fd)
                if error.errno in _HELD:
                    return None
                raise
            # What the file says only serves messages: a full disk keeps nobody from deleting.
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
                os.pwrite(fd, holder, 0)
            return _LocalLock(fd)

    def is_locked(self, path: str) -> bool:
        try:
            fd = os.open(self._resolve(path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in _HELD
        finally:
            os.close(fd)
        return False

    def room(self) -> Room | None:
        try:
            found = os.statvfs(self._root)
        except OSError:
            return None
        # Some network and FUSE file systems answer with zeros.
        if not found.f_blocks:
            return None
        return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def allocate(self, path: str, size: int) -> None:
        if not hasattr(os, "posix_fallocate"):  # macOS
            return super().allocate(path, size)
        with self._changing("allocate", path):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            fd = os.open(self._resolve(path), flags, 0o666)
            try:
                os.posix_fallocate(fd, 0, size)
            finally:
                os.close(fd)

    def _open(self, path: str, flags: int) -> AppendFile:
        flags |= os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        with self._changing("open", path):
            return _LocalFile(os.open(self._resolve(path), flags, 0o666), path)

    def _resolve(self, path: str) -> str:
        return os.path.join(self._root, check_path(path))

    @contextlib.contextmanager
    def _changing(self, what: str, path: str) -> Iterator[None]:
        if self._read_only:
            raise ReadOnlyError(f"cannot {what} {path!r}: {self._root} is open for reading only")
        with _translated(what, path):
            yield


class _LocalFile:
    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path
        self._size = os.fstat(fd).st_size

    @property
    def size(self) -> int:
        return self._size

    def write(self, buffers: Sequence[Bytes]) -> None:
        self._append(buffers, sync=False)

    def write_synced(self, buffers: Sequence[Bytes]) -> None:
        self._append(buffers, sync=True)

    def _append(self, buffers: Sequence[Bytes], *, sync: bool) -> None:
        done = append_to(self._fd, buffers, sync=sync)
        self._size += done.written
        if done.write_error or done.sync_error:
            number = done.write_error or done.sync_error
            error = OSError(number, os.strerror(number))
            what = "write" if done.write_error else "sync"
            raise storage_error(what, self._path, error) from error

    def sync(self) -> None:
        with _translated("sync", self._path):
            _sync_file(self._fd)

    def truncate(self, size: int) -> None:
        with _translated("truncate", self._path):
            os.ftruncate(self._fd, size)
            self._size = size
            _sync_file(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class _LocalSharedFile:
    """Read through a map; written by ``pwrite``, which fails on a full disk where a store into a
    map would end the process."""

    def __init__(self, path: str, fd: int, shared: mmap.mmap | None) -> None:
        self._path = path
        self._fd = fd
        self._map = shared
        self._size = 0 if shared is None else len(shared)

    @classmethod
    def create(cls, file: str, path: str, size: int) -> _LocalSharedFile:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if os.fstat(fd).st_size != size:
                # Readers that map a file of another length have been told that there is none.
                os.ftruncate(fd, 0)
                os.pwrite(fd, bytes(size), 0)
            return cls(path, fd, _map(fd))
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def open(cls, file: str, path: str, size: int) -> _LocalSharedFile:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size != size:
                raise FileNotFoundError(errno.ENOENT, "has another length", file)
            return cls(path, -1, _map(fd))
        finally:
            os.close(fd)

    def read(self) -> bytes:
        return b"" if self._map is None else self._map[: self._size]

    def write(self, content: bytes) -> None:
        try:
            overwrite(self._fd, content)
        except OSError as error:
            raise storage_error("write", self._path, error) from error

    def close(self) -> None:
        self._map = None
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class _LocalLock:
    """An flock, which belongs to the open file and so is shared by forked children.

    A child closes its copy, or the lock would outlive the parent for as long as the child runs.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        _close_in_children()
        _held.add(self)

    def release(self) -> None:
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close the file, which ends the lock only when no other process shares it."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        self.close()


_held: weakref.WeakSet[_LocalLock] = weakref.WeakSet()


@functools.cache
def _close_in_children() -> None:
    def close_all() -> None:
        for lock in list(_held):
            lock.close()

    os.register_at_fork(after_in_child=close_all)


def _map(fd: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        # Older versions keep one descriptor per map.
        return mmap.mmap(fd, 0, access=mmap.ACCESS_READ, trackfd=False)
    return mmap.mmap(fd, 0, access=mmap.ACCESS_READ)


def _make_root(root: str) -> None:
    """Create a folder and its missing parents; the entry of each survives a power loss."""
    parent = os.path.dirname(root)
    if not os.path.isdir(parent):
        _make_root(parent)
    try:
        os.mkdir(root)
    except FileExistsError:
        if not os.path.isdir(root):  # else another process was faster
            raise
    _sync_folder(parent)


def _sync_file(fd: int) -> None:
    if sys.platform == "darwin":
        # fsync of macOS leaves the bytes in the drive's cache.
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EINVAL):
                raise
            os.fsync(fd)
    else:
        os.fdatasync(fd)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _translated(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot {what} {path!r}: there is no such file or folder") from error
    except FileExistsError as error:
        raise AlreadyExistsError(f"cannot {what} {path!r}: it exists already") from error
    except OSError as error:
        raise storage_error(what, path, error) from error
