"""What does a database hold open?

One ``DatabaseEngine`` per folder and process: the writer's lock, the catalog, the clock of
sequence numbers, the background worker, and the engines of the collections in use.

Lock order: ``DatabaseEngine._lock``, then a collection's writer lock, never the other way round.
"""

from __future__ import annotations

import atexit
import os
import threading
import uuid
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elanus.engine.collection import CollectionEngine
from elanus.engine.context import EngineContext
from elanus.engine.maintenance import Maintenance
from elanus.errors import (
    ClosedError,
    CollectionExistsError,
    CollectionNotFoundError,
    NotFoundError,
    ReadOnlyError,
)
from elanus.schema.collection import Schema, did_you_mean
from elanus.schema.fields import check_name
from elanus.storage.catalog import (
    Catalog,
    collection_path,
    commit_catalog,
    create_database,
    is_database,
    load_catalog,
    read_format,
)
from elanus.storage.directory import Directory
from elanus.storage.leftovers import sweep_leftovers
from elanus.storage.lock import WriterLock


class DatabaseEngine:
    """An open database."""

    def __init__(self, directory: Directory, *, read_only: bool) -> None:
        """Open or create the database in ``directory``.

        Raises:
            DatabaseLockedError: Another process has it open for writing.
            NotFoundError: There is none, and it was to be opened for reading only.
            CorruptionError: Stored bytes are damaged.
        """
        self._directory = directory
        self._lock = threading.RLock()
        self._collections: dict[str, CollectionEngine] = {}
        self._closed = False
        self._write_lock: WriterLock | None = None
        if read_only and not is_database(directory):
            raise NotFoundError(f"no elanus database in {directory.location}; check the path")
        if not read_only:
            directory.make_dir("")
            self._write_lock = WriterLock.acquire(directory)
        try:
            db_uuid = read_format(directory) if read_only else create_database(directory)
            self._catalog: Catalog = load_catalog(directory, db_uuid)
            if not read_only:
                self._sweep()
        except BaseException:
            if self._write_lock is not None:
                self._write_lock.release()
            raise
        self._context = EngineContext(directory, db_uuid, Maintenance(), read_only, os.getpid())
        # The worker must not run into the interpreter's end; the log has what it leaves undone.
        _close_at_exit(self)

    @property
    def read_only(self) -> bool:
        """Whether the database was opened for reading only."""
        return self._context.read_only

    @property
    def location(self) -> str:
        """Where the database is, for messages."""
        return self._directory.location

    def names(self) -> list[str]:
        """Return the names of the collections, sorted."""
        self._check_open()
        return sorted(self._catalog.collections)

    def create(self, name: str, schema: Schema, properties: Mapping[str, Any]) -> CollectionEngine:
        """Create a collection, durably.

        Raises:
            CollectionExistsError: The name is taken.
            ReadOnlyError: Opened for reading only.
            SchemaError: The name is not valid.
        """
        check_name(name, "collection")
        with self._lock:
            self._check_writable()
            if name in self._catalog.collections:
                raise CollectionExistsError(
                    f"collection {name!r} exists already; open it with collection({name!r}) or "
                    f"drop it first"
                )
            made = uuid.uuid4()
            engine = CollectionEngine.create(self._context, made, name, schema, properties)
            collections = {**self._catalog.collections, name: made}
            self._commit(collections)
            self._adopt(engine)
            return engine

    def open(self, name: str) -> CollectionEngine:
        """Return a collection's engine, opened when it is first asked for.

        Raises:
            CollectionNotFoundError: No such collection.
            CorruptionError: Its files are damaged.
        """
        with self._lock:
            self._check_open()
            if name not in self._catalog.collections:
                raise CollectionNotFoundError(
                    f"no collection {name!r}{did_you_mean(name, self.names())}", name=str(name)
                )
            if name not in self._collections:
                found = self._catalog.collections[name]
                self._adopt(CollectionEngine.open(self._context, found, name))
            return self._collections[name]

    def drop(self, name: str) -> None:
        """Delete a collection with all its files.

        Raises:
            CollectionNotFoundError: No such collection.
            ReadOnlyError: Opened for reading only.
        """
        with self._lock:
            self._check_writable()
            engine = self.open(name)
            collections = {n: u for n, u in self._catalog.collections.items() if n != name}
            self._commit(collections)
            del self._collections[name]
            engine.discard()

    def close(self) -> None:
        """Stop the worker, flush what is worth a segment, release the lock. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # A forked child shares neither the worker nor the lock with its parent.
            is_owner = os.getpid() == self._context.owner_pid
            if is_owner:
                self._context.maintenance.close()
            for engine in self._collections.values():
                engine.close(flush=is_owner)
            self._collections.clear()
            if self._write_lock is not None and is_owner:
                self._write_lock.release()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def _adopt(self, engine: CollectionEngine) -> None:
        engine.on_drop = lambda: self.drop(engine.name)
        self._collections[engine.name] = engine

    def _commit(self, collections: Mapping[str, uuid.UUID]) -> None:
        catalog = replace(
            self._catalog, version=self._catalog.version + 1, collections=dict(collections)
        )
        commit_catalog(self._directory, catalog)
        self._catalog = catalog

    def _sweep(self) -> None:
        """Remove what a crash left behind: temporary files, folders that no catalog names."""
        sweep_leftovers(self._directory)
        known = {collection_path(found) for found in self._catalog.collections.values()}
        for name in self._directory.list_names("c"):
            if f"c/{name}" not in known:
                self._directory.delete_dir(f"c/{name}")

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the database is closed; connect again")

    def _check_writable(self) -> None:
        self._check_open()
        if self.read_only:
            raise ReadOnlyError(
                "the database was opened with read_only=True; connect without it to write"
            )


def _close_at_exit(engine: DatabaseEngine) -> None:
    reference = weakref.ref(engine)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close()

    atexit.register(close)
    weakref.finalize(engine, atexit.unregister, close)
