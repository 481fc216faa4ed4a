"""Who has a folder open in this process?

All handles of a folder share one engine; the last one closes it.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from weakref import WeakValueDictionary

from elanus.engine.context import Durability
from elanus.engine.database import DatabaseEngine
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.medium import network_file_system

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, bool, int]
"""Folder, whether only for reading, process."""


class SharedEngine:
    """One engine and the number of handles on it.

    Args:
        engine: The engine.
        key: Where it is registered; None for one that nobody else can ask for.
        door: Held while the folder is opened or closed in this process.
    """

    def __init__(
        self, engine: DatabaseEngine, key: Key | None, door: threading.Lock | None = None
    ) -> None:
        self.engine = engine
        self.key = key
        self.handles = 1
        self._door = door or threading.Lock()
        self._pid = os.getpid()

    @property
    def location(self) -> str:
        return self.engine.location

    def hold(self) -> None:
        """Count one more handle."""
        with self._door:
            self.handles += 1

    def release(self) -> None:
        if self._pid != os.getpid():
            return  # the parent's; one of its threads may have held the door at the fork
        with self._door:
            self.handles -= 1
            if self.handles:
                return
            if self.key is not None:
                _registry.pop(self.key, None)
            self.engine.close()


_registry: dict[Key, SharedEngine] = {}
# One per folder: opening one may wait for another process, and closing one for its last flush.
_doors: WeakValueDictionary[Key, threading.Lock] = WeakValueDictionary()
_doors_lock = threading.Lock()


def _forget_parent() -> None:
    """Let a forked child begin anew: a thread of its parent may have held the lock."""
    global _doors_lock  # noqa: PLW0603 - a lock cannot be made free from outside
    _doors_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How a folder is to be opened, as ``connect`` was asked."""

    read_only: bool
    wait_s: float
    durability: Durability
    memory_limit: int | None


def share(path: Path, options: OpenOptions) -> SharedEngine:
    """Return the engine of a folder; a second handle of this process shares it."""
    # After a fork the child opens its own engine: locks and threads are not inherited.
    key = (str(path), options.read_only, os.getpid())
    with _doors_lock:
        door = _doors.setdefault(key, threading.Lock())
    with door:
        shared = _registry.get(key)
        if shared is not None and not shared.engine.closed:
            shared.engine.check_durability(options.durability)
            shared.handles += 1
            return shared
        if not options.read_only:
            _warn_of_network(path)
        engine = DatabaseEngine(
            LocalDirectory(path, read_only=options.read_only),
            read_only=options.read_only,
            memory_limit=options.memory_limit,
            wait_s=options.wait_s,
            durability=options.durability,
        )
        shared = _registry[key] = SharedEngine(engine, key, door)
        return shared


def _warn_of_network(path: Path) -> None:
    name = network_file_system(str(path))
    if name is not None:
        _log.warning(
            "%s is on a network file system (%s): locks and syncs may not reach other machines; "
            "let one machine only write to it, or use a local disk",
            path,
            name,
        )
