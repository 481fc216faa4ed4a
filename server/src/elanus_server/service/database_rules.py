"""What do the properties of a database forbid?

Its administrators may close it to reads, to writes, or to changes of one kind, and say how many
collections it may have and how much of the disk.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from elanus import Database
from elanus.errors import NotFoundError
from elanus_server.failures import COLLECTION_LIMIT, QUOTA, MilvusError

READING = "database.force.deny.reading"
WRITING = "database.force.deny.writing"
CHANGING = "database.force.deny.ddl"
MOST_COLLECTIONS = "database.max.collections"
MOST_MB = "database.diskQuota.mb"
MEASURED_S = 1.0
"""Seconds after which sizes are measured anew."""
_MB = 1024 * 1024
_GROWING = frozenset({"Insert", "Upsert", "Import"})
_CLOSED_BY = {
    method: properties
    for properties, methods in {
        (READING,): "Search HybridSearch Query",
        (WRITING,): "Insert Upsert Delete Import",
        (CHANGING, "database.force.deny.collectionDDL"): (
            "CreateCollection DropCollection LoadCollection ReleaseCollection"
        ),
        (CHANGING, "database.force.deny.partitionDDL"): (
            "CreatePartition DropPartition LoadPartitions ReleasePartitions"
        ),
        (CHANGING, "database.force.deny.index"): "CreateIndex DropIndex",
        (CHANGING, "database.force.deny.flush"): "Flush",
        (CHANGING, "database.force.deny.compaction"): "ManualCompaction",
    }.items()
    for method in methods.split()
}
"""Properties that refuse each call: those of Milvus' rate limits."""


def is_ruled(method: str) -> bool:
    """Whether a property of a database may forbid a call."""
    return method in _CLOSED_BY


class DatabaseRules:
    """Holds calls to what the properties of databases say. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[str, tuple[float, int]] = {}

    def check(self, method: str, name: str, database: Database, request: Any) -> None:
        """Refuse a call that the properties of its database forbid.

        Args:
            method: Name of the call.
            name: Of the database.
            database: It.
            request: The message of the call.

        Raises:
            MilvusError: They forbid it.
        """
        properties = database.database_properties()
        if not properties:
            return
        if any(_is_set(properties.get(one)) for one in _CLOSED_BY[method]):
            raise _over("access has been disabled by the administrator")
        if method == "CreateCollection":
            most = _number(properties.get(MOST_COLLECTIONS))
            if most is not None and len(database.list_collections()) >= most:
                raise MilvusError(
                    COLLECTION_LIMIT,
                    f"exceeded the limit number of collections[dbName={name}][limit={most}]",
                )
        elif method in _GROWING:
            most = _number(properties.get(MOST_MB))
            if most is not None and self._size(name, database, request) >= most * _MB:
                raise _over("disk quota exceeded, please allocate more resources")

    def _size(self, name: str, database: Database, request: Any) -> int:
        """Return the bytes of all entities of a database: as they were measured last, and what was
        asked to be written since; the request counts for those after it."""
        with self._lock:
            at, size = self._sizes.get(name, (-MEASURED_S, 0))
            if time.monotonic() - at >= MEASURED_S:
                at, size = time.monotonic(), _bytes_of(database)
            self._sizes[name] = at, size + request.ByteSize()
            return size


def _bytes_of(database: Database) -> int:
    total = 0
    for name in database.list_collections():
        with suppress(NotFoundError):  # dropped meanwhile
            total += sum(one.size_bytes for one in database.collection(name).stats().segments)
    return total


def _over(reason: str) -> MilvusError:
    return MilvusError(QUOTA, f"quota exceeded[reason={reason}]")


def _is_set(value: Any) -> bool:
    """Whether a property says yes; what is no truth value says nothing, as with Milvus."""
    return str(value).lower() in ("true", "t", "1")


def _number(value: Any) -> int | None:
    """Return the number in a property; None: it says none."""
    try:
        return int(str(value))
    except ValueError:
        return None
