"""Where do rows without vectors live, and who opens the database for them?

The companions of the store keep plain rows in a collection of their own, which the first write
makes; until then every read is empty. Each call is one call of the engine: a write is durable and
whole when it returns, and visible to the next read of every thread and process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import elanus
from elanus.errors import CollectionExistsError, CollectionNotFoundError, SchemaError
from langchain_elanus.lifecycle import DatabaseUser

Row = dict[str, Any]


class Table:
    """Rows of one collection without vectors. Safe from many threads at once.

    Args:
        database: Where the collection is, or will be.
        name: Of the collection.
        fields: What a row holds; one of them is the primary key.

    Raises:
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self, database: elanus.Database, name: str, fields: Sequence[elanus.Field]
    ) -> None:
        self._database = database
        self._name = name
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
        """The elanus collection, or None before the first write."""
        if not self._database.has_collection(self._name):
            return None
        return self._database.collection(self._name)

    def create(self) -> elanus.Collection:
        """Return the collection; make it when it is not there."""
        if not self._database.has_collection(self._name):
            # Another thread may be first.
            with contextlib.suppress(CollectionExistsError):
                self._database.create_collection(self._name, self._schema)
        return self._database.collection(self._name)

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows, replacing those with the same key; of equal keys the last wins."""
        if rows:
            self.create().upsert(list(rows))

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows whose keys the engine makes."""
        if rows:
            self.create().insert(list(rows))

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

    def delete(self, keys: Sequence[str]) -> int:
        """Delete rows by key and return how many there were."""
        found = self.collection
        return 0 if found is None or not keys else found.delete(list(dict.fromkeys(keys)))

    def delete_where(self, condition: Mapping[str, Any]) -> int:
        """Delete the rows that pass a filter and return how many there were."""
        found = self.collection
        return 0 if found is None else found.delete(filter=condition)

    def truncate(self) -> None:
        """Delete every row."""
        # Somebody may drop the collection meanwhile: then it is as empty as it should be.
        with contextlib.suppress(CollectionNotFoundError):
            found = self.collection
            if found is not None:
                found.truncate()


class TableUser(DatabaseUser):
    """Something that keeps its rows in a table, in a database of its own or a shared one.

    Args:
        fields: What a row holds; one of them is the primary key.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server.
        database: An open database to use instead of ``uri``; ``close`` leaves it open. One that
            was opened with ``read_only=True`` reads what another process writes.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        fields: Sequence[elanus.Field],
        collection_name: str,
        uri: str | os.PathLike[str],
        token: str | None,
        database: elanus.Database | None,
    ) -> None:
        DatabaseUser.__init__(self, uri, token, database)
        try:
            self._table = Table(self._database, collection_name, fields)
        except BaseException:
            self.close()
            raise

    @property
    def collection(self) -> elanus.Collection | None:
        """The elanus collection, or None before the first write."""
        return self._table.collection


def _escaped(text: str) -> str:
    """Return ``text`` as a pattern of LIKE that finds only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
