"""Where do the rows of the storage companions live, and who may write them?

A ``Table`` is a collection without vectors. The folder is open for writing all the time, or, for
several processes, only while something is written; they then write in turn, and all of them read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import elanus
from elanus.errors import CollectionExistsError, NotFoundError, SchemaError, StateError

MEMORY_URI = ":memory:"


@dataclass(frozen=True, slots=True)
class Place:
    """Which database is meant, and how it is opened.

    Attributes:
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server; never shown.
        database: An open database instead of ``uri``.
        several_processes: Open the folder for writing only while something is written.
        wait_s: Seconds to wait while another process writes.
    """

    uri: str
    token: str = field(default="", repr=False)
    database: Any = None
    several_processes: bool = False
    wait_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.several_processes:
            return
        if self.database is not None or self.uri == MEMORY_URI:
            what = "database=" if self.database is not None else repr(MEMORY_URI)
            raise ValueError(f"several_processes=True needs a folder that they share, got {what}")

    def arguments(self) -> dict[str, Any]:
        """Return what opens this place again, without the token.

        Raises:
            StateError: It is a database that was given open, which no other process can have.
        """
        if self.database is not None:
            raise StateError("a store over a shared database= cannot be pickled; open it by uri=")
        return {
            "uri": self.uri,
            "several_processes": self.several_processes,
            "wait_s": self.wait_s,
        }


class Table:
    """A collection without vectors, made by the first write. Safe from many threads at once.

    Args:
        place: The database.
        name: Of the collection.
        schema: Its fields.
        index_on: Field that most reads select by.

    Raises:
        DatabaseLockedError: Another process has the folder open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(self, place: Place, name: str, schema: elanus.Schema, index_on: str) -> None:
        self._place = place
        self._name = name
        self._schema = schema
        self._index_on = index_on
        self._opening = threading.Lock()
        self._reader: Any = None
        self._writer: Any = place.database
        if place.database is None and not place.several_processes:
            self._writer = elanus.connect(place.uri, token=place.token or None)
        try:
            self._check_fields()
        except SchemaError:
            self.close()
            raise

    @property
    def place(self) -> Place:
        """The database as it was asked for."""
        return self._place

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._name

    def close(self) -> None:
        """Close what was opened here; a database that was given stays open. Idempotent."""
        with self._opening:
            if self._reader is not None:
                self._reader.close()
            if self._writer is not None and self._place.database is None:
                self._writer.close()

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield the collection for reads, or None while nothing was ever written."""
        database = self._readable()
        exists = database is not None and database.has_collection(self._name)
        yield database.collection(self._name) if exists else None

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield the collection for one write.

        Raises:
            DatabaseLockedError: Another process had the folder open for longer than ``wait_s``.
        """
        if self._writer is not None:
            yield self._existing(self._writer)
            return
        with elanus.connect(self._place.uri, wait_s=self._place.wait_s) as database:
            yield self._existing(database)

    @contextmanager
    def changing(self, part: str = "") -> Iterator[Any]:
        """Yield the collection for a write that depends on what it reads.

        Nobody else who asks for the same part of the table is in between, in this process or
        another one.
        """
        with _lock_of(self._name, part), self.writing() as collection:
            yield collection

    def _check_fields(self) -> None:
        with self.reading() as collection:
            stored = {} if collection is None else _fields_of(collection.schema)
        wanted = _fields_of(self._schema)
        if stored and not wanted.items() <= stored.items():
            raise SchemaError(
                f"collection {self._name!r} holds something else: expected the fields {wanted}, "
                f"got {stored}; choose another collection_name"
            )

    def _readable(self) -> Any:
        if self._writer is not None:
            return self._writer
        with self._opening:
            if self._reader is None:
                try:
                    self._reader = elanus.connect(self._place.uri, read_only=True)
                except NotFoundError:
                    return None
            return self._reader

    def _existing(self, database: Any) -> Any:
        if database.has_collection(self._name):
            return database.collection(self._name)
        try:
            collection = database.create_collection(self._name, self._schema)
        except CollectionExistsError:
            return database.collection(self._name)
        collection.create_index(self._index_on)
        return collection


def _fields_of(schema: elanus.Schema) -> dict[str, str]:
    return {field.name: field.dtype.name for field in schema.fields}


_locks: WeakValueDictionary[tuple[str, str, int], threading.Lock] = WeakValueDictionary()
_locks_door = threading.Lock()


def _lock_of(name: str, part: str) -> threading.Lock:
    """Return the lock of a part of all tables of that name: one folder may have several names."""
    with _locks_door:
        return _locks.setdefault((name, part, os.getpid()), threading.Lock())
