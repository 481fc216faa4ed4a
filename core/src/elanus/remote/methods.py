"""Which calls does the protocol have?

A server answers these and no others. What each does to the data says ``Effect``: a server with
several processes may send reads to any of them, and a client may make reads again as it likes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

PATH: Final = "/elanus/v1/call"
"""Where calls are posted to."""
TYPE: Final = "application/x-elanus"
TIMEOUT_HEADER: Final = "elanus-timeout-ms"
"""Milliseconds after which the client no longer waits."""
AGAIN_HEADER: Final = "elanus-again"
"""With a request that may have come before: which server it went to, as its answers name it."""
PROTOCOL: Final = 1


class Effect(StrEnum):
    """What a call does.

    READ: it changes nothing, and any process that reads the folder can answer it. HELD: it changes
    nothing either, and needs what the process holds that began it. WRITE: it changes something.
    """

    READ = "read"
    HELD = "held"
    WRITE = "write"


_COLLECTION: dict[Effect, tuple[str, ...]] = {
    Effect.READ: (
        "aggregate",
        "consistency",
        "count",
        "describe",
        "embed_queries",
        "embedding_migration",
        "explain",
        "facets",
        "get",
        "has_partition",
        "hybrid_search",
        "known_item_queries",
        "last_seq",
        "leg_hits",
        "lineage",
        "list_indexes",
        "list_partitions",
        "name",
        "properties",
        "query",
        "retention_s",
        "run_analyzer",
        "schema",
        "search",
        "search_profile",
        "source_documents",
        "sources",
        "stats",
        "ttl",
        "why_not",
    ),
    Effect.HELD: (
        "lineage_batches",
        "load",
        "migration_state",
        "query_iterator",
        "release",
        "scan",
        "search_iterator",
        "wait_indexed",
    ),
    Effect.WRITE: (
        "add_field",
        "alter_field",
        "alter_properties",
        "begin_import",
        "begin_sync",
        "compact",
        "create_index",
        "create_partition",
        "delete",
        "drop",
        "drop_field",
        "drop_index",
        "drop_partition",
        "drop_properties",
        "flush",
        "insert",
        "migrate_embeddings",
        "migration",
        "rebuild_terms",
        "set_consistency",
        "set_properties",
        "set_retention",
        "set_ttl",
        "sync_turn",
        "truncate",
        "upsert",
    ),
}
_DATABASE: dict[Effect, tuple[str, ...]] = {
    Effect.READ: (
        "collection",
        "database_properties",
        "describe_snapshot",
        "has_collection",
        "hello",
        "list_aliases",
        "list_collections",
        "list_databases",
        "list_snapshots",
        "stats",
        "use_database",
    ),
    Effect.WRITE: (
        "alter_alias",
        "alter_database_properties",
        "backup",
        "create_alias",
        "create_collection",
        "create_database",
        "drop_alias",
        "drop_collection",
        "drop_database",
        "drop_database_properties",
        "drop_snapshot",
        "rename_collection",
        "restore_snapshot",
        "snapshot",
    ),
}
_HELD: dict[Effect, tuple[str, ...]] = {
    # Of what another call began: an iterator, an import, the turn of a sync.
    Effect.HELD: ("begin", "close", "next"),
    Effect.WRITE: ("add", "finish", "forget"),
}


def _by_name(table: dict[Effect, tuple[str, ...]]) -> dict[str, Effect]:
    return {name: effect for effect, names in table.items() for name in names}


COLLECTION_CALLS: Final = _by_name(_COLLECTION)
"""Calls on a collection, and what each does."""
DATABASE_CALLS: Final = _by_name(_DATABASE)
"""Calls on a database."""
HELD_CALLS: Final = _by_name(_HELD)
"""Calls on what another call began."""


def effect_of(name: str) -> Effect | None:
    """Return what a call does, such as ``collection.search``; None: there is no such call.

    Args:
        name: ``collection``, ``database`` or ``held``, a dot, and the name of the call.
    """
    owner, _, call = name.partition(".")
    tables = {"collection": COLLECTION_CALLS, "database": DATABASE_CALLS, "held": HELD_CALLS}
    return tables.get(owner, {}).get(call)
