"""Which call of Milvus' protocol is a native one like, for those who give privileges?

What is not here is for administrators alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from elanus_server.service.all_calls import METHODS
from elanus_server.wire import milvus


class Likeness(NamedTuple):
    """A call of Milvus' protocol.

    Attributes:
        method: Its name.
        request: Class of its message.
    """

    method: str
    request: Any


def _like(method: str) -> Likeness:
    return Likeness(method, METHODS[method].request)


_IMPORT = Likeness("Import", milvus.ImportRequest)
COLLECTION: Mapping[str, tuple[Likeness, ...]] = {
    name: tuple(like if isinstance(like, Likeness) else _like(like) for like in likes)
    for names, likes in (
        (
            "aggregate count explain facets get known_item_queries lineage lineage_batches query "
            "query_iterator scan source_documents sources",
            ("Query",),
        ),
        ("embed_queries leg_hits search search_iterator why_not", ("Search",)),
        ("hybrid_search", ("HybridSearch",)),
        (
            "consistency describe embedding_migration last_seq migration_state name properties "
            "retention_s run_analyzer schema search_profile ttl",
            ("DescribeCollection",),
        ),
        ("stats", ("GetCollectionStatistics",)),
        ("list_indexes wait_indexed", ("DescribeIndex",)),
        ("list_partitions", ("ShowPartitions",)),
        ("has_partition", ("HasPartition",)),
        ("insert", ("Insert",)),
        ("upsert", ("Upsert",)),
        ("delete", ("Delete",)),
        ("begin_import", (_IMPORT,)),
        ("begin_sync sync_turn", (_IMPORT, "Delete")),
        ("create_partition", ("CreatePartition",)),
        ("drop_partition", ("DropPartition",)),
        ("create_index", ("CreateIndex",)),
        ("drop_index", ("DropIndex",)),
        ("add_field", ("AddCollectionField",)),
        ("alter_field", ("AlterCollectionField",)),
        ("drop_field migrate_embeddings migration rebuild_terms", ("AlterCollectionSchema",)),
        (
            "alter_properties drop_properties set_properties set_consistency set_retention set_ttl",
            ("AlterCollection",),
        ),
        ("truncate", ("TruncateCollection",)),
        ("drop", ("DropCollection",)),
        ("load", ("LoadCollection",)),
        ("release", ("ReleaseCollection",)),
        ("flush", ("Flush",)),
        ("compact", ("ManualCompaction",)),
    )
    for name in names.split()
}
"""Calls that each call on a collection is like: the user needs what all of them need."""
DATABASE: Mapping[str, Likeness] = {
    name: _like(like)
    for name, like in (
        ("hello", "Connect"),
        ("use_database", "Connect"),
        ("collection", "DescribeCollection"),
        ("has_collection", "HasCollection"),
        ("list_collections", "ShowCollections"),
        ("create_collection", "CreateCollection"),
        ("drop_collection", "DropCollection"),
        ("rename_collection", "RenameCollection"),
        ("create_alias", "CreateAlias"),
        ("alter_alias", "AlterAlias"),
        ("drop_alias", "DropAlias"),
        ("list_aliases", "ListAliases"),
        ("list_databases", "ListDatabases"),
        ("create_database", "CreateDatabase"),
        ("database_properties", "DescribeDatabase"),
        ("alter_database_properties", "AlterDatabase"),
        ("drop_database_properties", "AlterDatabase"),
        ("drop_database", "DropDatabase"),
        ("snapshot", "CreateSnapshot"),
        ("list_snapshots", "ListSnapshots"),
        ("describe_snapshot", "DescribeSnapshot"),
        ("drop_snapshot", "DropSnapshot"),
        ("restore_snapshot", "RestoreSnapshot"),
    )
}
"""The call that each call on a database is like."""


def request_like(like: Likeness, database: str, **names: Any) -> Any:
    """Return the message that a guard reads who asks for what from.

    Args:
        like: The call.
        database: That it means.
        **names: Fields of the message; those that it does not have are left out.
    """
    known = like.request.DESCRIPTOR.fields_by_name
    given = {name: value for name, value in names.items() if name in known}
    if "db_name" in known:
        given["db_name"] = database
    if "collection_names" in known and "collection_name" in names:
        given["collection_names"] = [names["collection_name"]]
    return like.request(**given)
