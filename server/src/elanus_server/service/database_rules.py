"""What do the properties of a database forbid?

Its administrators may close it to reads, to writes, or to changes of one kind, and say how many
collections it may have.
"""

from __future__ import annotations

from typing import Any

from elanus import Database
from elanus_server.failures import COLLECTION_LIMIT, QUOTA, MilvusError

READING = "database.force.deny.reading"
WRITING = "database.force.deny.writing"
CHANGING = "database.force.deny.ddl"
MOST_COLLECTIONS = "database.max.collections"
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


def check_rules(method: str, name: str, database: Database) -> None:
    """Refuse a call that the properties of a database forbid.

    Args:
        method: Name of the call.
        name: Of the database.
        database: It.

    Raises:
        MilvusError: They forbid it.
    """
    properties = database.database_properties()
    if not properties:
        return
    if any(_is_set(properties.get(one)) for one in _CLOSED_BY[method]):
        told = "access has been disabled by the administrator"
        raise MilvusError(QUOTA, f"quota exceeded[reason={told}]")
    if method == "CreateCollection" and MOST_COLLECTIONS in properties:
        most = _number(properties[MOST_COLLECTIONS])
        if most is not None and len(database.list_collections()) >= most:
            raise MilvusError(
                COLLECTION_LIMIT,
                f"exceeded the limit number of collections[dbName={name}][limit={most}]",
            )


def _is_set(value: Any) -> bool:
    """Whether a property says yes; what is no truth value says nothing, as with Milvus."""
    return str(value).lower() in ("true", "t", "1")


def _number(value: Any) -> int | None:
    """Return the number in a property; None: it says none."""
    try:
        return int(str(value))
    except ValueError:
        return None
