"""Where do rows without vectors live, and who may write them?

Caches, key-value stores and conversations of the framework adapters keep plain rows in a collection
of their own, which the first write makes; until then every read is empty. The folder is open for
writing all the time, or, for several processes, only while something is written; they then write in
turn, and all of them read.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict
from weakref import WeakValueDictionary

from elanus.documents.turns import turn
from elanus.errors import CollectionExistsError, NotFoundError, SchemaError, StateError
from elanus.schema.collection import Schema
from elanus.schema.fields import Field

Row = dict[str, Any]
MEMORY_URI = ":memory:"


class PlaceOptions(TypedDict, total=False):
    """How the database of a companion is opened.

    Attributes:
        token: Credentials for a server; never shown or stored.
        database: An open ``elanus.Database`` to use instead of ``uri``; ``close`` leaves it open.
        several_processes: Open the folder for writing only while something is written, so that
            several processes write in turn and all of them read. A write then takes longer: it
            opens the database.
        wait_s: Seconds to wait for another process that writes, with ``several_processes``, or that
            changes the same at a server; 30.
    """

    token: str | None
    database: Any
    several_processes: bool
    wait_s: float


class Place:
    """A database: open for writing all the time, or only while something is written.

    Args:
        connect: ``elanus.connect``, which this layer cannot import.
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server; never shown.
        database: An open database to use instead of ``uri``; ``close`` leaves it open.
        several_processes: Open the folder for writing only while something is written.
        wait_s: Seconds to wait for another process that writes, with ``several_processes``, or that
            changes the same at a server.

    Raises:
        ValueError: ``several_processes`` without a folder.
        DatabaseLockedError: Another process has the folder open for writing.
    """

    def __init__(
        self,
        connect: Callable[..., Any],
        uri: str | os.PathLike[str],
        *,
        token: str | None = None,
        database: Any = None,
        several_processes: bool = False,
        wait_s: float = 30.0,
    ) -> None:
        self.uri = os.fspath(uri)
        if several_processes and (database is not None or self.uri == MEMORY_URI):
            what = "database=" if database is not None else repr(MEMORY_URI)
            raise ValueError(f"several_processes=True needs a folder that they share, got {what}")
        self._connect = connect
        self._token = token or None
        self._shared = database
        self._in_turn = several_processes
        self._wait_s = wait_s
        self._opening = threading.Lock()
        self._reader: Any = None
        self._writer = database
        if database is None and not several_processes:
            self._writer = connect(self.uri, token=self._token)

    def arguments(self) -> dict[str, Any]:
        """Return what opens this place again, without the token.

        Raises:
            StateError: It is a database that was given open, which no other process can have.
        """
        if self._shared is not None:
            raise StateError("a store over a shared database= cannot be pickled; open it by uri=")
        return {"uri": self.uri, "several_processes": self._in_turn, "wait_s": self._wait_s}

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield the database for one write.

        Raises:
            DatabaseLockedError: Another process had it open for longer than ``wait_s``.
        """
        if self._writer is not None:
            yield self._writer
            return
        with self._connect(self.uri, token=self._token, wait_s=self._wait_s) as database:
            yield database

    def turn(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Return what is held while something of that name is read and changed at a server.

        A folder has one process that writes; its threads have locks.
        """
        # Databases of a server ask it; this layer cannot import them.
        if self._writer is None or not hasattr(self._writer, "ask"):
            return contextlib.nullcontext()
        return turn(self._writer, name, wait_s=self._wait_s)

    def reading(self) -> Any:
        """Return the database for reads, or None while there is none."""
        if self._writer is not None:
            return self._writer
        with self._opening:
            if self._reader is None:
                try:
                    self._reader = self._connect(self.uri, token=self._token, read_only=True)
                except NotFoundError:
                    return None
            return self._reader

    def close(self) -> None:
        """Close what was opened here; a second call does nothing."""
        with self._opening:
            if self._reader is not None:
                self._reader.close()
            if self._writer is not None and self._shared is None:
                self._writer.close()


class Table:
    """Rows of one collection without vectors. Safe from many threads at once.

    Each call is one call of the engine: a write is durable and whole when it returns, and visible
    to the next read of every thread and process.

    Args:
        place: Where the collection is, or will be. Closed when it holds something else.
        name: Of the collection.
        fields: What a row holds; one of them is the primary key.
        ttl_s: Seconds that a row of a new collection lives; None: for ever.
        index_on: Field that most reads select by, which gets an index.

    Raises:
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        fields: Sequence[Field],
        *,
        ttl_s: float | None = None,
        index_on: str | None = None,
    ) -> None:
        self.place = place
        self.name = name
        self._schema = Schema(fields)
        self._key = self._schema.primary.name
        self._index_on = index_on
        self._properties = {} if ttl_s is None else {"collection.ttl.seconds": ttl_s}
        try:
            self._check_fields()
        except BaseException:
            place.close()
            raise

    @property
    def collection(self) -> Any:
        """The elanus collection for reads, or None before the first write."""
        database = self.place.reading()
        if database is None or not database.has_collection(self.name):
            return None
        return database.collection(self.name)

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        self.place.close()

    # --- writes -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield the collection for one write; make it if it is not there.

        Raises:
            DatabaseLockedError: Another process had the folder open for too long.
        """
        with self.place.writing() as database:
            if not database.has_collection(self.name):
                self._create_in(database)
            yield database.collection(self.name)

    @contextlib.contextmanager
    def changing(self, part: str = "") -> Iterator[Any]:
        """Yield the collection for a write that depends on what it reads.

        Nobody else who asks for the same part of the table is in between, in this process or
        another one, of this machine or another client of the server.

        Raises:
            DatabaseLockedError: Others were changing it for too long.
        """
        name = f"{self.name}/{part}"
        with _lock_of(self.name, part), self.writing() as collection, self.place.turn(name):
            yield collection

    def create(self) -> None:
        """Make the collection, unless it is there."""
        with self.writing():
            pass

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows, replacing those with the same key; of equal keys the last wins."""
        if rows:
            with self.writing() as collection:
                collection.upsert(list(rows))

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows whose keys the engine makes."""
        if rows:
            with self.writing() as collection:
                collection.insert(list(rows))

    def delete(self, keys: Sequence[str]) -> int:
        """Delete rows by key and return how many there were."""
        if not keys or self.collection is None:
            return 0
        with self.writing() as collection:
            return int(collection.delete(list(dict.fromkeys(keys))))

    def delete_where(self, condition: Mapping[str, Any]) -> None:
        """Delete the rows that pass a filter."""
        if self.collection is not None:
            with self.writing() as collection:
                collection.delete(filter=condition)

    def truncate(self) -> None:
        """Delete every row."""
        if self.collection is not None:
            with self.writing() as collection:
                collection.truncate()

    # --- reads ------------------------------------------------------------------------------

    def get(self, keys: Sequence[str], output: Sequence[str]) -> dict[str, Row]:
        """Return the rows that are there, by key."""
        found = self.collection
        if found is None or not keys:
            return {}
        rows = found.get(list(dict.fromkeys(keys)), list(output))
        return {row[self._key]: row for row in rows}

    def query(
        self, condition: Any, output: Sequence[str], *, limit: int | None = None
    ) -> list[Row]:
        """Return the rows that pass a filter, in the order of their keys."""
        found = self.collection
        return [] if found is None else list(found.query(condition, output, limit=limit))

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``, in their order, of one snapshot."""
        found = self.collection
        if found is None:
            return
        condition = {self._key: {"$like": _escaped(prefix) + "%"}} if prefix else None
        for batch in found.query_iterator(condition, [self._key]):
            for row in batch:
                yield row[self._key]

    # --- inside -----------------------------------------------------------------------------

    def _check_fields(self) -> None:
        found = self.collection
        stored = {} if found is None else _types_of(found.schema)
        wanted = _types_of(self._schema)
        if stored and not wanted.items() <= stored.items():
            raise SchemaError(
                f"collection {self.name!r} holds something else: expected the fields {wanted}, "
                f"got {stored}; choose another collection_name"
            )

    def _create_in(self, database: Any) -> None:
        # Another thread may be first.
        with contextlib.suppress(CollectionExistsError):
            made = database.create_collection(self.name, self._schema, properties=self._properties)
            if self._index_on is not None:
                made.create_index(self._index_on)


def _types_of(schema: Schema) -> dict[str, str]:
    return {field.name: field.dtype.name for field in schema.fields}


def _escaped(text: str) -> str:
    """Return ``text`` as a pattern of LIKE that finds only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_locks: WeakValueDictionary[tuple[str, str, int], threading.Lock] = WeakValueDictionary()
_locks_door = threading.Lock()


def _lock_of(name: str, part: str) -> threading.Lock:
    """Return the lock of a part of all tables of that name: one folder may have several names."""
    with _locks_door:
        return _locks.setdefault((name, part, os.getpid()), threading.Lock())
