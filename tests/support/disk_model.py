"""What a disk may hold after a power loss, in the manner of ALICE (Pillai et al., OSDI 2014).

A model of a disk with a cache in front of it: steps go to the cache, syncs bring them to the disk,
and when the power fails any part of what was not synced may have reached the disk, in any order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from elanus.storage.directory import join_path, parent_path
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.publication import decode_publication, encode_publication

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""
OTHER_BOOT = b"after power loss"


@dataclass(frozen=True, slots=True)
class Step:
    """One primitive step that changed something.

    ``kind`` is one of create, allocate, open, write, sync, failed_sync, truncate, link, rename,
    delete, create_dir, remove_dir, sync_dir, share. ``target`` is the second path of link and
    rename. ``file`` numbers the opened or created files.
    """

    kind: str
    path: str
    target: str = ""
    file: int = -1
    content: bytes = b""
    size: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.target}".rstrip()


@dataclass(frozen=True, slots=True)
class Survival:
    """How kind the power loss is.

    Attributes:
        contents: Probability of each unsynced sector to have reached the disk.
        entries: Probability of each unsynced change of a folder to have reached the disk.
        zeros: Lost sectors leave zeros: the file system extended the file before its bytes came.
    """

    contents: float
    entries: float
    zeros: bool = False


STRICTEST = Survival(0.0, 0.0)
SURVIVALS = (
    STRICTEST,
    Survival(0.0, 1.0),
    Survival(0.0, 1.0, zeros=True),
    Survival(1.0, 0.0),
    Survival(1.0, 1.0),
    Survival(0.5, 0.5),
    Survival(0.5, 0.5, zeros=True),
    Survival(0.9, 0.5),
    Survival(0.1, 0.9),
)


class DiskModel:
    """A disk and its cache."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._root = _Folder()
        self._files: dict[int, _File] = {}
        self._shared: dict[str, list[bytes]] = {}
        for step in steps:
            self.apply(step)

    def survivors(self, survival: Survival, seed: int = 0) -> MemoryDirectory:
        """Return what is left when the power fails now; the same seed leaves the same."""
        made = MemoryDirectory()
        chooser = random.Random(seed)
        self._root.copy_to(made, "", chooser, survival)
        for path, versions in self._shared.items():
            self._keep_shared(made, path, versions, chooser)
        return made

    def apply(self, step: Step) -> None:
        """Do one step in the cache."""
        folder = self._folder(parent_path(step.path)) if step.path else self._root
        name = step.path.rpartition("/")[2]
        if step.kind == "create":
            self._files[step.file] = made = _File()
            folder.change({name: made})
        elif step.kind == "allocate":
            folder.change({name: _File(pending=[(0, bytes(step.size))])})
        elif step.kind == "open":
            self._files[step.file] = self._file(folder, name)
        elif step.kind == "write":
            self._files[step.file].pending.append((step.size, step.content))
        elif step.kind == "truncate":
            file = self._files[step.file]
            file.sync()
            del file.synced[step.size :]
        elif step.kind == "sync":
            self._files[step.file].sync()
        elif step.kind == "failed_sync":
            # The kernel may mark the pages clean: no later sync writes them.
            self._files[step.file].pending.clear()
        elif step.kind == "link":
            folder.change({step.target.rpartition("/")[2]: folder.live[name]})
        elif step.kind == "rename":
            folder.change({name: None, step.target.rpartition("/")[2]: folder.live[name]})
        elif step.kind in ("delete", "remove_dir"):
            folder.change({name: None})
            self._shared.pop(step.path, None)
        elif step.kind == "create_dir" and step.path:
            folder.change({name: _Folder()})
        elif step.kind == "sync_dir":
            self._folder(step.path).sync()
        elif step.kind == "share":
            self._shared.setdefault(step.path, []).append(step.content)

    @staticmethod
    def _keep_shared(
        made: MemoryDirectory, path: str, versions: list[bytes], chooser: random.Random
    ) -> None:
        """A file that is never synced holds any of its versions, or is missing."""
        found = chooser.choice([None, *versions[-4:]])
        if found is None or not made.is_dir(parent_path(path)) or made.exists(path):
            return
        published = decode_publication(found)
        if published is not None:
            found = encode_publication(replace(published, boot_id=OTHER_BOOT))
        made.create_append(path).write([found])

    def _folder(self, path: str) -> _Folder:
        found: _File | _Folder = self._root
        for part in path.split("/") if path else ():
            assert isinstance(found, _Folder)
            found = found.live[part]
        assert isinstance(found, _Folder)
        return found

    @staticmethod
    def _file(folder: _Folder, name: str) -> _File:
        found = folder.live[name]
        assert isinstance(found, _File)
        return found


@dataclass(slots=True)
class _File:
    """What was synced of a file, and the writes since."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def sync(self) -> None:
        for start, written in self.pending:
            self.synced.extend(bytes(max(0, start - len(self.synced))))
            self.synced[start : start + len(written)] = written
        self.pending.clear()

    def copy_to(
        self, target: MemoryDirectory, path: str, chooser: random.Random, survival: Survival
    ) -> None:
        content = bytearray(self.synced)
        for start, written in self.pending:
            for at in range(0, len(written), SECTOR_BYTES):
                part = written[at : at + SECTOR_BYTES]
                end = start + at + len(part)
                kept = chooser.random() < survival.contents
                if kept or survival.zeros:
                    # A later sector that arrives alone leaves zeros in front of it.
                    content.extend(bytes(max(0, end - len(content))))
                if kept:
                    content[start + at : end] = part
        target.create_append(path).write([bytes(content)])


@dataclass(slots=True)
class _Folder:
    """The synced entries of a folder, and the changes since; a rename is one change."""

    synced: dict[str, _File | _Folder] = field(default_factory=dict)
    live: dict[str, _File | _Folder] = field(default_factory=dict)
    pending: list[dict[str, _File | _Folder | None]] = field(default_factory=list)

    def change(self, entries: dict[str, _File | _Folder | None]) -> None:
        self.pending.append(entries)
        _apply(self.live, entries)

    def sync(self) -> None:
        self.synced = dict(self.live)
        self.pending.clear()

    def copy_to(
        self, target: MemoryDirectory, path: str, chooser: random.Random, survival: Survival
    ) -> None:
        if path:
            target.make_dir(path)
        entries = dict(self.synced)
        for change in self.pending:
            if chooser.random() < survival.entries:
                _apply(entries, change)
        for name, node in entries.items():
            node.copy_to(target, join_path(path, name), chooser, survival)


def _apply(entries: dict[str, _File | _Folder], change: dict[str, _File | _Folder | None]) -> None:
    for name, node in change.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node
