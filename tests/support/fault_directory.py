"""A directory that fails when told to, records each step, and shows what a power loss leaves.

``FaultDirectory`` stands between the order of syncs (``FileDirectory``) and the primitive steps of
a real directory, so every step can fail or be lost by itself.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from elanus.errors import StorageError
from elanus.storage.directory import (
    AppendFile,
    Bytes,
    Directory,
    DirectoryLock,
    FileDirectory,
    Room,
    SharedFile,
    storage_error,
)
from elanus.storage.memory_directory import MemoryDirectory
from support.disk_model import DiskModel, Step, Survival

T = TypeVar("T")


class FaultDirectory(FileDirectory):
    """Passes everything on to ``inner`` until the step that shall fail.

    Attributes:
        steps: What was done. Of failed steps only those that leave something: half a write, and
            a sync after which the bytes are gone although they can still be read.
        injected: How many steps were made to fail.
        reads: How many times something was read or listed.
    """

    def __init__(self, inner: FileDirectory) -> None:
        self._inner = inner
        self.steps: list[Step] = []
        self._left: int | None = None
        self._lasting = False
        self._error = errno.EIO
        self._torn = False
        self._reads_left: int | None = None
        self._next_file = 0
        self._order = threading.RLock()
        self.injected = 0
        self.reads = 0

    def fail_after(
        self, steps: int, *, error: int = errno.EIO, lasting: bool = False, torn: bool = False
    ) -> None:
        """Let ``steps`` more steps pass and fail the next one.

        Args:
            steps: Steps that still succeed.
            error: Number of the ``OSError``.
            lasting: All later steps fail as well, as on a full or dying disk.
            torn: A failing write leaves half of its bytes in the file.
        """
        self._left, self._error, self._lasting, self._torn = steps, error, lasting, torn

    def fail_reading_after(self, reads: int) -> None:
        """Let ``reads`` more files or folders be read and fail the next one with EIO, once."""
        self._reads_left = reads

    def stop_failing(self) -> None:
        self._left = self._reads_left = None

    @property
    def location(self) -> str:
        return self._inner.location

    @property
    def read_only(self) -> bool:
        return self._inner.read_only

    def exists(self, path: str) -> bool:
        return self._inner.exists(path)

    def is_dir(self, path: str) -> bool:
        return self._inner.is_dir(path)

    def size(self, path: str) -> int:
        self._check_read("read", path)
        return self._inner.size(path)

    def list_names(self, path: str) -> list[str]:
        self._check_read("list", path)
        return self._inner.list_names(path)

    def read(self, path: str) -> memoryview:
        self._check_read("read", path)
        return self._inner.read(path)

    def create_append(self, path: str) -> AppendFile:
        number = self._number()
        step = Step("create", path, file=number)
        return _FaultFile(self, path, number, self.do(step, self._inner.create_append, path))

    def open_append(self, path: str) -> AppendFile:
        # Nothing changes on disk; "open" only ties the number to the path for the replay.
        with self._order:
            number = self._number()
            file = self._inner.open_append(path)
            self.record(Step("open", path, file=number))
            return _FaultFile(self, path, number, file)

    def link(self, source: str, target: str) -> None:
        self.do(Step("link", source, target), self._inner.link, source, target)

    def rename(self, source: str, target: str) -> None:
        self.do(Step("rename", source, target), self._inner.rename, source, target)

    def delete(self, path: str) -> None:
        self.do(Step("delete", path), self._inner.delete, path)

    def create_dir(self, path: str) -> None:
        self.do(Step("create_dir", path), self._inner.create_dir, path)

    def remove_dir(self, path: str) -> None:
        self.do(Step("remove_dir", path), self._inner.remove_dir, path)

    def sync_dir(self, path: str) -> None:
        self.do(Step("sync_dir", path), self._inner.sync_dir, path)

    def open_shared(self, path: str, size: int, *, writable: bool) -> SharedFile:
        # Never synced and never trusted, so writing it is no step that can fail.
        file = self._inner.open_shared(path, size, writable=writable)
        return _FaultSharedFile(self, path, file) if writable else file

    def for_reading(self) -> Directory:
        return self._inner.for_reading()

    def try_lock(self, path: str, holder: bytes) -> DirectoryLock | None:
        return self._inner.try_lock(path, holder)

    def is_locked(self, path: str) -> bool:
        return self._inner.is_locked(path)

    def room(self) -> Room | None:
        return self._inner.room()

    def allocate(self, path: str, size: int) -> None:
        self.do(Step("allocate", path, size=size), self._inner.allocate, path, size)

    def do(self, step: Step, action: Callable[..., T], *arguments: object) -> T:
        """Run one step unless it shall fail."""
        with self._order:
            self.check(step)
            made = action(*arguments)
            self.record(step)
            return made

    def record(self, step: Step) -> None:
        """Note a step that was done."""
        with self._order:
            self.steps.append(step)

    def check(self, step: Step) -> None:
        """Raise when this step shall fail."""
        with self._order:
            if self._left is None:
                return
            if self._left > 0:
                self._left -= 1
                return
            if not self._lasting:
                self._left = None
            raise self._failure(step.kind, step.path, self._error)

    def _check_read(self, what: str, path: str) -> None:
        with self._order:
            self.reads += 1
            if self._reads_left is None:
                return
            self._reads_left -= 1
            if self._reads_left < 0:
                self._reads_left = None
                raise self._failure(what, path, errno.EIO)

    @property
    def tears_writes(self) -> bool:
        return self._torn

    def after_power_loss(
        self, *, steps: int | None = None, chance: float = 0.0, seed: int = 0
    ) -> MemoryDirectory:
        """Return what the disk may hold when the power fails.

        Args:
            steps: Steps that had been done by then; all by default.
            chance: Probability of each unsynced sector and entry to have reached the disk anyway,
                in any order: 0 is the strictest disk, 1 one that loses nothing.
            seed: Makes the choice repeatable.
        """
        disk = DiskModel(self.steps[:steps])
        return disk.survivors(Survival(chance, chance), seed)

    def _number(self) -> int:
        self._next_file += 1
        return self._next_file

    def _failure(self, what: str, path: str, number: int) -> StorageError:
        self.injected += 1
        cause = OSError(number, os.strerror(number), path)
        made = storage_error(what, path, cause)
        made.__cause__ = cause
        return made


class _FaultFile:
    def __init__(self, owner: FaultDirectory, path: str, number: int, file: AppendFile) -> None:
        self._owner = owner
        self._path = path
        self._number = number
        self._file = file

    @property
    def size(self) -> int:
        return self._file.size

    def write(self, buffers: Sequence[Bytes]) -> None:
        content = b"".join(memoryview(b).cast("B") for b in buffers if len(b))
        step = Step("write", self._path, file=self._number, content=content, size=self.size)
        try:
            self._owner.do(step, self._file.write, [content])
        except StorageError:
            if self._owner.tears_writes:
                half = content[: len(content) // 2]
                self._file.write([half])
                torn = Step("write", self._path, file=self._number, content=half, size=step.size)
                self._owner.record(torn)
            raise

    def write_synced(self, buffers: Sequence[Bytes]) -> None:
        self.write(buffers)
        self.sync()

    def sync(self) -> None:
        try:
            self._owner.do(Step("sync", self._path, file=self._number), self._file.sync)
        except StorageError:
            self._owner.record(Step("failed_sync", self._path, file=self._number))
            raise

    def truncate(self, size: int) -> None:
        step = Step("truncate", self._path, file=self._number, size=size)
        self._owner.do(step, self._file.truncate, size)

    def close(self) -> None:
        self._file.close()


class _FaultSharedFile:
    def __init__(self, owner: FaultDirectory, path: str, file: SharedFile) -> None:
        self._owner = owner
        self._path = path
        self._file = file

    def read(self) -> bytes:
        return self._file.read()

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._owner.record(Step("share", self._path, content=bytes(content)))

    def close(self) -> None:
        self._file.close()
