"""A directory that fails when told to, records each step, and shows what a power loss leaves.

``FaultDirectory`` stands between the order of syncs (``FileDirectory``) and the primitive steps of
a real directory, so every step can fail or be lost by itself.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    join_path,
    parent_path,
    storage_error,
)
from elanus.storage.memory_directory import MemoryDirectory

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One primitive step that changed something.

    ``kind`` is one of create, allocate, write, sync, truncate, link, rename, delete, create_dir,
    remove_dir, sync_dir. ``target`` is the second path of link and rename. ``file`` numbers the
    opened or created files.
    """

    kind: str
    path: str
    target: str = ""
    file: int = -1
    content: bytes = b""
    size: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.target}".rstrip()


class FaultDirectory(FileDirectory):
    """Passes everything on to ``inner`` until the step that shall fail.

    Attributes:
        steps: What was done, failed steps not included.
    """

    def __init__(self, inner: FileDirectory) -> None:
        self._inner = inner
        self.steps: list[Step] = []
        self._left: int | None = None
        self._lasting = False
        self._error = errno.EIO
        self._torn = False
        self._next_file = 0

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

    def stop_failing(self) -> None:
        self._left = None

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
        return self._inner.size(path)

    def list_names(self, path: str) -> list[str]:
        return self._inner.list_names(path)

    def read(self, path: str) -> memoryview:
        return self._inner.read(path)

    def create_append(self, path: str) -> AppendFile:
        number = self._number()
        step = Step("create", path, file=number)
        return _FaultFile(self, path, number, self.do(step, self._inner.create_append, path))

    def open_append(self, path: str) -> AppendFile:
        # Nothing changes on disk; "open" only ties the number to the path for the replay.
        number = self._number()
        file = self._inner.open_append(path)
        self.steps.append(Step("open", path, file=number))
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
        # Never synced and never trusted, so what is in it is no step.
        return self._inner.open_shared(path, size, writable=writable)

    def for_reading(self) -> Directory:
        return self._inner.for_reading()

    def try_lock(self, path: str, holder: bytes) -> DirectoryLock | None:
        return self._inner.try_lock(path, holder)

    def room(self) -> Room | None:
        return self._inner.room()

    def allocate(self, path: str, size: int) -> None:
        self.do(Step("allocate", path, size=size), self._inner.allocate, path, size)

    def do(self, step: Step, action: Callable[..., T], *arguments: object) -> T:
        """Run one step unless it shall fail."""
        self.check(step)
        made = action(*arguments)
        self.steps.append(step)
        return made

    def check(self, step: Step) -> None:
        """Raise when this step shall fail."""
        if self._left is None:
            return
        if self._left > 0:
            self._left -= 1
            return
        if not self._lasting:
            self._left = None
        raise self._failure(step)

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
        disk = _Disk()
        for step in self.steps[:steps]:
            disk.apply(step)
        survivors = MemoryDirectory()
        disk.root.copy_to(survivors, "", random.Random(seed), chance)
        return survivors

    def _number(self) -> int:
        self._next_file += 1
        return self._next_file

    def _failure(self, step: Step) -> StorageError:
        made = storage_error(
            step.kind, step.path, OSError(self._error, os.strerror(self._error), step.path)
        )
        made.__cause__ = OSError(self._error, os.strerror(self._error), step.path)
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
            self._owner.check(step)
        except StorageError:
            if self._owner.tears_writes:
                half = content[: len(content) // 2]
                self._file.write([half])
                self._owner.steps.append(
                    Step("write", self._path, file=self._number, content=half, size=step.size)
                )
            raise
        self._file.write([content])
        self._owner.steps.append(step)

    def sync(self) -> None:
        self._owner.do(Step("sync", self._path, file=self._number), self._file.sync)

    def truncate(self, size: int) -> None:
        step = Step("truncate", self._path, file=self._number, size=size)
        self._owner.do(step, self._file.truncate, size)

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class _DiskFile:
    """What was synced of a file, and the writes since."""

    synced: bytes = b""
    live: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def sync(self) -> None:
        self.synced = bytes(self.live)
        self.pending.clear()

    def copy_to(
        self, target: MemoryDirectory, path: str, chooser: random.Random, chance: float
    ) -> None:
        content = bytearray(self.synced)
        for start, written in self.pending:
            for at in range(0, len(written), SECTOR_BYTES):
                if chooser.random() < chance:
                    part = written[at : at + SECTOR_BYTES]
                    # A later sector that arrives alone leaves zeros in front of it.
                    content.extend(bytes(max(0, start + at + len(part) - len(content))))
                    content[start + at : start + at + len(part)] = part
        file = target.create_append(path)
        file.write([bytes(content)])


@dataclass(slots=True)
class _DiskFolder:
    """The synced entries of a folder, and the changes since; a rename is one change."""

    synced: dict[str, _DiskFile | _DiskFolder] = field(default_factory=dict)
    live: dict[str, _DiskFile | _DiskFolder] = field(default_factory=dict)
    pending: list[dict[str, _DiskFile | _DiskFolder | None]] = field(default_factory=list)

    def change(self, entries: dict[str, _DiskFile | _DiskFolder | None]) -> None:
        self.pending.append(entries)
        _apply(self.live, entries)

    def sync(self) -> None:
        self.synced = dict(self.live)
        self.pending.clear()

    def copy_to(
        self, target: MemoryDirectory, path: str, chooser: random.Random, chance: float
    ) -> None:
        if path:
            target.make_dir(path)
        entries = dict(self.synced)
        for change in self.pending:
            if chooser.random() < chance:
                _apply(entries, change)
        for name, node in entries.items():
            node.copy_to(target, join_path(path, name), chooser, chance)


def _apply(
    entries: dict[str, _DiskFile | _DiskFolder],
    change: dict[str, _DiskFile | _DiskFolder | None],
) -> None:
    for name, node in change.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


class _Disk:
    """Replays steps on a model of a disk with a cache in front of it."""

    def __init__(self) -> None:
        self.root = _DiskFolder()
        self._files: dict[int, _DiskFile] = {}

    def apply(self, step: Step) -> None:
        folder = self._folder(parent_path(step.path)) if step.path else self.root
        name = step.path.rpartition("/")[2]
        if step.kind == "create":
            self._files[step.file] = made = _DiskFile()
            folder.change({name: made})
        elif step.kind == "allocate":
            content = bytes(step.size)
            folder.change({name: _DiskFile(live=bytearray(content), pending=[(0, content)])})
        elif step.kind == "open":
            self._files[step.file] = self._file(folder, name)
        elif step.kind == "write":
            file = self._files[step.file]
            file.live += step.content
            file.pending.append((step.size, step.content))
        elif step.kind == "truncate":
            file = self._files[step.file]
            del file.live[step.size :]
            file.sync()
        elif step.kind == "sync":
            self._files[step.file].sync()
        elif step.kind == "link":
            folder.change({step.target.rpartition("/")[2]: folder.live[name]})
        elif step.kind == "rename":
            folder.change({name: None, step.target.rpartition("/")[2]: folder.live[name]})
        elif step.kind in ("delete", "remove_dir"):
            folder.change({name: None})
        elif step.kind == "create_dir" and step.path:
            folder.change({name: _DiskFolder()})
        elif step.kind == "sync_dir":
            self._folder(step.path).sync()

    def _folder(self, path: str) -> _DiskFolder:
        found: _DiskFile | _DiskFolder = self.root
        for part in path.split("/") if path else ():
            assert isinstance(found, _DiskFolder)
            found = found.live[part]
        assert isinstance(found, _DiskFolder)
        return found

    @staticmethod
    def _file(folder: _DiskFolder, name: str) -> _DiskFile:
        found = folder.live[name]
        assert isinstance(found, _DiskFile)
        return found
