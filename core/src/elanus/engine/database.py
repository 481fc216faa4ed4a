"""What does a database hold open?

One ``DatabaseEngine`` per folder and process: the writer's lock, the catalog, the clock of
sequence numbers, the background worker, and the engines of the collections in use.

Lock order: ``DatabaseEngine._lock``, then a collection's writer lock, never the other way round.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from elanus.engine.background.housekeeping import TIDY_S, Housekeeper
from elanus.engine.background.maintenance import Maintenance
from elanus.engine.collection import CollectionEngine
from elanus.engine.context import Durability, EngineContext
from elanus.engine.definition.names import Changes, check_droppable, check_free, resolve
from elanus.engine.kept_states.named_states import NamedStates, pinned_versions, state_key
from elanus.engine.lifetime import watch
from elanus.engine.memory import MemoryBudget
from elanus.engine.reading import CollectionReader
from elanus.engine.stats import DatabaseStats, folder_bytes
from elanus.errors import (
    ClosedError,
    InvalidArgumentError,
    NotFoundError,
)
from elanus.schema.collection import Schema
from elanus.storage.catalog import (
    Catalog,
    CatalogWatch,
    NamedSnapshot,
    collection_path,
    commit_catalog,
    create_database,
    is_database,
    load_catalog,
    publish_catalog,
    read_format,
)
from elanus.storage.directory import Directory
from elanus.storage.leftovers import holds_writes, is_collection_folder, sweep_leftovers
from elanus.storage.lock import WriterLock
from elanus.storage.reserve import SpaceReserve

_log = logging.getLogger(__name__)


class DatabaseEngine(NamedStates):
    """An open database."""

    def __init__(
        self,
        directory: Directory,
        *,
        read_only: bool = False,
        wait_s: float = 0.0,
        durability: Durability | None = None,
        memory_limit: int | None = None,
    ) -> None:
        """Open or create the database in ``directory``.

        Args:
            directory: Where all files are.
            read_only: Take no lock and refuse writes.
            wait_s: How long to wait, in seconds, for another process to give up its right to
                write.
            durability: What an acknowledged write survives; None: a power loss.
            memory_limit: Bytes that may be held in memory; None is no limit.

        Raises:
            DatabaseLockedError: Another process has it open for writing.
            NotFoundError: There is none, and it was to be opened for reading only.
            CorruptionError: Stored bytes are damaged.
        """
        self._directory = directory
        self._lock = threading.RLock()
        self._collections: dict[str, CollectionReader] = {}
        self._closed = False
        self._write_lock: WriterLock | None = None
        if read_only and not is_database(directory):
            raise NotFoundError(f"no elanus database in {directory.location}; check the path")
        if not read_only:
            directory.make_dir("")
            self._write_lock = WriterLock.acquire(directory, wait_s=wait_s)
        self._catalog = self._load(read_only=read_only)
        self._watch = CatalogWatch(directory)
        self._uncertain: list[NamedSnapshot] = []
        self._context = EngineContext(
            directory,
            self._catalog.db_uuid,
            Maintenance(),
            read_only,
            os.getpid(),
            SpaceReserve(directory),
            durability or Durability(),
            memory=MemoryBudget(memory_limit),
        )
        self._housekeepers = [] if read_only else self._start_housekeepers()
        watch(self)

    def _load(self, *, read_only: bool) -> Catalog:
        """Return the catalog; make and sweep the database when it is opened for writing."""
        directory = self._directory
        try:
            db_uuid = read_format(directory) if read_only else create_database(directory)
            self._catalog = load_catalog(directory, db_uuid)
            if not read_only:
                # A process that was killed may have committed what it never published.
                publish_catalog(directory, self._catalog)
                self._sweep()
            return self._catalog
        except BaseException:
            if self._write_lock is not None:
                self._write_lock.release()
            raise

    @property
    def read_only(self) -> bool:
        """Whether the database was opened for reading only."""
        return self._context.read_only

    def check_durability(self, wanted: Durability) -> None:
        """Refuse another durability than the one that the database was opened with.

        Raises:
            InvalidArgumentError: It differs.
        """
        found = self._context.durability
        if not self.read_only and wanted != found:
            raise InvalidArgumentError(
                f"{self.location} is open in this process with durability {found.mode!r}; close "
                f"it first, or connect with the same"
            )

    @property
    def location(self) -> str:
        """Where the database is, for messages."""
        return self._directory.location

    @property
    def directory(self) -> Directory:
        """Where the files are."""
        return self._directory

    def catalog(self) -> Catalog:
        """Return the names as they are now."""
        with self._lock:
            self._check_open()
            self._follow_catalog()
            return self._catalog

    def change_names(self, change: Callable[[Catalog], Changes]) -> None:
        """Change names of collections, aliases or databases, durably.

        Args:
            change: Returns what is to change in the catalog (``engine.names``).

        Raises:
            ReadOnlyError: Opened for reading only.
        """
        with self._lock:
            self._check_writable()
            self._commit(**change(self._catalog))
            self._follow_names()

    def create(self, name: str, schema: Schema, properties: Mapping[str, Any]) -> CollectionEngine:
        """Create a collection, durably.

        Raises:
            CollectionExistsError: The name is taken.
            ReadOnlyError: Opened for reading only.
            SchemaError: The name is not valid.
        """
        with self._lock:
            self._check_writable()
            check_free(self._catalog, name)
            made = uuid.uuid4()
            engine = CollectionEngine.create(self._context, made, name, schema, properties)
            engine.on_drop = lambda: self.drop(engine.name)
            self._commit(collections={**self._catalog.collections, name: made})
            self._adopt(engine)
            return engine

    def open(self, name: str) -> CollectionReader:
        """Return a collection's engine, opened when it is first asked for.

        Raises:
            CollectionNotFoundError: No such collection.
            CorruptionError: Its files are damaged.
        """
        with self._lock:
            self._check_open()
            self._follow_catalog()
            name = resolve(self._catalog, name)
            if name not in self._collections:
                found = self._catalog.collections[name]
                if self.read_only:
                    self._adopt(CollectionReader.follow(self._context, found, name))
                else:
                    pinned = pinned_versions(self._catalog, found)
                    opened = CollectionEngine.open(self._context, found, name, pinned=pinned)
                    opened.on_drop = lambda: self.drop(opened.name)
                    self._adopt(opened)
            return self._collections[name]

    def drop(self, name: str) -> None:
        """Delete a collection with all its files.

        Raises:
            CollectionNotFoundError: No such collection.
            ReadOnlyError: Opened for reading only.
            StateError: It has an alias, or a named snapshot of the database holds it; snapshots of
                it alone go with it.
        """
        with self._lock:
            self._check_writable()
            check_droppable(self._catalog, name)
            engine = self.open(name)
            found = self._catalog.collections[name]
            left = {n: u for n, u in self._catalog.collections.items() if n != name}
            own = state_key(found, "")
            kept = {n: s for n, s in self._catalog.snapshots.items() if not n.startswith(own)}
            gone = [u for u in self._catalog.dropped if self._directory.is_dir(collection_path(u))]
            self._commit(collections=left, dropped=(*gone, found), snapshots=kept)
            del self._collections[name]
            if isinstance(engine, CollectionEngine):
                engine.discard()

    # --- background -------------------------------------------------------------------------

    def _start_housekeepers(self) -> list[Housekeeper]:
        # Weak, so that a database that nobody holds any more is closed and its threads end.
        reference = weakref.ref(self)

        maintenance = self._context.maintenance

        def each(work: Callable[[CollectionEngine], None]) -> bool:
            alive = reference()
            if alive is None:
                maintenance.close()
                return False
            for engine in alive.open_engines():
                work(engine)
            return True

        started = [Housekeeper(TIDY_S, lambda: each(CollectionEngine.tidy))]
        durability = self._context.durability
        if durability.syncs_in_background:
            period_s = durability.interval_ms / 1000
            started.append(Housekeeper(period_s, lambda: each(CollectionEngine.sync)))
        return started

    def stats(self) -> DatabaseStats:
        """Return bytes on disk and in memory."""
        with self._lock:
            self._check_open()
            collections = {name: found.stats() for name, found in self._collections.items()}
        return DatabaseStats(
            disk_bytes=folder_bytes(self._directory, ""),
            memory_bytes=sum(stats.memory_bytes for stats in collections.values()),
            collections=collections,
        )

    def open_engines(self) -> list[CollectionEngine]:
        """Return the collections that are open for writing."""
        with self._lock:
            return [e for e in self._collections.values() if isinstance(e, CollectionEngine)]

    def close(self) -> None:
        """Stop the worker, flush what is worth a segment, release the lock. Idempotent.

        Raises:
            StorageError: Writes acknowledged with a weaker durability than ``commit`` could not be
                synced; everything is closed all the same.
        """
        # A forked child shares neither threads nor the lock with its parent, and may have
        # inherited a mutex that nobody will ever give back.
        if self._closed or os.getpid() != self._context.owner_pid:
            self._closed = True
            return
        for housekeeper in self._housekeepers:
            housekeeper.close()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._context.maintenance.close()
            self._watch.close()
            # Whatever fails, every collection is closed and the lock is given up.
            with contextlib.ExitStack() as closing:
                if self._write_lock is not None:
                    closing.callback(self._write_lock.release)
                for engine in self._collections.values():
                    closing.callback(engine.close, flush=True)
                self._collections.clear()

    def forget_parent(self) -> None:
        """Let a forked child read: a thread of its parent may have held the lock."""
        self._lock = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def _adopt(self, engine: CollectionReader) -> None:
        found = self._catalog.collections[engine.name]
        engine.named_seq = lambda name: self.named_seq(name, found)
        self._collections[engine.name] = engine

    def _commit(self, **changes: Any) -> None:
        catalog = replace(self._catalog, version=self._catalog.version + 1, **changes)
        commit_catalog(self._directory, catalog)
        self._catalog = catalog

    def _follow_catalog(self) -> None:
        """See what the writing process has created and dropped since."""
        if not self.read_only or self._watch.is_current(self._catalog):
            return
        self._catalog = load_catalog(self._directory, self._catalog.db_uuid)
        self._follow_names()

    def _follow_names(self) -> None:
        """Let the open collections have the names that the catalog says; close what is gone."""
        names = {collection_path(u): name for name, u in self._catalog.collections.items()}
        known, self._collections = self._collections, {}
        for engine in known.values():
            if engine.path in names:
                engine.name = names[engine.path]
                self._collections[engine.name] = engine
            else:
                engine.close(flush=False)

    def _sweep(self) -> None:
        """Remove what a crash left behind: temporary files, collections that were being made or
        dropped."""
        sweep_leftovers(self._directory)
        known = {collection_path(found) for found in self._catalog.collections.values()}
        dropped = {collection_path(found) for found in self._catalog.dropped}
        for name in self._directory.list_names("c"):
            path = f"c/{name}"
            if not is_collection_folder(name) or path in known:
                continue
            if path in dropped or not holds_writes(self._directory, path):
                self._directory.delete_dir(path)
            else:
                _log.warning(
                    "%s: a collection that the catalog does not name is left alone; if catalogs "
                    "were deleted by hand, put them back",
                    path,
                )

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the database is closed; connect again")

    def _check_writable(self) -> None:
        self._check_open()
        self._context.check_writable()
