"""Where do rows without vectors live, and who may write them?

The companions of the store keep plain rows in a collection of their own, which the first write
makes; until then every read is empty. Each call is one call of the engine: a write is durable and
whole when it returns, and visible to the next read of every thread and process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import elanus
from elanus.documents import check_options
from elanus.errors import CollectionExistsError, NotFoundError, SchemaError
from langchain_elanus.lifecycle import Closing

Row = dict[str, Any]


class PlaceOptions(TypedDict, total=False):
    """How the database of a companion is opened.

    Attributes:
        token: Credentials for a server.
        database: An open ``elanus.Database`` to use instead of ``uri``; ``close`` leaves it open.
        several_processes: Open the folder for writing only while something is written, so that
            several processes write in turn and all of them read. A write then takes longer: it
            opens the database.
        wait_s: With ``several_processes``, seconds to wait for another process that writes; 30.
    """

    token: str | None
    database: elanus.Database | None
    several_processes: bool
    wait_s: float


class Place:
    """A database: open for writing all the time, or only while something is written.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server.
        options: See ``PlaceOptions``.

    Raises:
        TypeError: An option does not exist.
        ValueError: ``several_processes`` without a folder.
        DatabaseLockedError: Another process has the folder open for writing.
    """

    def __init__(self, uri: str | os.PathLike[str], options: PlaceOptions) -> None:
        check_options(options, PlaceOptions.__annotations__, "a companion")
        given = options.get("database")
        in_turn = options.get("several_processes", False)
        if in_turn and (given is not None or os.fspath(uri) == ":memory:"):
            what = "database=" if given is not None else "':memory:'"
            raise ValueError(f"several_processes=True needs a folder that they share, got {what}")
        self._uri = uri
        self._token = options.get("token")
        self._wait_s = options.get("wait_s", 30.0)
        self._owns_database = given is None
        self._opening = threading.Lock()
        self._reader: elanus.Database | None = None
        self._writer = given
        if given is None and not in_turn:
            self._writer = elanus.connect(uri, token=self._token)

    @contextlib.contextmanager
    def writing(self) -> Iterator[elanus.Database]:
        """Yield the database for one write.

        Raises:
            DatabaseLockedError: Another process had it open for longer than ``wait_s``.
        """
        if self._writer is not None:
            yield self._writer
            return
        with elanus.connect(self._uri, token=self._token, wait_s=self._wait_s) as database:
            yield database

    def reading(self) -> elanus.Database | None:
        """Return the database for reads, or None while there is none."""
        if self._writer is not None:
            return self._writer
        with self._opening:
            if self._reader is None:
                try:
                    self._reader = elanus.connect(self._uri, token=self._token, read_only=True)
                except NotFoundError:
                    return None
            return self._reader

    def close(self) -> None:
        """Close what was opened here; a second call does nothing."""
        with self._opening:
            if self._reader is not None:
                self._reader.close()
            if self._writer is not None and self._owns_database:
                self._writer.close()


class Table:
    """Rows of one collection without vectors. Safe from many threads at once.

    Args:
        place: Where the collection is, or will be.
        name: Of the collection.
        fields: What a row holds; one of them is the primary key.
        ttl_s: Seconds that a row of a new collection lives; None: for ever.

    Raises:
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        fields: Sequence[elanus.Field],
        *,
        ttl_s: float | None = None,
    ) -> None:
        self._place = place
        self._name = name
        self._properties = {} if ttl_s is None else {"collection.ttl.seconds": ttl_s}
        self._schema = elanus.Schema(fields)
        self._key = self._schema.primary.name
        found = self.collection
        if found is None:
            return
        wanted = {f.name: f.dtype.name for f in fields}
        stored = {f.name: f.dtype.name for f in found.schema.fields}
        if any(stored.get(field) != dtype for field, dtype in wanted.items()):
            raise SchemaError(
                f"collection {name!r} holds something else: expected the fields {wanted}, got "
                f"{stored}; choose another collection_name"
            )

    @property
    def collection(self) -> elanus.Collection | None:
        """The elanus collection for reads, or None before the first write."""
        database = self._place.reading()
        if database is None or not database.has_collection(self._name):
            return None
        return database.collection(self._name)

    def create(self) -> None:
        """Make the collection, unless it is there."""
        with self._writing():
            pass

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows, replacing those with the same key; of equal keys the last wins."""
        if rows:
            with self._writing() as collection:
                collection.upsert(list(rows))

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows whose keys the engine makes."""
        if rows:
            with self._writing() as collection:
                collection.insert(list(rows))

    def get(self, keys: Sequence[str], output: Sequence[str]) -> dict[str, Row]:
        """Return the rows that are there, by key."""
        found = self.collection
        if found is None or not keys:
            return {}
        rows = found.get(list(dict.fromkeys(keys)), list(output))
        return {row[self._key]: row for row in rows}

    def query(
        self, condition: Mapping[str, Any], output: Sequence[str], *, limit: int | None = None
    ) -> list[Row]:
        """Return the rows that pass a filter, in the order of their keys."""
        found = self.collection
        return [] if found is None else found.query(condition, output, limit=limit)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``, in their order, of one snapshot."""
        found = self.collection
        if found is None:
            return
        condition = {self._key: {"$like": _escaped(prefix) + "%"}} if prefix else None
        for batch in found.query_iterator(condition, [self._key]):
            for row in batch:
                yield row[self._key]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete rows by key; those that are not there are no error."""
        if keys and self.collection is not None:
            with self._writing() as collection:
                collection.delete(list(dict.fromkeys(keys)))

    def delete_where(self, condition: Mapping[str, Any]) -> None:
        """Delete the rows that pass a filter."""
        if self.collection is not None:
            with self._writing() as collection:
                collection.delete(filter=condition)

    def truncate(self) -> None:
        """Delete every row."""
        if self.collection is not None:
            with self._writing() as collection:
                collection.truncate()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[elanus.Collection]:
        with self._place.writing() as database:
            if not database.has_collection(self._name):
                # Another thread may be first.
                with contextlib.suppress(CollectionExistsError):
                    database.create_collection(
                        self._name, self._schema, properties=self._properties
                    )
            yield database.collection(self._name)


class TableUser(Closing):
    """Something that keeps its rows in a table.

    Args:
        fields: What a row holds; one of them is the primary key.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        ttl_s: Seconds that a row of a new collection lives; None: for ever.
        **options: See ``PlaceOptions``.

    Raises:
        TypeError: An option does not exist.
        ValueError: ``several_processes`` without a folder.
        DatabaseLockedError: Another process has the folder open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        fields: Sequence[elanus.Field],
        collection_name: str,
        uri: str | os.PathLike[str],
        *,
        ttl_s: float | None = None,
        **options: Unpack[PlaceOptions],
    ) -> None:
        self._place = Place(uri, options)
        try:
            self._table = Table(self._place, collection_name, fields, ttl_s=ttl_s)
        except BaseException:
            self.close()
            raise

    @property
    def collection(self) -> elanus.Collection | None:
        """The elanus collection, or None before the first write; with ``several_processes`` it
        only reads.
        """
        return self._table.collection

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        self._place.close()


def _escaped(text: str) -> str:
    """Return ``text`` as a pattern of LIKE that finds only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
