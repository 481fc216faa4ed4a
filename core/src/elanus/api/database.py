"""A database as users hold it, and how to get one."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from elanus.api.backup import BackupResult, back_up_to
from elanus.api.collection import Collection
from elanus.documents import Documents
from elanus.engine.context import Durability
from elanus.engine.database import DatabaseEngine
from elanus.engine.memory import parse_limit
from elanus.engine.stats import DatabaseStats
from elanus.errors import (
    ClosedError,
    InvalidArgumentError,
    PluginNotInstalledError,
    ReadOnlyError,
)
from elanus.plugins import Embedder
from elanus.schema.collection import Schema
from elanus.storage.catalog import NamedSnapshot
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.medium import network_file_system
from elanus.storage.memory_directory import MemoryDirectory

_log = logging.getLogger(__name__)

MEMORY_URI = ":memory:"
_SERVER_SCHEMES = ("http://", "https://", "grpc://", "grpcs://", "tcp://", "unix:")


class Database:
    """Collections in one folder. Use it in a ``with`` statement, or call ``close``.

    Safe from many threads at once. One process writes; any number may read with
    ``connect(..., read_only=True)``.
    """

    def __init__(self, shared: _SharedEngine, *, read_only: bool) -> None:
        self._shared = shared
        self._read_only = read_only
        self._closed = False

    def create_collection(
        self, name: str, schema: Schema, *, properties: Mapping[str, Any] | None = None
    ) -> Collection:
        """Create a collection, durably.

        Args:
            name: Letters, digits and underscores, at most 255 characters.
            schema: Its fields.
            properties: JSON values to keep with it.

        Raises:
            CollectionExistsError: The name is taken.
            SchemaError: The name is not valid.
        """
        if not isinstance(schema, Schema):
            raise InvalidArgumentError(f"schema: expected a Schema, got {type(schema).__name__}")
        engine = self._writable().create(name, schema, properties or {})
        return Collection(engine)

    def collection(self, name: str) -> Collection:
        """Return an existing collection.

        Raises:
            CollectionNotFoundError: No such collection; names the nearest one.
        """
        return Collection(self._engine().open(name))

    def has_collection(self, name: str) -> bool:
        """Whether a collection has this name."""
        return name in self._engine().names()

    def list_collections(self) -> list[str]:
        """Return the names of all collections, sorted."""
        return self._engine().names()

    def drop_collection(self, name: str) -> None:
        """Delete a collection with all its entities.

        Raises:
            CollectionNotFoundError: No such collection.
        """
        self._writable().drop(name)

    def documents(
        self,
        name: str,
        *,
        embedder: str | Embedder | None = None,
        language: str | None = None,
        **options: Any,
    ) -> Documents:
        """Open or create a collection of texts that embeds and searches them by itself.

        Args:
            name: Of the collection.
            embedder: Name of a plug-in such as ``"minilm"``, or an object with the ``Embedder``
                protocol. None takes the one that the collection was written with; a new
                collection then has full-text search only.
            language: Analyzer of the texts, such as ``"english"``; None takes that of the
                collection, or ``"standard"`` for a new one.
            **options: Further options of ``elanus.documents.Documents.open``.

        Raises:
            ModelMismatchError: The collection was embedded with another model.
            PluginNotInstalledError: No such embedder.
        """
        return Documents.open(self, name, embedder=embedder, language=language, **options)

    def snapshot(self, name: str) -> NamedSnapshot:
        """Keep the state of all collections as of now under a name, durably.

        All collections are cut at one moment. ``search(as_of=name)`` asks for it; deleted and
        replaced entities that belong to it take space until ``drop_snapshot``.

        Raises:
            AlreadyExistsError: The name is taken.
            SchemaError: The name is not valid.
        """
        return self._writable().create_snapshot(name)

    def list_snapshots(self) -> dict[str, NamedSnapshot]:
        """Return the named snapshots, by name."""
        return self._engine().snapshots()

    def drop_snapshot(self, name: str) -> None:
        """Forget a named snapshot, durably.

        Raises:
            NotFoundError: No such snapshot.
        """
        self._writable().drop_snapshot(name)

    def backup(self, path: str | os.PathLike[str], *, keep: int | None = None) -> BackupResult:
        """Copy the database as of now into a folder, while writing goes on.

        Every write that was acknowledged before the call is in the backup. Files that an earlier
        backup in the same folder has are not copied again. Also saves a ``:memory:`` database.

        Args:
            path: The folder of the backups of this database; created when missing.
            keep: Delete all but this many of the newest backups there; None keeps all.

        Raises:
            CorruptionError: A file of the database is damaged; no backup was made.
            InvalidArgumentError: The folder is inside the database, or holds something else.
            StorageError: The medium failed; earlier backups are as they were.
        """
        return back_up_to(self._engine().directory, path, keep=keep)

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._read_only

    def stats(self) -> DatabaseStats:
        """Return bytes on disk and in memory, and the statistics of the collections in use."""
        return self._engine().stats()

    def close(self) -> None:
        """Close this handle; the last handle of a folder closes its files. Idempotent."""
        if not self._closed:
            self._closed = True
            self._shared.release()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.list_collections())} collections"
        return f"Database({self._shared.location!r}, {state})"

    def _engine(self) -> DatabaseEngine:
        if self._closed:
            raise ClosedError("the database is closed; connect again")
        return self._shared.engine

    def _writable(self) -> DatabaseEngine:
        if self._read_only:
            raise ReadOnlyError(
                "the database was opened with read_only=True; connect without it to write"
            )
        return self._engine()


_Key: TypeAlias = tuple[str, bool, int]
"""Folder, whether only for reading, process."""


class _SharedEngine:
    """One engine and the number of handles on it.

    Args:
        engine: The engine.
        key: Where it is registered; None for one that nobody else can ask for.
        door: Held while the folder is opened or closed in this process.
    """

    def __init__(
        self, engine: DatabaseEngine, key: _Key | None, door: threading.Lock | None = None
    ) -> None:
        self.engine = engine
        self.key = key
        self.handles = 1
        self._door = door or threading.Lock()
        self._pid = os.getpid()

    @property
    def location(self) -> str:
        return self.engine.location

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


_registry: dict[_Key, _SharedEngine] = {}
# One per folder: opening one may wait for another process, and closing one for its last flush.
_doors: WeakValueDictionary[_Key, threading.Lock] = WeakValueDictionary()
_doors_lock = threading.Lock()


def _forget_parent() -> None:
    """Let a forked child begin anew: a thread of its parent may have held the lock."""
    global _doors_lock  # noqa: PLW0603 - a lock cannot be made free from outside
    _doors_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def connect(
    uri: str | os.PathLike[str],
    *,
    read_only: bool = False,
    token: str | None = None,
    wait_s: float = 0.0,
    durability: str = "commit",
    sync_interval_ms: float = 100.0,
    memory_limit: int | str | None = None,
) -> Database:
    """Open a database, creating it when there is none.

    Args:
        uri: A folder; ``":memory:"`` for a new private database without files; or the URL of a
            server.
        read_only: Take no lock and refuse writes; works on read-only media and beside a writing
            process, whose writes each search sees. The folder must hold a database.
        token: Credentials for a server.
        wait_s: How long to wait, in seconds, while another process has the folder open for
            writing.
        durability: What a write that has returned survives. ``"commit"``: a power loss.
            ``"interval"``: a crash of the process; a power loss loses at most the last
            ``sync_interval_ms``. ``"os"``: a crash of the process; after a power loss the end may
            be missing, as much as the operating system had not written yet.
        sync_interval_ms: Milliseconds between two syncs with ``"interval"``.
        memory_limit: What the database may hold in memory, in bytes or as ``"512MB"``: rows not
            flushed yet, graphs, decoded columns, merges. Mapped files do not count. With little
            memory, segments are scanned where a graph would not fit. None is no limit.

    Returns:
        A ``Database``. A folder opened twice in one process shares its files.

    Raises:
        DatabaseLockedError: Another process has the folder open for writing; carries its pid.
        NotFoundError: ``read_only`` and no database there.
        PluginNotInstalledError: ``uri`` is a server and no client is installed.
        InvalidArgumentError: ``uri`` is a file, or ``token`` was given without a server.
    """
    options = _OpenOptions(
        read_only, wait_s, Durability(durability, sync_interval_ms), parse_limit(memory_limit)
    )
    path = _folder_of(os.fspath(uri), token)
    if path is None:
        engine = DatabaseEngine(MemoryDirectory(), memory_limit=options.memory_limit)
        return Database(_SharedEngine(engine, None), read_only=read_only)
    return Database(_share(path, options), read_only=read_only)


def _folder_of(uri: str, token: str | None) -> Path | None:
    """Return the folder that is meant; None for a database in memory."""
    if uri.startswith(_SERVER_SCHEMES):
        raise PluginNotInstalledError(
            f"{uri!r} is the URL of a server, and this installation has no client for it; "
            f"pass a folder or ':memory:'",
            name="client",
            extra="elanus-server",
        )
    if token is not None:
        raise InvalidArgumentError(f"token is only for servers; {uri!r} is a folder")
    if uri == MEMORY_URI:
        return None
    path = Path(uri).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise InvalidArgumentError(f"{uri!r} is a file; pass a folder, or a name to create one")
    return path


@dataclass(frozen=True, slots=True)
class _OpenOptions:
    read_only: bool
    wait_s: float
    durability: Durability
    memory_limit: int | None


def _share(path: Path, options: _OpenOptions) -> _SharedEngine:
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
        shared = _registry[key] = _SharedEngine(engine, key, door)
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
